//! `soxauto replay`: bring IPEs that the queue has given up back to the workers.
//!
//! The message goes to the jobs queue first and leaves the dead letters afterwards. Whoever dies between the two leaves a
//! message in both: the worker does each IPE once, and the next replay removes what is left.

mod decision;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt::Write as _, process::ExitCode};

use clap::Args;
use serde::Serialize;
use soxauto_cloud::queue::OutgoingMessage;
use soxauto_domain::{IpeId, Job, RunId, RunState, facts::RunFacts, layout::state};

use self::decision::{Decision, Refusal, Surroundings, decide};
use super::{
    dead_letters,
    error::OperateError,
    parts::Parts,
    run::{describe, start},
    standing::Standing,
};
use crate::{
    exit,
    local::Format,
    target::{Target, TargetArgs},
};

/// Arguments of `soxauto replay`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["ipes", "all", "supersede"]))]
pub(crate) struct ReplayArgs {
    /// The run, as <control>/<cutoff>/r<n>.
    #[arg(long, value_name = "RUN")]
    run: RunId,
    /// Replay this IPE; may be given several times.
    #[arg(long = "ipe", value_name = "ID")]
    ipes: Vec<IpeId>,
    /// Replay every IPE of the run that was given up.
    #[arg(long)]
    all: bool,
    /// Send a message made from the plan, even though the IPE's own may still be on its way. Twice is harmless.
    #[arg(long, conflicts_with = "supersede")]
    rebuild: bool,
    /// The run is closed and must be done again: start r<n+1> with the same IPEs, linked to this one.
    #[arg(long)]
    supersede: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArgs,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    /// The run.
    run_id: RunId,
    /// Who asked, as AWS names them.
    replayed_by: String,
    /// Whether nothing was done.
    dry_run: bool,
    /// In the order of the plan.
    ipes: Vec<ReplayedIpe>,
}

/// What was done about one IPE.
#[derive(Debug, Serialize)]
pub(super) struct ReplayedIpe {
    id: IpeId,
    outcome: Outcome,
    detail: String,
    /// Whether it is refused because its message is on its way anyway.
    #[serde(skip)]
    in_flight: bool,
}

/// What happened to an IPE's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// From the dead letters to the jobs queue.
    Sent,
    /// Made from the plan and sent.
    Rebuilt,
    /// Removed from the dead letters: the IPE has ended.
    Cleared,
    /// Nothing.
    Refused,
}

/// Which IPEs, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    /// These, or all that were given up.
    pub(super) ipes: Option<Vec<IpeId>>,
    /// Whether a message is made although one may be on its way.
    pub(super) insist: bool,
    /// Whether nothing is done.
    pub(super) dry_run: bool,
}

/// Replays.
pub(crate) async fn replay(args: ReplayArgs) -> Result<ExitCode, OperateError> {
    let target = args.target.open().await?;
    let parts = Parts::of(&target)?;
    if args.supersede {
        return supersede(&target, &parts, &args).await;
    }
    let wish = Wish {
        ipes: (!args.all).then(|| args.ipes.clone()),
        insist: args.rebuild,
        dry_run: args.dry_run,
    };
    let caller = target.account.caller().await?;
    let done = replay_run(&parts, &args.run, &wish, &caller).await?;
    match args.format {
        Format::Json => println!("{}", serde_json::to_string(&done)?),
        Format::Table => print!("{}", done.table(&target)),
    }
    Ok(ExitCode::from(done.exit_code(args.all)))
}

async fn supersede(
    target: &Target,
    parts: &Parts,
    args: &ReplayArgs,
) -> Result<ExitCode, OperateError> {
    let facts = latest(parts, &args.run).await?;
    let published = parts.last_manifest(&facts).await?;
    if published.is_none_or(|manifest| manifest.predicate.state == RunState::Open) {
        return Err(OperateError::StillOpen(args.run.clone()));
    }
    let ipes: Vec<IpeId> = facts.plan.ipes.iter().map(|ipe| ipe.id.clone()).collect();
    if args.dry_run {
        println!("{} would be superseded by {}", args.run, args.run.next());
        return Ok(ExitCode::from(exit::SUCCESS));
    }
    let started = start(target, Some(args.run.cutoff()), &ipes, true, None).await?;
    match args.format {
        Format::Json => println!("{}", serde_json::to_string(&started)?),
        Format::Table => print!("{}", describe(target, &started)?),
    }
    Ok(ExitCode::from(exit::SUCCESS))
}

