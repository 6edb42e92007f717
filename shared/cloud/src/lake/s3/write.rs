//! Writing by condition: create and replace, each a single request.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{S3Lake, checksum, read};
use crate::{
    aws::failure::{self, Meaning},
    lake::{ETag, LakeError, Operation},
    retry::Backoff,
};

/// Writes an object that must not exist yet.
pub(super) async fn create(
    lake: &S3Lake,
    operation: Operation,
    key: &str,
    bytes: Bytes,
    content_type: &str,
) -> Result<ETag, LakeError> {
    let sha256 = checksum(&Sha256::digest(&bytes));
    match put(lake, operation, key, bytes, content_type, &sha256, None).await {
        Err(LakeError::Precondition(at)) => match same(lake, key, &sha256).await? {
            Some(etag) => Ok(etag),
            None => Err(LakeError::AlreadyExists(at)),
        },
        other => other,
    }
}

/// Replaces the object with that tag.
pub(super) async fn replace(
    lake: &S3Lake,
    key: &str,
    bytes: Bytes,
    content_type: &str,
    etag: &ETag,
) -> Result<ETag, LakeError> {
    let sha256 = checksum(&Sha256::digest(&bytes));
    match put(
        lake,
        Operation::Replace,
        key,
        bytes,
        content_type,
        &sha256,
        Some(etag),
    )
    .await
    {
        Err(LakeError::Precondition(at)) => match same(lake, key, &sha256).await? {
            Some(etag) => Ok(etag),
            None => Err(LakeError::Precondition(at)),
        },
        other => other,
    }
}

/// A put whose answer was lost is sent again by the SDK and then meets its own object: whether the
/// object that stands in the way is ours, its checksum says. `Some` is the tag of an equal object.
pub(super) async fn same(
    lake: &S3Lake,
    key: &str,
    sha256: &str,
) -> Result<Option<ETag>, LakeError> {
    match read::head(lake, key).await {
        Ok((meta, Some(found))) if found == sha256 => Ok(Some(meta.etag)),
        Ok(_) | Err(LakeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put(
    lake: &S3Lake,
    operation: Operation,
    key: &str,
    bytes: Bytes,
    content_type: &str,
    sha256: &str,
    etag: Option<&ETag>,
) -> Result<ETag, LakeError> {
    lake.check_key(operation, key)?;
    let mut n = 1;
    loop {
        let request = lake
            .client
            .put_object()
            .bucket(&lake.bucket)
            .key(key)
            .content_type(content_type);
        let request = request
            .checksum_sha256(sha256)
            .body(ByteStream::from(bytes.clone()));
        let request = match etag {
            Some(etag) => request.if_match(etag.as_str()),
            None => request.if_none_match("*"),
        };
        let error = match request.send().await {
            Ok(answer) => return Ok(ETag(lake.given(operation, key, "ETag", answer.e_tag)?)),
            Err(error) => error,
        };
        // 409: a rival's write of the same key is under way. S3 asks to send again; the SDK does not.
        if failure::read(&error).meaning != Meaning::Conflict || n >= Backoff::SHORT.tries {
            return Err(lake.error(operation, key, &error));
        }
        tokio::time::sleep(Backoff::SHORT.wait(n)).await;
        n += 1;
    }
}
