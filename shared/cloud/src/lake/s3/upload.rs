//! Uploads of unknown length: parts of equal size, a few at a time, completed by condition.

use std::mem;

use async_trait::async_trait;
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, task::JoinSet};

use super::{S3Lake, checksum, write};
use crate::lake::{ETag, LakeError, Operation, PART_SIZE, PARTS_IN_FLIGHT, Upload};

/// A part that S3 has.
#[derive(Debug)]
struct Part {
    number: i32,
    etag: String,
    sha256: [u8; 32],
}

/// An upload on its way. It stays in memory until it outgrows one part.
#[derive(Debug)]
pub(super) struct S3Upload {
    lake: S3Lake,
    key: String,
    content_type: String,
    buffer: Vec<u8>,
    upload_id: Option<String>,
    sent: i32,
    on_their_way: JoinSet<Result<Part, LakeError>>,
    parts: Vec<Part>,
    failed: Option<LakeError>,
}

impl S3Upload {
    pub(super) fn new(lake: S3Lake, key: &str, content_type: &str) -> Self {
        Self {
            lake,
            key: key.to_owned(),
            content_type: content_type.to_owned(),
            buffer: Vec::new(),
            upload_id: None,
            sent: 0,
            on_their_way: JoinSet::new(),
            parts: Vec::new(),
            failed: None,
        }
    }