/// The facts of a run that no later one has superseded.
async fn latest(parts: &Parts, run: &RunId) -> Result<RunFacts, OperateError> {
    let facts = parts
        .reader
        .facts(run)
        .await?
        .ok_or_else(|| OperateError::NoRun(run.clone()))?;
    match parts.reader.latest(run.control(), run.cutoff()).await? {
        Some(latest) if latest != *run => Err(OperateError::Superseded {
            run: run.clone(),
            latest,
        }),
        _ => Ok(facts),
    }
}

/// Replays IPEs of a run in the name of `caller`.
///
/// # Errors
/// [`OperateError`]; what was sent by then is done, and the next call finds it so.
pub(super) async fn replay_run(
    parts: &Parts,
    run: &RunId,
    wish: &Wish,
    caller: &str,
) -> Result<Replayed, OperateError> {
    let facts = latest(parts, run).await?;
    let wanted: BTreeSet<&IpeId> = match &wish.ipes {
        Some(ipes) => ipes.iter().collect(),
        None => facts.ipes.iter().map(|ipe| &ipe.id).collect(),
    };
    if let Some(unknown) = wanted.iter().find(|id| facts.ipe(id).is_none()) {
        return Err(OperateError::NoIpe {
            run: run.clone(),
            ipe: (*unknown).clone(),
        });
    }
    vouch(parts, &facts).await?;
    let pointer = parts.pointer(&facts);
    // Before the search: the queue's count lags, and would take what the search holds or has let go of for another's.
    let held_elsewhere = parts.dead_jobs.depth().await?.in_flight;
    let found = dead_letters::search(
        parts.dead_jobs.as_ref(),
        |job| job.run_id == *run && wanted.contains(&job.ipe_id),
        // One letter of each is enough; of all, the whole queue must be seen.
        |held| {
            let found: BTreeSet<&IpeId> = held.iter().map(|(job, _)| &job.ipe_id).collect();
            found.len() == wanted.len()
        },
    )
    .await?;
    let around = Surroundings {
        jobs: parts.jobs.depth().await?,
        held_elsewhere,
        insist: wish.insist,
    };
    let mut letters = found.wanted;
    let mut done = Vec::new();
    for ipe in facts.ipes.iter().filter(|ipe| wanted.contains(&ipe.id)) {
        let mine = |(job, _): &(Job, _)| job.ipe_id == ipe.id;
        let letter = letters.iter().position(mine).map(|at| letters.remove(at));
        let lease = parts.leases.read(&state::ipe_lease(run, &ipe.id)).await?;
        let standing = Standing::of(ipe, lease.as_ref(), parts.clock.now());
        let decision = match letter {
            Some((job, message)) if job.plan != pointer => {
                Decision::Refuse(Refusal::OtherPlan, Some(message))
            }
            letter => decide(&standing, letter, &around),
        };
        // Of a whole run, those that need nothing go without saying.
        let silent = matches!(
            decision,
            Decision::Refuse(Refusal::Passed | Refusal::Rejected, None)
        );
        if wish.ipes.is_some() || !silent {
            let rebuilt = Job::new(run.clone(), ipe.id.clone(), pointer.clone());
            done.push(carry_out(parts, decision, rebuilt, wish.dry_run, caller).await?);
        }
    }
    // A second letter of the same IPE: the next call clears it, once the IPE has ended.
    for (_, message) in &letters {
        dead_letters::release(parts.dead_jobs.as_ref(), message).await?;
    }
    Ok(Replayed {
        run_id: run.clone(),
        replayed_by: caller.to_owned(),
        dry_run: wish.dry_run,
        ipes: done,
    })
}

