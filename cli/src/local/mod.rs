//! `soxauto local`: the stack on this machine.

mod build;
mod error;
mod export;
mod month;
mod outcome;
mod progress;
mod sample;
mod up;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum};
use soxauto_domain::{Cutoff, IpeId};
use soxauto_local::StackOptions;

use self::error::LocalError;
use crate::exit;

/// Subcommands of `soxauto local`.
#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Run a whole month: start the stack, send the schedule's event, watch, show and export the result.
    Run(RunArgs),
    /// Start the stack and keep it up until ctrl-C.
    Up(UpArgs),
    /// Print the NAV sample as a T-SQL script that loads into a real SQL Server.
    NavSql(SampleArgs),
}

/// What the NAV sample holds.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// Ledger rows of the NAV sample.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(2_000..=50_000_000))]
    rows: u64,
    /// Seed of the NAV sample: the same seed gives the same rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Defect to plant into the sample, such as `duplicate-key`; may be given several times.
    #[arg(long = "defect", value_name = "NAME")]
    defects: Vec<String>,
    /// Never use the network.
    #[arg(long)]
    offline: bool,
}

/// Arguments of `soxauto local run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// First day after the period, as YYYY-MM-01. The sample has data for cutoffs from 2023-02-01 to 2024-06-01.
    #[arg(long, default_value = "2024-05-01")]
    cutoff: Cutoff,
    /// Run this IPE only; may be given several times.
    #[arg(long = "ipe", value_name = "ID")]
    ipes: Vec<IpeId>,
    #[command(flatten)]
    sample: SampleArgs,
    /// Folder for the exported evidence, the warehouse and the logs.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Keep the stack up after the run until ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Seconds after which a run that does not end is given up.
    #[arg(long, default_value_t = 1_800)]
    timeout: u64,
}

/// Arguments of `soxauto local up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    sample: SampleArgs,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    Table,
    /// One JSON object for machines.
    Json,
}

/// Runs the subcommand.
pub(crate) fn run(command: LocalCommand) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: no asynchronous runtime: {e}");
            return ExitCode::from(exit::FAILURE);
        }
    };
    match runtime.block_on(execute(command)) {
        Ok(code) => code,
        Err(LocalError::Interrupted) => {
            eprintln!("interrupted; everything that was started is stopped");
            ExitCode::from(exit::INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::FAILURE)
        }
    }
}

async fn execute(command: LocalCommand) -> Result<ExitCode, LocalError> {
    match command {
        LocalCommand::Run(args) => month::run(args).await,
        LocalCommand::Up(args) => up::up(args).await,
        LocalCommand::NavSql(args) => interruptible(sample::nav_sql(&args)).await,
    }
}

/// Gives up `work` at ctrl-C; what it had started is stopped by being dropped.
async fn interruptible<T>(
    work: impl Future<Output = Result<T, LocalError>>,
) -> Result<T, LocalError> {
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(LocalError::Interrupted),
    }
}

/// Builds the functions and turns the arguments into the stack's options.
async fn options(sample: &SampleArgs) -> Result<StackOptions, LocalError> {
    let mut options = StackOptions::new(build::functions(sample.offline).await?)?;
    options.rows = sample.rows;
    options.seed = sample.seed;
    options.defects.clone_from(&sample.defects);
    options.offline = sample.offline;
    Ok(options)
}
