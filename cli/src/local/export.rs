//! Exporting a run: its folder of the evidence bucket becomes a folder on disk, whole.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use soxauto_domain::RunId;

use super::{error::LocalError, watch::Watch};

/// Copies every object of the run below `out/evidence` and returns the run's folder there. What an earlier export left
/// there is replaced.
pub(crate) async fn evidence(
    watch: &Watch,
    run: &RunId,
    out: &Path,
) -> Result<PathBuf, LocalError> {
    let target = out.join("evidence").join(run.to_string());
    if target.exists() {
        fs::remove_dir_all(&target).map_err(LocalError::file(&target))?;
    }
    let folder = watch.reader.layout().run_folder(run);
    for object in watch.evidence.list(&folder).await? {
        let Some(name) = object.key.strip_prefix(&folder) else {
            continue;
        };
        let path = target.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(LocalError::file(parent))?;
        }
        let mut file = fs::File::create(&path).map_err(LocalError::file(&path))?;
        let mut download = watch.evidence.download(&object.key).await?;
        while let Some(chunk) = download.next().await? {
            file.write_all(&chunk).map_err(LocalError::file(&path))?;
        }
    }
    if let Some(pem) = watch.public_key_pem().await {
        let path = out.join("signing-key.pem");
        fs::write(&path, pem).map_err(LocalError::file(&path))?;
    }
    Ok(target)
}

/// Copies a file, replacing what is there.
pub(crate) fn file(from: &Path, to: &Path) -> Result<(), LocalError> {
    fs::copy(from, to).map(drop).map_err(LocalError::file(from))
}

/// Copies the files of a folder, replacing what is there.
pub(crate) fn files(from: &Path, to: &Path) -> Result<(), LocalError> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(LocalError::file(to))?;
    }
    fs::create_dir_all(to).map_err(LocalError::file(to))?;
    for entry in fs::read_dir(from)
        .map_err(LocalError::file(from))?
        .flatten()
    {
        if entry.path().is_file() {
            file(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
