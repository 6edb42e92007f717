//! What the buckets know of a run: its facts, its marker, its numbers.
//!
//! The dispatcher, the worker, the finalizer and the command line all read runs through here, so that they see the same
//! states. Nothing is remembered here between calls: the buckets are the only truth.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
mod marker;
mod planned;
mod reader;

pub use error::RunsError;
pub use marker::{Closing, OpenRun};
pub use planned::Planned;
pub use reader::RunReader;
