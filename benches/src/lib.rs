//! What extraction costs. `benches/compare` measures whole processes: readers of one table, ours and those of others,
//! against a server on the same machine that only replays bytes. `benches/benches` measures the stages one by one. This crate
//! holds the tables and answers of that server, and what our own reader needs besides the extraction itself: a plan, and
//! places to put the parts in.

mod answers;
mod discard;
mod folder;
mod nowhere;
mod plan;
mod prepared;
mod reader;
mod server;
mod table;

pub use answers::{Sending, backend};
pub use discard::Discard;
pub use folder::Folder;
pub use nowhere::Nowhere;
pub use plan::{ipe, plain};
pub use prepared::Prepared;
pub use reader::{an_hour, read};
pub use server::{secret, settings, start};
pub use table::{Content, Table};

/// Whatever goes wrong ends the program with its message.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
