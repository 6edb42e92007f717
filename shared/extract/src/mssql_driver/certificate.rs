//! Verifies the server's certificate with the same code and the same authorities for both drivers, and hands it on.
//!
//! mssql-tds speaks TLS through OpenSSL, to which the authority of the secret cannot be given. So rustls makes a
//! handshake of its own first and verifies the certificate as it does for tiberius; mssql-tds then accepts nothing but
//! this very certificate, byte for byte.

use std::{io::Write as _, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    connection::{ConnectionSettings, Encryption},
    error::ExtractError,
};

/// A server that has not ended its handshake after so many bytes does not mean to.
const HANDSHAKE_BYTES: usize = 256 * 1024;
/// Bytes of a TDS packet before the login has agreed on a size, without its header.
const PAYLOAD: usize = 4_096 - 8;
const PRELOGIN: u8 = 0x12;
const ENCRYPTION: u8 = 1;
const NOT_SUPPORTED: u8 = 2;

/// The certificate of the server at this address, verified as the secret says, in a file; `None` for a server that has
/// no TLS, where the secret asks for none.
///
/// # Errors
/// `SOURCE_TLS` for a certificate that is not trusted, `SOURCE_UNREACHABLE` for a server that does not answer.
pub(super) async fn verified(
    settings: &ConnectionSettings,
    host: &str,
    port: u16,
) -> Result<Option<NamedTempFile>, ExtractError> {
    let handshake = Handshake {
        address: format!("{host}:{port}"),
        wrapped: settings.encryption != Encryption::Strict,
        received: 0,
    };
    let Some(certificate) = handshake.run(settings, host, port).await? else {
        return Ok(None);
    };
    let file = || -> std::io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new()?;
        file.write_all(&certificate)?;
        file.flush()?;
        Ok(file)
    };
    file().map(Some).map_err(|e| {
        ExtractError::Internal(format!("the server's certificate cannot be written: {e}"))
    })
}

struct Handshake {
    address: String,
    /// In TDS packets, as TDS 7.4 has it.
    wrapped: bool,
    received: usize,
}

