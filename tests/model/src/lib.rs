//! The protocol of a run as a state machine that can be explored exhaustively: plan, messages, leases, attempts, load,
//! chain, publication, sweep, dead letters, replay.
//!
//! The functions are tested step by step elsewhere; here every order of their steps is tried, for small sizes, with
//! crashes, pauses and repeated messages between any two of them. `docs/MODEL.md` says what is explored and what is left
//! out. What follows from the evidence is decided by the real code ([`soxauto_domain::facts`],
//! [`soxauto_evidence::ChainHead`]); the order of the steps is held to the real code by [`places`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bounds;
mod chain;
pub mod decisions;
pub mod dispatcher;
mod environment;
pub mod finalizer;
pub mod invariants;
pub mod liveness;
pub mod places;
pub mod protocol;
pub mod worker;
pub mod world;

pub use protocol::{Action, Bounds, Mutation, Process, Protocol, Start};
pub use world::World;
