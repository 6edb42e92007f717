//! Checks evidence from the outside: alone, offline, and without believing anybody but a key.
//!
//! [`verify`] reads a folder of evidence (one run, a control's months, or all of it) and reports on every [`Check`] of a
//! closed list: what holds, what does not and in which file, and what could not be looked at and why. Nothing is
//! interpreted before its bytes are the signed ones; what was not looked at is never reported as holding.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attempts;
mod chain;
mod check;
mod data;
mod derived;
mod figures;
mod files;
mod folder;
mod key;
mod ledger;
mod manifests;
mod outcome;
mod partition;
mod progress;
mod repeat;
mod reviews;
mod row_variance;
mod run;
mod same_value;
mod tree;
mod verification;
mod witness;

pub use check::{Check, Group};
pub use folder::{DiskFolder, Entry, Folder, FolderError, LakeFolder, Listing, conformance};
pub use key::{KeyError, PublicKey};
pub use ledger::{CheckReport, Finding, Status};
pub use outcome::{ChainReport, RunReport, Verification};
pub use progress::Progress;
pub use verification::{Request, verify};
