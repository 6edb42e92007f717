//! Deleting, in the state bucket only: the evidence bucket's policy refuses.

use super::S3Lake;
use crate::lake::{ETag, LakeError, Operation};

/// Deletes whatever is there.
pub(super) async fn delete(lake: &S3Lake, key: &str) -> Result<(), LakeError> {
    let sent = lake
        .client
        .delete_object()
        .bucket(&lake.bucket)
        .key(key)
        .send()
        .await;
    sent.map(|_| ())
        .map_err(|e| lake.error(Operation::Delete, key, &e))
}

/// Deletes the object with that tag.
pub(super) async fn delete_if(lake: &S3Lake, key: &str, etag: &ETag) -> Result<(), LakeError> {
    let request = lake
        .client
        .delete_object()
        .bucket(&lake.bucket)
        .key(key)
        .if_match(etag.as_str());
    let error = match request.send().await {
        Ok(_) => return Ok(()),
        Err(error) => lake.error(Operation::DeleteIf, key, &error),
    };
    match error {
        LakeError::NotFound(_) => Ok(()),
        // S3 answers 412 also when nothing is there any more.
        LakeError::Precondition(at) => match lake
            .client
            .head_object()
            .bucket(&lake.bucket)
            .key(key)
            .send()
            .await
        {
            Err(e) if lake.error(Operation::DeleteIf, key, &e).is_not_found() => Ok(()),
            _ => Err(LakeError::Precondition(at)),
        },
        other => Err(other),
    }
}
