//! One job, as the list of its steps: plan, lease, extraction, commit.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use serde_json::json;
use soxauto_cloud::{lease::LeaseError, telemetry::events};
use soxauto_domain::{
    CheckOutcome, Code, IpeState, Job, Plan, Receipt,
    layout::{Attempt, state},
    receipt::WorkerRecord,
};

use crate::{
    attempt::{self, AttemptRecord, FailedAttempt},
    context::Context,
    error::WorkerError,
    event::Delivery,
    extraction, heartbeat,
    journal::Journal,
    plan,
};

/// The invocation in which a job runs.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda request id.
    pub request_id: String,
    /// Function and version.
    pub function: String,
    /// When the worker must have ended, the reserve for its last words taken off.
    pub deadline: Instant,
}

/// Does one job. `Ok` means that the message is done: the IPE has a receipt.
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
            // A lie about an IPE that has ended adds nothing to its record.
            if facts.state() == IpeState::Planned {
                let attempt = Attempt {
                    number: facts.next_attempt(),
                    run_id: job.run_id,
                    ipe_id: job.ipe_id,
                };
                failed(context, &attempt, &error, delivery, (started_at, worker)).await;
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
    let attempt = Attempt {
        run_id: job.run_id.clone(),
        ipe_id: job.ipe_id.clone(),
        number: facts.next_attempt(),
    };
    let record = AttemptRecord {
        attempt: &attempt,
        ipe,
        plan_sha256: job.plan.sha256,
        started_at,
        extracted_at: started_at,
        worker: worker.clone(),
        software: context.software.clone(),
    };
    let journal = Journal::new(Arc::clone(&context.clock), attempt.number);
    journal.note("start", json!({"run": job.run_id, "ipe": job.ipe_id, "attempt": attempt.number, "receive_count": delivery.receive_count, "replayed_by": job.replayed_by}));
    context.telemetry.emit(&events::AttemptStarted {
        run_id: &job.run_id,
        ipe_id: &job.ipe_id,
        attempt: attempt.number,
        receive_count: delivery.receive_count,
    });
    let work = extract_and_commit(context, invocation, &plan, &record, &journal);
    let outcome = heartbeat::alive(
        context,
        &delivery.receipt_handle,
        &mut lease,
        &journal,
        work,
    )
    .await;
    if let Err(error) = &outcome {
        failed(context, &attempt, error, delivery, (started_at, worker)).await;
    }
    release(lease).await;
    outcome
}

async fn extract_and_commit(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
) -> Result<(), WorkerError> {
    let extracted = extraction::run(context, invocation, plan, record, journal).await?;
    let seconds = extracted.timings.total_seconds;
    let bytes: u64 = extracted.files.iter().map(|f| f.size).sum();
    let receipt = attempt::commit(
        &context.evidence,
        context.reader.layout(),
        record,
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
    delivery: &Delivery,
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
    let is_final = delivery.receive_count >= context.settings.max_receives;
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
