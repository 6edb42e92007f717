//! The drivers and the pipeline against a server that speaks TDS over real sockets. Every promise of a driver is held
//! by both: the same tests run with each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Which is the point of it.
#![allow(clippy::duplicate_mod)]

#[path = "../support/plan.rs"]
#[allow(dead_code, unreachable_pub)]
mod plan;

mod both;
mod mssql_tds;
mod second_connection;
mod tiberius;
