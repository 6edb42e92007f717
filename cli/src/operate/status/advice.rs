//! What to do next: each problem with a command that can be typed.

use soxauto_domain::{Code, RunState};

use super::{Advice, IpeStatus, RunStatus, Status};
use crate::operate::standing::Standing;

/// How a failure is repaired, as docs/RUNBOOK.md has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// Remove the cause, then replay.
    Replay,
    /// The plan holds what is wrong: release a corrected catalog, then supersede.
    Supersede,
    /// Touch nothing.
    Stop,
}

fn repair(code: Code) -> Repair {
    match code {
        Code::PlanDigestMismatch | Code::EvidenceInvalid => Repair::Stop,
        Code::CatalogInvalid
        | Code::QueryFailed
        | Code::ContractMismatch
        | Code::ControlQueryInvalid
        | Code::TypeUnsupported
        | Code::DuplicateColumn
        | Code::TooManyColumns
        | Code::ValueNotExact => Repair::Supersede,
        _ => Repair::Replay,
    }
}

/// Finds what an operator should act on. `command` completes a command of this tool for the deployment.
pub(in crate::operate) fn advise(status: &Status, command: &dyn Fn(&str) -> String) -> Vec<Advice> {
    let mut found = Vec::new();
    if status.runs.is_empty() {
        found.push(Advice {
            run_id: None,
            ipe_id: None,
            problem: "there is no run yet".to_owned(),
            remedy: "Start the month.".to_owned(),
            command: Some(command("run")),
        });
    }
    for run in &status.runs {
        of_run(run, status, command, &mut found);
    }
    of_queues(status, command, &mut found);
    found
}

fn of_run(
    run: &RunStatus,
    status: &Status,
    command: &dyn Fn(&str) -> String,
    found: &mut Vec<Advice>,
) {
    let start = || command(&format!("run --cutoff {}", run.run_id.cutoff()));
    let mut say = |problem: String, remedy: &str, command: Option<String>| {
        found.push(Advice {
            run_id: Some(run.run_id.clone()),
            ipe_id: None,
            problem,
            remedy: remedy.to_owned(),
            command,
        });
    };
    if !run.closed && run.dispatched_at.is_none() && run.published.is_none() {
        say(
            "not every message was sent: the dispatcher ended in between".to_owned(),
            "Start the run again: it sends what is missing.",
            Some(start()),
        );
    }
    if !run.closed && run.past_deadline {
        say(
            format!("it is open past its deadline of {}", run.deadline),
            "The sweep closes it within 15 minutes; if it does not, see SweepStoppedAlarm in docs/RUNBOOK.md.",
            None,
        );
    }
    for ipe in &run.ipes {
        if let Some((problem, remedy, command)) = of_ipe(run, ipe, status, command) {
            found.push(Advice {
                run_id: Some(run.run_id.clone()),
                ipe_id: Some(ipe.id.clone()),
                problem,
                remedy,
                command,
            });
        }
    }
}

type Said = (String, String, Option<String>);

