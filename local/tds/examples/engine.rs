//! The stand-in in front of a SQL engine that is running already: `engine ADDRESS`, login `reader`, password `reader`.
#![allow(
    clippy::expect_used,
    reason = "a tool for developers: it may stop with a message"
)]

use std::sync::Arc;

use soxauto_tds::{EngineBackend, Server, ServerConfig};

#[tokio::main]
async fn main() {
    let engine = std::env::args()
        .nth(1)
        .and_then(|address| address.parse().ok())
        .expect("usage: engine ADDRESS");
    let mut config = ServerConfig::local("reader", "reader").expect("a configuration");
    config.default_database = "AIG_Nav_DW".to_owned();
    let server = Server::start(config, Arc::new(EngineBackend::new(engine)))
        .await
        .expect("the server starts");
    println!("{}", server.addr().port());
    let closed =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    closed
        .await
        .expect("the input is read")
        .expect("the input can be read");
    server.stop().await;
}
