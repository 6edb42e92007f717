//! A SQL Server stand-in: TDS 7.4 and 8.0 over real sockets, for the laptop and the tests.
//!
//! A [`Server`] speaks to clients as SQL Server does. What the statements mean is a [`Backend`]'s business:
//! [`EngineBackend`] asks the SQL engine over the protocol of `local/PROTOCOL.md`; [`ScriptedBackend`] answers from a
//! [`Script`] and misbehaves on demand ([`Fault`], [`Refusal`]).
//!
//! # What it does
//! - Encryption: none, the login only, everything (TDS 7.x, TLS 1.2 inside TDS packets), or strict (TDS 8.0, TLS 1.2
//!   and 1.3 with ALPN), with a certificate of an authority made at start: [`Server::ca_pem`].
//! - Logins with passwords that are really compared: 18456 state 8 (wrong password) and 5 (no such login), 4060.
//! - Batches; `sp_executesql`, `sp_prepare`, `sp_prepexec`, `sp_execute`, `sp_unprepare`; the text forms
//!   `EXEC sp_executesql …` and `EXEC sp_describe_first_result_set …`, whose arguments may be literals or parameters of
//!   the outer call; several calls in one message. Parameters reach the backend named, with their declared type and
//!   their value in canonical text ([`Parameter`]).
//! - Rows as they come, from Arrow or from [`Cell`]s, in packets of the negotiated size; when the client does not read,
//!   the backend waits. A client's attention stops the request and leaves the session usable.
//! - Every type of [`SqlType`].
//!
//! # What it does not
//! - Transactions are acknowledged and change nothing: every statement stands by itself. `SET` options likewise.
//! - No MARS, no bulk load, no table-valued, CLR, `sql_variant` or output parameters, no cursors, no Windows or Entra
//!   logins, no TDS older than 7.3B. What is not offered is refused by name.
//!
//! # Facts about SQL Server that it copies
//! - Text in a UTF-8 collation goes as `nvarchar` to a client that did not say at login that it reads UTF-8.
//! - A row with NULLs begins with a bitmap of them; a column that is never NULL has no lengths.
//! - A database that does not exist gives two errors: 4060, then 18456.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod arrow;
mod backend;
mod calendar;
mod cancel;
mod cell;
mod collation;
mod connection;
mod convert;
mod cursor;
mod declaration;
mod describe;
mod dispatch;
mod encode;
mod engine;
mod error;
mod exec_text;
mod handshake;
mod identity;
mod login;
mod packet;
mod prelogin;
mod recording;
mod request;
mod response;
mod script;
mod script_run;
mod scripted;
mod server;
mod session_commands;
mod tls;
mod tokens;
mod transport;
mod type_info;
mod types;
mod wire_value;

pub use backend::{Backend, Parameter, Request, Session, SessionInfo};
pub use cancel::CancelSignal;
pub use cell::Cell;
pub use collation::Collation;
pub use encode::EncodeError;
pub use engine::EngineBackend;
pub use error::{Failure, ProtocolError, SqlError, StartError};
pub use login::Login;
pub use recording::Recording;
pub use response::Response;
pub use script::{BatchSource, Fault, Rows, Script, Step};
pub use scripted::{Refusal, ScriptedBackend};
pub use server::{EncryptionPolicy, Server, ServerConfig};
pub use tls::TlsIdentity;
pub use types::{Column, Length, SqlType};
