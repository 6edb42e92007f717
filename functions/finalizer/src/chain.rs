//! The control's chain of manifests in the buckets: reserve, write, append; whoever finds a reservation finishes it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use soxauto_cloud::lake::{ETag, LakeError};
use soxauto_domain::{
    ControlId, Sha256,
    layout::{Object, state},
    manifest::ManifestLink,
};
use soxauto_evidence::{ChainHead, EnvelopeError, envelope};

use crate::{context::Context, error::FinalizerError};

const JSON: &str = "application/json";

/// What is staged in the state bucket until it has its place in the chain.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// The envelope's bytes, which are JSON.
    pub envelope: String,
    /// The report that the manifest lists.
    pub report: String,
}

/// The chain's head as it is now, with every reservation finished.
///
/// # Errors
/// [`FinalizerError`] when a bucket does not answer.
pub async fn head(
    context: &Context,
    control: &ControlId,
) -> Result<(ChainHead, ETag), FinalizerError> {
    let key = state::chain_head(control);
    loop {
        let (head, etag) = match context.state.get(&key).await {
            Ok(object) => (
                serde_json::from_slice::<ChainHead>(&object.bytes)?,
                object.etag,
            ),
            Err(e) if e.is_not_found() => {
                let head = found_in_evidence(context, control).await?;
                match context
                    .state
                    .create(&key, Bytes::from(serde_json::to_vec(&head)?), JSON)
                    .await
                {
                    Ok(_) | Err(LakeError::AlreadyExists(_)) => continue,
                    Err(e) => return Err(e.into()),
                }
            }
            Err(e) => return Err(e.into()),
        };
        let Some(reserved) = head.reserved.clone() else {
            return Ok((head, etag));
        };
        finish(context, control, &head, &etag, &reserved).await?;
    }
}

/// The head by the manifests themselves: the one that no other names. Before the first manifest there is none; a state
/// bucket that was lost must not make a second chain begin beside the first.
async fn found_in_evidence(
    context: &Context,
    control: &ControlId,
) -> Result<ChainHead, FinalizerError> {
    let layout = context.reader.layout();
    let mut links = Vec::new();
    let mut named = Vec::new();
    for run in context.reader.chained(control).await? {
        let prefix = format!("{}manifest-", layout.run_folder(&run));
        for listed in context.evidence.list(&prefix).await? {
            let Some(Object::Manifest(run_id, revision)) = layout.parse(&listed.key) else {
                continue;
            };
            let bytes = context.evidence.get(&listed.key).await?.bytes;
            named.extend(envelope::read(&bytes)?.predicate.previous.map(|p| p.sha256));
            links.push(ManifestLink {
                run_id,
                revision,
                sha256: Sha256::of(&bytes),
            });
        }
    }
    links.retain(|link| !named.contains(&link.sha256));
    if links.len() > 1 {
        let message = format!(
            "{control} has {} manifests that no other names, and no head",
            links.len()
        );
        return Err(EnvelopeError::Form(message).into());
    }
    Ok(ChainHead {
        head: links.pop(),
        reserved: None,
    })
}

/// Puts a signed manifest behind the head. `Ok(false)` when the head moved meanwhile: the manifest must be made anew.
///
/// # Errors
/// [`FinalizerError`] when a bucket does not answer.
pub async fn append(
    context: &Context,
    control: &ControlId,
    head: &ChainHead,
    etag: &ETag,
    link: &ManifestLink,
    staged: &Staged,
) -> Result<bool, FinalizerError> {
    let staged_key = state::staged_manifest(control, &link.sha256);
    context
        .state
        .create(&staged_key, Bytes::from(serde_json::to_vec(staged)?), JSON)
        .await?;
    let reserved = head.reserve(head.head.as_ref(), link.clone())?;
    let key = state::chain_head(control);
    match context
        .state
        .replace(
            &key,
            Bytes::from(serde_json::to_vec(&reserved)?),
            JSON,
            etag,
        )
        .await
    {
        Ok(etag) => finish(context, control, &reserved, &etag, link)
            .await
            .map(|()| true),
        Err(LakeError::Precondition(_)) => {
            remove(context, &staged_key).await;
            Ok(false)
        }
        Err(e) => Err(e.into()),
    }
}

/// Writes what is reserved and makes it the head. Another may do the same at the same time: the bytes are the same.
async fn finish(
    context: &Context,
    control: &ControlId,
    head: &ChainHead,
    etag: &ETag,
    link: &ManifestLink,
) -> Result<(), FinalizerError> {
    let staged_key = state::staged_manifest(control, &link.sha256);
    let object = match context.state.get(&staged_key).await {
        Ok(object) => object,
        // The rival that finished it has cleaned up already; the head shows it.
        Err(e)
            if e.is_not_found()
                && context
                    .evidence
                    .head(
                        &context
                            .reader
                            .layout()
                            .manifest(&link.run_id, link.revision),
                    )
                    .await
                    .is_ok() =>
        {
            return move_head(context, control, head, etag, link).await;
        }
        Err(e) => return Err(e.into()),
    };
    let staged: Staged = serde_json::from_slice(&object.bytes)?;
    let layout = context.reader.layout();
    if Sha256::of(&staged.envelope) != link.sha256 {
        return Err(FinalizerError::Envelope(EnvelopeError::Form(format!(
            "{staged_key} is not what the head reserved"
        ))));
    }
    context
        .evidence
        .create(
            &layout.report(&link.run_id, link.revision),
            Bytes::from(staged.report),
            "text/html; charset=utf-8",
        )
        .await?;
    context
        .evidence
        .create(
            &layout.manifest(&link.run_id, link.revision),
            Bytes::from(staged.envelope),
            JSON,
        )
        .await?;
    move_head(context, control, head, etag, link).await?;
    remove(context, &staged_key).await;
    Ok(())
}

async fn move_head(
    context: &Context,
    control: &ControlId,
    head: &ChainHead,
    etag: &ETag,
    link: &ManifestLink,
) -> Result<(), FinalizerError> {
    let appended = head.append(link)?;
    match context
        .state
        .replace(
            &state::chain_head(control),
            Bytes::from(serde_json::to_vec(&appended)?),
            JSON,
            etag,
        )
        .await
    {
        // A rival moved it.
        Ok(_) | Err(LakeError::Precondition(_)) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

async fn remove(context: &Context, staged_key: &str) {
    if let Err(e) = context.state.delete(staged_key).await {
        tracing::warn!("a staged manifest could not be removed: {e}");
    }
}
