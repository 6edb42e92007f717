//! What the secret says about the connection: ODBC string, ADO string, RDS JSON or our JSON, read strictly.
//!
//! A keyword that is not known here is refused rather than ignored: it could weaken the connection or change what the
//! query means. The few that change neither are listed in [`IGNORED`].

use std::{collections::BTreeMap, fmt};

use soxauto_domain::{Code, receipt::TlsRecord};

use crate::connection_string::{self, Dialect};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TDS 8.0: TLS before anything else; the certificate is always verified.
    Strict,
    /// TDS 7.4: TLS negotiated before the login.
    On,
    /// Only the login is encrypted; rows travel in the clear.
    Off,
}

/// Why the secret cannot be used. Never holds a value of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing in it.
    #[error("the secret is empty; store an ODBC or ADO connection string, or the RDS JSON form")]
    Empty,
    /// Not JSON although it begins like it.
    #[error("the secret begins with '{{' but is not a JSON object (line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Not `keyword=value;…`.
    #[error("the connection string cannot be read: {0}")]
    Syntax(&'static str),
    /// Something is missing.
    #[error("the secret has no {0}")]
    Missing(&'static str),
    /// A keyword or JSON field that is not accepted.
    #[error("the secret's {keyword:?} is refused: {reason}")]
    Refused {
        /// The keyword as written, cut to 60 characters.
        keyword: String,
        /// Why, and what to write instead.
        reason: &'static str,
    },
    /// The same thing twice.
    #[error("the secret gives {0:?} twice")]
    Twice(String),
}

impl SecretError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::SecretInvalid
    }

    fn refused(keyword: &str, reason: &'static str) -> Self {
        Self::Refused {
            keyword: keyword.chars().take(60).collect(),
            reason,
        }
    }
}

/// Where and how to connect. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) encryption: Encryption,
    pub(crate) trust_certificate: bool,
    pub(crate) host_in_certificate: Option<String>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) read_only_intent: bool,
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("password", &self.password)
            .field("encryption", &self.encryption)
            .field("trust_certificate", &self.trust_certificate)
            .field("host_in_certificate", &self.host_in_certificate)
            .field("ca_pem", &self.ca_pem.is_some())
            .field("read_only_intent", &self.read_only_intent)
            .finish()
    }
}

/// Keywords that change neither what is protected nor what the query means: time-outs and pools are ours.
const IGNORED: &[&str] = &[
    "app",
    "application name",
    "asynchronous processing",
    "command timeout",
    "connect retry count",
    "connect retry interval",
    "connect timeout",
    "connection lifetime",
    "connection timeout",
    "connectretrycount",
    "connectretryinterval",
    "description",
    "enlist",
    "failover partner",
    "failover_partner",
    "getdataextensions",
    "ip address preference",
    "ipaddresspreference",
    "keepalive",
    "keepaliveinterval",
    "load balance timeout",
    "logintimeout",
    "longasmax",
    "mars_connection",
    "max pool size",
    "min pool size",
    "multi subnet failover",
    "multiple active result sets",
    "multipleactiveresultsets",
    "multisubnetfailover",
    "packet size",
    "packetsize",
    "persist security info",
    "persistsecurityinfo",
    "pool blocking period",
    "poolblockingperiod",
    "pooling",
    "querylog_on",
    "replication",
    "retryexec",
    "serverspn",
    "statslog_on",
    "tds_version",
    "timeout",
    "transparentnetworkipresolution",
    "type system version",
    "workstation id",
    "wsid",
];

