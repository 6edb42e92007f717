//! tiberius's errors into ours.

use std::io::ErrorKind;

use tiberius::error::Error;

use crate::{
    error::ExtractError,
    server_error,
    source::{INVALID_TEXT, RowSink},
};

/// An error while connecting and logging in.
pub(super) fn connecting(error: &Error, address: &str) -> ExtractError {
    let address = address.to_owned();
    match error {
        Error::Server(_) => server(error, "connect"),
        Error::Tls(reason) => ExtractError::Tls {
            address,
            reason: first_sentences(reason),
        },
        // rustls reports what it does not like about the peer this way.
        Error::Io {
            kind: ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::NotFound,
            message,
        } => ExtractError::Tls {
            address,
            reason: message.clone(),
        },
        Error::Protocol(reason) if reason.contains("encryption level") => ExtractError::Tls {
            address,
            reason: "the server does not offer the encryption that the secret asks for".into(),
        },
        Error::Io { message, .. } => ExtractError::Unreachable {
            address,
            reason: message.clone(),
        },
        other => ExtractError::Unreachable {
            address,
            reason: format!("it does not answer as a SQL Server does: {other}"),
        },
    }
}

/// tiberius goes on to name functions of its own, which no operator has.
fn first_sentences(reason: &str) -> String {
    reason
        .split(" To connect anyway")
        .next()
        .unwrap_or(reason)
        .trim()
        .to_owned()
}

/// An error of a statement.
pub(super) fn running(error: &Error, rows: u64, sink: Option<&dyn RowSink>) -> ExtractError {
    const DURING: &str = "a query";
    match error {
        Error::Server(_) => server(error, DURING),
        // A value that is no valid text: tiberius refuses rather than replaces it, as we ask it to.
        Error::Utf8 | Error::Utf16 | Error::Encoding(_) => undecodable(error, sink),
        Error::Protocol(reason) if reason.contains("invalid UTF-16") => undecodable(error, sink),
        other => ExtractError::ConnectionLost {
            during: DURING,
            rows,
            reason: other.to_string(),
        },
    }
}

fn undecodable(error: &Error, sink: Option<&dyn RowSink>) -> ExtractError {
    sink.map_or_else(
        || ExtractError::Internal(format!("a text could not be decoded: {error}")),
        |sink| sink.undecodable(INVALID_TEXT),
    )
}

fn server(error: &Error, during: &'static str) -> ExtractError {
    let Error::Server(token) = error else {
        return ExtractError::Internal(error.to_string());
    };
    ExtractError::Server {
        during,
        number: token.code(),
        state: token.state(),
        severity: token.class(),
        line: token.line(),
        message: server_error::without_values(token.code(), token.message()),
    }
}
