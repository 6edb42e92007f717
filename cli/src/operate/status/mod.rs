//! `soxauto status`: where runs stand, and what to do next.

mod advice;
mod gather;
mod view;

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use soxauto_cloud::queue::QueueDepth;
use soxauto_domain::{ControlId, IpeId, IpeState, Job, RunId, RunState, manifest::AttemptSummary};

#[cfg(test)]
pub(super) use self::advice::advise;
pub(super) use self::gather::{Letters, gather};
use super::{error::OperateError, parts::Parts, standing::Standing};
use crate::{
    exit,
    local::Format,
    target::{Target, TargetArgs},
};

/// Between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);

/// Arguments of `soxauto status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// This run, as <control>/<cutoff>/r<n>; without it, every open run and the control's last one.
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// Runs of this control; without it, of the one that the stack runs.
    #[arg(long, value_name = "ID", conflicts_with = "run")]
    control: Option<ControlId>,
    /// Look again every 2 seconds until nothing more will happen by itself.
    #[arg(long)]
    watch: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArgs,
}

/// Which runs are looked at.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    /// One run.
    Run(RunId),
    /// The open runs of a control, and its last one.
    Control(ControlId),
}

/// Where everything stands at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    /// The CloudFormation stack.
    pub(super) stack: String,
    /// When this was seen.
    pub(super) at: Timestamp,
    /// The runs that were looked at, in order.
    pub(super) runs: Vec<RunStatus>,
    /// The queues.
    pub(super) queues: Queues,
    /// Every dead letter of the jobs queue that is a job, also of other runs.
    pub(super) dead_letters: Vec<Job>,
    /// Texts in the dead letters of the jobs queue that are no jobs.
    pub(super) strangers: Vec<String>,
    /// What to do next.
    pub(super) next: Vec<Advice>,
}

/// Messages in the queues; numbers are the service's estimates.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Queues {
    /// One message per IPE to extract.
    pub(super) jobs: Depth,
    /// IPEs that were given up.
    pub(super) jobs_dead: Depth,
    /// Notifications of receipts and failures.
    pub(super) receipts: Depth,
    /// Notifications that were given up.
    pub(super) receipts_dead: Depth,
    /// Starts and sweeps that were given up.
    pub(super) starts_dead: Depth,
}

/// Messages of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Depth {
    /// Waiting.
    pub(super) waiting: u64,
    /// Received and being worked on.
    pub(super) in_flight: u64,
}

impl Depth {
    /// All of them.
    pub(super) fn total(self) -> u64 {
        self.waiting + self.in_flight
    }
}

impl From<QueueDepth> for Depth {
    fn from(depth: QueueDepth) -> Self {
        Self {
            waiting: depth.visible + depth.delayed,
            in_flight: depth.in_flight,
        }
    }
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct RunStatus {
    /// The run.
    pub(super) run_id: RunId,
    /// Its state: by its last manifest when nothing is under way, else by what is there.
    pub(super) state: RunState,
    /// The last manifest.
    pub(super) published: Option<Published>,
    /// Whether the finalizer has said its last word for now.
    pub(super) closed: bool,
    /// Whether nothing more will happen by itself.
    pub(super) settled: bool,
    /// When every message was accepted by the queue; `None` when they were not, or when the run is closed.
    pub(super) dispatched_at: Option<Timestamp>,
    /// When the plan was made.
    pub(super) created_at: Timestamp,
    /// Seconds since then.
    pub(super) age_seconds: i64,
    /// When the run is closed with what is there.
    pub(super) deadline: Timestamp,
    /// Whether that has passed.
    pub(super) past_deadline: bool,
    /// Its IPEs, in the order of the plan.
    pub(super) ipes: Vec<IpeStatus>,
}

/// A manifest in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Published {
    /// From 1.
    pub(super) revision: u32,
    /// What it says of the run.
    pub(super) state: RunState,
}

/// One IPE of a run.
#[derive(Debug, Serialize)]
pub(super) struct IpeStatus {
    /// The IPE.
    pub(super) id: IpeId,
    /// State of the extraction.
    pub(super) state: IpeState,
    /// Where it stands.
    #[serde(flatten)]
    pub(super) standing: Standing,
    /// Whether its message is among the dead letters.
    pub(super) dead_letter: bool,
    /// Rows of the attempt that counts.
    pub(super) rows: Option<u64>,
    /// Why it is not passed.
    pub(super) reason: Option<String>,
    /// Every attempt.
    pub(super) attempts: Vec<AttemptSummary>,
}

/// What to do about a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Advice {
    /// The run, if it is about one.
    pub(super) run_id: Option<RunId>,
    /// The IPE, if it is about one.
    pub(super) ipe_id: Option<IpeId>,
    /// What is wrong.
    pub(super) problem: String,
    /// What to do.
    pub(super) remedy: String,
    /// A command to type.
    pub(super) command: Option<String>,
}

/// Shows the status.
pub(crate) async fn status(args: StatusArgs) -> Result<ExitCode, OperateError> {
    let target = args.target.open().await?;
    let parts = Parts::of(&target)?;
    let selection = match (args.run, args.control) {
        (Some(run), _) => Selection::Run(run),
        (None, Some(control)) => Selection::Control(control),
        (None, None) => Selection::Control(parts.control.clone()),
    };
    let status = if args.watch {
        watch(&target, &parts, &selection, args.format).await?
    } else {
        look(&target, &parts, &selection, None).await?.0
    };
    show(&status, args.format)?;
    Ok(ExitCode::from(status.exit_code()))
}

/// Looks until nothing more will happen by itself: twice in a row, since a notification may be between two queues.
pub(super) async fn watch(
    target: &Target,
    parts: &Parts,
    selection: &Selection,
    format: Format,
) -> Result<Status, OperateError> {
    let mut letters = None;
    let mut quiet = false;
    let mut shown = String::new();
    loop {
        let (status, seen) = look(target, parts, selection, letters).await?;
        letters = Some(seen);
        let settled = status.runs.iter().all(|run| run.settled);
        if settled && quiet {
            return Ok(status);
        }
        quiet = settled;
        let lines = view::progress(&status);
        if lines != shown && format == Format::Table {
            eprint!("{lines}");
            shown = lines;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(
    target: &Target,
    parts: &Parts,
    selection: &Selection,
    letters: Option<Letters>,
) -> Result<(Status, Letters), OperateError> {
    let (mut status, letters) = gather(parts, &target.stack, selection, letters).await?;
    status.next = advice::advise(&status, &|arguments| target.command(arguments));
    Ok((status, letters))
}

/// Writes a status to standard output.
pub(super) fn show(status: &Status, format: Format) -> Result<(), OperateError> {
    match format {
        Format::Json => println!("{}", serde_json::to_string(status)?),
        Format::Table => {
            let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print!("{}", view::table(status, colours)?);
        }
    }
    Ok(())
}

impl Status {
    /// The exit code of the worst run: incomplete before rejected before open. Without a run it is a failure: nothing
    /// was proven.
    pub(super) fn exit_code(&self) -> u8 {
        let has = |state| self.runs.iter().any(|run| run.state == state);
        if self.runs.is_empty() {
            exit::FAILURE
        } else if has(RunState::Incomplete) {
            exit::INCOMPLETE
        } else if has(RunState::Rejected) {
            exit::REJECTED
        } else if has(RunState::Open) {
            exit::OPEN
        } else {
            exit::SUCCESS
        }
    }
}
