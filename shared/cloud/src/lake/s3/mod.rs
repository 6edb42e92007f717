//! The lake over S3: one file per kind of operation.

mod delete;
mod list;
mod read;
mod upload;
mod write;

use std::error::Error;

use async_trait::async_trait;
use aws_sdk_s3::{Client, primitives::DateTime};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;

use super::{
    At, Download, ETag, Lake, LakeError, Object, ObjectMeta, Operation, Upload, key_problem,
};
use crate::aws::failure::{self, Meaning};

/// One bucket of S3. The bucket's own settings decide on encryption and retention.
#[derive(Debug, Clone)]
pub struct S3Lake {
    client: Client,
    bucket: String,
}

impl S3Lake {
    /// The bucket of that name.
    #[must_use]
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
        }
    }

    fn at(&self, operation: Operation, key: &str, detail: impl Into<String>) -> At {
        At {
            operation,
            key: format!("{}/{key}", self.bucket),
            detail: detail.into(),
        }
    }

    fn error<E>(
        &self,
        operation: Operation,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> LakeError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let failure = failure::read(error);
        let at = self.at(operation, key, failure.detail);
        match failure.meaning {
            Meaning::NotFound => LakeError::NotFound(at),
            Meaning::Precondition => LakeError::Precondition(at),
            Meaning::Denied => LakeError::Denied(at),
            Meaning::Throttled => LakeError::Throttled(at),
            // A conflict with a concurrent write of the same key passes within moments.
            Meaning::Conflict | Meaning::Unavailable => LakeError::Unavailable(at),
            Meaning::Other => LakeError::Other(at),
        }
    }

    /// Refuses a key that S3 would refuse.
    fn check_key(&self, operation: Operation, key: &str) -> Result<(), LakeError> {
        key_problem(key).map_or(Ok(()), |problem| {
            Err(LakeError::Other(self.at(operation, key, problem)))
        })
    }

    /// A field that S3 always sends.
    fn given<T>(
        &self,
        operation: Operation,
        key: &str,
        name: &str,
        value: Option<T>,
    ) -> Result<T, LakeError> {
        value.ok_or_else(|| {
            LakeError::Other(self.at(operation, key, format!("the answer has no {name}")))
        })
    }
}

#[async_trait]
impl Lake for S3Lake {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn get(&self, key: &str) -> Result<Object, LakeError> {
        read::get(self, key).await
    }

    async fn download(&self, key: &str) -> Result<Box<dyn Download>, LakeError> {
        Ok(Box::new(read::download(self, key).await?))
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, LakeError> {
        read::head(self, key).await.map(|(meta, _)| meta)
    }

    async fn create(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<ETag, LakeError> {
        write::create(self, Operation::Create, key, bytes, content_type).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        etag: &ETag,
    ) -> Result<ETag, LakeError> {
        write::replace(self, key, bytes, content_type, etag).await
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        delete::delete(self, key).await
    }

    async fn delete_if(&self, key: &str, etag: &ETag) -> Result<(), LakeError> {
        delete::delete_if(self, key, etag).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, LakeError> {
        list::objects(self, prefix).await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        list::folders(self, prefix).await
    }

    fn start_upload(&self, key: &str, content_type: &str) -> Box<dyn Upload> {
        Box::new(upload::S3Upload::new(self.clone(), key, content_type))
    }
}

/// A SHA-256 as S3 spells it.
fn checksum(sha256: &[u8]) -> String {
    STANDARD.encode(sha256)
}

/// S3's time as ours.
fn timestamp(time: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::new(time?.secs(), i32::try_from(time?.subsec_nanos()).ok()?).ok()
}
