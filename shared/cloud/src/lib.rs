//! The edges: lake, queues, secrets, signer, warehouse, clock, telemetry.
//!
//! Each edge is a *port*: a small trait that says what the functions need, with one implementation
//! over AWS and one honest twin in memory that fails where the real thing fails. Whether the twin is
//! honest is not a matter of opinion: both run the same suite in `conformance`. Twins, fault
//! injector and suites exist only with the feature `testing`, which no function's binary enables.
//!
//! Errors are named by meaning ([`lake::LakeError::AlreadyExists`], not "412"), and each maps to a
//! [`soxauto_domain::Code`].
#![cfg_attr(
    any(test, feature = "testing"),
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod aws;
pub mod clock;
pub mod config;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod dry_run;
pub mod lake;
pub mod lease;
pub mod queue;
pub mod retry;
pub mod secrets;
pub mod signer;
pub mod software;
pub mod telemetry;
pub mod warehouse;
