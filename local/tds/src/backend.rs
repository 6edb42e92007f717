//! What stands behind the wire: a backend opens sessions, a session runs statements.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, SqlError};
use crate::response::Response;
use crate::types::Column;

/// Who opened a session, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The SQL login.
    pub login: String,
    /// The database asked for, or the server's default.
    pub database: String,
    /// The client's application name.
    pub application: String,
    /// The client's host name.
    pub host: String,
    /// The session's number, as `@@SPID` has it.
    pub spid: u16,
    /// The server's name, as `@@SERVERNAME` has it.
    pub server_name: String,
    /// Whether the login may change data.
    pub can_write: bool,
}

/// A named, typed parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, with the at sign.
    pub name: String,
    /// Its declared T-SQL type, such as `decimal(18,2)`.
    #[serde(rename = "type")]
    pub declared: String,
    /// Its value in the type's canonical text: plain digits, `0`/`1`, `YYYY-MM-DD`, `HH:MM:SS[.fffffff]`,
    /// `YYYY-MM-DDTHH:MM:SS[.fffffff][±HH:MM]`, lower-case hexadecimal, 36 upper-case characters, text as it is;
    /// `None` for NULL.
    pub value: Option<String>,
}

/// A statement to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The T-SQL text.
    pub sql: String,
    /// Its parameters, in the order in which they are declared.
    pub params: Vec<Parameter>,
}

impl Request {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            params: Vec::new(),
        }
    }
}

/// Opens sessions.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens a session for a login whose password was right.
    ///
    /// # Errors
    /// The error that the client's login ends with, such as 4060 or 40613.
    async fn open(&self, info: SessionInfo) -> Result<Box<dyn Session>, SqlError>;
}

/// One client's session.
#[async_trait]
pub trait Session: Send {
    /// Runs a statement and writes what comes of it. When the client cancels, writing to `out` fails with
    /// [`Failure::Cancelled`] and [`crate::CancelSignal::cancelled`] wakes; the session must stop then, and be ready
    /// for the next statement.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn execute(&mut self, request: &Request, out: &mut Response<'_>) -> Result<(), Failure>;

    /// The columns of the first result set that a statement would give; `params` declares its parameters, as in
    /// `@cutoff date, @x int`.
    ///
    /// # Errors
    /// See [`Failure`].
    async fn describe(&mut self, sql: &str, params: &str) -> Result<Vec<Column>, Failure>;
}
