//! The lake: objects in a bucket, written by condition only.
//!
//! Evidence is created and never changed ([`Lake::create`], [`Lake::start_upload`]); state changes by
//! compare-and-swap ([`Lake::replace`], [`Lake::delete_if`]). There is no unconditional put.

mod error;
#[cfg(any(test, feature = "testing"))]
mod faulty;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod s3;

use std::fmt;

use async_trait::async_trait;
/// The content of an object: shared, not copied, when cloned.
pub use bytes::Bytes;
use jiff::Timestamp;

pub use error::{At, LakeError, Operation};
#[cfg(any(test, feature = "testing"))]
pub use faulty::{Fault, FaultKind, FaultyLake, Moment, Watch};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryLake;
pub use s3::S3Lake;

/// Bytes of one part of an upload: 8 MiB. What is smaller is written by a single request.
pub const PART_SIZE: usize = 8 * 1024 * 1024;
/// Parts of an upload on their way at the same time; with the one being filled this bounds its memory.
pub const PARTS_IN_FLIGHT: usize = 3;

/// S3's limit for a key, in bytes.
const LONGEST_KEY: usize = 1024;

/// What is wrong with the key of an object to be written, if anything is.
fn key_problem(key: &str) -> Option<String> {
    let fits = (1..=LONGEST_KEY).contains(&key.len());
    (!fits).then(|| {
        format!(
            "a key has 1 to {LONGEST_KEY} bytes, this one has {}",
            key.len()
        )
    })
}

/// The version of an object, opaque. With KMS encryption equal bytes may have different tags.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct ETag(pub(crate) String);

impl ETag {
    /// The tag as the service spells it, with its quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The content.
    pub bytes: Bytes,
    /// Its version.
    pub etag: ETag,
    /// When it was written, by the service's clock.
    pub last_modified: Timestamp,
}

/// What is known about an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its version.
    pub etag: ETag,
    /// When it was written, by the service's clock; whole seconds on S3.
    pub last_modified: Timestamp,
}

/// One bucket.
#[async_trait]
pub trait Lake: Send + Sync + fmt::Debug {
    /// The bucket's name, for messages and COPY manifests.
    fn bucket(&self) -> &str;

    /// Reads a whole object into memory.
    ///
    /// # Errors
    /// [`LakeError::NotFound`] when there is none.
    async fn get(&self, key: &str) -> Result<Object, LakeError>;

    /// Reads an object piece by piece, for objects that may be large.
    ///
    /// # Errors
    /// [`LakeError::NotFound`] when there is none.
    async fn download(&self, key: &str) -> Result<Box<dyn Download>, LakeError>;

    /// Reads what is known about an object.
    ///
    /// # Errors
    /// [`LakeError::NotFound`] when there is none.
    async fn head(&self, key: &str) -> Result<ObjectMeta, LakeError>;

    /// Writes an object that must not exist yet.
    ///
    /// Success means: the object exists with exactly these bytes. An object that is there already with
    /// equal bytes is success too, because a write whose answer was lost looks just like it. Who needs
    /// to be the only one puts something of his own into the bytes.
    ///
    /// # Errors
    /// [`LakeError::AlreadyExists`] when there is one with other bytes.
    async fn create(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<ETag, LakeError>;

    /// Replaces the object that has this tag. Equal bytes already there are success, as in
    /// [`create`](Self::create).
    ///
    /// # Errors
    /// [`LakeError::Precondition`] when the object has another tag, [`LakeError::NotFound`] when there is none.
    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        etag: &ETag,
    ) -> Result<ETag, LakeError>;

    /// Deletes an object; one that does not exist is success. For the state bucket only.
    ///
    /// # Errors
    /// [`LakeError::Denied`] in the evidence bucket.
    async fn delete(&self, key: &str) -> Result<(), LakeError>;

    /// Deletes the object that has this tag. For the state bucket only. An object that does not exist
    /// is success: a delete whose answer was lost looks just like it.
    ///
    /// # Errors
    /// [`LakeError::Precondition`] when the object has another tag.
    async fn delete_if(&self, key: &str, etag: &ETag) -> Result<(), LakeError>;

    /// Every object whose key begins with `prefix`, in the order of the keys' bytes: all pages.
    ///
    /// # Errors
    /// As all operations; a prefix without objects is an empty list.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, LakeError>;

    /// The names of the folders directly below `prefix` (which ends with `/` or is empty), without
    /// prefix and slash, in the order of their bytes.
    ///
    /// # Errors
    /// As all operations; a prefix without folders is an empty list.
    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, LakeError>;

    /// Begins an upload of unknown length. Nothing is visible until it is completed.
    fn start_upload(&self, key: &str, content_type: &str) -> Box<dyn Upload>;
}

/// An object on its way into the lake, in bounded memory:
/// ([`PARTS_IN_FLIGHT`] + 1) × [`PART_SIZE`] and one chunk.
///
/// One that is dropped is aborted in the background as far as the runtime still runs; the bucket's
/// lifecycle rule collects what a killed process leaves.
#[async_trait]
pub trait Upload: Send + fmt::Debug {
    /// Takes the next bytes; waits while too many parts are on their way.
    ///
    /// # Errors
    /// The error of a part that was sent earlier; the upload is then lost.
    async fn write(&mut self, chunk: Bytes) -> Result<(), LakeError>;

    /// Makes it an object, which must not exist yet. Equal content already there is success, as in
    /// [`Lake::create`].
    ///
    /// # Errors
    /// [`LakeError::AlreadyExists`] when there is one with other bytes; the upload is then aborted.
    async fn complete(self: Box<Self>) -> Result<ETag, LakeError>;

    /// Throws the upload away.
    ///
    /// # Errors
    /// As all operations; nothing becomes visible even then.
    async fn abort(self: Box<Self>) -> Result<(), LakeError>;
}

/// An object on its way out of the lake.
#[async_trait]
pub trait Download: Send + fmt::Debug {
    /// What is known about the object.
    fn meta(&self) -> &ObjectMeta;

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`LakeError::Unavailable`] when the stream breaks or ends early.
    async fn next(&mut self) -> Result<Option<Bytes>, LakeError>;
}
