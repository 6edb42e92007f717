//! The connection on which mssql-tds reads the rows: refused as the first one would be, and never with another server
//! than the one whose certificate was verified.

use std::{net::SocketAddr, time::Duration};

use soxauto_domain::Code;
use soxauto_extract::{BulkDriver, ConnectionSettings, Driver, ExtractError, Limits};
use soxauto_tds::{Cell, Refusal, Rows, Script, ScriptedBackend, SqlError};
use tokio::net::{TcpListener, TcpStream};

use crate::mssql_tds::server::{Fixture, PASSWORD, column, limits, one_row, query};

fn backend() -> ScriptedBackend {
    let one = Rows::cells(vec![column("n", "int")], vec![vec![Cell::Int(7)]]);
    ScriptedBackend::new().on("q", Script::rows(one))
}

/// Reads a row through a port, behind which each connection in turn goes to the next of these servers; after the last
/// one, to nobody who answers.
async fn read(
    fixture: &Fixture,
    encrypt: &str,
    servers: Vec<SocketAddr>,
    limits: &Limits,
) -> Result<String, ExtractError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let mut kept = Vec::new();
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let Some(server) = servers.get(number).copied() else {
                kept.push(client);
                continue;
            };
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let secret = fixture
        .secret(PASSWORD, &format!("Encrypt={encrypt}"))
        .replace(&fixture.server.addr().port().to_string(), &port.to_string());
    let settings = ConnectionSettings::parse(&secret).unwrap();
    let mut source = BulkDriver::MssqlTds
        .connect(&settings, "AIG_Nav_DW", limits)
        .await
        .unwrap();
    let row = one_row(source.as_mut(), &query("q")).await;
    proxy.abort();
    row.map(|mut row| row.remove(0).value.unwrap())
}

#[tokio::test]
async fn a_refused_second_login_has_its_code() {
    for (number, code) in [
        (18456, Code::LoginRefused),
        (40613, Code::SourceBusy),
        (4060, Code::DatabaseUnavailable),
    ] {
        let refusal = SqlError::new(number, 14, "No.");
        let backend =
            backend().on_login(move |_, n| (n == 1).then(|| Refusal::Error(refusal.clone())));
        let fixture = Fixture::start(backend).await;
        let mut source = fixture.session(&limits()).await.unwrap();
        let error = one_row(source.as_mut(), &query("q")).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(&number.to_string()), "{error}");
        // The first session goes on, and rows may be asked for again.
        let row = one_row(source.as_mut(), &query("q")).await.unwrap();
        assert_eq!(row[0].value.as_deref(), Some("7"));
    }
}

#[tokio::test]
async fn another_certificate_gets_no_password() {
    for encrypt in ["yes", "strict", "no"] {
        let one = Fixture::start(backend()).await;
        let other = Fixture::start(backend()).await;
        let (here, there) = (one.server.addr(), other.server.addr());
        // The first session, the verification, the rows.
        let ways = [
            vec![here; 3],
            vec![here, here, there],
            vec![here, there, there],
        ];
        for (way, servers) in ways.into_iter().enumerate() {
            let outcome = read(&one, encrypt, servers, &limits()).await;
            if way == 0 {
                assert_eq!(outcome.unwrap(), "7", "{encrypt}");
            } else {
                let error = outcome.unwrap_err();
                assert_eq!(error.code(), Code::SourceTls, "{encrypt} {way}: {error}");
                assert!(!error.to_string().contains(PASSWORD), "{error}");
            }
        }
        assert!(other.backend.sessions().is_empty(), "{encrypt}");
    }
}

#[tokio::test]
async fn somebody_silent_is_given_up() {
    let fixture = Fixture::start(backend()).await;
    let here = fixture.server.addr();
    let limits = Limits {
        connect: Duration::from_millis(1_500),
        ..limits()
    };
    for answered in 1..=2 {
        let error = read(&fixture, "yes", vec![here; answered], &limits)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::SourceUnreachable, "{answered}: {error}");
    }
}
