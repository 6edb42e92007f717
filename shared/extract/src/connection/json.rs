//! The JSON forms: what RDS and its rotation write, and a connection string with a certificate authority beside it.

use super::{
    ConnectionSettings, Encryption, PORT, Secret, SecretError, check_host, keywords, may_be_shown,
    parse_port, required,
};

/// Reads a JSON object.
pub(super) fn read(text: &str) -> Result<ConnectionSettings, SecretError> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|e| SecretError::Json {
            line: e.line(),
            column: e.column(),
        })?;
    let field = |name: &'static str| -> Result<Option<&str>, SecretError> {
        match object.get(name) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(SecretError::refused(name, "it must be a string")),
        }
    };
    let ca_pem = match field("ca_pem")? {
        Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => {
            return Err(SecretError::refused(
                "ca_pem",
                "it must hold PEM certificates (-----BEGIN CERTIFICATE-----)",
            ));
        }
        pem => pem.map(str::to_owned),
    };
    let accepted: &[&str] = if object.contains_key("connection_string") {
        &["connection_string", "ca_pem"]
    } else {
        // What RDS and its rotation write.
        &[
            "username",
            "password",
            "host",
            "port",
            "dbname",
            "engine",
            "ca_pem",
            "dbInstanceIdentifier",
            "masterarn",
        ]
    };
    if let Some(unknown) = object.keys().find(|key| !accepted.contains(&key.as_str())) {
        // A field's name may be anything, also a password that was put in the wrong place.
        let among_known = object.keys().any(|key| accepted.contains(&key.as_str()));
        let shown = among_known && may_be_shown(unknown);
        return Err(SecretError::refused(
            if shown { unknown } else { "field" },
            "the field is not known; write connection_string and ca_pem, or the RDS fields",
        ));
    }
    if let Some(inner) = field("connection_string")? {
        let inner = inner.trim();
        if inner.is_empty() || inner.starts_with('{') {
            return Err(SecretError::refused(
                "connection_string",
                "it must be an ODBC or ADO connection string",
            ));
        }
        let settings = keywords::read(inner)?;
        return Ok(ConnectionSettings { ca_pem, ..settings });
    }
    if field("engine")?.is_some_and(|engine| !engine.to_ascii_lowercase().starts_with("sqlserver"))
    {
        return Err(SecretError::refused("engine", "it must be sqlserver"));
    }
    let port = match object.get("port") {
        None | Some(serde_json::Value::Null) => 1433,
        Some(serde_json::Value::Number(n)) => n
            .as_u64()
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| SecretError::refused("port", PORT))?,
        Some(serde_json::Value::String(text)) => parse_port("port", text)?,
        Some(_) => return Err(SecretError::refused("port", PORT)),
    };
    let host = field("host")?.ok_or(SecretError::Missing("host"))?.trim();
    check_host("host", host)?;
    Ok(ConnectionSettings {
        host: host.to_owned(),
        port,
        database: field("dbname")?.map(str::to_owned),
        user: required(field("username")?, "username")?,
        password: Secret::new(required(field("password")?, "password")?),
        encryption: Encryption::On,
        trust_certificate: false,
        host_in_certificate: None,
        ca_pem,
        read_only_intent: false,
    })
}
