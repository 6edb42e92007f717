//! The extraction's part store over the evidence bucket: every part is an upload that stays invisible until completed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use soxauto_cloud::lake::{Download, Lake, LakeError, Upload};
use soxauto_domain::layout::{Attempt, Layout};
use soxauto_extract::{PartDownload, PartSource, PartStore, PartUpload, StoreError};

/// Parts of one attempt.
pub struct LakeStore {
    lake: Arc<dyn Lake>,
    layout: Layout,
    attempt: Attempt,
}

impl LakeStore {
    /// The store of an attempt's folder.
    #[must_use]
    pub fn new(lake: Arc<dyn Lake>, layout: Layout, attempt: Attempt) -> Self {
        Self {
            lake,
            layout,
            attempt,
        }
    }
}

#[async_trait]
impl PartStore for LakeStore {
    async fn start(&self, path: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        let upload = self.lake.start_upload(
            &self.layout.file(&self.attempt, path),
            "application/vnd.apache.parquet",
        );
        Ok(Box::new(LakeUpload {
            upload,
            path: path.to_owned(),
        }))
    }
}

#[async_trait]
impl PartSource for LakeStore {
    async fn open(&self, path: &str) -> Result<Box<dyn PartDownload>, StoreError> {
        let download = self
            .lake
            .download(&self.layout.file(&self.attempt, path))
            .await
            .map_err(|e| store_error(path, &e))?;
        Ok(Box::new(LakeDownload {
            download,
            path: path.to_owned(),
        }))
    }
}

struct LakeDownload {
    download: Box<dyn Download>,
    path: String,
}

#[async_trait]
impl PartDownload for LakeDownload {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.download
            .next()
            .await
            .map_err(|e| store_error(&self.path, &e))
    }
}

struct LakeUpload {
    upload: Box<dyn Upload>,
    path: String,
}

fn store_error(path: &str, error: &LakeError) -> StoreError {
    StoreError::new(error.code(), path, error.to_string())
}

#[async_trait]
impl PartUpload for LakeUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.upload
            .write(chunk)
            .await
            .map_err(|e| store_error(&self.path, &e))
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { upload, path } = *self;
        upload
            .complete()
            .await
            .map(drop)
            .map_err(|e| store_error(&path, &e))
    }

    async fn abort(self: Box<Self>) {
        if let Err(e) = self.upload.abort().await {
            // The bucket's lifecycle rule removes what is left.
            tracing::warn!("an upload could not be aborted: {e}");
        }
    }
}
