//! A folder for the parts, so that a measurement has no store to wait for.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use soxauto_domain::Code;
use soxauto_extract::{PartStore, PartUpload, StoreError};
use tokio::{fs::File, io::AsyncWriteExt as _};

/// Writes parts into files.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Files below `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |e| StoreError::new(Code::StorageFailed, path.clone(), e.to_string())
}

#[async_trait]
impl PartStore for Folder {
    async fn start(&self, path: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        let path = self.0.join(path);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(failed(&path))?;
        }
        let file = File::create(&path).await.map_err(failed(&path))?;
        Ok(Box::new(Part { file, path }))
    }
}

struct Part {
    file: File,
    path: PathBuf,
}

#[async_trait]
impl PartUpload for Part {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.file
            .write_all(&chunk)
            .await
            .map_err(failed(&self.path))
    }

    async fn complete(mut self: Box<Self>) -> Result<(), StoreError> {
        self.file.flush().await.map_err(failed(&self.path))
    }

    async fn abort(self: Box<Self>) {
        let _ = tokio::fs::remove_file(&self.path).await;
    }
}
