//! Reading: get, download, head.

use async_trait::async_trait;
use aws_sdk_s3::{primitives::ByteStream, types::ChecksumMode};
use bytes::Bytes;

use super::{S3Lake, timestamp};
use crate::{
    aws::failure,
    lake::{Download, ETag, LakeError, Object, ObjectMeta, Operation},
};

/// The whole object; the SDK verifies its checksum.
pub(super) async fn get(lake: &S3Lake, key: &str) -> Result<Object, LakeError> {
    let mut download = open(lake, Operation::Get, key).await?;
    let size = usize::try_from(download.meta.size).unwrap_or_default();
    let mut bytes = Vec::with_capacity(size.min(64 * 1024 * 1024));
    while let Some(piece) = download.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(Object {
        bytes: bytes.into(),
        etag: download.meta.etag,
        last_modified: download.meta.last_modified,
    })
}

/// The object as a stream.
pub(super) async fn download(lake: &S3Lake, key: &str) -> Result<S3Download, LakeError> {
    open(lake, Operation::Download, key).await
}

async fn open(lake: &S3Lake, operation: Operation, key: &str) -> Result<S3Download, LakeError> {
    let request = lake
        .client
        .get_object()
        .bucket(&lake.bucket)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled);
    let answer = request
        .send()
        .await
        .map_err(|e| lake.error(operation, key, &e))?;
    let meta = ObjectMeta {
        key: key.to_owned(),
        size: lake.given(
            operation,
            key,
            "length",
            answer.content_length.and_then(|n| u64::try_from(n).ok()),
        )?,
        etag: ETag(lake.given(operation, key, "ETag", answer.e_tag)?),
        last_modified: lake.given(
            operation,
            key,
            "time",
            timestamp(answer.last_modified.as_ref()),
        )?,
    };
    Ok(S3Download {
        lake: lake.clone(),
        operation,
        left: meta.size,
        meta,
        body: answer.body,
    })
}

/// What is known about the object, and its SHA-256 as S3 spells it when S3 keeps one.
pub(super) async fn head(
    lake: &S3Lake,
    key: &str,
) -> Result<(ObjectMeta, Option<String>), LakeError> {
    let request = lake
        .client
        .head_object()
        .bucket(&lake.bucket)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled);
    let answer = request
        .send()
        .await
        .map_err(|e| lake.error(Operation::Head, key, &e))?;
    let meta = ObjectMeta {
        key: key.to_owned(),
        size: lake.given(
            Operation::Head,
            key,
            "length",
            answer.content_length.and_then(|n| u64::try_from(n).ok()),
        )?,
        etag: ETag(lake.given(Operation::Head, key, "ETag", answer.e_tag)?),
        last_modified: lake.given(
            Operation::Head,
            key,
            "time",
            timestamp(answer.last_modified.as_ref()),
        )?,
    };
    Ok((meta, answer.checksum_sha256))
}

/// An object on its way out of S3.
#[derive(Debug)]
pub(super) struct S3Download {
    lake: S3Lake,
    operation: Operation,
    meta: ObjectMeta,
    left: u64,
    body: ByteStream,
}

#[async_trait]
impl Download for S3Download {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    async fn next(&mut self) -> Result<Option<Bytes>, LakeError> {
        let broken = |detail: String| {
            LakeError::Unavailable(self.lake.at(self.operation, &self.meta.key, detail))
        };
        match self.body.next().await {
            Some(Ok(piece)) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Ok(Some(piece))
            }
            Some(Err(error)) => Err(broken(failure::chain(&error))),
            None if self.left > 0 => Err(broken(format!(
                "the stream ended {} bytes early",
                self.left
            ))),
            None => Ok(None),
        }
    }
}
