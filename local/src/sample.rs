//! The NAV sample on disk: made once per size, seed, defects and version of the generator, then reused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::error::StackError;
use crate::folders::{Folders, unfinished};
use crate::options::StackOptions;
use crate::process::{Process, Program};

const LIMIT: Duration = Duration::from_secs(1800);

/// The folder with the sample that `options` ask for, and whether it had to be made.
pub(crate) async fn ensure(
    options: &StackOptions,
    python: &Path,
    folders: &Folders,
    environment: &BTreeMap<String, String>,
    log: PathBuf,
) -> Result<(PathBuf, bool), StackError> {
    let name = format!("nav-{}", key(options, python)?);
    let sample = folders.cache.join(&name);
    if sample.is_dir() {
        return Ok((sample, false));
    }
    let making = unfinished(&folders.cache, &name);
    let mut arguments: Vec<String> = [
        "-m",
        "soxauto_local.leash",
        "soxauto_local.nav_sample",
        "--out",
        &making.display().to_string(),
        "--rows",
        &options.rows.to_string(),
        "--seed",
        &options.seed.to_string(),
    ]
    .map(str::to_owned)
    .to_vec();
    for defect in &options.defects {
        arguments.extend(["--defect".to_owned(), defect.clone()]);
    }
    let program = Program {
        name: "the NAV sample's generator",
        command: python.to_owned(),
        arguments,
        environment: environment.clone(),
        folder: folders.temporary.clone(),
        log,
    };
    let outcome = Process::start(&program)?.finish(LIMIT).await;
    if let Err(error) = outcome {
        let _ = fs::remove_dir_all(&making);
        return Err(error);
    }
    if let Err(error) = fs::rename(&making, &sample) {
        let _ = fs::remove_dir_all(&making);
        if !sample.is_dir() {
            return Err(StackError::file("make", &sample)(error));
        }
    }
    Ok((sample, true))
}

/// A digest of everything that decides what the sample holds.
fn key(options: &StackOptions, python: &Path) -> Result<String, StackError> {
    let sources = options.project_root.join("local/python/soxauto_local");
    let mut modules: Vec<PathBuf> = fs::read_dir(&sources)
        .map_err(StackError::file("read", &sources))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_generator(path))
        .collect();
    modules.sort();
    let mut digest = Sha256::new();
    for module in modules {
        digest.update(fs::read(&module).map_err(StackError::file("read", &module))?);
    }
    digest.update(format!(
        "{}|{}|{:?}|{}",
        options.rows,
        options.seed,
        options.defects,
        python.display()
    ));
    Ok(hex::encode(&digest.finalize()[..8]))
}

/// The generator's modules; the engine's changes do not make the sample anew.
fn is_generator(module: &Path) -> bool {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("nav_") && name.ends_with(".py")
}