impl Handshake {
    async fn run(
        mut self,
        settings: &ConnectionSettings,
        host: &str,
        port: u16,
    ) -> Result<Option<CertificateDer<'static>>, ExtractError> {
        let mut tcp = TcpStream::connect((host, port))
            .await
            .map_err(|e| self.unreachable(e))?;
        tcp.set_nodelay(true).map_err(|e| self.unreachable(e))?;
        if self.wrapped {
            let asked = u8::from(settings.encryption == Encryption::On);
            self.send(&mut tcp, &prelogin(asked)).await?;
            let answer = self.receive(&mut tcp).await?;
            if encryption(&answer) == Some(NOT_SUPPORTED) && asked == 0 {
                return Ok(None);
            }
        }
        let name = settings.host_in_certificate.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|e| self.tls(e))?;
        let config = Arc::new(self.config(settings)?);
        let mut tls = ClientConnection::new(config, name).map_err(|e| self.tls(e))?;
        let mut outgoing = Vec::new();
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut outgoing)
                    .map_err(|e| self.unreachable(e))?;
            }
            self.send(&mut tcp, &outgoing).await?;
            outgoing.clear();
            if !tls.is_handshaking() {
                break;
            }
            let incoming = self.receive(&mut tcp).await?;
            let mut rest = incoming.as_slice();
            while !rest.is_empty() {
                tls.read_tls(&mut rest).map_err(|e| self.unreachable(e))?;
                tls.process_new_packets().map_err(|e| self.tls(e))?;
            }
        }
        match tls.peer_certificates() {
            Some([certificate, ..]) => Ok(Some(certificate.clone().into_owned())),
            _ => Err(self.tls("the server shows no certificate")),
        }
    }

    /// The authorities of the machine and that of the secret, as for the other driver.
    fn config(&self, settings: &ConnectionSettings) -> Result<ClientConfig, ExtractError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = &settings.ca_pem {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|e| self.tls(e))?;
                roots.add(certificate).map_err(|e| self.tls(e))?;
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| self.tls(e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !self.wrapped {
            config.alpn_protocols.push(b"tds/8.0".to_vec());
        }
        Ok(config)
    }

    async fn send(&self, tcp: &mut TcpStream, bytes: &[u8]) -> Result<(), ExtractError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut message = Vec::with_capacity(bytes.len() + 8);
        if self.wrapped {
            let mut packets = bytes.chunks(PAYLOAD).peekable();
            while let Some(payload) = packets.next() {
                let last = u8::from(packets.peek().is_none());
                let [high, low] = (payload.len() as u16 + 8).to_be_bytes();
                message.extend_from_slice(&[PRELOGIN, last, high, low, 0, 0, 1, 0]);
                message.extend_from_slice(payload);
            }
        } else {
            message.extend_from_slice(bytes);
        }
        tcp.write_all(&message)
            .await
            .map_err(|e| self.unreachable(e))
    }

    /// One packet's payload, or what has come.
    async fn receive(&mut self, tcp: &mut TcpStream) -> Result<Vec<u8>, ExtractError> {
        let mut bytes = if self.wrapped {
            let mut header = [0; 8];
            tcp.read_exact(&mut header)
                .await
                .map_err(|e| self.unreachable(e))?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let payload = length
                .checked_sub(8)
                .filter(|payload| *payload > 0)
                .ok_or_else(|| self.unreachable("it does not answer as a SQL Server does"))?;
            vec![0; payload]
        } else {
            vec![0; 16 * 1024]
        };
        if self.wrapped {
            tcp.read_exact(&mut bytes)
                .await
                .map_err(|e| self.unreachable(e))?;
        } else {
            let read = tcp
                .read(&mut bytes)
                .await
                .map_err(|e| self.unreachable(e))?;
            if read == 0 {
                return Err(self.unreachable("it ended the connection during the handshake"));
            }
            bytes.truncate(read);
        }
        self.received += bytes.len();
        if self.received > HANDSHAKE_BYTES {
            return Err(self.unreachable("its handshake does not end"));
        }
        Ok(bytes)
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> ExtractError {
        ExtractError::Unreachable {
            address: self.address.clone(),
            reason: reason.to_string(),
        }
    }

    fn tls(&self, reason: impl std::fmt::Display) -> ExtractError {
        ExtractError::Tls {
            address: self.address.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The client's PRELOGIN: a table of options, each with offset and length, and their values.
fn prelogin(encryption: u8) -> Vec<u8> {
    const OPTIONS: [(u8, &[u8]); 4] = [
        // Version, instance, thread, MARS.
        (0, &[0; 6]),
        (2, &[0]),
        (3, &[0; 4]),
        (4, &[0]),
    ];
    let mut options = OPTIONS.to_vec();
    let encryption = [encryption];
    options.insert(1, (ENCRYPTION, &encryption));
    let mut offset = options.len() as u16 * 5 + 1;
    let mut message = Vec::new();
    for (token, value) in &options {
        message.push(*token);
        message.extend_from_slice(&offset.to_be_bytes());
        message.extend_from_slice(&(value.len() as u16).to_be_bytes());
        offset += value.len() as u16;
    }
    message.push(0xFF);
    for (_, value) in options {
        message.extend_from_slice(value);
    }
    message
}

/// What the server's PRELOGIN says about encryption.
fn encryption(message: &[u8]) -> Option<u8> {
    for option in message.chunks_exact(5) {
        match *option {
            [ENCRYPTION, high, low, ..] => {
                return message
                    .get(usize::from(u16::from_be_bytes([high, low])))
                    .copied();
            }
            [0xFF, ..] => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_asked_is_what_is_read() {
        for asked in [0, 1, 3] {
            assert_eq!(encryption(&prelogin(asked)), Some(asked));
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = encryption(&message);
        }
    }
}
