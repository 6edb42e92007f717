//! Looking at buckets and queues. Nothing is changed; dead letters are held for a moment and let go of.

use std::collections::BTreeSet;

use soxauto_cloud::queue::QueueDepth;
use soxauto_domain::{
    ControlId, IpeId, IpeState, Job, RunId, RunState, facts::RunFacts, layout::state,
};

use super::{IpeStatus, Published, Queues, RunStatus, Selection, Status};
use crate::operate::{dead_letters, error::OperateError, parts::Parts, standing::Standing};

/// What was last found among the dead letters: it is looked through again only when their number has changed, since
/// each look counts as a delivery.
#[derive(Debug, Clone, Default)]
pub(in crate::operate) struct Letters {
    depth: QueueDepth,
    jobs: Vec<Job>,
    strangers: Vec<String>,
}

/// Looks once. Advice is not given yet.
pub(in crate::operate) async fn gather(
    parts: &Parts,
    stack: &str,
    selection: &Selection,
    before: Option<Letters>,
) -> Result<(Status, Letters), OperateError> {
    // Queues first: what leaves a queue afterwards is found in the buckets.
    let queues = Queues {
        jobs: parts.jobs.depth().await?.into(),
        jobs_dead: parts.dead_jobs.depth().await?.into(),
        receipts: parts.receipts.depth().await?.into(),
        receipts_dead: parts.dead_receipts.depth().await?.into(),
        starts_dead: parts.dead_starts.depth().await?.into(),
    };
    let letters = letters(parts, before).await?;
    let wanted = match selection {
        Selection::Run(run) => BTreeSet::from([run.clone()]),
        Selection::Control(control) => runs(parts, control).await?,
    };
    let mut runs = Vec::new();
    for run in wanted {
        match parts.reader.facts(&run).await? {
            Some(facts) => runs.push(of_run(parts, &facts, &queues, &letters.jobs).await?),
            None if matches!(selection, Selection::Run(_)) => return Err(OperateError::NoRun(run)),
            None => {}
        }
    }
    let status = Status {
        stack: stack.to_owned(),
        at: parts.clock.now(),
        runs,
        queues,
        dead_letters: letters.jobs.clone(),
        strangers: letters.strangers.clone(),
        next: Vec::new(),
    };
    Ok((status, letters))
}

async fn letters(parts: &Parts, before: Option<Letters>) -> Result<Letters, OperateError> {
    let depth = parts.dead_jobs.depth().await?;
    match before {
        Some(before) if before.depth == depth => return Ok(before),
        _ if depth == QueueDepth::default() => return Ok(Letters::default()),
        _ => {}
    }
    let found = dead_letters::search(parts.dead_jobs.as_ref(), |_| false, |_| false).await?;
    Ok(Letters {
        depth,
        jobs: found.others,
        strangers: found.strangers,
    })
}

/// The control's open runs, and its last run.
async fn runs(parts: &Parts, control: &ControlId) -> Result<BTreeSet<RunId>, OperateError> {
    let mut found: BTreeSet<RunId> = parts
        .state
        .list(state::OPEN_RUNS)
        .await?
        .iter()
        .filter_map(|marker| {
            let name = marker.key.strip_prefix(state::OPEN_RUNS)?;
            name.strip_suffix(".json")?.parse().ok()
        })
        .filter(|run: &RunId| run.control() == control)
        .collect();
    found.extend(parts.reader.runs(control).await?.pop());
    Ok(found)
}

async fn of_run(
    parts: &Parts,
    facts: &RunFacts,
    queues: &Queues,
    letters: &[Job],
) -> Result<RunStatus, OperateError> {
    let run = &facts.plan.run_id;
    let now = parts.clock.now();
    let marker = parts.marker(run).await?;
    let published = parts.last_manifest(facts).await?.map(|manifest| Published {
        revision: manifest.predicate.revision,
        state: manifest.predicate.state,
    });
    let mut ipes = Vec::with_capacity(facts.ipes.len());
    for ipe in &facts.ipes {
        let lease = match ipe.state() {
            IpeState::Passed | IpeState::Rejected => None,
            IpeState::Failed | IpeState::Planned => {
                parts.leases.read(&state::ipe_lease(run, &ipe.id)).await?
            }
        };
        ipes.push(IpeStatus {
            id: ipe.id.clone(),
            state: ipe.state(),
            standing: Standing::of(ipe, lease.as_ref(), now),
            dead_letter: is_dead(letters, run, &ipe.id),
            rows: ipe.deciding().map(|(_, receipt)| receipt.counts.decoded),
            reason: ipe.reason(),
            attempts: ipe.summaries(),
        });
    }
    let past_deadline = now >= facts.plan.deadline;
    let closed = published.is_some() && marker.is_none();
    let seen = facts.state(past_deadline);
    let at_work = ipes
        .iter()
        .any(|ipe| matches!(ipe.standing, Standing::Working { .. }));
    let quiet = !at_work && queues.jobs.total() == 0 && queues.receipts.total() == 0;
    let complete = published.is_some_and(|manifest| manifest.state == RunState::Complete)
        && seen == RunState::Complete;
    let settled = closed && (quiet || complete);
    let state = match published {
        Some(published) if settled => published.state,
        _ => seen,
    };
    Ok(RunStatus {
        run_id: run.clone(),
        state,
        published,
        closed,
        settled,
        dispatched_at: marker.and_then(|marker| marker.dispatched_at),
        created_at: facts.plan.created_at,
        age_seconds: now.duration_since(facts.plan.created_at).as_secs(),
        deadline: facts.plan.deadline,
        past_deadline,
        ipes,
    })
}

fn is_dead(letters: &[Job], run: &RunId, ipe: &IpeId) -> bool {
    letters
        .iter()
        .any(|job| job.run_id == *run && job.ipe_id == *ipe)
}
