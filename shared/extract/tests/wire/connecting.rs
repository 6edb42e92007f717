//! Connecting: each way of encrypting, and each way of failing with its own code.

use std::time::{Duration, Instant};

use soxauto_domain::{Code, Retry, receipt::TlsRecord};
use soxauto_extract::{ConnectionSettings, Driver, Limits};
use soxauto_tds::{Cell, Refusal, Rows, Script, ScriptedBackend, SqlError};

use super::{
    DRIVER,
    server::{Fixture, PASSWORD, column, limits, one_row, query},
};

fn backend() -> ScriptedBackend {
    let one = Rows::cells(vec![column("n", "int")], vec![vec![Cell::Int(7)]]);
    ScriptedBackend::new()
        .on_containing("ORIGINAL_LOGIN()", Script::identity(false).unwrap())
        .on("q", Script::rows(one))
}

async fn code_of(secret: &str, limits: &Limits) -> (Code, String) {
    let settings = ConnectionSettings::parse(secret).unwrap();
    match DRIVER.connect(&settings, "AIG_Nav_DW", limits).await {
        Ok(_) => panic!("connected"),
        Err(e) => (e.code(), e.to_string()),
    }
}

#[tokio::test]
async fn each_encryption_is_what_the_evidence_says() {
    let fixture = Fixture::start(backend()).await;
    for (more, tls) in [
        ("Encrypt=yes", TlsRecord::Verified),
        ("Encrypt=strict", TlsRecord::Verified),
        (
            "Encrypt=strict;TrustServerCertificate=yes",
            TlsRecord::Verified,
        ),
        (
            "Encrypt=yes;TrustServerCertificate=yes",
            TlsRecord::Unverified,
        ),
        ("Encrypt=no", TlsRecord::Off),
        (
            "Encrypt=optional;TrustServerCertificate=yes",
            TlsRecord::Off,
        ),
    ] {
        let settings = ConnectionSettings::parse(&fixture.secret(PASSWORD, more)).unwrap();
        let mut source = DRIVER
            .connect(&settings, "AIG_Nav_DW", &limits())
            .await
            .unwrap_or_else(|e| panic!("{more}: {e}"));
        let identity = source.identity().await.unwrap();
        assert_eq!(identity.tls, tls, "{more}");
        assert_eq!(
            (identity.server.as_str(), identity.can_write),
            ("NAV01", false)
        );
        assert_eq!(identity.server_time, "2024-05-01T07:00:00.0000001Z");
        let row = one_row(source.as_mut(), &query("q"))
            .await
            .unwrap_or_else(|e| panic!("{more}: {e}"));
        assert_eq!(row[0].value.as_deref(), Some("7"), "{more}");
    }
    for session in fixture.backend.sessions() {
        assert_eq!(
            (session.database.as_str(), session.application.as_str()),
            ("AIG_Nav_DW", "soxauto")
        );
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let fixture = Fixture::start(backend()).await;
    let port = fixture.server.addr().port();
    for encrypt in ["yes", "strict", "no"] {
        let secret = format!(
            "Server=127.0.0.1,{port};UID=reader;PWD=\"{}\";Encrypt={encrypt}",
            PASSWORD.replace('"', "\"\"")
        );
        let (code, text) = code_of(&secret, &limits()).await;
        assert_eq!(code, Code::SourceTls, "{encrypt}: {text}");
        assert!(!text.contains("Config::"), "{text}");
    }
    assert!(fixture.backend.sessions().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let fixture = Fixture::start(backend()).await;
    let (code, text) = code_of(
        &fixture.secret(PASSWORD, "HostNameInCertificate=elsewhere.example.com"),
        &limits(),
    )
    .await;
    assert_eq!(code, Code::SourceTls, "{text}");
}

#[tokio::test]
async fn refused_logins_say_why_without_the_password() {
    let fixture =
        Fixture::configured(backend(), |config| config.databases = vec!["master".into()]).await;
    let (code, text) = code_of(&fixture.secret("wrong", "Encrypt=yes"), &limits()).await;
    assert_eq!((code, code.retry()), (Code::LoginRefused, Retry::Fatal));
    assert!(text.contains("18456") && !text.contains("wrong"), "{text}");
    let (code, text) = code_of(&fixture.secret(PASSWORD, "Encrypt=yes"), &limits()).await;
    assert_eq!(code, Code::DatabaseUnavailable, "{text}");
}

#[tokio::test]
async fn a_server_that_quotes_the_password_is_not_quoted() {
    let quoting = |number| {
        let said = format!("Refused: '{PASSWORD}', which is {PASSWORD}.");
        SqlError::new(number, 14, said)
    };
    for number in [18456, 4060, 40613, 50000] {
        let refusal = quoting(number);
        let backend = backend().on_login(move |_, _| Some(Refusal::Error(refusal.clone())));
        let fixture = Fixture::start(backend).await;
        let (_, text) = code_of(&fixture.secret(PASSWORD, "Encrypt=yes"), &limits()).await;
        assert!(text.contains(&number.to_string()), "{text}");
        assert!(text.contains("'***', which is ***"), "{text}");
    }
    // A statement's error, on whichever connection; and a column that is called so.
    let named = Rows::cells(
        vec![column(PASSWORD, "int"), column(PASSWORD, "int")],
        vec![vec![Cell::Int(7), Cell::Int(8)]],
    );
    let backend = ScriptedBackend::new()
        .on("fails", Script::error(quoting(50000)))
        .on("named", Script::rows(named))
        .on_containing("ORIGINAL_LOGIN()", Script::error(quoting(229)))
        .on_containing("sp_describe", Script::error(quoting(11514)));
    let fixture = Fixture::start(backend).await;
    let mut source = fixture.session(&limits()).await.unwrap();
    let mut told = vec![
        source.identity().await.unwrap_err(),
        source.describe(&query("q")).await.unwrap_err(),
        source.single_row(&query("fails")).await.unwrap_err(),
    ];
    for text in ["fails", "named"] {
        let mut source = fixture.session(&limits()).await.unwrap();
        told.extend(one_row(source.as_mut(), &query(text)).await.err());
    }
    assert!(told.len() >= 4);
    for error in told {
        assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error}");
    }
}

#[tokio::test]
async fn a_busy_server_may_be_tried_again() {
    let busy = SqlError::new(40613, 17, "Database is not currently available.");
    let backend = backend().on_login(move |_, n| (n == 0).then(|| Refusal::Error(busy.clone())));
    let fixture = Fixture::start(backend).await;
    let error = fixture.session(&limits()).await.err().unwrap();
    assert_eq!(
        (error.code(), error.retry()),
        (Code::SourceBusy, Retry::Here)
    );
    assert!(fixture.session(&limits()).await.is_ok());
}

#[tokio::test]
async fn nobody_there_and_somebody_silent() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let (code, text) = code_of(&format!("Server=127.0.0.1,{port};UID=u;PWD=p"), &limits()).await;
    assert_eq!(code, Code::SourceUnreachable, "{text}");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let began = Instant::now();
    let limits = Limits {
        connect: Duration::from_millis(200),
        ..limits()
    };
    let (code, text) = code_of(&format!("Server=127.0.0.1,{port};UID=u;PWD=p"), &limits).await;
    assert_eq!(code, Code::SourceUnreachable, "{text}");
    assert!(began.elapsed() < Duration::from_secs(5));
}
