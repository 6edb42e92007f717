//! The errors of mssql-tds into ours: the same codes as the other driver's.

use mssql_tds::error::{Error, SqlServerDiagnostics};

use crate::{error::ExtractError, server_error};

/// What is being done, until the pipeline names the step.
pub(super) const DURING: &str = "a query";

/// An error while connecting and logging in.
pub(super) fn connecting(error: &Error, address: &str) -> ExtractError {
    let address = address.to_owned();
    match error {
        Error::SqlServerError { diagnostics } => server(diagnostics, "connect"),
        Error::CertificateMismatch => ExtractError::Tls {
            address,
            reason: "the server now shows another certificate than a moment ago; where one name leads to several servers, SOXAUTO_BULK_DRIVER=tiberius reads with one connection".into(),
        },
        // The source of a handshake's error says it; the rest speaks of OpenSSL's own options.
        Error::TlsHandshakeError { source, .. } | Error::TlsError(source) => ExtractError::Tls {
            address,
            reason: source.to_string(),
        },
        Error::CertificateExpired
        | Error::CertificateNotFound { .. }
        | Error::InvalidCertificateFormat { .. }
        | Error::CertificateFileIoError { .. }
        | Error::NoServerCertificate => ExtractError::Tls {
            address,
            reason: error.to_string(),
        },
        Error::Io(e) => ExtractError::Unreachable {
            address,
            reason: e.to_string(),
        },
        other => ExtractError::Unreachable {
            address,
            reason: format!("it does not answer as a SQL Server does: {other}"),
        },
    }
}

/// An error of a statement.
pub(super) fn running(error: &Error, rows: u64) -> ExtractError {
    match error {
        Error::SqlServerError { diagnostics } => server(diagnostics, DURING),
        Error::UsageError(reason) | Error::ImplementationError(reason) => {
            ExtractError::Internal(format!("mssql-tds: {reason}"))
        }
        other => lost(rows, other.to_string()),
    }
}

pub(super) fn lost(rows: u64, reason: String) -> ExtractError {
    ExtractError::ConnectionLost {
        during: DURING,
        rows,
        reason,
    }
}

/// The first error is the cause; those behind it (18456 behind 4060) follow from it.
fn server(diagnostics: &SqlServerDiagnostics, during: &'static str) -> ExtractError {
    let Some(error) = diagnostics.errors.first() else {
        return lost(0, "the server says only that there was an error".into());
    };
    ExtractError::Server {
        during,
        number: error.number,
        state: error.state,
        severity: u8::try_from(error.class).unwrap_or(u8::MAX),
        line: error
            .line_number
            .and_then(|line| u32::try_from(line).ok())
            .unwrap_or(0),
        message: server_error::without_values(error.number, &error.message),
    }
}
