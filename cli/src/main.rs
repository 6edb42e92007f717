//! `soxauto`: the operator's tool.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod catalog;
mod exit;
mod lineage;
mod local;
mod operate;
mod table;
mod target;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Extracts the IPEs of a SOX control, proves them complete and accurate, and publishes signed evidence.
#[derive(Debug, Parser)]
#[command(
    name = "soxauto",
    version,
    after_help = "Exit codes: 0 complete or done, 1 failed, 2 rejected (or wrong usage), 3 incomplete, 4 open, 5 evidence does not verify, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole stack on this machine: real functions, real template, emulated AWS, stand-ins for the databases.
    #[command(subcommand)]
    Local(local::LocalCommand),
    #[command(flatten)]
    Operate(operate::OperateCommand),
    /// The catalog of IPEs.
    Catalog(catalog::CatalogArgs),
    /// Where the rows of a run come from, for catalogs of data.
    #[command(subcommand)]
    Lineage(lineage::LineageCommand),
    Verify(verify::VerifyArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Local(command) => local::run(command),
        Command::Operate(command) => operate::run(command),
        Command::Catalog(args) => catalog::run(args),
        Command::Lineage(command) => lineage::run(command),
        Command::Verify(args) => verify::run(&args),
    }
}
