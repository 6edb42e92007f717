//! The keywords of ODBC and ADO connection strings: known, ignored by name, or refused with a reason.

use std::collections::BTreeMap;

use super::{
    ConnectionSettings, Encryption, Secret, SecretError, check_host, may_be_shown,
    pairs::{self, Dialect},
    parse_port, required,
};

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

/// Reads a connection string.
pub(super) fn read(text: &str) -> Result<ConnectionSettings, SecretError> {
    let (dialect, pairs) = pairs::read(text)?;
    let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
    for (position, (keyword, value)) in pairs.into_iter().enumerate() {
        let name = canonical(&keyword, &value, dialect)?;
        let name = match name {
            Meaning::Known(name) => name,
            Meaning::Ignored => continue,
            // What follows a password that holds ';' and is not quoted reads as a keyword: it must not be shown.
            Meaning::Unknown if found.contains_key("password") => {
                return Err(SecretError::refused(
                    &format!("keyword number {}", position + 1),
                    "it is not known here, and not shown because it follows the password and may be a part of it: quote a password that holds ';' (PWD={…} with DRIVER, else Password=\"…\"), or remove the keyword",
                ));
            }
            // Nor is what comes first, or looks like no keyword: a password alone, or a URL with one in it.
            Meaning::Unknown if position == 0 || !may_be_shown(&keyword) => {
                return Err(SecretError::refused(
                    &format!("keyword number {}", position + 1),
                    "it is not known here, and not shown because it may be a part of the password: store an ODBC or ADO connection string (SERVER=…;UID=…;PWD=…), no URL and no password alone",
                ));
            }
            Meaning::Unknown => {
                return Err(SecretError::refused(
                    &keyword,
                    "the keyword is not known here and could change what is protected or what the query means; remove it",
                ));
            }
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
    let encryption = match found
        .get("encrypt")
        .map(|v| v.to_ascii_lowercase())
        .as_deref()
    {
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
    let read_only_intent = match found
        .get("intent")
        .map(|v| v.to_ascii_lowercase())
        .as_deref()
    {
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
        password: Secret::new(required(
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

/// What a keyword means to us.
enum Meaning {
    Known(&'static str),
    Ignored,
    Unknown,
}

/// What the keyword means to us.
fn canonical(keyword: &str, value: &str, dialect: Dialect) -> Result<Meaning, SecretError> {
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
            return Ok(Meaning::Ignored);
        }
        "authentication" => {
            let plain = value.to_ascii_lowercase().replace(' ', "");
            if plain != "sqlpassword" {
                return Err(SecretError::refused(
                    keyword,
                    "only SqlPassword is supported",
                ));
            }
            return Ok(Meaning::Ignored);
        }
        "columnencryption" | "column encryption setting" => {
            if !value.eq_ignore_ascii_case("disabled") {
                return Err(SecretError::refused(
                    keyword,
                    "encrypted columns cannot be read exactly; use Disabled",
                ));
            }
            return Ok(Meaning::Ignored);
        }
        "quotedid" | "ansinpw" => {
            if !yes_or_no(keyword, value)? {
                return Err(SecretError::refused(
                    keyword,
                    "it changes what the query means; use yes",
                ));
            }
            return Ok(Meaning::Ignored);
        }
        "network" | "net" | "network library" => {
            if !value.to_ascii_lowercase().starts_with("dbmssocn") {
                return Err(SecretError::refused(
                    keyword,
                    "only TCP/IP (dbmssocn) is supported",
                ));
            }
            return Ok(Meaning::Ignored);
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
        other if IGNORED.contains(&other) => return Ok(Meaning::Ignored),
        _ => return Ok(Meaning::Unknown),
    };
    Ok(Meaning::Known(name))
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
