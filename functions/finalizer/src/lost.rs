//! Workers that were lost in the last delivery of their message: nobody but the dead letter tells of them, so the sweep
//! writes the record in their place, and the run need not wait for its deadline.
//!
//! The record is an ordinary final failure, created once. Whatever a letter says, it can only make an IPE *failed* that has
//! neither receipt nor holder, and a receipt that comes all the same still counts before it.

use bytes::Bytes;
use soxauto_cloud::{
    lake::LakeError,
    lease::LeaseRecord,
    queue::{ReceivedMessage, dead_letters},
    telemetry::events,
};
use soxauto_domain::{
    Code, Failure, IpeState, Job,
    facts::{IpeFacts, RunFacts},
    layout::{self, Attempt, state},
    receipt::{FailureSchema, WorkerRecord},
};

use crate::{context::Context, error::FinalizerError};

/// A dead letter of the jobs queue.
pub type Letter = (Job, ReceivedMessage);

/// The jobs that the queue has given up. They are looked at and left where they are.
///
/// # Errors
/// [`FinalizerError::Queue`] when the queue does not answer.
pub async fn letters(context: &Context) -> Result<Vec<Letter>, FinalizerError> {
    if context.dead_jobs.depth().await?.visible == 0 {
        return Ok(Vec::new());
    }
    let found = dead_letters::search(context.dead_jobs.as_ref(), |_| true, |_| false).await?;
    for (_, message) in &found.wanted {
        dead_letters::release(context.dead_jobs.as_ref(), message).await?;
    }
    Ok(found.wanted)
}

/// Writes the failure records of the run's lost workers.
///
/// # Errors
/// [`FinalizerError`] when a bucket does not answer; the next sweep looks again.
pub async fn record(
    context: &Context,
    facts: &RunFacts,
    letters: &[Letter],
) -> Result<(), FinalizerError> {
    let now = context.clock.now();
    for ipe in &facts.ipes {
        let Some((job, message)) = letters.iter().find(|(job, _)| is_about(job, facts, ipe)) else {
            continue;
        };
        let key = state::ipe_lease(&facts.plan.run_id, &ipe.id);
        let lease = context.leases.read(&key).await?;
        if lease.as_ref().is_some_and(|lease| lease.expires_at > now) {
            continue;
        }
        write(context, facts, ipe, (job, message), lease.as_ref()).await?;
    }
    Ok(())
}

/// Whether the letter is the last word about an IPE that has not ended: a message of this very plan, and not one that was
/// sent again since.
fn is_about(job: &Job, facts: &RunFacts, ipe: &IpeFacts) -> bool {
    let last = ipe.attempts.last().and_then(|a| a.failure.as_ref());
    job.run_id == facts.plan.run_id
        && job.ipe_id == ipe.id
        && job.plan.sha256 == facts.plan_sha256
        && ipe.state() == IpeState::Planned
        && last.is_none_or(|failure| failure.document.worker.replayed_by == job.replayed_by)
}

async fn write(
    context: &Context,
    facts: &RunFacts,
    ipe: &IpeFacts,
    (job, message): (&Job, &ReceivedMessage),
    lease: Option<&LeaseRecord>,
) -> Result<(), FinalizerError> {
    let now = context.clock.now();
    let code = Code::WorkerLost;
    let attempt = Attempt {
        run_id: facts.plan.run_id.clone(),
        ipe_id: ipe.id.clone(),
        number: ipe.lost_attempt(),
    };
    let seen = lease.map_or_else(String::new, |lease| {
        let progress = lease.progress.clone().unwrap_or_default();
        format!(
            "; its last sign of life was at {}, at step {:?} with {} rows",
            lease.renewed_at, progress.stage, progress.rows
        )
    });
    let failure = Failure {
        schema: FailureSchema,
        run_id: attempt.run_id.clone(),
        ipe_id: attempt.ipe_id.clone(),
        attempt: attempt.number,
        code,
        message: format!(
            "no worker has told how its last delivery ended, and the queue has given the message up{seen}. The finalizer writes this in its place"
        ),
        remedy: code.remedy().to_owned(),
        retry: code.retry(),
        is_final: true,
        started_at: lease.map_or(now, |lease| lease.acquired_at),
        failed_at: now,
        software: context.software.clone(),
        worker: WorkerRecord {
            request_id: lease
                .and_then(|lease| lease.owner.rsplit_once('/'))
                .map_or("unknown", |(_, request)| request)
                .to_owned(),
            function: "unknown".to_owned(),
            receive_count: message.receive_count,
            replayed_by: job.replayed_by.clone(),
        },
    };
    let bytes = Bytes::from(serde_json::to_vec_pretty(&failure)?);
    let key = context.reader.layout().file(&attempt, layout::FAILURE);
    match context
        .evidence
        .create(&key, bytes, "application/json")
        .await
    {
        Ok(_) => context.telemetry.emit(&events::AttemptFailed {
            run_id: &attempt.run_id,
            ipe_id: &attempt.ipe_id,
            attempt: attempt.number,
            code,
            is_final: true,
        }),
        // The worker, or another sweep, was first.
        Err(LakeError::AlreadyExists(_)) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(())
}
