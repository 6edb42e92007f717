//! The bulk reader over Microsoft's mssql-tds: its decoder writes each cell where it belongs, without an object per row.
//!
//! It reads rows and nothing else: description, identity, control totals and witnesses stay with tiberius, so that two
//! decoders that nobody here wrote agree on every extract ([`crate::bulk`]).

mod bind;
mod cells;
mod certificate;
mod failure;
mod long;
mod session;
mod text;

use std::time::Duration;

use mssql_tds::{
    connection::client_context::ClientContext,
    connection_provider::tds_connection_provider::TdsConnectionProvider,
    core::{EncryptionOptions, EncryptionSetting},
    message::login_options::ApplicationIntent,
};
use tokio::time::{Instant, timeout_at};

pub(crate) use session::Session;

use crate::{
    connection::{ConnectionSettings, Encryption},
    error::ExtractError,
    source::Limits,
};

/// Bytes of a packet. SQL Server agrees to at most 16,383 over TLS, and says so.
const PACKET_BYTES: u16 = 32_000;

/// Connects to the server that the other driver was led to, and logs in.
///
/// # Errors
/// Unreachable, TLS, login refused, database unavailable.
pub(crate) async fn connect(
    settings: &ConnectionSettings,
    database: &str,
    (host, port): (&str, u16),
    limits: &Limits,
) -> Result<Session, ExtractError> {
    let by = Instant::from_std(limits.deadline).min(Instant::now() + limits.connect);
    let opening = open(settings, database, host, port, limits.connect);
    // Boxed: the login's state is large, and the rows' must not carry it.
    match timeout_at(by, Box::pin(session::contained(opening))).await {
        Ok(session) => Ok(Session::new(session??, *limits)),
        Err(_) => Err(ExtractError::Unreachable {
            address: format!("{host}:{port}"),
            reason: format!(
                "the login did not end within {} s",
                limits.connect.as_secs()
            ),
        }),
    }
}

async fn open(
    settings: &ConnectionSettings,
    database: &str,
    host: &str,
    port: u16,
    patience: Duration,
) -> Result<session::Client, ExtractError> {
    let trusted = settings.encryption == Encryption::On && settings.trust_certificate;
    let certificate = if trusted {
        None
    } else {
        certificate::verified(settings, host, port).await?
    };
    let address = format!("{host}:{port}");
    let source = format!("tcp:{host},{port}");
    let mut context = ClientContext::with_data_source(&source);
    context.application_name = "soxauto".into();
    context.user_name = settings.user.clone();
    context.password = settings.password.expose().to_owned();
    context.database = database.to_owned();
    context.packet_size = PACKET_BYTES;
    if settings.read_only_intent {
        context.application_intent = ApplicationIntent::ReadOnly;
    }
    // One attempt, and no silent reconnection later: a second try is the caller's to make.
    context.connect_retry_count = 0;
    context.connect_timeout = u32::try_from(patience.as_secs().max(1)).unwrap_or(u32::MAX);
    context.encryption_options = EncryptionOptions {
        mode: match settings.encryption {
            Encryption::Strict => EncryptionSetting::Strict,
            Encryption::On => EncryptionSetting::Required,
            Encryption::Off => EncryptionSetting::PreferOff,
        },
        trust_server_certificate: trusted,
        host_name_in_cert: None,
        server_certificate: certificate.as_ref().map(|file| file.path().to_owned()),
    };
    let client = TdsConnectionProvider::new()
        .create_client(context, &source, None)
        .await
        .map_err(|e| failure::connecting(&e, &address))?;
    if settings.encryption != Encryption::Off && !client.is_encrypted() {
        return Err(ExtractError::Tls {
            address,
            reason: "the server does not offer the encryption that the secret asks for".into(),
        });
    }
    Ok(client)
}
