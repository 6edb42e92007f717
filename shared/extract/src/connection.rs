//! What the secret says about the connection: ODBC string, ADO string, RDS JSON or our JSON, read strictly.
//!
//! A keyword that is not known here is refused rather than ignored: it could weaken the connection or change what the
//! query means.

mod json;
mod keywords;
mod pairs;

use std::fmt;

use soxauto_domain::{Code, receipt::TlsRecord};

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
            return json::read(text);
        }
        keywords::read(text)
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

/// Whether a keyword or field that nobody knows looks like one: of letters, and short.
fn may_be_shown(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-');
    name.len() <= 40 && name.chars().all(letters)
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

#[cfg(test)]
mod tests;
