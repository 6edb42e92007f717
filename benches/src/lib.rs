//! What extraction costs. `benches/compare` measures whole processes: readers of one table, ours and those of others,
//! against a server on the same machine that only replays bytes. This crate holds that server's table and answers, and what
//! our own reader needs besides the extraction itself: a plan, and a folder to put the parts in.

mod answers;
mod discard;
mod folder;
mod plan;
mod table;

pub use answers::{LOGIN, PASSWORD, backend};
pub use discard::Discard;
pub use folder::Folder;
pub use plan::ipe;
pub use table::Ledger;

/// Whatever goes wrong ends the program with its message.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
