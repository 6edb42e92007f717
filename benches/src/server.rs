//! The server of the benches, and how it is reached.

use std::sync::Arc;

use serde_json::json;
use soxauto_extract::ConnectionSettings;
use soxauto_tds::{ScriptedBackend, Server, ServerConfig};

use crate::Failure;

/// The only login.
const LOGIN: &str = "reader";
/// Its password: the server holds nothing and listens on 127.0.0.1.
const PASSWORD: &str = "Benchmark-1";

/// Starts it.
///
/// # Errors
/// When no port can be had.
pub async fn start(backend: ScriptedBackend) -> Result<Server, Failure> {
    let mut config = ServerConfig::local(LOGIN, PASSWORD)?;
    config.databases = vec!["master".to_owned(), "AIG_Nav_DW".to_owned()];
    config.default_database = "AIG_Nav_DW".to_owned();
    Ok(Server::start(config, Arc::new(backend)).await?)
}

/// The secret that leads to a server on this port of 127.0.0.1, whose authority's certificate is `authority`; without `tls` the login
/// alone is encrypted.
#[must_use]
pub fn secret(port: u16, authority: &str, tls: bool) -> String {
    let encrypt = if tls { "yes" } else { "no" };
    json!({
        "connection_string": format!("SERVER=tcp:localhost,{port};DATABASE=AIG_Nav_DW;UID={LOGIN};PWD={PASSWORD};Encrypt={encrypt}"),
        "ca_pem": authority,
    })
    .to_string()
}

/// The same, read.
///
/// # Errors
/// When the certificate is none.
pub fn settings(port: u16, authority: &str, tls: bool) -> Result<ConnectionSettings, Failure> {
    Ok(ConnectionSettings::parse(&secret(port, authority, tls))?)
}
