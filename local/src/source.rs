//! The SQL Server stand-in and the connection string that leads to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use soxauto_tds::{EngineBackend, Login, Server, ServerConfig};

use crate::error::StackError;

const LOGIN: &str = "soxauto_reader";
/// Guards generated data on 127.0.0.1: known to everybody who reads this.
const PASSWORD: &str = "Sample-Data-0nly";
const DATABASE: &str = "AIG_Nav_Jumia_Reconciliation";
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The running SQL Server stand-in.
#[derive(Debug)]
pub(crate) struct Source {
    server: Server,
}

impl Source {
    /// Starts it in this process, with `engine` behind it.
    pub(crate) async fn start(engine: SocketAddr) -> Result<Self, StackError> {
        let failed = |error: soxauto_tds::StartError| StackError::Source(error.to_string());
        let mut config = ServerConfig::local(LOGIN, PASSWORD).map_err(failed)?;
        config.default_database = DATABASE.to_owned();
        let backend = Arc::new(EngineBackend::new(engine));
        let server = Server::start(config, backend).await.map_err(failed)?;
        Ok(Self { server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The certificate authority of the server's certificate.
    pub(crate) fn ca_pem(&self) -> &str {
        self.server.ca_pem()
    }

    /// Who may log in from now on.
    pub(crate) fn set_logins(&self, logins: Vec<Login>) {
        self.server.set_logins(logins);
    }

    /// In ODBC's form, TLS on and verified.
    pub(crate) fn connection_string(&self) -> String {
        let address = self.address();
        format!(
            "DRIVER={{ODBC Driver 18 for SQL Server}};SERVER={},{};DATABASE={DATABASE};UID={LOGIN};PWD={PASSWORD};\
             Encrypt=yes;TrustServerCertificate=no",
            address.ip(),
            address.port()
        )
    }

    /// What the source secret holds: the connection string and the certificate authority to trust.
    pub(crate) fn secret(&self) -> String {
        json!({"connection_string": self.connection_string(), "ca_pem": self.ca_pem()}).to_string()
    }

    /// Stops listening and closes the sessions.
    pub(crate) async fn stop(self) {
        // A session that does not end is ended with the process.
        let _ = tokio::time::timeout(STOP_LIMIT, self.server.stop()).await;
    }
}