    async fn append(&mut self, mut chunk: Bytes) -> Result<(), LakeError> {
        while chunk.has_remaining() {
            let room = PART_SIZE - self.buffer.len();
            let piece = chunk.split_to(room.min(chunk.len()));
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() == PART_SIZE {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Sends the buffer as the next part, once there is room.
    async fn send_part(&mut self) -> Result<(), LakeError> {
        let upload_id = match &self.upload_id {
            Some(id) => id.clone(),
            None => self.upload_id.insert(self.begin().await?).clone(),
        };
        while self.on_their_way.len() >= PARTS_IN_FLIGHT {
            self.receive_part().await?;
        }
        let bytes = Bytes::from(mem::replace(
            &mut self.buffer,
            Vec::with_capacity(PART_SIZE),
        ));
        self.sent += 1;
        let part = send(
            self.lake.clone(),
            self.key.clone(),
            upload_id,
            self.sent,
            bytes,
        );
        self.on_their_way.spawn(part);
        Ok(())
    }

    async fn begin(&self) -> Result<String, LakeError> {
        self.lake.check_key(Operation::UploadWrite, &self.key)?;
        let request = self
            .lake
            .client
            .create_multipart_upload()
            .bucket(&self.lake.bucket)
            .key(&self.key);
        let request = request
            .content_type(&self.content_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let answer = request
            .send()
            .await
            .map_err(|e| self.lake.error(Operation::UploadWrite, &self.key, &e))?;
        self.lake.given(
            Operation::UploadWrite,
            &self.key,
            "upload id",
            answer.upload_id,
        )
    }

    /// Waits for one part.
    async fn receive_part(&mut self) -> Result<(), LakeError> {
        match self.on_their_way.join_next().await {
            None => Ok(()),
            Some(Ok(part)) => {
                self.parts.push(part?);
                Ok(())
            }
            Some(Err(error)) => {
                let detail = error.to_string();
                let at = self.lake.at(Operation::UploadWrite, &self.key, detail);
                Err(LakeError::Other(at))
            }
        }
    }

    /// Makes the parts an object.
    async fn finish(&mut self, upload_id: &str) -> Result<ETag, LakeError> {
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        while !self.on_their_way.is_empty() {
            self.receive_part().await?;
        }
        self.parts.sort_by_key(|part| part.number);
        let parts = self.parts.iter().map(|part| {
            let part_builder = CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag);
            part_builder.checksum_sha256(checksum(&part.sha256)).build()
        });
        let completed = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let request = self
            .lake
            .client
            .complete_multipart_upload()
            .bucket(&self.lake.bucket)
            .key(&self.key);
        let request = request
            .upload_id(upload_id)
            .multipart_upload(completed)
            .if_none_match("*");
        let error = match request.send().await {
            Ok(answer) => {
                return Ok(ETag(self.lake.given(
                    Operation::UploadComplete,
                    &self.key,
                    "ETag",
                    answer.e_tag,
                )?));
            }
            Err(error) => self
                .lake
                .error(Operation::UploadComplete, &self.key, &error),
        };
        // The answer to an earlier try may have been lost: then the object is there, with our checksum.
        if let Some(etag) = write::same(&self.lake, &self.key, &self.composite()).await? {
            // Or an equal upload was faster, and this one is still open. Best effort, as below.
            drop(self.abort_now().await);
            return Ok(etag);
        }
        Err(match error {
            LakeError::Precondition(at) => LakeError::AlreadyExists(at),
            other => other,
        })
    }

    /// The digest of the parts' digests and their number, as S3 spells it.
    fn composite(&self) -> String {
        let mut sha256 = Sha256::new();
        for part in &self.parts {
            sha256.update(part.sha256);
        }
        format!("{}-{}", checksum(&sha256.finalize()), self.parts.len())
    }

    async fn abort_now(&mut self) -> Result<(), LakeError> {
        self.on_their_way.shutdown().await;
        match self.upload_id.take() {
            Some(upload_id) => abort(&self.lake, &self.key, &upload_id).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), LakeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // Stands until the write is done: one that is dropped halfway has lost bytes for good.
        let cut_off = "an earlier write was cut off, bytes are missing";
        let at = self.lake.at(Operation::UploadWrite, &self.key, cut_off);
        self.failed = Some(LakeError::Other(at));
        let done = self.append(chunk).await;
        self.failed = done.clone().err();
        done
    }

    async fn complete(mut self: Box<Self>) -> Result<ETag, LakeError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(upload_id) = self.upload_id.clone() else {
            let bytes = Bytes::from(mem::take(&mut self.buffer));
            return write::create(
                &self.lake,
                Operation::UploadComplete,
                &self.key,
                bytes,
                &self.content_type,
            )
            .await;
        };
        let result = self.finish(&upload_id).await;
        match &result {
            Ok(_) => self.upload_id = None,
            // Best effort: the parts are not visible, and the lifecycle rule collects them.
            Err(_) => drop(self.abort_now().await),
        }
        result
    }

    async fn abort(mut self: Box<Self>) -> Result<(), LakeError> {
        self.abort_now().await
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        self.on_their_way.abort_all();
        let (Some(upload_id), Ok(runtime)) = (self.upload_id.take(), Handle::try_current()) else {
            return;
        };
        let (lake, key) = (self.lake.clone(), mem::take(&mut self.key));
        runtime.spawn(async move { abort(&lake, &key, &upload_id).await });
    }
}

async fn send(
    lake: S3Lake,
    key: String,
    upload_id: String,
    number: i32,
    bytes: Bytes,
) -> Result<Part, LakeError> {
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let request = lake
        .client
        .upload_part()
        .bucket(&lake.bucket)
        .key(&key)
        .upload_id(upload_id)
        .part_number(number);
    let request = request
        .checksum_sha256(checksum(&sha256))
        .body(ByteStream::from(bytes));
    let answer = request
        .send()
        .await
        .map_err(|e| lake.error(Operation::UploadWrite, &key, &e))?;
    let etag = lake.given(Operation::UploadWrite, &key, "ETag", answer.e_tag)?;
    Ok(Part {
        number,
        etag,
        sha256,
    })
}

async fn abort(lake: &S3Lake, key: &str, upload_id: &str) -> Result<(), LakeError> {
    let request = lake
        .client
        .abort_multipart_upload()
        .bucket(&lake.bucket)
        .key(key)
        .upload_id(upload_id);
    match request
        .send()
        .await
        .map_err(|e| lake.error(Operation::UploadAbort, key, &e))
    {
        Ok(_) | Err(LakeError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
