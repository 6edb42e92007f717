//! Where the catalog comes from: compiled in, or a folder on disk.

use std::{collections::BTreeMap, fs, path::Path};

use soxauto_domain::catalog::{self, Catalog};

use super::CatalogError;

/// The files of one control.
pub(super) struct Folder {
    /// What stands before a file's name in messages: empty, or the folder with its slash.
    pub(super) prefix: String,
    /// Name → text.
    pub(super) files: BTreeMap<String, String>,
}

/// The controls of the folder, or the one that is compiled in.
///
/// # Errors
/// [`CatalogError::File`] or [`CatalogError::NoControl`].
pub(super) fn folders(dir: Option<&Path>) -> Result<Vec<Folder>, CatalogError> {
    let Some(dir) = dir else {
        return Ok(vec![Folder {
            prefix: String::new(),
            files: soxauto_catalog::files(),
        }]);
    };
    let mut controls = Vec::new();
    if dir.join("control.toml").exists() {
        controls.push(dir.to_owned());
    } else {
        for entry in fs::read_dir(dir).map_err(|source| wrong(dir, source))? {
            let path = entry.map_err(|source| wrong(dir, source))?.path();
            if path.join("control.toml").exists() {
                controls.push(path);
            }
        }
    }
    if controls.is_empty() {
        return Err(CatalogError::NoControl(dir.display().to_string()));
    }
    controls.sort();
    controls
        .iter()
        .map(|path| {
            Ok(Folder {
                prefix: format!("{}/", path.display()),
                files: files(path)?,
            })
        })
        .collect()
}

/// The valid catalogs of the folder, or the one that is compiled in.
///
/// # Errors
/// As [`folders`], and [`CatalogError::Invalid`] when there are problems.
pub(super) fn catalogs(dir: Option<&Path>) -> Result<Vec<Catalog>, CatalogError> {
    folders(dir)?
        .iter()
        .map(|folder| {
            catalog::read(&folder.files).map_err(|problems| CatalogError::Invalid(problems.len()))
        })
        .collect()
}

/// The TOML and SQL files of a folder, its baselines and its lineage, as the build compiles them in; others, such as a
/// README, are not the catalog's.
fn files(control: &Path) -> Result<BTreeMap<String, String>, CatalogError> {
    let mut files = BTreeMap::new();
    for within in ["", "baseline/"] {
        let folder = control.join(within);
        if !within.is_empty() && !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|source| wrong(&folder, source))? {
            let path = entry.map_err(|source| wrong(&folder, source))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let is_ours =
                name.ends_with(".toml") || name.ends_with(".sql") || name == "lineage.json";
            if path.is_file() && is_ours {
                files.insert(
                    format!("{within}{name}"),
                    fs::read_to_string(&path).map_err(|source| wrong(&path, source))?,
                );
            }
        }
    }
    Ok(files)
}

pub(super) fn wrong(path: &Path, source: std::io::Error) -> CatalogError {
    CatalogError::File {
        path: path.display().to_string(),
        source,
    }
}
