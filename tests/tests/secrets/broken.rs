//! Secrets that cannot work, as people store them: each with a password in it that no message may show.

use serde_json::json;

use crate::{Scene, hostile::Hostile};

/// What is wrong, and the secret.
pub(crate) fn secrets(
    scene: &Scene,
    password: &str,
    port: u16,
    hostile: &Hostile,
) -> Vec<(&'static str, String)> {
    let right = scene.secret(port, password);
    let wrong = &scene.canaries.wrong;
    let host = format!("127.0.0.1,{port}");
    vec![
        ("JSON that does not end", right[..right.len() - 9].to_owned()),
        ("JSON with a comma too many", right.replace("\",\"", "\",,\"")),
        (
            "a password that is not quoted",
            format!("Server={host};UID=u;PWD={password};Encrypt=yes"),
        ),
        (
            "the same in ODBC's form",
            format!("DRIVER={{SQL Server}};SERVER={host};UID=u;PWD={password};Encrypt=yes"),
        ),
        (
            "a quote that does not end",
            format!("Server={host};UID=u;PWD=\"{}", password.replace('"', "")),
        ),
        ("the password alone", password.to_owned()),
        ("the password and an equals sign", format!("{password}=")),
        (
            "a URL",
            format!("mssql://u:{}@127.0.0.1:{port}/d?encrypt=true", password.replace(';', "")),
        ),
        (
            "a JDBC URL",
            format!("jdbc:sqlserver://127.0.0.1:{port};user=u;password={password};encrypt=true"),
        ),
        (
            "a misspelt keyword",
            format!("Server={host};UID=u;Pasword=\"{}\"", password.replace('"', "\"\"")),
        ),
        (
            "the password twice",
            format!(
                "Server={host};UID=u;PWD=\"{0}\";Password=\"{0}\"",
                password.replace('"', "\"\"")
            ),
        ),
        (
            "the password in the place of the port",
            format!("Server=\"127.0.0.1,{}\";UID=u;PWD=p", password.replace('"', "\"\"")),
        ),
        (
            "the password in the place of the server",
            format!("Server=\"{}\";UID=u;PWD=p", password.replace('"', "\"\"")),
        ),
        (
            "a field that nobody knows",
            json!({"username": "u", "password": password, "host": "h", password: "x"}).to_string(),
        ),
        (
            "a password that is no text",
            json!({"username": "u", "password": [password], "host": "h"}).to_string(),
        ),
        (
            "a certificate that is none",
            json!({"username": "u", "password": password, "host": "127.0.0.1", "port": port,
                "ca_pem": format!("-----BEGIN CERTIFICATE-----\n{password}\n-----END CERTIFICATE-----")})
            .to_string(),
        ),
        ("a port on which nobody listens", scene.secret(1, password)),
        (
            "a host that there is not",
            right.replace("127.0.0.1", "nowhere.invalid"),
        ),
        (
            "no certificate authority",
            json!({"username": "soxauto_reader", "password": password, "host": "127.0.0.1", "port": port}).to_string(),
        ),
        ("a wrong password", scene.secret(port, wrong)),
        ("a server that quotes", hostile.secret(password)),
    ]
}