fn of_ipe(
    run: &RunStatus,
    ipe: &IpeStatus,
    status: &Status,
    command: &dyn Fn(&str) -> String,
) -> Option<Said> {
    let replay = || command(&format!("replay --run {} --ipe {}", run.run_id, ipe.id));
    let supersede = || command(&format!("replay --run {} --supersede", run.run_id));
    let queued = status.queues.jobs.total() > 0;
    match &ipe.standing {
        Standing::Passed { .. } | Standing::Rejected if ipe.dead_letter => Some((
            "it has ended, and a dead letter of it is left over".to_owned(),
            "A replay removes it.".to_owned(),
            Some(replay()),
        )),
        Standing::Passed { loaded: false }
            if run.settled || status.queues.receipts.total() == 0 && run.past_deadline =>
        {
            Some((
                "it has passed and is not loaded".to_owned(),
                "The finalizer's log has the code; repair the warehouse, then see \"Let the finalizer look again\" in docs/RUNBOOK.md."
                    .to_owned(),
                None,
            ))
        }
        Standing::Passed { .. } | Standing::Working { .. } => None,
        Standing::Rejected => Some((
            ipe.reason.clone().unwrap_or_default(),
            "Its owner decides. When source or catalog are corrected, and the run is closed, do it again.".to_owned(),
            run.settled.then(supersede),
        )),
        Standing::Failed { code, .. } => {
            let problem = ipe.reason.clone().unwrap_or_else(|| code.to_string());
            let remedy = code.remedy().to_owned();
            Some(match repair(*code) {
                Repair::Replay if queued && !ipe.dead_letter => (
                    problem,
                    "Its message may be in the jobs queue: watch it.".to_owned(),
                    Some(command(&format!("status --watch --run {}", run.run_id))),
                ),
                Repair::Replay => (problem, format!("{remedy} Then replay it."), Some(replay())),
                Repair::Supersede => (
                    problem,
                    format!("{remedy} The plan keeps the old text: do the run again once it is closed."),
                    run.settled.then(supersede),
                ),
                Repair::Stop => (
                    problem,
                    format!("{remedy} Do not replay: docs/SECURITY.md says what to do."),
                    None,
                ),
            })
        }
        // The third delivery was killed, so nobody could write why: only the dead letter tells, until the sweep does.
        Standing::Waiting if ipe.dead_letter => Some((
            "its worker was killed in the last delivery: there is a dead letter and no failure record. The next sweep writes one"
                .to_owned(),
            "Look into the worker's log for `Task timed out` or for memory at its limit; raise WorkerMemory if it was; then replay it."
                .to_owned(),
            Some(replay()),
        )),
        Standing::Waiting if !queued && (run.dispatched_at.is_some() || run.closed) => Some((
            "nobody works on it and its message is in no queue".to_owned(),
            "It has expired or was taken out. A replay makes it from the plan.".to_owned(),
            Some(replay()),
        )),
        Standing::Waiting => None,
    }
}

fn of_queues(status: &Status, command: &dyn Fn(&str) -> String, found: &mut Vec<Advice>) {
    let mut say = |problem: String, remedy: &str, command: Option<String>| {
        found.push(Advice {
            run_id: None,
            ipe_id: None,
            problem,
            remedy: remedy.to_owned(),
            command,
        });
    };
    for job in &status.dead_letters {
        if !status.runs.iter().any(|run| run.run_id == job.run_id) {
            say(
                format!("a dead letter of {} in {}", job.ipe_id, job.run_id),
                "Look at that run.",
                Some(command(&format!("status --run {}", job.run_id))),
            );
        }
    }
    if !status.strangers.is_empty() {
        say(
            format!(
                "{} message(s) that are no jobs are among the dead letters",
                status.strangers.len()
            ),
            "MESSAGE_INVALID: find out who sent them, then delete them (docs/RUNBOOK.md, \"Replay the other dead letters\").",
            None,
        );
    }
    if status.queues.receipts_dead.total() > 0 {
        say(
            format!(
                "{} notification(s) of receipts were given up",
                status.queues.receipts_dead.total()
            ),
            "The sweep continues by itself; see ReceiptsDeadLettersAlarm in docs/RUNBOOK.md.",
            None,
        );
    }
    if status.queues.starts_dead.total() > 0 {
        say(
            format!(
                "{} start(s) or sweep(s) were given up",
                status.queues.starts_dead.total()
            ),
            "See StartDeadLettersAlarm in docs/RUNBOOK.md; a month is started by hand.",
            Some(command("run")),
        );
    }
    let stuck = status.runs.iter().any(|run| run.state == RunState::Open);
    if !stuck && status.queues.jobs_dead.in_flight > 0 && status.dead_letters.is_empty() {
        say(
            format!(
                "{} dead letter(s) are held by somebody else for a moment",
                status.queues.jobs_dead.in_flight
            ),
            "Look again in half a minute.",
            None,
        );
    }
}
