//! The upload port: Parquet parts go out while rows come in, and become objects only when they are completed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use soxauto_domain::Code;

/// An upload failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct StoreError {
    /// `STORAGE_FAILED`, `OBJECT_EXISTS`, ….
    pub code: Code,
    /// The object.
    pub path: String,
    /// What the store said.
    pub message: String,
}

impl StoreError {
    /// An error about the object `path`.
    #[must_use]
    pub fn new(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Where parts are uploaded to.
#[async_trait]
pub trait PartStore: Send + Sync {
    /// Begins an object at `path`, relative to the attempt's folder. Nothing is visible until it is completed.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    async fn start(&self, path: &str) -> Result<Box<dyn PartUpload>, StoreError>;
}

/// An object on its way.
#[async_trait]
pub trait PartUpload: Send {
    /// Appends bytes (at most [`crate::CHUNK_BYTES`]).
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError>;

    /// Makes the object visible, unless one of that name exists.
    ///
    /// # Errors
    /// `OBJECT_EXISTS`, or [`StoreError`] of the store.
    async fn complete(self: Box<Self>) -> Result<(), StoreError>;

    /// Drops the object. Best effort: what is left behind is cleaned up by the store's own rules.
    async fn abort(self: Box<Self>);
}

/// A store in memory, for tests. Clones share their objects.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<MemoryState>>,
}

#[derive(Debug, Default)]
struct MemoryState {
    objects: BTreeMap<String, Vec<u8>>,
    started: usize,
    aborted: usize,
}

impl MemoryStore {
    /// The completed objects.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.with(|state| state.objects.clone())
    }

    /// Uploads begun, and uploads dropped.
    #[must_use]
    pub fn started_and_aborted(&self) -> (usize, usize) {
        self.with(|state| (state.started, state.aborted))
    }

    fn with<T>(&self, f: impl FnOnce(&mut MemoryState) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl PartStore for MemoryStore {
    async fn start(&self, path: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        self.with(|state| state.started += 1);
        Ok(Box::new(MemoryUpload {
            store: self.clone(),
            path: path.to_owned(),
            bytes: Vec::new(),
        }))
    }
}

struct MemoryUpload {
    store: MemoryStore,
    path: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl PartUpload for MemoryUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, path, bytes } = *self;
        store.with(|state| {
            if state.objects.contains_key(&path) {
                return Err(StoreError::new(
                    Code::ObjectExists,
                    path,
                    "the object exists",
                ));
            }
            state.objects.insert(path, bytes);
            Ok(())
        })
    }

    async fn abort(self: Box<Self>) {
        self.store.with(|state| state.aborted += 1);
    }
}
