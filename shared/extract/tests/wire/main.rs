//! The driver and the pipeline against a server that speaks TDS over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod connecting;
mod faults;
mod month;
#[path = "../support/plan.rs"]
#[allow(dead_code, unreachable_pub)]
mod plan;
mod round_trip;
mod server;
mod types;
