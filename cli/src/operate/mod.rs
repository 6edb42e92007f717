//! What an operator does to a deployment: start a run, see where it stands, replay what failed, review what came of it.

mod error;
mod parts;
mod replay;
mod review;
mod run;
mod standing;
mod status;

use soxauto_cloud::queue::dead_letters;
use std::process::ExitCode;

use clap::Subcommand;

use self::error::OperateError;
use crate::exit;

/// Commands about a deployment.
#[derive(Debug, Subcommand)]
pub(crate) enum OperateCommand {
    /// Start a month on a deployment, or find that it is started already.
    Run(run::RunArgs),
    /// Show where runs stand, why, and what to do next.
    Status(status::StatusArgs),
    /// Bring IPEs that were given up back to the workers.
    Replay(replay::ReplayArgs),
    /// Approve or reject a manifest as its reviewer, or show where it stands.
    Review(review::ReviewArgs),
}

/// Runs the command to its end or to ctrl-C. Nothing that is given up in the middle is lost: whatever a command has
/// begun is found by its next call.
pub(crate) fn run(command: OperateCommand) -> ExitCode {
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
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = execute(command) => outcome,
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(exit::INTERRUPTED)),
        }
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(exit::FAILURE)
    })
}

async fn execute(command: OperateCommand) -> Result<ExitCode, OperateError> {
    match command {
        OperateCommand::Run(args) => run::run(args).await,
        OperateCommand::Status(args) => status::status(args).await,
        OperateCommand::Replay(args) => replay::replay(args).await,
        OperateCommand::Review(args) => review::review(args).await,
    }
}
