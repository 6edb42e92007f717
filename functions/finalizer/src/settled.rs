//! What has been seen to end of an open run, so that news of one IPE need not be a reason to look at all of them.
//!
//! A hint and no truth: before a run is closed all of it is read, and whoever reads all of it writes the hint anew. One
//! that is lost or stale costs a look, at the latest the sweep's.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use soxauto_cloud::lake::{ETag, LakeError};
use soxauto_domain::{IpeId, RunId, layout::state};

use crate::{context::Context, error::FinalizerError};

const JSON: &str = "application/json";

/// `settled/<run>.json` in the state bucket: exists from the first look at an open run until the run is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The run.
    pub run_id: RunId,
    /// IPEs that are loaded, rejected or failed.
    pub ipes: BTreeSet<IpeId>,
}

/// The hint as it was read.
#[derive(Debug)]
pub struct Known {
    settled: Settled,
    etag: ETag,
}

/// The hint; `None` when nobody has looked at the run since it was opened, or the hint cannot be read.
///
/// # Errors
/// [`FinalizerError::Lake`] when the bucket does not answer.
pub async fn read(context: &Context, run: &RunId) -> Result<Option<Known>, FinalizerError> {
    let object = match context.state.get(&state::settled(run)).await {
        Ok(object) => object,
        Err(e) if e.is_not_found() => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let settled: Option<Settled> = serde_json::from_slice(&object.bytes).ok();
    Ok(settled
        .filter(|settled| settled.run_id == *run)
        .map(|settled| Known {
            settled,
            etag: object.etag,
        }))
}

/// Notes what was seen of the IPEs `looked_at`: those `ended` have, the others have not. Returns what is known then.
///
/// # Errors
/// [`FinalizerError::Lake`] when the bucket does not answer.
pub async fn note(
    context: &Context,
    mut known: Known,
    looked_at: &BTreeSet<IpeId>,
    ended: &BTreeSet<IpeId>,
) -> Result<Settled, FinalizerError> {
    loop {
        let mut next = known.settled.clone();
        next.ipes.retain(|ipe| !looked_at.contains(ipe));
        next.ipes.extend(ended.iter().cloned());
        if next == known.settled {
            return Ok(next);
        }
        let key = state::settled(&next.run_id);
        let bytes = Bytes::from(serde_json::to_vec(&next)?);
        match context.state.replace(&key, bytes, JSON, &known.etag).await {
            Ok(_) => return Ok(next),
            // A finalizer that lost its lease has written too.
            Err(LakeError::Precondition(_)) => match read(context, &next.run_id).await? {
                Some(newer) => known = newer,
                None => return Ok(next),
            },
            Err(e) if e.is_not_found() => return Ok(next),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Writes the hint anew, from a look at all of the run. Where another was faster, its hint stays.
///
/// # Errors
/// [`FinalizerError::Lake`] when the bucket does not answer.
pub async fn replace(
    context: &Context,
    run: &RunId,
    ipes: BTreeSet<IpeId>,
) -> Result<(), FinalizerError> {
    let settled = Settled {
        run_id: run.clone(),
        ipes,
    };
    let bytes = Bytes::from(serde_json::to_vec(&settled)?);
    let key = state::settled(run);
    let written = match context.state.get(&key).await {
        Ok(object) if object.bytes == bytes => return Ok(()),
        Ok(object) => context.state.replace(&key, bytes, JSON, &object.etag).await,
        Err(e) if e.is_not_found() => context.state.create(&key, bytes, JSON).await,
        Err(e) => return Err(e.into()),
    };
    match written {
        Ok(_)
        | Err(LakeError::AlreadyExists(_) | LakeError::Precondition(_) | LakeError::NotFound(_)) => {
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

/// Takes the hint away.
///
/// # Errors
/// [`FinalizerError::Lake`] when the bucket does not answer.
pub async fn forget(context: &Context, run: &RunId) -> Result<(), FinalizerError> {
    match context.state.delete(&state::settled(run)).await {
        Ok(()) => Ok(()),
        Err(e) if e.is_not_found() => Ok(()),
        Err(e) => Err(e.into()),
    }
}