/// Everything that knows the plan's digest must know this one, and somebody must.
async fn vouch(parts: &Parts, facts: &RunFacts) -> Result<(), OperateError> {
    let run = &facts.plan.run_id;
    let mut witnesses = Vec::new();
    if let Some(marker) = parts.marker(run).await? {
        witnesses.push(("the marker of the open run".to_owned(), marker.plan.sha256));
    }
    if let Some(manifest) = parts.last_manifest(facts).await? {
        let name = format!("manifest {}", manifest.predicate.revision);
        witnesses.extend(manifest.predicate.plan_sha256.map(|sha256| (name, sha256)));
    }
    for ipe in &facts.ipes {
        for receipt in ipe.attempts.iter().filter_map(|a| a.receipt.as_ref()) {
            let name = format!("the receipt of {}", ipe.id);
            witnesses.push((name, receipt.document.plan_sha256));
        }
    }
    if witnesses.is_empty() {
        return Err(OperateError::Unvouched(run.clone()));
    }
    match witnesses
        .into_iter()
        .find(|(_, digest)| *digest != facts.plan_sha256)
    {
        None => Ok(()),
        Some((witness, expected)) => Err(OperateError::PlanDiffers {
            run: run.clone(),
            found: facts.plan_sha256,
            witness,
            expected,
        }),
    }
}

/// Does what was decided; in a dry run it only says so, and lets go of what is held.
async fn carry_out(
    parts: &Parts,
    decision: Decision,
    rebuilt: Job,
    dry_run: bool,
    caller: &str,
) -> Result<ReplayedIpe, OperateError> {
    let dead = parts.dead_jobs.as_ref();
    let id = rebuilt.ipe_id.clone();
    let (outcome, detail, job, letter) = match decision {
        Decision::Send(job, letter) => (
            Outcome::Sent,
            "its dead letter goes back to the workers".to_owned(),
            Some(job),
            Some(letter),
        ),
        Decision::Rebuild => (
            Outcome::Rebuilt,
            "it has no dead letter (expired, or taken out): its message is made from the plan"
                .to_owned(),
            Some(rebuilt),
            None,
        ),
        Decision::Clear(letter) => (
            Outcome::Cleared,
            "it has ended already: its left-over dead letter is removed".to_owned(),
            None,
            Some(letter),
        ),
        Decision::Refuse(refusal, letter) => {
            if let Some(letter) = &letter {
                dead_letters::release(dead, letter).await?;
            }
            return Ok(ReplayedIpe {
                id,
                outcome: Outcome::Refused,
                detail: refusal.to_string(),
                in_flight: refusal.is_in_flight(),
            });
        }
    };
    if dry_run {
        if let Some(letter) = &letter {
            dead_letters::release(dead, letter).await?;
        }
    } else {
        if let Some(job) = job {
            let job = Job {
                replayed_by: Some(caller.to_owned()),
                ..job
            };
            let message = OutgoingMessage {
                id: id.as_str().to_owned(),
                body: serde_json::to_string(&job)?,
            };
            parts.jobs.send_batch(vec![message]).await?;
        }
        // Only now: a message that is in both queues is done once, one that is in neither would be lost.
        if let Some(letter) = &letter {
            dead.delete(&letter.receipt_handle).await?;
        }
    }
    Ok(ReplayedIpe {
        id,
        outcome,
        detail,
        in_flight: false,
    })
}

impl Replayed {
    /// 0 when everything that was asked for was done. Of `--all`, what is in flight anyway is no failure.
    pub(super) fn exit_code(&self, all: bool) -> u8 {
        let refused = self
            .ipes
            .iter()
            .any(|ipe| ipe.outcome == Outcome::Refused && !(all && ipe.in_flight));
        if refused {
            exit::FAILURE
        } else {
            exit::SUCCESS
        }
    }

    fn table(&self, target: &Target) -> String {
        let mut text = String::new();
        for ipe in &self.ipes {
            let did = match ipe.outcome {
                Outcome::Refused => "is not replayed",
                _ if self.dry_run => "would be done",
                Outcome::Sent | Outcome::Rebuilt => "is replayed",
                Outcome::Cleared => "needs nothing",
            };
            let _ = writeln!(text, "{} {did}: {}", ipe.id, ipe.detail);
        }
        if self.ipes.is_empty() {
            let _ = writeln!(text, "no IPE of {} was given up", self.run_id);
        }
        if !self.dry_run && self.ipes.iter().any(|ipe| ipe.outcome != Outcome::Refused) {
            let _ = writeln!(text, "recorded as a replay by {}", self.replayed_by);
            let command = target.command(&format!("status --watch --run {}", self.run_id));
            let _ = writeln!(text, "follow it with: {command}");
        }
        text
    }
}
