//! Everything that can end an extraction, with its closed code and a message that holds no secret.

use std::time::Duration;

use soxauto_content::{ContentError, ScratchError};
use soxauto_domain::{Code, Retry};

use crate::{connection::SecretError, server_error, store::StoreError};

/// Why an extraction ended without a result.
///
/// A check that does not hold is not an error: it is an outcome, and the extract is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The secret is none of the accepted forms.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No connection to SQL Server.
    #[error("no connection to {address}: {reason}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// TLS could not be established, or the certificate is not trusted.
    #[error("TLS with {address} failed: {reason}")]
    Tls {
        /// `host:port`.
        address: String,
        /// What TLS said.
        reason: String,
    },
    /// SQL Server answered with an error.
    #[error(
        "SQL Server error {number} (state {state}, severity {severity}, line {line}) during {during}: {message}"
    )]
    Server {
        /// What was being done.
        during: &'static str,
        /// SQL Server's error number.
        number: u32,
        /// State.
        state: u8,
        /// Severity.
        severity: u8,
        /// Line of the T-SQL, from 1.
        line: u32,
        /// SQL Server's words.
        message: String,
    },
    /// The login can change data, which the stage refuses.
    #[error(
        "login {login:?} can change data in {database:?} ({rights}); this stage refuses such a login"
    )]
    LoginCanWrite {
        /// The login.
        login: String,
        /// The database.
        database: String,
        /// What it may do.
        rights: String,
    },
    /// The connection broke.
    #[error("the connection broke during {during}, after {rows} rows: {reason}")]
    ConnectionLost {
        /// What was being done.
        during: &'static str,
        /// Rows received until then.
        rows: u64,
        /// What the network said.
        reason: String,
    },
    /// The server stopped sending in the middle of the rows.
    #[error("the server sent nothing for {} s during {during}, after {rows} rows", silence.as_secs())]
    Stalled {
        /// What was being done.
        during: &'static str,
        /// Rows received until then.
        rows: u64,
        /// How long nothing came.
        silence: Duration,
    },
    /// The time that the caller gave is over.
    #[error("the deadline came during {during}, after {rows} rows")]
    Deadline {
        /// What was being done.
        during: &'static str,
        /// Rows received until then.
        rows: u64,
    },
    /// More or less than one result set.
    #[error("{during} returned {found} result sets; exactly one is expected")]
    ResultSets {
        /// Which query.
        during: &'static str,
        /// How many; `more than one` is known as soon as the second begins.
        found: &'static str,
    },
    /// The query's columns are not the contract's.
    #[error("the query's columns are not those of the contract: {}", differences.join("; "))]
    Contract {
        /// Every difference.
        differences: Vec<String>,
    },
    /// Columns of types without an exact counterpart.
    #[error("{}", columns.join("; "))]
    TypeUnsupported {
        /// Each column with its type and what to do.
        columns: Vec<String>,
    },
    /// A column name twice.
    #[error("the query returns more than one column named {}", names.join(", "))]
    DuplicateColumn {
        /// The names.
        names: Vec<String>,
    },
    /// More columns than Redshift takes.
    #[error(
        "the query returns {found} columns; at most {most} fit into a Redshift table beside the traceability columns"
    )]
    TooManyColumns {
        /// How many.
        found: usize,
        /// How many fit.
        most: usize,
    },
    /// A value cannot be converted exactly.
    #[error("row {row}, column {column:?}, value {value}: {reason}")]
    Value {
        /// The column, or the columns that it can be.
        column: String,
        /// From 1.
        row: u64,
        /// The value in canonical text, cut to 80 characters; hidden when the sample masks the column.
        value: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A completeness, witness or description query did not answer as declared.
    #[error("the {query} query did not answer as declared: {reason}")]
    ControlQuery {
        /// Which query.
        query: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A query that must return exactly one row did not.
    #[error("the {query} query returned {found}; exactly one row is expected")]
    NotOneRow {
        /// Which query.
        query: &'static str,
        /// `no row` or `more than one row`.
        found: RowsFound,
    },
    /// The independent answers before and after the extraction differ.
    #[error("the source changed during the extraction: {}", differences.join("; "))]
    Moved {
        /// Each value before and after.
        differences: Vec<String>,
    },
    /// An upload failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scratch file of a sort failed.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A defect of this program.
    #[error("a defect of this program: {0}")]
    Internal(String),
}

/// How many rows a query returned that must return one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsFound {
    /// None.
    None,
    /// Two or more.
    Many,
}

impl std::fmt::Display for RowsFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "no row",
            Self::Many => "more than one row",
        })
    }
}

impl From<ContentError> for ExtractError {
    fn from(e: ContentError) -> Self {
        match e {
            ContentError::Scratch(e) => Self::Scratch(e),
            e @ (ContentError::Type { .. } | ContentError::Columns { .. }) => {
                Self::Internal(e.to_string())
            }
        }
    }
}

impl ExtractError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Secret(e) => e.code(),
            Self::Unreachable { .. } => Code::SourceUnreachable,
            Self::Tls { .. } => Code::SourceTls,
            Self::Server { number, .. } => server_error::code(*number),
            Self::LoginCanWrite { .. } => Code::LoginCanWrite,
            Self::ConnectionLost { .. } => Code::ConnectionLost,
            Self::Stalled { .. } => Code::SourceStalled,
            Self::Deadline { .. } => Code::DeadlineNear,
            Self::ResultSets { .. } => Code::ResultSets,
            Self::Contract { .. } => Code::ContractMismatch,
            Self::TypeUnsupported { .. } => Code::TypeUnsupported,
            Self::DuplicateColumn { .. } => Code::DuplicateColumn,
            Self::TooManyColumns { .. } => Code::TooManyColumns,
            Self::Value { .. } => Code::ValueNotExact,
            Self::ControlQuery { .. } | Self::NotOneRow { .. } => Code::ControlQueryInvalid,
            Self::Moved { .. } => Code::SourceMoved,
            Self::Store(e) => e.code,
            Self::Scratch(_) => Code::Internal,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// What may be tried.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.code().retry()
    }

    /// Names the step in which a driver's error happened.
    #[must_use]
    pub(crate) fn during(mut self, step: &'static str) -> Self {
        match &mut self {
            Self::Server { during, .. }
            | Self::ConnectionLost { during, .. }
            | Self::Stalled { during, .. }
            | Self::Deadline { during, .. }
            | Self::ResultSets { during, .. } => *during = step,
            Self::ControlQuery { query, .. } | Self::NotOneRow { query, .. } => *query = step,
            _ => {}
        }
        self
    }
}
