//! Where evidence is read from: a folder on disk, or a prefix of a bucket. One trait, two kinds, one conformance suite.

pub mod conformance;
mod disk;
mod lake;

use std::fs::File;

use async_trait::async_trait;

use crate::ledger;

pub use disk::DiskFolder;
pub use lake::LakeFolder;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Relative to the folder, with `/` between its parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Regular files in order of path.
    pub entries: Vec<Entry>,
    /// What is no regular file or has no name that could be written down: path as far as it can be shown, and why.
    pub problems: Vec<(String, String)>,
}

/// The folder or a file of it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct FolderError {
    /// Which one.
    pub path: String,
    /// What the system said.
    pub reason: String,
}

impl FolderError {
    fn new(path: impl Into<String>, reason: impl ToString) -> Self {
        Self {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

/// A folder of evidence.
#[async_trait]
pub trait Folder: Send + Sync {
    /// Its place, for messages; its last parts may name a run.
    fn place(&self) -> &str;

    /// Every file below it. Links are not followed.
    ///
    /// # Errors
    /// [`FolderError`] when it cannot be read at all.
    async fn list(&self) -> Result<Listing, FolderError>;

    /// Opens a file of the listing at its beginning. What lies in a bucket is fetched into an unnamed file first.
    ///
    /// # Errors
    /// [`FolderError`] when there is none, or it is no regular file below the folder.
    async fn open(&self, path: &str) -> Result<File, FolderError>;
}

/// Whether the path leads to a place below the folder by plain names only, which can be shown as they are.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\\')
        && !path.contains(ledger::is_unseen)
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}
