//! The dispatcher: turns a start event into a plan, and the plan into one message per IPE.
//!
//! A plan is written create-only before any message is sent. Whatever happens after that, a second try finds the plan
//! and continues with it: the same event twice makes one run.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod context;
pub mod dry_run;
pub mod error;
pub mod event;
pub mod handler;
pub mod http;
pub mod start;

pub use context::Context;
pub use error::DispatcherError;
pub use handler::handle;
