//! A scripted server and the settings to reach it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use soxauto_domain::{BoundQuery, Sha256};
use soxauto_extract::{
    ConnectionSettings, Driver, ExtractError, Limits, NamedValue, OneRow, Source,
};
use soxauto_tds::{Column, ScriptedBackend, Server, ServerConfig};

use super::DRIVER;

pub(crate) const PASSWORD: &str = "p;w}d\"=x";

/// A running server with the script.
pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) backend: ScriptedBackend,
}

impl Fixture {
    pub(crate) async fn start(backend: ScriptedBackend) -> Self {
        Self::configured(backend, |_| {}).await
    }

    pub(crate) async fn configured(
        backend: ScriptedBackend,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let mut config = ServerConfig::local("reader", PASSWORD).unwrap();
        change(&mut config);
        let server = Server::start(config, Arc::new(backend.clone()))
            .await
            .unwrap();
        Self { server, backend }
    }

    /// The secret, with more keywords behind it.
    pub(crate) fn secret(&self, password: &str, more: &str) -> String {
        let port = self.server.addr().port();
        let string = format!(
            "DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=tcp:127.0.0.1,{port};DATABASE=master;UID=reader;PWD={{{}}};{more}",
            password.replace('}', "}}")
        );
        serde_json::json!({"connection_string": string, "ca_pem": self.server.ca_pem()}).to_string()
    }

    pub(crate) fn settings(&self) -> ConnectionSettings {
        ConnectionSettings::parse(&self.secret(PASSWORD, "Encrypt=yes")).unwrap()
    }

    /// A session with these limits.
    pub(crate) async fn session(&self, limits: &Limits) -> Result<Box<dyn Source>, ExtractError> {
        DRIVER.connect(&self.settings(), "AIG_Nav_DW", limits).await
    }
}

/// The one row of a query, read as rows are read: by the driver under test.
pub(crate) async fn one_row(
    source: &mut dyn Source,
    query: &BoundQuery,
) -> Result<Vec<NamedValue>, ExtractError> {
    let mut sink = OneRow::default();
    source.read(query, &mut sink).await?;
    sink.take()
}

pub(crate) fn limits() -> Limits {
    Limits::until(Instant::now() + Duration::from_secs(60))
}

/// A query without parameters.
pub(crate) fn query(sql: &str) -> BoundQuery {
    BoundQuery {
        sql: sql.into(),
        sha256: Sha256::of(sql),
        parameters: vec![],
    }
}

pub(crate) fn column(name: &str, sql_type: &str) -> Column {
    Column::new(name, sql_type).unwrap()
}
