//! What can go wrong, in the words of whoever has to act: the operator, the client, or this server's own loop.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// The server could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate authority or the server's certificate could not be made.
    #[error("cannot make the TLS identity: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the identity.
    #[error("cannot set TLS up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An error as SQL Server reports it: an ERROR token on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("SQL error {number}, state {state}, class {class}, line {line}: {message}")]
pub struct SqlError {
    /// SQL Server's error number, such as 208 or 1205.
    pub number: u32,
    /// The state: which of several causes of the same number.
    pub state: u8,
    /// The severity, 11 to 25; from 20 on the connection ends.
    pub class: u8,
    /// The text for the user.
    pub message: String,
    /// The line of the batch, counted from 1.
    pub line: u32,
}

impl SqlError {
    /// An error of this number and severity, state 1, line 1.
    pub fn new(number: u32, class: u8, message: impl Into<String>) -> Self {
        Self {
            number,
            state: 1,
            class,
            message: message.into(),
            line: 1,
        }
    }

    /// The same error with another state.
    #[must_use]
    pub fn with_state(mut self, state: u8) -> Self {
        self.state = state;
        self
    }

    /// The same error at another line.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = line;
        self
    }

    /// 18456: the login is refused. State 5: no such login; state 8: wrong password.
    pub fn login_failed(login: &str, state: u8) -> Self {
        Self::new(18456, 14, format!("Login failed for user '{login}'.")).with_state(state)
    }

    /// 4060: the database asked for at login does not exist.
    pub fn cannot_open_database(database: &str) -> Self {
        Self::new(
            4060,
            11,
            format!(
                "Cannot open database \"{database}\" requested by the login. The login failed."
            ),
        )
    }

    /// 911: `USE` of a database that does not exist.
    pub fn no_such_database(database: &str) -> Self {
        Self::new(
            911,
            16,
            format!(
                "Database '{database}' does not exist. Make sure that the name is entered correctly."
            ),
        )
    }

    /// 1205: this session was chosen as the victim of a deadlock.
    pub fn deadlock_victim(spid: u16) -> Self {
        Self::new(
            1205,
            13,
            format!(
                "Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been \
                 chosen as the deadlock victim. Rerun the transaction."
            ),
        )
        .with_state(51)
    }

    /// 40613: the database is not available for the moment.
    pub fn database_unavailable(database: &str, server: &str) -> Self {
        Self::new(
            40613,
            17,
            format!(
                "Database '{database}' on server '{server}' is not currently available. Please retry the connection \
                 later."
            ),
        )
    }

    /// 102: the text is not T-SQL.
    pub fn syntax(near: &str) -> Self {
        Self::new(102, 15, format!("Incorrect syntax near '{near}'."))
    }

    /// 8114: a parameter's value does not fit its declared type.
    pub fn conversion(from: &str, to: &str) -> Self {
        Self::new(
            8114,
            16,
            format!("Error converting data type {from} to {to}."),
        )
        .with_state(5)
    }

    /// 2812: the procedure is not one that this server has.
    pub fn no_such_procedure(name: &str) -> Self {
        Self::new(
            2812,
            16,
            format!("Could not find stored procedure '{name}'."),
        )
        .with_state(62)
    }
}

/// Why a backend stopped before the end of a request.
#[derive(Debug, Error)]
pub enum Failure {
    /// The statement failed; the client is told, and the session goes on.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The client sent an attention, and the backend stopped because of it.
    #[error("cancelled by the client")]
    Cancelled,
    /// The client's connection is gone or cannot be written to.
    #[error("the client's connection ended: {0}")]
    Client(#[source] io::Error),
    /// The connection is to be dropped at once, without another byte: what a network failure looks like.
    #[error("the connection is cut on purpose")]
    Cut,
    /// The backend cannot be reached or broke its own protocol; the session ends.
    #[error("the SQL backend failed: {0}")]
    Backend(String),
}

/// A client broke the protocol; its connection is closed.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The client closed the connection in the middle of a message.
    #[error("the client closed the connection in the middle of a message")]
    Truncated,
    /// A message of the wrong kind for this point of the conversation.
    #[error("unexpected packet of type {found:#04x} while waiting for {expected}")]
    Unexpected {
        /// The packet type found.
        found: u8,
        /// What was due.
        expected: &'static str,
    },
    /// A length or an offset points outside its message.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// The structure being read.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The message is larger than this server accepts.
    #[error("a message is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The client wants something that this server does not offer.
    #[error("not offered: {0}")]
    Unsupported(String),
    /// The client did not finish the handshake in time.
    #[error("the handshake took too long")]
    HandshakeTimeout,
}

impl ProtocolError {
    /// A malformed structure.
    pub(crate) fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            why: why.into(),
        }
    }
}
