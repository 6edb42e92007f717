//! What processes that died have left in the state bucket, and nobody will come back for: the sweep takes it away.
//!
//! None of it does harm. It is taken away so that what lies in the bucket is what is under way.

use std::time::Duration;

use soxauto_cloud::lease::LeaseError;
use soxauto_domain::layout::state;
use soxauto_evidence::envelope;

use crate::{
    chain::{self, Staged},
    context::Context,
    error::FinalizerError,
};

/// How long a lease has been over when it is cleared: by then a dead worker's message is back, and if that was its last
/// delivery, the lease has told of its last sign of life. A holder that lives renews it all the time; one that was
/// cut off from the bucket for as long finds its lease lost, and gives up.
const DEAD_FOR: Duration = Duration::from_secs(120);

/// Clears leases whose holder died and staged manifests that can never get a place in the chain.
///
/// # Errors
/// [`FinalizerError`] when the bucket does not answer; the next sweep clears the rest.
pub async fn clear(context: &Context) -> Result<(), FinalizerError> {
    leases(context).await?;
    staged(context).await
}

async fn leases(context: &Context) -> Result<(), FinalizerError> {
    for lease in context.state.list(state::LEASES).await? {
        match context.leases.clear(&lease.key, DEAD_FOR).await {
            Ok(true) => tracing::info!(key = %lease.key, "its holder died: the lease is cleared"),
            Ok(false) => {}
            Err(LeaseError::Invalid { key, reason }) => {
                tracing::warn!(key, reason, "what is no lease stays");
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// A finalizer that died after staging leaves a manifest that names the head of its time as the one before. It could be
/// reserved only while that is the head, and a head that has moved never comes back.
async fn staged(context: &Context) -> Result<(), FinalizerError> {
    let control = &context.settings.control;
    // Listed before the head is read: whoever staged one of these had seen the head before, too.
    let listed = context
        .state
        .list(&state::staged_manifests(control))
        .await?;
    if listed.is_empty() {
        return Ok(());
    }
    let (head, _) = chain::head(context, control).await?;
    let newest = head.head.map(|link| link.sha256);
    for object in listed {
        let bytes = match context.state.get(&object.key).await {
            Ok(object) => object.bytes,
            // Its finalizer lives, and has cleared it.
            Err(e) if e.is_not_found() => continue,
            Err(e) => return Err(e.into()),
        };
        let staged: Staged = serde_json::from_slice(&bytes)?;
        let before = envelope::read(staged.envelope.as_bytes())?
            .predicate
            .previous
            .map(|link| link.sha256);
        if before != newest {
            tracing::info!(key = %object.key, "the chain has moved on: the staged manifest is cleared");
            context.state.delete(&object.key).await?;
        }
    }
    Ok(())
}
