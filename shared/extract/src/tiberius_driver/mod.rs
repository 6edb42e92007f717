//! The driver over tiberius: pure Rust, the first of the two independent readers.

mod bind;
mod decode;
mod failure;
mod identity;
mod session;
mod watched;

use std::sync::Once;

use async_trait::async_trait;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::{
    connection::{ConnectionSettings, Encryption},
    error::ExtractError,
    source::{Driver, Limits, Source},
};
pub(crate) use session::Session;
use watched::{Pulse, Watched};

/// Reads SQL Server with tiberius.
#[derive(Debug, Clone, Copy, Default)]
pub struct TiberiusDriver;

impl TiberiusDriver {
    /// The driver.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

/// Bytes of a packet. SQL Server agrees to at most 16,383 over TLS; measured, more makes tiberius no faster.
const PACKET_BYTES: u32 = 16_000;

#[async_trait]
impl Driver for TiberiusDriver {
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        let (session, _, _) = connect(settings, database, limits).await?;
        Ok(Box::new(session))
    }
}

/// A session, and the host and port where it was led.
pub(crate) async fn connect(
    settings: &ConnectionSettings,
    database: &str,
    limits: &Limits,
) -> Result<(Session, String, u16), ExtractError> {
    install_crypto_provider();
    let by = Instant::from_std(limits.deadline).min(Instant::now() + limits.connect);
    let (mut host, mut port) = (settings.host().to_owned(), settings.port());
    let mut session = open(settings, database, &host, port, limits, by).await;
    // Azure's gateways answer with the address of the server that has the database: followed once.
    if let Err(Opening::Elsewhere { host: to, port: at }) = session {
        (host, port) = (to, at);
        session = open(settings, database, &host, port, limits, by).await;
    }
    match session {
        Ok(session) => Ok((session, host, port)),
        Err(Opening::Failed(e)) => Err(e),
        Err(Opening::Elsewhere { host, port }) => Err(ExtractError::Unreachable {
            address: format!("{host}:{port}"),
            reason: "the server sent us on more than once".into(),
        }),
    }
}

/// Why no session came about.
enum Opening {
    Failed(ExtractError),
    Elsewhere { host: String, port: u16 },
}

async fn open(
    settings: &ConnectionSettings,
    database: &str,
    host: &str,
    port: u16,
    limits: &Limits,
    by: Instant,
) -> Result<Session, Opening> {
    let address = format!("{host}:{port}");
    let unreachable = |reason: String| {
        Opening::Failed(ExtractError::Unreachable {
            address: address.clone(),
            reason,
        })
    };
    let seconds = limits.connect.as_secs();
    let tcp = timeout_at(by, TcpStream::connect((host, port)))
        .await
        .map_err(|_| unreachable(format!("no answer within {seconds} s")))?
        .map_err(|e| unreachable(e.to_string()))?;
    tcp.set_nodelay(true)
        .map_err(|e| unreachable(e.to_string()))?;
    let pulse = Pulse::default();
    let stream = Watched::new(tcp, pulse.clone()).compat_write();
    let config = config(settings, database, host, port, limits);
    match timeout_at(by, Client::connect(config, stream)).await {
        Err(_) => Err(unreachable(format!(
            "the login did not end within {seconds} s"
        ))),
        Ok(Ok(client)) => Ok(Session::new(client, pulse, *limits, settings.tls())),
        Ok(Err(tiberius::error::Error::Routing { host, port })) => {
            Err(Opening::Elsewhere { host, port })
        }
        Ok(Err(e)) => Err(Opening::Failed(failure::connecting(&e, &address))),
    }
}

fn config(
    settings: &ConnectionSettings,
    database: &str,
    host: &str,
    port: u16,
    limits: &Limits,
) -> Config {
    let mut config = Config::new();
    config.host(host);
    config.port(port);
    config.database(database);
    config.application_name("soxauto");
    config.authentication(AuthMethod::sql_server(
        &settings.user,
        settings.password.expose(),
    ));
    config.readonly(settings.read_only_intent);
    config.packet_size(PACKET_BYTES);
    config.encryption(match settings.encryption {
        Encryption::Strict => EncryptionLevel::Strict,
        Encryption::On => EncryptionLevel::Required,
        Encryption::Off => EncryptionLevel::Off,
    });
    let verified = settings.encryption == Encryption::Strict || !settings.trust_certificate;
    if !verified {
        config.trust_cert();
    } else if let Some(pem) = &settings.ca_pem {
        config.trust_cert_ca_bundle(pem.as_bytes());
    }
    if let Some(name) = &settings.host_in_certificate {
        config.hostname_in_certificate(name);
    }
    config.handshake_timeout(Some(limits.connect));
    // Its default of 30 s per answer would end every long query. The session watches deadline and silence itself.
    config.command_timeout(None);
    config
}

/// rustls needs to be told once per process which cryptography it uses; whoever told it first is right.
fn install_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
