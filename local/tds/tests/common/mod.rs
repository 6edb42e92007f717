//! A server and tiberius clients for the tests of this folder.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::sync::Arc;
use std::time::Duration;

use soxauto_tds::{Backend, Column, Server, ServerConfig};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

/// The login of all tests.
pub const LOGIN: &str = "reader";
/// Its password: with characters whose obfuscation is worth testing.
pub const PASSWORD: &str = "P@ss wörd;{€}";

/// A client over TCP.
pub type TestClient = Client<Compat<TcpStream>>;

/// Starts a server on a free port.
pub async fn start(backend: impl Backend) -> Server {
    start_with(ServerConfig::local(LOGIN, PASSWORD).unwrap(), backend).await
}

/// Starts a server with a changed configuration.
pub async fn start_with(config: ServerConfig, backend: impl Backend) -> Server {
    Server::start(config, Arc::new(backend)).await.unwrap()
}

/// How a client reaches the server.
pub fn client_config(server: &Server, encryption: EncryptionLevel) -> Config {
    let mut config = Config::new();
    config.host("localhost");
    config.port(server.addr().port());
    config.authentication(AuthMethod::sql_server(LOGIN, PASSWORD));
    config.encryption(encryption);
    config.trust_cert_ca_bundle(server.ca_pem().as_bytes().to_vec());
    config.application_name("tests");
    config.handshake_timeout(Some(Duration::from_secs(10)));
    config
}

/// Connects with a configuration.
pub async fn connect_with(server: &Server, config: Config) -> tiberius::Result<TestClient> {
    let tcp = TcpStream::connect(server.addr()).await?;
    tcp.set_nodelay(true)?;
    Client::connect(config, tcp.compat_write()).await
}

/// Connects, fully encrypted.
pub async fn connect(server: &Server) -> TestClient {
    connect_with(server, client_config(server, EncryptionLevel::On))
        .await
        .unwrap()
}

/// A column; panics on a type that does not parse.
pub fn column(name: &str, declared: &str) -> Column {
    Column::new(name, declared).unwrap()
}
