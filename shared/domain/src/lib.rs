//! Identifiers, periods, catalog, plan, receipt and manifest: pure, no I/O, no AWS.
//!
//! Everything here can be tested with a value and a clock. A type that exists is valid: an
//! [`IpeId`], a [`RunId`] or a [`Cutoff`] cannot be built wrong, so nothing downstream checks again.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod approval;
pub mod bind;
pub mod calendar;
pub mod catalog;
pub mod check;
pub mod code;
pub mod digest;
pub mod dry_run;
pub mod facts;
pub mod id;
pub mod layout;
pub mod lineage;
pub mod load;
pub mod manifest;
pub mod message;
pub mod partition;
pub mod plan;
pub mod receipt;
pub mod review;
pub mod run;
pub mod schema_tag;
pub mod segment;
pub mod sql_type;
pub mod start;
pub mod value;

pub use approval::{Approval, BaselineStatus};
pub use bind::{BoundParameter, BoundQuery};
pub use calendar::{Cutoff, Period};
pub use check::{CheckKind, CheckOutcome, Verdict};
pub use code::{Code, Retry};
pub use digest::Sha256;
pub use id::{ControlId, IpeId, RunId};
pub use lineage::Lineage;
pub use message::Job;
pub use plan::{Plan, PlannedIpe};
pub use receipt::{Failure, Receipt};
pub use run::{IpeState, RunState};
pub use sql_type::SqlType;
