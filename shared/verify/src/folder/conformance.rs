//! What every kind of folder must do, so that a verification finds the same on disk and in a bucket.

use std::io::Read as _;

use super::{Entry, Folder};

/// The files that [`check`] expects to find: path and content.
pub const FILES: &[(&str, &str)] = &[
    ("a.json", "{}"),
    ("b/c/d.bin", "0123456789"),
    ("b/c-d", "beside a folder of nearly the same name"),
    ("b/empty", ""),
];

/// Checks a folder that holds [`FILES`] and nothing else.
///
/// # Errors
/// Says what it does otherwise.
pub async fn check(folder: &dyn Folder) -> Result<(), String> {
    let listing = folder.list().await.map_err(|e| e.to_string())?;
    let mut expected: Vec<Entry> = FILES
        .iter()
        .map(|(path, content)| Entry {
            path: (*path).to_owned(),
            size: content.len() as u64,
        })
        .collect();
    expected.sort();
    if listing.entries != expected || !listing.problems.is_empty() {
        return Err(format!("it lists {listing:?}"));
    }
    for (path, content) in FILES {
        // Twice: each time from the beginning.
        for _ in 0..2 {
            let mut found = String::new();
            let mut file = folder.open(path).await.map_err(|e| e.to_string())?;
            file.read_to_string(&mut found).map_err(|e| e.to_string())?;
            if found != *content {
                return Err(format!("{path} holds {found:?}"));
            }
        }
    }
    for path in [
        "",
        "nothing",
        "b",
        "b/",
        "../a.json",
        "/a.json",
        "b//empty",
        "b\\c",
    ] {
        if folder.open(path).await.is_ok() {
            return Err(format!("{path:?} can be opened"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use soxauto_cloud::lake::{Bytes, Lake as _, MemoryLake};

    use super::{super::*, *};

    #[tokio::test]
    async fn disk_and_bucket_conform() {
        let disk = tempfile::tempdir().unwrap();
        let lake = MemoryLake::new("bucket");
        lake.create("other/x", Bytes::from("x"), "text/plain")
            .await
            .unwrap();
        for (path, content) in FILES {
            let file = disk.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
            lake.create(
                &format!("evidence/{path}"),
                Bytes::from(*content),
                "text/plain",
            )
            .await
            .unwrap();
        }
        assert_eq!(check(&DiskFolder::new(disk.path()).unwrap()).await, Ok(()));
        assert_eq!(
            check(&LakeFolder::new(Arc::new(lake), "/evidence/")).await,
            Ok(())
        );
        assert!(DiskFolder::new(&disk.path().join("a.json")).is_err());
    }
}
