//! A store that keeps nothing: what an extraction costs without the place where its parts go.

use async_trait::async_trait;
use bytes::Bytes;
use soxauto_extract::{PartStore, PartUpload, StoreError};

/// Takes parts and forgets them.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

#[async_trait]
impl PartStore for Nowhere {
    async fn start(&self, _: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl PartUpload for Nowhere {
    async fn write(&mut self, _: Bytes) -> Result<(), StoreError> {
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn abort(self: Box<Self>) {}
}
