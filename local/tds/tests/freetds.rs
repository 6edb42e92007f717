//! FreeTDS's `tsql`, a client that nobody here wrote. Without it on the machine the test says so and passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{LOGIN, PASSWORD, column, start};
use soxauto_tds::{Cell, Rows, Script, ScriptedBackend, Server};

/// What tsql prints, both of its outputs together.
fn tsql(server: &Server, encryption: &str, password: &str, sql: &str) -> std::io::Result<String> {
    let folder = tempfile::tempdir()?;
    let (authority, config) = (
        folder.path().join("ca.pem"),
        folder.path().join("freetds.conf"),
    );
    std::fs::write(&authority, server.ca_pem())?;
    std::fs::write(
        &config,
        format!(
            "[standin]\nhost = localhost\nport = {}\ntds version = 7.4\nencryption = {encryption}\nca file = {}\n\
             check certificate hostname = yes\nclient charset = UTF-8\n",
            server.addr().port(),
            authority.display()
        ),
    )?;
    let mut child = Command::new("tsql")
        .args(["-S", "standin", "-U", LOGIN, "-P", password, "-o", "q"])
        .env("FREETDSCONF", &config)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // A refused login ends tsql before it reads.
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{sql}\ngo\nexit\n").as_bytes());
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tsql_logs_in_and_reads() {
    if Command::new("tsql").arg("-C").output().is_err() {
        eprintln!("SKIPPED: tsql is not installed (Debian: apt-get install freetds-bin)");
        return;
    }
    let columns = vec![
        column("No_", "nvarchar(20)"),
        column("Amount (LCY)", "decimal(38,20)"),
        column("none", "int"),
    ];
    let row = vec![
        Cell::text("é漢😀"),
        Cell::Decimal(-(10_i128.pow(38) - 1)),
        Cell::Null,
    ];
    let backend =
        ScriptedBackend::new().on("SELECT 1", Script::rows(Rows::cells(columns, vec![row])));
    let server = start(backend).await;
    for encryption in ["off", "request", "require"] {
        let answer = tsql(&server, encryption, PASSWORD, "SELECT 1").unwrap();
        let expected =
            "No_\tAmount (LCY)\tnone\né漢😀\t-999999999999999999.99999999999999999999\tNULL\n";
        assert!(answer.contains(expected), "{encryption}: {answer}");
    }
    let answer = tsql(&server, "require", "wrong", "SELECT 1").unwrap();
    assert!(answer.contains("Msg 18456"), "{answer}");
}
