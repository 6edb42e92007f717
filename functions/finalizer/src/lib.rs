//! The finalizer: loads what passed, proves that the load ties out, and publishes a signed, chained manifest.
//!
//! It is called for every receipt and failure record, and by the sweep. Each call looks at the run as it is in the
//! buckets and does what is missing: it can die anywhere, and the next call continues.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod chain;
pub mod close;
pub mod context;
pub mod dry_run;
pub mod error;
pub mod event;
pub mod handler;
pub mod history;
pub mod leftovers;
pub mod load;
pub mod lost;
pub mod marker;
pub mod missing;
pub mod plans;
pub mod publish;
pub mod run;
pub mod settled;
pub mod sql;
pub mod subjects;
pub mod sweep;

pub use context::Context;
pub use error::FinalizerError;
pub use handler::handle;
