//! One job, as the list of its steps: plan, lease, extraction, commit.

use std::time::{Duration, Instant};

use serde_json::json;
use soxauto_cloud::{lease::LeaseError, telemetry::events};
use soxauto_domain::{
    CheckOutcome, Code, IpeState, Job, Plan, Receipt, Retry, Sha256,
    layout::{Attempt, state},
    receipt::WorkerRecord,
};
use soxauto_extract::{
    ConnectionSettings, Extracted, Extraction, Limits, Options, Progress as _, extract,
};

use crate::{
    attempt::{self, AttemptRecord},
    context::Context,
    error::WorkerError,
    event::Delivery,
    heartbeat,
    journal::Journal,
    store::LakeStore,
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

/// Tries of one delivery against a source that may recover by itself.
const TRIES_HERE: u32 = 3;

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
    };
    let plan = match plan(context, &job).await {
        Ok(plan) => plan,
        Err(error @ WorkerError::PlanDigest { .. }) => {
            let number = context
                .reader
                .ipe(&job.run_id, &job.ipe_id)
                .await?
                .next_attempt();
            let attempt = Attempt {
                run_id: job.run_id,
                ipe_id: job.ipe_id,
                number,
            };
            failed(context, &attempt, &error, delivery, worker).await;
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
    };
    let journal = Journal::new(std::sync::Arc::clone(&context.clock), attempt.number);
    journal.note("start", json!({"run": job.run_id, "ipe": job.ipe_id, "attempt": attempt.number, "receive_count": delivery.receive_count}));
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
        failed(context, &attempt, error, delivery, worker).await;
    }
    release(lease).await;
    outcome
}

/// Fetches the plan and makes sure that it is the one that the message names.
async fn plan(context: &Context, job: &Job) -> Result<Plan, WorkerError> {
    let key = &job.plan.key;
    if *key != context.reader.layout().plan(&job.run_id) {
        return Err(WorkerError::Plan {
            key: key.clone(),
            reason: format!("it is not the plan of {}", job.run_id),
        });
    }
    let object = match context.evidence.get(key).await {
        Ok(object) => object,
        Err(e) if e.is_not_found() => return Err(WorkerError::PlanNotFound(key.clone())),
        Err(e) => return Err(e.into()),
    };
    let found = Sha256::of(&object.bytes);
    if found != job.plan.sha256 {
        return Err(WorkerError::PlanDigest {
            key: key.clone(),
            expected: job.plan.sha256,
            found,
        });
    }
    let plan: Plan = serde_json::from_slice(&object.bytes).map_err(|e| WorkerError::Plan {
        key: key.clone(),
        reason: e.to_string(),
    })?;
    if plan.run_id != job.run_id {
        return Err(WorkerError::Plan {
            key: key.clone(),
            reason: format!("it says it is the plan of {}", plan.run_id),
        });
    }
    Ok(plan)
}

async fn extract_and_commit(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
) -> Result<(), WorkerError> {
    let extracted = extract_with_retries(context, invocation, plan, record, journal).await?;
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

/// Extracts; what may pass by itself is tried again here, with growing distance, while time is left.
async fn extract_with_retries(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
) -> Result<Extracted, WorkerError> {
    let last_published_rows = match record.ipe.max_row_variance_percent {
        Some(_) => {
            context
                .reader
                .last_published_rows(&plan.run_id, &record.ipe.id)
                .await?
        }
        None => None,
    };
    let mut tries = 0;
    let mut secret_is_fresh = false;
    loop {
        tries += 1;
        let error = match extract_once(
            context,
            invocation,
            plan,
            record,
            journal,
            last_published_rows,
        )
        .await
        {
            Ok(extracted) => return Ok(extracted),
            Err(error) => error,
        };
        journal.note(
            "failed_try",
            json!({"try": tries, "code": error.code(), "message": error.to_string()}),
        );
        let wait = Duration::from_millis(500) * 4u32.pow(tries.min(4));
        let time_is_left = Instant::now() + wait < invocation.deadline;
        // The secret may have changed since it was fetched: what may be its fault makes it fetched again.
        let secret_in_doubt = matches!(
            error.code(),
            Code::LoginRefused
                | Code::SecretInvalid
                | Code::SourceTls
                | Code::SourceUnreachable
                | Code::DatabaseUnavailable
        );
        if secret_in_doubt {
            context.secret.invalidate().await;
        }
        match error.retry() {
            _ if secret_in_doubt && !secret_is_fresh => secret_is_fresh = true,
            Retry::Here if tries < TRIES_HERE && time_is_left => {
                tracing::warn!(
                    code = error.code().as_str(),
                    tries,
                    "tried again here: {error}"
                );
                tokio::time::sleep(wait).await;
            }
            _ => return Err(error),
        }
    }
}

async fn extract_once(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
    last_published_rows: Option<u64>,
) -> Result<Extracted, WorkerError> {
    journal.rows(0);
    let secret = context.secret.get().await?;
    let settings = ConnectionSettings::parse(secret.expose())?;
    let store = LakeStore::new(
        std::sync::Arc::clone(&context.evidence),
        context.reader.layout().clone(),
        record.attempt.clone(),
    );
    let request = Extraction {
        ipe: record.ipe,
        run_id: &plan.run_id,
        extracted_at: record.extracted_at,
        stage: context.settings.stage,
        driver: context.driver.as_ref(),
        settings: &settings,
        limits: Limits::until(invocation.deadline),
        options: Options::default(),
        last_published_rows,
    };
    Ok(extract(request, &store, journal).await?)
}

/// Records the failure; an attempt that lost to a rival has nothing to say.
async fn failed(
    context: &Context,
    attempt: &Attempt,
    error: &WorkerError,
    delivery: &Delivery,
    worker: WorkerRecord,
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
        attempt,
        error,
        is_final,
        context.clock.now(),
        worker,
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
