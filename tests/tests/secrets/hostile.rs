//! A server that lets everybody in and quotes in each error what it was told and what it holds.

use std::sync::Arc;

use serde_json::json;
use soxauto_tds::{Refusal, Script, ScriptedBackend, Server, ServerConfig, SqlError};

use crate::Canaries;

/// The running server.
pub(crate) struct Hostile {
    server: Server,
    login: String,
}

/// Starts it.
pub(crate) async fn start(login: &str, canaries: &Canaries) -> Hostile {
    let password = &canaries.password;
    let quoting = format!(
        "Login failed for user 'x' with the password '{password}' ({}).",
        password.replace('\'', "''")
    );
    let value = format!(
        "Conversion failed when converting the nvarchar value '{}' to data type int.",
        canaries.masked
    );
    let at_login = SqlError::new(4060, 14, quoting.clone());
    let at_statement = SqlError::new(50_000, 16, quoting);
    let converting = SqlError::new(245, 16, value);
    let identity = Script::identity(false).unwrap();
    let backend = ScriptedBackend::new()
        // Every third login is refused.
        .on_login(move |_, n| (n % 3 == 0).then(|| Refusal::Error(at_login.clone())))
        .on_containing(
            "ORIGINAL_LOGIN()",
            identity.but_first(1, Script::error(at_statement)),
        )
        .on_request(move |_| Some(Script::error(converting.clone())));
    let config = ServerConfig::local(login, password).unwrap();
    let server = Server::start(config, Arc::new(backend)).await.unwrap();
    Hostile {
        server,
        login: login.to_owned(),
    }
}

impl Hostile {
    /// A secret that leads to it.
    pub(crate) fn secret(&self, password: &str) -> String {
        json!({"username": self.login, "password": password, "host": "127.0.0.1",
            "port": self.server.addr().port(), "ca_pem": self.server.ca_pem()})
        .to_string()
    }
}