impl ConnectionSettings {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SecretError`] names the keyword and what to do, never a value.
    pub fn parse(secret: &str) -> Result<Self, SecretError> {
        let text = secret.trim().trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.starts_with('{') {
            return from_json(text);
        }
        from_string(text)
    }

    /// Host name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The login.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database that the secret names; the plan's database is the one that is opened.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// How the connection is encrypted.
    #[must_use]
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// What the evidence will say about TLS.
    #[must_use]
    pub fn tls(&self) -> TlsRecord {
        match (self.encryption, self.trust_certificate) {
            (Encryption::Off, _) => TlsRecord::Off,
            // Strict verifies whatever the secret says, as Microsoft's drivers do.
            (Encryption::Strict, _) | (Encryption::On, false) => TlsRecord::Verified,
            (Encryption::On, true) => TlsRecord::Unverified,
        }
    }
}

fn from_json(text: &str) -> Result<ConnectionSettings, SecretError> {
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
        return Err(SecretError::refused(
            unknown,
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
        let settings = from_string(inner)?;
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
        password: Secret(required(field("password")?, "password")?),
        encryption: Encryption::On,
        trust_certificate: false,
        host_in_certificate: None,
        ca_pem,
        read_only_intent: false,
    })
}

fn required(text: Option<&str>, what: &'static str) -> Result<String, SecretError> {
    text.filter(|t| !t.is_empty())
        .map(str::to_owned)
        .ok_or(SecretError::Missing(what))
}

const PORT: &str = "a port is a number from 1 to 65535";

fn parse_port(keyword: &str, text: &str) -> Result<u16, SecretError> {
    text.trim()
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| SecretError::refused(keyword, PORT))
}

fn check_host(keyword: &str, host: &str) -> Result<(), SecretError> {
    if host.is_empty() {
        return Err(SecretError::Missing("server"));
    }
    if host.chars().any(|c| {
        c.is_whitespace() || c.is_control() || matches!(c, '/' | '\\' | '@' | ',' | '(' | ')')
    }) {
        return Err(SecretError::refused(
            keyword,
            "it must be a host name or an address, with the port after a comma: host,1433",
        ));
    }
    Ok(())
}

fn from_string(text: &str) -> Result<ConnectionSettings, SecretError> {
    let (dialect, pairs) = connection_string::pairs(text)?;
    let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
    for (keyword, value) in pairs {
        let Some(name) = canonical(&keyword, &value, dialect)? else {
            continue;
        };
        if found.insert(name, value).is_some() {
            return Err(SecretError::Twice(keyword.chars().take(60).collect()));
        }
    }
    let server = found.get("server").ok_or(SecretError::Missing("server"))?;
    let (host, port_of_server) = server_address(server)?;
    let port_keyword = found
        .get("port")
        .map(|text| parse_port("port", text))
        .transpose()?;
    let port = match (port_of_server, port_keyword) {
        (Some(a), Some(b)) if a != b => return Err(SecretError::Twice("port".into())),
        (a, b) => a.or(b).unwrap_or(1433),
    };
    let encryption = match found.get("encrypt").map(|v| v.to_ascii_lowercase()).as_deref() {
        None | Some("yes" | "true" | "mandatory" | "1") => Encryption::On,
        Some("strict") => Encryption::Strict,
        Some("no" | "false" | "optional" | "0") => Encryption::Off,
        Some(_) => {
            return Err(SecretError::refused(
                "Encrypt",
                "write yes, mandatory, strict, no or optional",
            ));
        }
    };
    let read_only_intent = match found.get("intent").map(|v| v.to_ascii_lowercase()).as_deref() {
        None | Some("readwrite") => false,
        Some("readonly") => true,
        Some(_) => {
            return Err(SecretError::refused(
                "ApplicationIntent",
                "write ReadOnly or ReadWrite",
            ));
        }
    };
    Ok(ConnectionSettings {
        host,
        port,
        database: found.get("database").filter(|d| !d.is_empty()).cloned(),
        user: required(found.get("user").map(String::as_str), "user")?,
        password: Secret(required(
            found.get("password").map(String::as_str),
            "password",
        )?),
        encryption,
        trust_certificate: found
            .get("trust")
            .map(|text| yes_or_no("TrustServerCertificate", text))
            .transpose()?
            .unwrap_or(false),
        host_in_certificate: found
            .get("host in certificate")
            .filter(|h| !h.is_empty())
            .cloned(),
        ca_pem: None,
        read_only_intent,
    })
}

/// What the keyword means to us; `None` when it is ignored.
fn canonical(
    keyword: &str,
    value: &str,
    dialect: Dialect,
) -> Result<Option<&'static str>, SecretError> {
    let lower = keyword.to_ascii_lowercase();
    let name = match lower.as_str() {
        "server" | "data source" | "address" | "addr" | "network address" => "server",
        "port" => "port",
        "database" | "initial catalog" => "database",
        "uid" | "user id" | "user" => "user",
        "pwd" | "password" => "password",
        "encrypt" => "encrypt",
        "trustservercertificate" | "trust server certificate" => "trust",
        "hostnameincertificate" | "host name in certificate" => "host in certificate",
        "applicationintent" | "application intent" => "intent",
        "driver" if dialect == Dialect::Odbc => {
            let driver = value.to_ascii_lowercase();
            if !driver.contains("sql server") && !driver.contains("freetds") {
                return Err(SecretError::refused(
                    keyword,
                    "it is not a driver for SQL Server",
                ));
            }
            "driver"
        }
        "trusted_connection" | "integrated security" => {
            if value.eq_ignore_ascii_case("sspi") || yes_or_no(keyword, value)? {
                return Err(SecretError::refused(
                    keyword,
                    "a Lambda function has no Windows identity; use a SQL Server login",
                ));
            }
            return Ok(None);
        }
        "authentication" => {
            let plain = value.to_ascii_lowercase().replace(' ', "");
            if plain != "sqlpassword" {
                return Err(SecretError::refused(
                    keyword,
                    "only SqlPassword is supported",
                ));
            }
            return Ok(None);
        }
        "columnencryption" | "column encryption setting" => {
            if !value.eq_ignore_ascii_case("disabled") {
                return Err(SecretError::refused(
                    keyword,
                    "encrypted columns cannot be read exactly; use Disabled",
                ));
            }
            return Ok(None);
        }
        "quotedid" | "ansinpw" => {
            if !yes_or_no(keyword, value)? {
                return Err(SecretError::refused(
                    keyword,
                    "it changes what the query means; use yes",
                ));
            }
            return Ok(None);
        }
        "network" | "net" | "network library" => {
            if !value.to_ascii_lowercase().starts_with("dbmssocn") {
                return Err(SecretError::refused(
                    keyword,
                    "only TCP/IP (dbmssocn) is supported",
                ));
            }
            return Ok(None);
        }
        "servercertificate" | "server certificate" => {
            return Err(SecretError::refused(
                keyword,
                "give the certificate authority as ca_pem in the JSON form",
            ));
        }
        "dsn" | "filedsn" | "savefile" => {
            return Err(SecretError::refused(
                keyword,
                "there is no data source on a Lambda function; write SERVER=…",
            ));
        }
        other if IGNORED.contains(&other) => return Ok(None),
        _ => {
            return Err(SecretError::refused(
                keyword,
                "the keyword is not known here and could change what is protected or what the query means; remove it",
            ));
        }
    };
    Ok(Some(name))
}

fn yes_or_no(keyword: &str, text: &str) -> Result<bool, SecretError> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(SecretError::refused(keyword, "write yes or no")),
    }
}

/// `tcp:host\instance,port` and its shorter forms.
fn server_address(text: &str) -> Result<(String, Option<u16>), SecretError> {
    let refuse = |reason| SecretError::refused("Server", reason);
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("(localdb)") {
        return Err(refuse("LocalDB cannot be reached over the network"));
    }
    let rest = match lower.split_once(':').map(|(protocol, _)| protocol) {
        Some("tcp") => text.get(4..).unwrap_or_default(),
        Some("np" | "lpc" | "admin") => {
            return Err(refuse("only TCP is supported: tcp:host,1433"));
        }
        _ => text,
    };
    let (name, port) = match rest.rsplit_once(',') {
        Some((name, port)) => (name.trim(), Some(parse_port("Server", port)?)),
        None => (rest.trim(), None),
    };
    let host = match name.split_once('\\') {
        // With a port the instance's name is redundant.
        Some((host, _)) if port.is_some() => host,
        Some(_) => {
            return Err(refuse(
                "a named instance needs its port: host\\instance,1433 (the SQL Browser is not asked)",
            ));
        }
        None => name,
    };
    let host = match host {
        "." | "(local)" => "localhost",
        other => other
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(other),
    };
    // More than one colon is an IPv6 address; exactly one is a port in the wrong place.
    if host.matches(':').count() == 1 {
        return Err(refuse("write the port after a comma: host,1433"));
    }
    check_host("Server", host)?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests;
