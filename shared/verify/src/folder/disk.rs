//! A folder on disk. Links and special files are reported, never followed or opened.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use super::{Entry, Folder, FolderError, Listing, is_plain};

/// Folders within folders that are looked into: the layout has seven.
const DEEPEST: usize = 24;

/// A folder on disk.
#[derive(Debug, Clone)]
pub struct DiskFolder {
    root: PathBuf,
    place: String,
}

impl DiskFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// [`FolderError`] when there is no folder.
    pub fn new(path: &Path) -> Result<Self, FolderError> {
        let shown = path.display().to_string();
        let root = fs::canonicalize(path).map_err(|e| FolderError::new(&shown, e))?;
        if !root.is_dir() {
            return Err(FolderError::new(shown, "is not a folder"));
        }
        let place = root.display().to_string();
        Ok(Self { root, place })
    }

    /// The folder's whole path, without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    listing: &mut Listing,
) -> Result<(), std::io::Error> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = format!("{prefix}{}", name.to_string_lossy());
        let Some(name) = name.to_str().filter(|name| is_plain(name)) else {
            listing
                .problems
                .push((shown, "its name is not plain text".to_owned()));
            continue;
        };
        let path = format!("{prefix}{name}");
        // Of the entry itself, not of what a link leads to.
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            if depth >= DEEPEST {
                listing
                    .problems
                    .push((path, "is too deep below the folder".to_owned()));
            } else if let Err(e) = walk(&entry.path(), &format!("{path}/"), depth + 1, listing) {
                listing.problems.push((path, e.to_string()));
            }
        } else if metadata.is_file() {
            listing.entries.push(Entry {
                path,
                size: metadata.len(),
            });
        } else {
            let what = if metadata.is_symlink() {
                "is a link, which may lead anywhere"
            } else {
                "is neither a file nor a folder"
            };
            listing.problems.push((path, what.to_owned()));
        }
    }
    Ok(())
}

#[async_trait]
impl Folder for DiskFolder {
    fn place(&self) -> &str {
        &self.place
    }

    async fn list(&self) -> Result<Listing, FolderError> {
        let mut listing = Listing::default();
        walk(&self.root, "", 0, &mut listing).map_err(|e| FolderError::new(&self.place, e))?;
        listing.entries.sort();
        listing.problems.sort();
        Ok(listing)
    }

    async fn open(&self, path: &str) -> Result<File, FolderError> {
        if !is_plain(path) {
            return Err(FolderError::new(path, "is not a path below the folder"));
        }
        // A link anywhere on the way could lead out of the folder.
        let mut at = self.root.clone();
        let mut metadata = None;
        for part in path.split('/') {
            at.push(part);
            let found = fs::symlink_metadata(&at).map_err(|e| FolderError::new(path, e))?;
            if found.is_symlink() {
                return Err(FolderError::new(path, "a link is on the way"));
            }
            metadata = Some(found);
        }
        if !metadata.is_some_and(|m| m.is_file()) {
            return Err(FolderError::new(path, "is not a regular file"));
        }
        File::open(&at).map_err(|e| FolderError::new(path, e))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn links_are_reported_and_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("c")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        fs::write(folder.path().join("moves\u{1b}[2J"), "1").unwrap();
        let disk = DiskFolder::new(folder.path()).unwrap();
        let listing = disk.list().await.unwrap();
        assert_eq!(listing.entries.len(), 1);
        let problems: Vec<&str> = listing.problems.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(problems, ["b", "c", "loop", "moves\u{1b}[2J", "socket"]);
        for path in [
            "b",
            "c/secret",
            "loop/a",
            "../x",
            "/etc/passwd",
            "socket",
            "",
        ] {
            assert!(disk.open(path).await.is_err(), "{path}");
        }
        assert!(disk.open("a").await.is_ok());
    }
}
