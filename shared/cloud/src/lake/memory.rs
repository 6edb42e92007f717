//! The lake in memory: fails where S3 fails, forgets at the end of the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{
    At, Download, ETag, Lake, LakeError, Object, ObjectMeta, Operation, Upload, key_problem,
};
use crate::clock::{Clock, SystemClock};

/// A bucket in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryLake {
    bucket: String,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    writes: u64,
}

impl MemoryLake {
    /// An empty bucket on the machine's clock.
    #[must_use]
    pub fn new(bucket: &str) -> Self {
        Self::with_clock(bucket, Arc::new(SystemClock))
    }

    /// An empty bucket on a clock of the caller's.
    #[must_use]
    pub fn with_clock(bucket: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            bucket: bucket.to_owned(),
            clock,
            state: Arc::default(),
        }
    }

    /// Puts an object whatever is there, for tests that play the vandal.
    pub fn overwrite(&self, key: &str, bytes: impl Into<Bytes>) -> ETag {
        self.put(&mut self.lock(), key, bytes.into())
    }

    /// Takes an object away, for tests that play the vandal.
    pub fn remove(&self, key: &str) -> bool {
        self.lock().objects.remove(key).is_some()
    }

    /// Every key, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, operation: Operation, key: &str) -> At {
        At {
            operation,
            key: format!("{}/{key}", self.bucket),
            detail: String::new(),
        }
    }

    fn put(&self, state: &mut State, key: &str, bytes: Bytes) -> ETag {
        // As with KMS encryption: the tag is no digest of the content, equal bytes have different tags.
        state.writes += 1;
        let etag = ETag(format!("\"{:032x}\"", state.writes));
        let object = Object {
            bytes,
            etag: etag.clone(),
            last_modified: self.clock.now(),
        };
        state.objects.insert(key.to_owned(), object);
        etag
    }

    fn read(&self, operation: Operation, key: &str) -> Result<Object, LakeError> {
        let state = self.lock();
        state
            .objects
            .get(key)
            .cloned()
            .ok_or_else(|| LakeError::NotFound(self.at(operation, key)))
    }

    fn insert(&self, operation: Operation, key: &str, bytes: Bytes) -> Result<ETag, LakeError> {
        if let Some(detail) = key_problem(key) {
            return Err(LakeError::Other(At {
                detail,
                ..self.at(operation, key)
            }));
        }
        let mut state = self.lock();
        match state.objects.get(key) {
            None => Ok(self.put(&mut state, key, bytes)),
            Some(object) if object.bytes == bytes => Ok(object.etag.clone()),
            Some(_) => Err(LakeError::AlreadyExists(self.at(operation, key))),
        }
    }
}

fn meta(key: &str, object: &Object) -> ObjectMeta {
    ObjectMeta {
        key: key.to_owned(),
        size: object.bytes.len() as u64,
        etag: object.etag.clone(),
        last_modified: object.last_modified,
    }
}

#[async_trait]
impl Lake for MemoryLake {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn get(&self, key: &str) -> Result<Object, LakeError> {
        self.read(Operation::Get, key)
    }

    async fn download(&self, key: &str) -> Result<Box<dyn Download>, LakeError> {
        let object = self.read(Operation::Download, key)?;
        Ok(Box::new(MemoryDownload {
            meta: meta(key, &object),
            left: object.bytes,
        }))
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, LakeError> {
        self.read(Operation::Head, key)
            .map(|object| meta(key, &object))
    }

    async fn create(
        &self,
        key: &str,
        bytes: Bytes,
        _content_type: &str,
    ) -> Result<ETag, LakeError> {
        self.insert(Operation::Create, key, bytes)
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        _content_type: &str,
        etag: &ETag,
    ) -> Result<ETag, LakeError> {
        let mut state = self.lock();
        match state.objects.get(key) {
            None => Err(LakeError::NotFound(self.at(Operation::Replace, key))),
            Some(object) if object.etag == *etag => Ok(self.put(&mut state, key, bytes)),
            Some(object) if object.bytes == bytes => Ok(object.etag.clone()),
            Some(_) => Err(LakeError::Precondition(self.at(Operation::Replace, key))),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        self.lock().objects.remove(key);
        Ok(())
    }

    async fn delete_if(&self, key: &str, etag: &ETag) -> Result<(), LakeError> {
        let mut state = self.lock();
        if state
            .objects
            .get(key)
            .is_some_and(|object| object.etag != *etag)
        {
            return Err(LakeError::Precondition(self.at(Operation::DeleteIf, key)));
        }
        state.objects.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, LakeError> {
        let state = self.lock();
        let found = state
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, object)| meta(key, object)).collect())
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        let state = self.lock();
        let below = state
            .objects
            .keys()
            .filter_map(|key| key.strip_prefix(prefix));
        let folders: BTreeSet<_> = below
            .filter_map(|rest| rest.split_once('/'))
            .map(|(folder, _)| folder.to_owned())
            .collect();
        Ok(folders.into_iter().collect())
    }

    fn start_upload(&self, key: &str, _content_type: &str) -> Box<dyn Upload> {
        Box::new(MemoryUpload {
            lake: self.clone(),
            key: key.to_owned(),
            bytes: BytesMut::new(),
        })
    }
}

#[derive(Debug)]
struct MemoryUpload {
    lake: MemoryLake,
    key: String,
    bytes: BytesMut,
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), LakeError> {
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<ETag, LakeError> {
        self.lake
            .insert(Operation::UploadComplete, &self.key, self.bytes.freeze())
    }

    async fn abort(self: Box<Self>) -> Result<(), LakeError> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryDownload {
    meta: ObjectMeta,
    left: Bytes,
}

#[async_trait]
impl Download for MemoryDownload {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    async fn next(&mut self) -> Result<Option<Bytes>, LakeError> {
        // In pieces, as from a network: a reader that expects all at once must fail here too.
        let piece = self.left.split_to(self.left.len().min(16 * 1024));
        Ok((!piece.is_empty()).then_some(piece))
    }
}
