//! Every accepted form, every refused one, and no panic on any text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn the_odbc_form_with_braces() {
    let s = ConnectionSettings::parse(
        "DRIVER={ODBC Driver 18 for SQL Server};SERVER=tcp:sql.example.com,14330;DATABASE=AIG_Nav_DW;UID=reader;PWD={a;b}}c\"=};Encrypt=yes;TrustServerCertificate=no;",
    )
    .unwrap();
    assert_eq!(
        (s.host(), s.port(), s.user(), s.database()),
        ("sql.example.com", 14330, "reader", Some("AIG_Nav_DW"))
    );
    assert_eq!(s.password.expose(), "a;b}c\"=");
    assert_eq!(s.tls(), TlsRecord::Verified);
    // In ODBC quotes are part of the value.
    let s = ConnectionSettings::parse(
        "Driver=FreeTDS;Server=h;Port=1500;Uid=u;Pwd=\"x\";Encrypt=strict;TrustServerCertificate=yes",
    )
    .unwrap();
    assert_eq!(s.password.expose(), "\"x\"");
    assert_eq!(s.port(), 1500);
    assert_eq!(
        (s.encryption(), s.tls()),
        (Encryption::Strict, TlsRecord::Verified)
    );
}

#[test]
fn the_ado_form_with_quotes() {
    let s = ConnectionSettings::parse(
        "Server = tcp:h,1444 ; Initial Catalog=db; User  Id=u;Password=\"p;\"\"q\"\" ' {\"; Persist Security Info=False;MultipleActiveResultSets=True;Connection Timeout=30;TrustServerCertificate=True",
    )
    .unwrap();
    assert_eq!(s.password.expose(), "p;\"q\" ' {");
    assert_eq!(s.tls(), TlsRecord::Unverified);
    let s =
        ConnectionSettings::parse("Data Source=.;User ID=u;Pwd='it''s';Encrypt=optional").unwrap();
    assert_eq!((s.host(), s.password.expose()), ("localhost", "it's"));
    assert_eq!(s.tls(), TlsRecord::Off);
    let s = ConnectionSettings::parse("Server=::1,1433;UID=u;PWD=p;ApplicationIntent=ReadOnly")
        .unwrap();
    assert_eq!(s.host(), "::1");
    assert!(s.read_only_intent);
    assert_eq!(
        ConnectionSettings::parse("Server=h\\SQL2019,1500;UID=u;PWD=p")
            .unwrap()
            .port(),
        1500
    );
}

#[test]
fn the_json_forms() {
    let rds = serde_json::json!({"username": "u", "password": "p\"{;", "host": "db.eu", "port": 1433, "dbname": "d", "engine": "sqlserver-se", "ca_pem": PEM});
    let s = ConnectionSettings::parse(&rds.to_string()).unwrap();
    assert_eq!(
        (s.host(), s.password.expose(), s.tls()),
        ("db.eu", "p\"{;", TlsRecord::Verified)
    );
    assert!(s.ca_pem.is_some());
    let ours = serde_json::json!({"connection_string": "DRIVER={SQL Server};SERVER=h,1;UID=u;PWD={p}", "ca_pem": PEM});
    let s = ConnectionSettings::parse(&ours.to_string()).unwrap();
    assert_eq!((s.port(), s.ca_pem.as_deref()), (1, Some(PEM)));
}

