//! Logging in: every kind of encryption, right and wrong passwords, databases, refusals by the backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use common::{LOGIN, client_config, column, connect, connect_with, start, start_with};
use soxauto_tds::{
    EncryptionPolicy, Login, Refusal, Script, ScriptedBackend, ServerConfig, SqlError,
};
use tiberius::{AuthMethod, EncryptionLevel};

fn one_row() -> Script {
    let schema = Schema::new(vec![Field::new("n", DataType::Int32, true)]);
    let batch =
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int32Array::from(vec![7]))]).unwrap();
    Script::batches(vec![column("n", "int")], vec![batch])
}

fn backend() -> ScriptedBackend {
    ScriptedBackend::new().on("SELECT 7 AS n", one_row())
}

async fn works(server: &soxauto_tds::Server, encryption: EncryptionLevel) {
    let mut client = connect_with(server, client_config(server, encryption))
        .await
        .unwrap_or_else(|error| panic!("{encryption:?}: {error}"));
    let row = client
        .simple_query("SELECT 7 AS n")
        .await
        .unwrap()
        .into_row()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<i32, _>("n"), Some(7), "{encryption:?}");
}

fn number(error: &tiberius::error::Error) -> (u32, u8) {
    match error {
        tiberius::error::Error::Server(token) => (token.code(), token.state()),
        other => panic!("not a server error: {other:?}"),
    }
}

#[tokio::test]
async fn every_encryption_works() {
    let server = start(backend()).await;
    for encryption in [
        EncryptionLevel::NotSupported,
        EncryptionLevel::Off,
        EncryptionLevel::On,
        EncryptionLevel::Required,
        EncryptionLevel::Strict,
    ] {
        works(&server, encryption).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_policy_is_kept() {
    let mut config = ServerConfig::local(LOGIN, common::PASSWORD).unwrap();
    config.encryption = EncryptionPolicy::Required;
    let server = start_with(config.clone(), backend()).await;
    // The client that only offers encryption gets all of it.
    works(&server, EncryptionLevel::Off).await;
    works(&server, EncryptionLevel::On).await;
    config.encryption = EncryptionPolicy::Strict;
    let server = start_with(config, backend()).await;
    works(&server, EncryptionLevel::Strict).await;
    assert!(
        connect_with(&server, client_config(&server, EncryptionLevel::On))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_the_client() {
    let (server, other) = (start(backend()).await, start(backend()).await);
    let config = client_config(&other, EncryptionLevel::On);
    let error = connect_with(&server, config).await.err().unwrap();
    assert!(
        format!("{error:?}").to_lowercase().contains("cert"),
        "{error:?}"
    );
}

#[tokio::test]
async fn wrong_passwords_and_logins_are_refused() {
    let server = start(backend()).await;
    let try_login = async |name: &str, password: &str| {
        let mut config = client_config(&server, EncryptionLevel::On);
        config.authentication(AuthMethod::sql_server(name, password));
        connect_with(&server, config).await
    };
    for wrong in ["", "P@ss wörd;{€", "P@ss wörd;{€}}", "p@ss wörd;{€}"] {
        let error = try_login(LOGIN, wrong).await.err().unwrap();
        assert_eq!(number(&error), (18456, 8), "{wrong:?}");
    }
    let error = try_login("nobody", common::PASSWORD).await.err().unwrap();
    assert_eq!(number(&error), (18456, 5));
    // Logins are found whatever their case.
    assert!(try_login("READER", common::PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_changed_password_refuses_new_sessions_and_leaves_the_open_ones() {
    let server = start(backend()).await;
    let open = async |password: &str| {
        let mut config = client_config(&server, EncryptionLevel::On);
        config.authentication(AuthMethod::sql_server(LOGIN, password));
        connect_with(&server, config).await
    };
    let mut before = open(common::PASSWORD).await.unwrap();
    server.set_logins(vec![Login {
        name: LOGIN.to_owned(),
        password: "another".to_owned(),
        can_write: false,
    }]);
    let error = open(common::PASSWORD).await.err().unwrap();
    assert_eq!(number(&error), (18456, 8));
    assert!(open("another").await.is_ok());
    assert!(before.simple_query("SELECT 7 AS n").await.is_ok());
}

#[tokio::test]
async fn unknown_databases_are_refused() {
    let mut config = ServerConfig::local(LOGIN, common::PASSWORD).unwrap();
    config.databases = vec!["master".to_owned(), "AIG_Nav_DW".to_owned()];
    let backend = backend();
    let server = start_with(config, backend.clone()).await;
    let mut wanted = client_config(&server, EncryptionLevel::On);
    wanted.database("nowhere");
    let error = connect_with(&server, wanted.clone()).await.err().unwrap();
    assert_eq!(number(&error).0, 4060);
    wanted.database("aig_nav_dw");
    connect_with(&server, wanted).await.unwrap();
    let session = backend.sessions().pop().unwrap();
    assert_eq!(session.database, "AIG_Nav_DW");
    assert_eq!(session.application, "tests");
    assert_eq!(session.login, LOGIN);
    assert!(!session.can_write);
    assert!(session.spid >= 51);
}

#[tokio::test]
async fn a_backend_may_refuse_the_first_logins() {
    let backend = backend().on_login(|info, number| {
        (number < 2).then(|| {
            Refusal::Error(SqlError::database_unavailable(
                &info.database,
                &info.server_name,
            ))
        })
    });
    let server = start(backend).await;
    for _ in 0..2 {
        let error = connect_with(&server, client_config(&server, EncryptionLevel::On))
            .await
            .err()
            .unwrap();
        assert_eq!(number(&error).0, 40613);
    }
    works(&server, EncryptionLevel::On).await;
}

#[tokio::test]
async fn packet_sizes_are_negotiated() {
    let server = start(backend()).await;
    for size in [512, 4096, 8192, 32767] {
        let mut config = client_config(&server, EncryptionLevel::NotSupported);
        config.packet_size(size);
        let mut client = connect_with(&server, config).await.unwrap();
        let long = format!("SELECT 7 AS n{}", " ".repeat(100_000));
        let rows = client.simple_query(long).await.unwrap();
        assert_eq!(rows.into_first_result().await.unwrap().len(), 1, "{size}");
    }
}

#[tokio::test]
async fn stopping_ends_every_session() {
    let server = start(backend()).await;
    let mut client = connect(&server).await;
    let address = server.addr();
    tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .expect("stop returns");
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        match client.simple_query("SELECT 7 AS n").await {
            Err(_) => true,
            Ok(stream) => stream.into_results().await.is_err(),
        }
    })
    .await;
    assert_eq!(ended, Ok(true));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
