//! The laptop stack: everything that a month needs, on one machine, on 127.0.0.1.
//!
//! [`Stack::start`] prepares Python, makes the NAV sample, starts the SQL engine, the SQL Server stand-in, the Redshift
//! Data API stand-in and the AWS emulator, deploys `template.yaml` itself with the given binaries, and stores the
//! connection string. From there on only the deployed functions, queues and notifications move a run; the launcher
//! watches. Every process it starts ends with it, however it ends.
//!
//! ```no_run
//! # async fn example() -> Result<(), soxauto_local::StackError> {
//! use soxauto_local::{FunctionBinaries, Quiet, Stack, StackOptions};
//! let options = StackOptions::new(FunctionBinaries::beside_this_program()?)?;
//! let stack = Stack::start(options, &Quiet).await?;
//! stack.fire_month_schedule(Some("2024-05-01"), &[]).await?;
//! println!("evidence: s3://{}", stack.outputs().evidence_bucket_name);
//! stack.stop().await;
//! # Ok(()) }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod announcement;
mod aws;
mod deployment;
mod environment;
mod error;
mod folders;
mod month;
mod options;
mod process;
mod progress;
mod python;
mod sample;
mod source;
mod stack;
mod start;

pub use announcement::{Announcement, announced};
pub use aws::{LogLine, Response};
pub use deployment::Outputs;
pub use error::StackError;
pub use folders::{Folders, find_project_root};
pub use options::{FunctionBinaries, StackOptions};
pub use progress::{Progress, Quiet, Step};
pub use python::ensure_environment;
pub use stack::{Endpoints, Function, Stack};
