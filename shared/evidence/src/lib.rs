//! Digests, the signed envelope, the chain of manifests and the report.
//!
//! Pure: bytes in, bytes out. Signing itself is the caller's (KMS holds the key); verifying is done here.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod chain;
pub mod envelope;
pub mod openlineage;
pub mod report;
pub mod review;
pub mod statement;

pub use chain::{ChainError, ChainHead};
pub use envelope::{Envelope, EnvelopeError, Unsigned};
