//! Signs of life: while the worker works, its message stays invisible and its lease stays held.

use std::{future::Future, time::Instant};

use soxauto_cloud::lease::{Lease, LeaseError};

use crate::{context::Context, error::WorkerError, journal::Journal};

/// Runs `work` while renewing lease and visibility; ends it when the lease is lost to a rival.
///
/// # Errors
/// What `work` returns, or the lease's loss.
pub async fn alive<T>(
    context: &Context,
    receipt_handle: &str,
    lease: &mut Lease,
    journal: &Journal,
    work: impl Future<Output = Result<T, WorkerError>>,
) -> Result<T, WorkerError> {
    let beats = async {
        let mut extended = Instant::now();
        loop {
            // The first beat comes at once: whoever watches sees that the work has begun.
            match lease.renew(Some(journal.progress())).await {
                Ok(()) => {}
                Err(lost @ LeaseError::Lost { .. }) => return WorkerError::from(lost),
                // The bucket may be back at the next beat; the lease outlasts several.
                Err(e) => tracing::warn!("the lease could not be renewed: {e}"),
            }
            if extended.elapsed() >= context.timing.visibility / 4 {
                match context
                    .jobs
                    .change_visibility(receipt_handle, context.timing.visibility)
                    .await
                {
                    Ok(()) => extended = Instant::now(),
                    Err(e) => tracing::warn!("the message's visibility could not be extended: {e}"),
                }
            }
            tokio::time::sleep(context.timing.beat).await;
        }
    };
    tokio::select! {
        outcome = work => outcome,
        lost = beats => Err(lost),
    }
}
