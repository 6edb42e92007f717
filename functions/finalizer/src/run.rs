//! Bringing a run further, as the list of its steps: lease, load, close.

use std::{future::Future, time::Instant};

use soxauto_cloud::lease::{Lease, LeaseError};
use soxauto_domain::{RunId, RunState, layout::state};

use crate::{close, context::Context, error::FinalizerError, load};

/// Does what the run still misses; returns its state.
///
/// # Errors
/// [`FinalizerError`]; what was done stays done, and the next call continues.
pub async fn advance(
    context: &Context,
    run: &RunId,
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let mut lease = acquire(context, run, deadline).await?;
    let outcome = alive(context, &mut lease, advance_alone(context, run, deadline)).await;
    if let Err(e) = lease.release().await {
        // It ends by itself.
        tracing::warn!("the lease could not be released: {e}");
    }
    outcome
}

async fn advance_alone(
    context: &Context,
    run: &RunId,
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let Some(facts) = context.reader.facts(run).await? else {
        tracing::warn!("there is no plan: the folder is not a run");
        return Ok(None);
    };
    let past_deadline = context.clock.now() >= facts.plan.deadline;
    let loaded = load::load_missing(context, &facts, deadline).await;
    let facts = match context.reader.facts(run).await? {
        Some(facts) => facts,
        None => return Ok(None),
    };
    match loaded {
        Ok(()) => {}
        // At its deadline the run is closed with what is there, and the manifest says what is missing.
        Err(e) if past_deadline => {
            tracing::error!(code = e.code().as_str(), "closed without a load: {e}")
        }
        Err(e) => return Err(e),
    }
    close::close(context, &facts, past_deadline, deadline)
        .await
        .map(Some)
}

/// Waits for the lease: the rival that holds it may have looked before this call's receipt was there.
async fn acquire(
    context: &Context,
    run: &RunId,
    deadline: Instant,
) -> Result<Lease, FinalizerError> {
    let owner = format!("finalizer/{}", context.clock.now());
    loop {
        match context
            .leases
            .acquire(&state::run_lease(run), &owner, context.timing.lease)
            .await
        {
            Err(LeaseError::Held { .. }) if Instant::now() + context.timing.wait < deadline => {
                tokio::time::sleep(context.timing.wait).await
            }
            other => return Ok(other?),
        }
    }
}

/// Runs `work` while renewing the lease; ends it when the lease is lost.
async fn alive<T>(
    context: &Context,
    lease: &mut Lease,
    work: impl Future<Output = Result<T, FinalizerError>>,
) -> Result<T, FinalizerError> {
    let beats = async {
        loop {
            tokio::time::sleep(context.timing.beat).await;
            match lease.renew(None).await {
                Ok(()) => {}
                Err(lost @ LeaseError::Lost { .. }) => return FinalizerError::from(lost),
                Err(e) => tracing::warn!("the lease could not be renewed: {e}"),
            }
        }
    };
    tokio::select! {
        outcome = work => outcome,
        lost = beats => Err(lost),
    }
}
