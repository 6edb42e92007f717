//! A prefix of a bucket. Each file is fetched once, into an unnamed file, so that it is read like one on disk.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    sync::Arc,
};

use async_trait::async_trait;
use soxauto_cloud::lake::Lake;

use super::{Entry, Folder, FolderError, Listing, is_plain};

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct LakeFolder {
    lake: Arc<dyn Lake>,
    prefix: String,
    place: String,
}

impl LakeFolder {
    /// Everything below `prefix`; slashes at its ends do not matter.
    #[must_use]
    pub fn new(lake: Arc<dyn Lake>, prefix: &str) -> Self {
        let trimmed = prefix.trim_matches('/');
        let prefix = if trimmed.is_empty() {
            String::new()
        } else {
            format!("{trimmed}/")
        };
        Self {
            place: format!("s3://{}/{trimmed}", lake.bucket()),
            lake,
            prefix,
        }
    }
}

#[async_trait]
impl Folder for LakeFolder {
    fn place(&self) -> &str {
        &self.place
    }

    async fn list(&self) -> Result<Listing, FolderError> {
        let mut listing = Listing::default();
        let objects = self.lake.list(&self.prefix).await;
        for object in objects.map_err(|e| FolderError::new(&self.place, e))? {
            let path = object
                .key
                .strip_prefix(&self.prefix)
                .unwrap_or(&object.key)
                .to_owned();
            if is_plain(&path) {
                listing.entries.push(Entry {
                    path,
                    size: object.size,
                });
            } else {
                listing
                    .problems
                    .push((path, "its key is not a plain path".to_owned()));
            }
        }
        listing.entries.sort();
        listing.problems.sort();
        Ok(listing)
    }

    async fn open(&self, path: &str) -> Result<File, FolderError> {
        if !is_plain(path) {
            return Err(FolderError::new(path, "is not a path below the folder"));
        }
        let key = format!("{}{path}", self.prefix);
        let cannot = |e: &dyn ToString| FolderError::new(path, e.to_string());
        let mut download = self.lake.download(&key).await.map_err(|e| cannot(&e))?;
        let mut file = tempfile::tempfile().map_err(|e| cannot(&e))?;
        while let Some(chunk) = download.next().await.map_err(|e| cannot(&e))? {
            file.write_all(&chunk).map_err(|e| cannot(&e))?;
        }
        file.seek(SeekFrom::Start(0)).map_err(|e| cannot(&e))?;
        Ok(file)
    }
}
