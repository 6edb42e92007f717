//! The plan of a job: fetched, and believed only if it is the one that the message names.

use soxauto_domain::{Job, Plan, Sha256};

use crate::{context::Context, error::WorkerError};

/// Fetches the plan and makes sure that it is the one that the message names.
///
/// # Errors
/// [`WorkerError`] says what the plan is not.
pub async fn fetch(context: &Context, job: &Job) -> Result<Plan, WorkerError> {
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
