//! The worker: extracts one IPE, validates it, writes Parquet and evidence.
//!
//! A message points to one IPE of a plan. The worker takes a lease on it, keeps message and lease alive while it works,
//! and commits an attempt by writing its receipt last. Whatever ends it earlier leaves nothing that counts.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod attempt;
pub mod context;
pub mod dry_run;
pub mod error;
pub mod event;
pub mod extraction;
pub mod handler;
pub mod heartbeat;
pub mod job;
pub mod journal;
pub mod plan;
mod rotation;
pub mod store;
pub mod suspended;

pub use context::Context;
pub use error::WorkerError;
pub use handler::handle;
