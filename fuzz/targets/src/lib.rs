//! What hostile input may reach, as functions of bytes.
//!
//! Each target takes any bytes and must come back: no panic, no hang, and no more memory than [`MOST_BYTES`], which the
//! allocator of this crate holds it to. `cargo fuzz` looks for inputs that break this (`fuzz/`), and `cargo test` tries
//! what it has found, with mutations. `docs/FUZZING.md` says what was run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target says by a panic what it has found"
)]

mod catalog;
mod connection;
mod documents;
mod envelope;
mod events;
mod parquet;
mod sink;
mod tds;

use std::alloc::System;

use cap::Cap;

pub use tds::record;

/// The most bytes that a process with these targets may have allocated at once. Lambda functions have 256 MB to live in.
pub const MOST_BYTES: usize = 256 * 1024 * 1024;

/// An allocation beyond the limit ends the process.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MOST_BYTES);

/// The most bytes that were ever allocated at once.
#[must_use]
pub fn peak_bytes() -> usize {
    MEMORY.max_allocated()
}

/// A function that hostile bytes may reach.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target, of its folder in `fuzz/corpus` and of its program.
    pub name: &'static str,
    /// Mutations that a short run tries.
    pub mutations: u32,
    /// What it does.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "connection",
        mutations: 20_000,
        run: connection::run,
    },
    Target {
        name: "catalog",
        mutations: 150,
        run: catalog::run,
    },
    Target {
        name: "documents",
        mutations: 4_000,
        run: documents::run,
    },
    Target {
        name: "events",
        mutations: 10_000,
        run: events::run,
    },
    Target {
        name: "envelope",
        mutations: 1_000,
        run: envelope::run,
    },
    Target {
        name: "tds",
        mutations: 200,
        run: tds::run,
    },
    Target {
        name: "parquet",
        mutations: 1_000,
        run: parquet::run,
    },
];

/// Runs a target.
///
/// # Panics
/// When there is none of that name, or the input broke it.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    (target.run)(data);
}
