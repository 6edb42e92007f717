//! The server's TLS identity: a certificate authority of its own and a certificate for this machine only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::StartError;

/// The protocol name of TDS 8.0 in the TLS handshake.
const ALPN_STRICT: &[u8] = b"tds/8.0";

/// A certificate authority made for one server, and that server's key and certificate for `localhost`, `127.0.0.1`
/// and `::1`. Made anew by each [`TlsIdentity::generate`]; the private keys never leave the process.
#[derive(Clone)]
pub struct TlsIdentity {
    ca_pem: Arc<str>,
    /// TLS inside TDS packets. TLS 1.2 only: 1.3's session tickets come after the handshake, where the framing of
    /// TDS 7.x has no place for them, and SQL Server does the same.
    wrapped: TlsAcceptor,
    /// TLS before TDS.
    strict: TlsAcceptor,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

impl TlsIdentity {
    /// Makes a new authority and a certificate signed by it.
    ///
    /// # Errors
    /// When the library cannot make keys or certificates.
    pub fn generate() -> Result<Self, StartError> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.not_before = date_time_ymd(2020, 1, 1);
        ca.not_after = date_time_ymd(2099, 12, 31);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name
            .push(DnType::CommonName, "soxauto SQL Server stand-in authority");
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
        for address in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ] {
            server.subject_alt_names.push(SanType::IpAddress(address));
        }
        server.not_before = date_time_ymd(2020, 1, 1);
        server.not_after = date_time_ymd(2099, 12, 31);
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let certificate = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

        let chain = vec![certificate.der().clone(), ca_certificate.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(Self {
            ca_pem: ca_certificate.pem().into(),
            wrapped: acceptor(&chain, &key, &[&rustls::version::TLS12], &[])?,
            strict: acceptor(
                &chain,
                &key,
                &[&rustls::version::TLS13, &rustls::version::TLS12],
                &[ALPN_STRICT],
            )?,
        })
    }

    /// The authority's certificate, for clients to verify the server with.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn wrapped(&self) -> &TlsAcceptor {
        &self.wrapped
    }

    /// Accepts TLS as TDS 8.0 begins: before anything else.
    pub fn strict(&self) -> &TlsAcceptor {
        &self.strict
    }
}

fn acceptor(
    chain: &[CertificateDer<'static>],
    key: &PrivatePkcs8KeyDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Result<TlsAcceptor, StartError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(chain.to_vec(), PrivateKeyDer::Pkcs8(key.clone_key()))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
