//! One job, as the list of its steps: plan, lease, extraction, commit or a word for the next invocation.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use serde_json::json;
use soxauto_cloud::{lease::LeaseError, telemetry::events};
use soxauto_domain::{
    CheckOutcome, Code, IpeState, Job, PlannedIpe, Receipt, Retry,
    facts::IpeFacts,
    layout::{Attempt, state},
    receipt::WorkerRecord,
};
use soxauto_extract::{Extracted, Ranged};

use crate::{
    attempt::{self, AttemptRecord, FailedAttempt},
    context::Context,
    error::WorkerError,
    event::Delivery,
    extraction::{self, Work},
    heartbeat,
    journal::Journal,
    plan,
    suspended::{self, Suspended},
};

/// The invocation in which a job runs.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda request id.
    pub request_id: String,
    /// Function and version.
    pub function: String,
    /// When it began.
    pub began: Instant,
    /// When the worker must have ended, the reserve for its last words taken off.
    pub deadline: Instant,
}

impl Invocation {
    /// Whether less than half of its time is left.
    #[must_use]
    pub fn is_half_over(&self) -> bool {
        let now = Instant::now();
        self.deadline.saturating_duration_since(now) < now.duration_since(self.began)
    }
}

/// Does one job. `Ok` means that the message is done: the IPE has a receipt, or another message goes on with it.
///
/// # Errors
/// [`WorkerError`]; the failure is recorded in the run's folder if the run is known.
pub async fn run(
    context: &Context,
    invocation: &Invocation,
    delivery: &Delivery,
) -> Result<(), WorkerError> {
    let started_at = context.clock.now();
    let job: Job =
        serde_json::from_str(&delivery.body).map_err(|e| WorkerError::Message(e.to_string()))?;
    tracing::info!(run = %job.run_id, ipe = %job.ipe_id, "job received");
    // The queue's own timeout is six times the function's; a killed worker's message should be back much sooner.
    if let Err(e) = context
        .jobs
        .change_visibility(&delivery.receipt_handle, context.timing.visibility)
        .await
    {
        tracing::warn!("the message's visibility could not be set: {e}");
    }
    let worker = WorkerRecord {
        request_id: invocation.request_id.clone(),
        function: invocation.function.clone(),
        receive_count: delivery.receive_count,
        replayed_by: job.replayed_by.clone(),
    };
    let plan = match plan::fetch(context, &job).await {
        Ok(plan) => plan,
        Err(error @ WorkerError::PlanDigest { .. }) => {
            let facts = context.reader.ipe(&job.run_id, &job.ipe_id).await?;
            // A lie about an IPE that has ended, or that others work on, adds nothing to its record.
            if facts.state() == IpeState::Planned && facts.suspended().is_none() {
                let attempt = Attempt {
                    number: facts.next_attempt(),
                    run_id: job.run_id,
                    ipe_id: job.ipe_id,
                };
                let is_final = delivery.receive_count >= context.settings.max_receives;
                failed(context, &attempt, &error, is_final, (started_at, worker)).await;
            }
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let ipe = plan
        .ipe(&job.ipe_id)
        .ok_or_else(|| WorkerError::IpeNotInPlan {
            run: job.run_id.clone(),
            ipe: job.ipe_id.clone(),
        })?;
    let owner = format!("{}/{}", delivery.message_id, invocation.request_id);
    let mut lease = context
        .leases
        .acquire(
            &state::ipe_lease(&job.run_id, &job.ipe_id),
            &owner,
            context.timing.lease,
        )
        .await?;
    // Only under the lease is it certain that nobody else is about to commit.
    let facts = match context.reader.ipe(&job.run_id, &job.ipe_id).await {
        Ok(facts) => facts,
        Err(error) => {
            // The next delivery would find the IPE held by nobody at work, and be wasted.
            release(lease).await;
            return Err(error.into());
        }
    };
    if matches!(facts.state(), IpeState::Passed | IpeState::Rejected) {
        tracing::info!(run = %job.run_id, ipe = %job.ipe_id, "the IPE has its receipt already");
        release(lease).await;
        return Ok(());
    }
    if let Some(given_up) = given_up(ipe, &facts, delivery) {
        release(lease).await;
        return Err(given_up);
    }
    let mut attempt = Attempt {
        run_id: job.run_id.clone(),
        ipe_id: job.ipe_id.clone(),
        number: facts.next_attempt(),
    };
    let mut suspended = match suspended::find(context, &job, &facts).await {
        Ok(suspended) => suspended,
        Err(error) => {
            if let WorkerError::Unresumable {
                attempt: number, ..
            } = error
            {
                attempt.number = number;
                let is_final = is_final(context, ipe, &facts, delivery);
                failed(context, &attempt, &error, is_final, (started_at, worker)).await;
            }
            release(lease).await;
            return Err(error);
        }
    };
    let first = suspended.as_ref().map(|s| s.resumed.first());
    let record = AttemptRecord {
        ipe,
        plan_sha256: job.plan.sha256,
        started_at: first.map_or(started_at, |first| first.started_at),
        invoked_at: started_at,
        extracted_at: first.map_or(started_at, |first| first.extracted_at),
        worker: worker.clone(),
        software: context.software.clone(),
        attempt: {
            attempt.number = first.map_or(attempt.number, |first| first.attempt);
            &attempt
        },
    };
    let journal = Journal::new(Arc::clone(&context.clock), attempt.number);
    let segments = suspended.as_ref().map_or(0, |s| s.files.len());
    journal.note("start", json!({"run": job.run_id, "ipe": job.ipe_id, "attempt": attempt.number, "receive_count": delivery.receive_count, "replayed_by": job.replayed_by, "segments": segments}));
    context.telemetry.emit(&events::AttemptStarted {
        run_id: &job.run_id,
        ipe_id: &job.ipe_id,
        attempt: attempt.number,
        receive_count: delivery.receive_count,
    });
    let work = Work {
        context,
        invocation,
        plan: &plan,
        record: &record,
        journal: &journal,
    };
    let outcome = heartbeat::alive(
        context,
        &delivery.receipt_handle,
        &mut lease,
        &journal,
        extract_and_commit(&work, &mut suspended),
    )
    .await;
    if let Err(error) = &outcome {
        let is_final = is_final(context, ipe, &facts, delivery);
        if suspended.is_some() && !is_final && can_go_on(error) {
            // The next delivery goes on behind the last segment.
            tracing::warn!(
                code = error.code().as_str(),
                "the attempt is left where its last segment ends: {error}"
            );
        } else {
            let started = (record.started_at, worker);
            failed(context, &attempt, error, is_final, started).await;
        }
    }
    release(lease).await;
    if let Ended::Suspended = outcome? {
        // Behind the release: whoever takes the message finds the IPE free.
        suspended::pass_on(context, &job).await?;
    }
    Ok(())
}

/// How an invocation ends.
enum Ended {
    /// The attempt has its receipt.
    Committed,
    /// Another invocation goes on.
    Suspended,
}

/// An IPE with key ranges may fail for good while its message has deliveries left: they go to the dead letters, and only a
/// message that was sent later is a replay.
fn given_up(ipe: &PlannedIpe, facts: &IpeFacts, delivery: &Delivery) -> Option<WorkerError> {
    let failure = facts.final_failure()?;
    // The queue knows milliseconds.
    let failed_at = failure.failed_at.as_millisecond();
    let older = delivery
        .sent_at
        .is_some_and(|sent| sent.as_millisecond() < failed_at);
    (ipe.partition.is_some() && older).then(|| WorkerError::GivenUp {
        ipe: ipe.id.clone(),
        attempt: failure.attempt,
        code: failure.code,
    })
}

/// Whether a failure now is the last word. A message that hands over starts its own count of deliveries, so that for key
/// ranges the attempts that failed in succession count as well.
fn is_final(context: &Context, ipe: &PlannedIpe, facts: &IpeFacts, delivery: &Delivery) -> bool {
    let most = context.settings.max_receives;
    let in_succession = facts.failures_in_succession() as u64 + 1;
    delivery.receive_count >= most || (ipe.partition.is_some() && in_succession >= u64::from(most))
}

/// Whether the next delivery may go on with the segments that are there. Where the source or the evidence is no longer what
/// they were built on, a new attempt begins.
fn can_go_on(error: &WorkerError) -> bool {
    match error.code() {
        // Somebody is changing the password, or will: what was extracted with the old one is as good as before.
        Code::LoginRefused => true,
        Code::SourceMoved => false,
        _ => !matches!(error, WorkerError::Unresumable { .. }) && error.retry() != Retry::Fatal,
    }
}

async fn extract_and_commit(
    work: &Work<'_>,
    suspended: &mut Option<Suspended>,
) -> Result<Ended, WorkerError> {
    let extracted = if work.record.ipe.partition.is_some() {
        match extract_by_ranges(work, suspended).await? {
            Some(extracted) => extracted,
            None => return Ok(Ended::Suspended),
        }
    } else {
        extraction::whole(work).await?
    };
    commit(work, suspended.as_ref(), extracted).await?;
    Ok(Ended::Committed)
}

/// Does ranges while there is time. `None` when another invocation goes on.
async fn extract_by_ranges(
    work: &Work<'_>,
    suspended: &mut Option<Suspended>,
) -> Result<Option<Extracted>, WorkerError> {
    let Work {
        context,
        invocation,
        record,
        journal,
        ..
    } = work;
    let mut worked = false;
    let so_far = suspended.as_ref().map(|s| &s.resumed);
    if so_far.is_none_or(|done| done.next().is_some()) {
        let done = match extraction::ranges(work, so_far).await? {
            Ranged::Whole(extracted) => return Ok(Some(*extracted)),
            Ranged::Part(done) => *done,
        };
        let kept = suspended::keep(context, record, suspended.as_ref(), done).await?;
        let last = kept.resumed.last();
        journal.note(
            "segment",
            json!({"segment": last.segment, "ranges": last.ranges.len(), "cursor": last.cursor}),
        );
        context.telemetry.emit(&events::AttemptSuspended {
            run_id: &record.attempt.run_id,
            ipe_id: &record.attempt.ipe_id,
            attempt: record.attempt.number,
            segment: last.segment,
            ranges: last.ranges.len(),
            rows: kept.resumed.rows(),
        });
        *suspended = Some(kept);
        worked = true;
    }
    let Some(done) = suspended.as_ref().map(|s| &s.resumed) else {
        return Ok(None);
    };
    // Reading everything back may take as long as an invocation has: it gets one of its own unless much time is left.
    if done.next().is_some() || (worked && invocation.is_half_over()) {
        return Ok(None);
    }
    match extraction::conclusion(work, done).await {
        Err(e) if worked && e.code() == Code::DeadlineNear => Ok(None),
        other => other.map(Some),
    }
}

async fn commit(
    work: &Work<'_>,
    suspended: Option<&Suspended>,
    extracted: Extracted,
) -> Result<(), WorkerError> {
    let Work {
        context,
        record,
        journal,
        ..
    } = work;
    let seconds = context
        .clock
        .now()
        .duration_since(record.started_at)
        .as_secs_f64();
    let bytes: u64 = extracted.files.iter().map(|f| f.size).sum();
    let receipt = attempt::commit(
        &context.evidence,
        context.reader.layout(),
        record,
        suspended,
        extracted,
        journal,
        context.clock.now(),
    )
    .await?;
    let Receipt {
        run_id,
        ipe_id,
        attempt,
        ..
    } = &receipt;
    if receipt.state == IpeState::Passed {
        let rows = receipt.counts.decoded;
        context.telemetry.emit(&events::AttemptPassed {
            run_id,
            ipe_id,
            attempt: *attempt,
            rows,
            bytes,
            seconds,
        });
    } else {
        let failed: Vec<String> = receipt
            .checks
            .iter()
            .filter(|check| !check.passed())
            .map(CheckOutcome::id)
            .collect();
        context.telemetry.emit(&events::AttemptRejected {
            run_id,
            ipe_id,
            attempt: *attempt,
            checks: &failed.join(", "),
        });
    }
    Ok(())
}

/// Records the failure; an attempt that lost to a rival has nothing to say.
async fn failed(
    context: &Context,
    attempt: &Attempt,
    error: &WorkerError,
    is_final: bool,
    (started_at, worker): (Timestamp, WorkerRecord),
) {
    let code = error.code();
    if matches!(error, WorkerError::Lease(LeaseError::Lost { .. })) || code == Code::ObjectExists {
        tracing::warn!(
            code = code.as_str(),
            "a rival was first; this attempt is discarded: {error}"
        );
        return;
    }
    context.telemetry.emit(&events::AttemptFailed {
        run_id: &attempt.run_id,
        ipe_id: &attempt.ipe_id,
        attempt: attempt.number,
        code,
        is_final,
    });
    let layout = context.reader.layout();
    if let Err(e) = attempt::record_failure(
        &context.evidence,
        layout,
        FailedAttempt {
            attempt,
            error,
            is_final,
            started_at,
            failed_at: context.clock.now(),
            worker,
            software: context.software.clone(),
        },
    )
    .await
    {
        tracing::error!("the failure could not be recorded: {e}");
    }
}

async fn release(lease: soxauto_cloud::lease::Lease) {
    if let Err(e) = lease.release().await {
        // It ends by itself.
        tracing::warn!("the lease could not be released: {e}");
    }
}