#[test]
fn what_is_refused_says_why_and_shows_no_value() {
    let base = "Server=h;UID=u;PWD=hunter2;";
    for (secret, says) in [
        (String::new(), "empty"),
        ("{\"a\"".into(), "not a JSON object"),
        ("just some words".into(), "keyword has no '='"),
        (format!("{base}Trusted_Connection=yes"), "Windows identity"),
        (
            format!("{base}Integrated Security=SSPI"),
            "Windows identity",
        ),
        (
            format!("{base}Authentication=ActiveDirectoryInteractive"),
            "SqlPassword",
        ),
        (format!("{base}Encrypt=maybe"), "Encrypt"),
        (format!("{base}ServerCertificate=x.pem"), "ca_pem"),
        (format!("{base}Language=French"), "not known"),
        (format!("{base}QuotedId=no"), "changes what the query means"),
        (
            format!("{base}Column Encryption Setting=Enabled"),
            "Disabled",
        ),
        (format!("{base}PWD=again"), "twice"),
        (format!("{base}Password=again"), "twice"),
        ("UID=u;PWD=hunter2".into(), "no server"),
        ("Server=h;PWD=hunter2".into(), "no user"),
        ("Server=h;UID=u".into(), "no password"),
        ("Server=h;UID=u;PWD={hunter2}".into(), "DRIVER="),
        (
            "Server=h\\INST;UID=u;PWD=hunter2".into(),
            "named instance needs its port",
        ),
        ("Server=np:h;UID=u;PWD=hunter2".into(), "only TCP"),
        ("Server=h:1433;UID=u;PWD=hunter2".into(), "after a comma"),
        ("Server=h,0;UID=u;PWD=hunter2".into(), "1 to 65535"),
        ("Server=(localdb)\\x;UID=u;PWD=hunter2".into(), "LocalDB"),
        (
            "DRIVER={PostgreSQL};Server=h;UID=u;PWD=hunter2".into(),
            "not a driver",
        ),
        (
            "DRIVER={SQL Server};Server=h;UID=u;PWD={hunter2".into(),
            "does not end",
        ),
        ("Server=h;UID=u;PWD=\"hunter2\"x".into(), "text follows"),
        (
            r#"{"username":"u","password":"hunter2","host":"h","engine":"postgres"}"#.into(),
            "sqlserver",
        ),
        (
            r#"{"username":"u","password":"hunter2","host":"h","sslmode":"off"}"#.into(),
            "not known",
        ),
        (
            r#"{"connection_string":"Server=h;UID=u;PWD=hunter2","encrypt":"no"}"#.into(),
            "not known",
        ),
        (r#"{"connection_string":"{}"}"#.into(), "connection_string"),
        (
            r#"{"username":"u","password":7,"host":"h"}"#.into(),
            "must be a string",
        ),
        (
            r#"{"username":"u","password":"hunter2","host":"h","ca_pem":"x"}"#.into(),
            "PEM",
        ),
    ] {
        let error = ConnectionSettings::parse(&secret).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{secret}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(error.code(), Code::SecretInvalid);
    }
}

#[test]
fn a_password_that_was_not_quoted_is_not_shown_in_parts() {
    for secret in [
        "Server=h;UID=u;PWD=abc;hunter2=x",
        "Server=h;UID=u;Password=abc; hunter2 = x;Encrypt=yes",
        "DRIVER={SQL Server};Server=h;UID=u;PWD=abc;hunter2=x",
    ] {
        let error = ConnectionSettings::parse(secret).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("not known") && text.contains("quote"),
            "{text}"
        );
    }
    // Before the password a keyword is only a keyword, and its name helps.
    let error = ConnectionSettings::parse("Server=h;Langage=x;UID=u;PWD=p").unwrap_err();
    assert!(error.to_string().contains("Langage"), "{error}");
}

#[test]
fn a_password_alone_or_in_a_url_is_not_shown_as_a_keyword() {
    for secret in [
        "hunter2=x",
        "Hunter=hunter2",
        "mssql://u:hunter2@h/db?encrypt=true",
        "jdbc:sqlserver://h:1433;user=u;password=hunter2;sslProtocol=TLSv1.2",
        "sqlserver://u:hunter2=@h",
        "Server=h;hunter2=x;UID=u",
        r#"{"hunter2": "x"}"#,
        r#"{"hunter2": "x", "username": "u", "host": "h"}"#,
        r#"{"Hunter": "hunter2"}"#,
    ] {
        let error = ConnectionSettings::parse(secret).unwrap_err();
        let text = format!("{error} {error:?}").to_lowercase();
        assert!(!text.contains("hunter"), "{secret}: {text}");
    }
    let misspelt = r#"{"user": "u", "password": "hunter2", "host": "h"}"#;
    let error = ConnectionSettings::parse(misspelt).unwrap_err();
    assert!(error.to_string().contains("\"user\""), "{error}");
}

#[test]
fn the_password_is_never_printed() {
    let s = ConnectionSettings::parse("Server=h;UID=u;PWD=hunter2").unwrap();
    let shown = format!("{s:?} {:#?} {:?}", s, s.password);
    assert!(
        shown.contains("***") && !shown.contains("hunter2"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = ConnectionSettings::parse(&text);
    }

    #[test]
    fn no_near_miss_panics(text in "(DRIVER=\\{?|Server=|tcp:|np:|UID=|PWD=|Encrypt=|[{}\"';=,:\\\\ ]|é|[a-z0-9]{1,4}){0,30}") {
        let _ = ConnectionSettings::parse(&text);
    }

    #[test]
    fn any_password_survives_each_form(password in "[^\\x00]{1,40}") {
        let odbc = format!("DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=h;UID=u;PWD={{{}}};Encrypt=yes", password.replace('}', "}}"));
        let parsed = ConnectionSettings::parse(&odbc).unwrap();
        prop_assert_eq!(parsed.password.expose(), password.as_str());
        let ado = format!("Server=h;User Id=u;Password=\"{}\";Encrypt=true", password.replace('"', "\"\""));
        let parsed = ConnectionSettings::parse(&ado).unwrap();
        prop_assert_eq!(parsed.password.expose(), password.as_str());
        let rds = serde_json::json!({"username": "u", "password": password, "host": "h"}).to_string();
        let parsed = ConnectionSettings::parse(&rds).unwrap();
        prop_assert_eq!(parsed.password.expose(), password.as_str());
    }
}
