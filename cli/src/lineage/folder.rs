//! A run's folder on disk: its plan and the records of its attempts.

use std::{fs, io::ErrorKind, path::Path};

use serde::de::DeserializeOwned;
use soxauto_domain::{
    Plan, Sha256,
    facts::{AttemptFacts, IpeFacts, Stored},
    layout::{FAILURE, LOAD, RECEIPT},
};

use super::LineageError;

/// Reads plan and records; nothing is verified, which is what `soxauto verify` is for.
pub(super) fn read(folder: &Path) -> Result<(Plan, Vec<IpeFacts>), LineageError> {
    let path = folder.join("plan.json");
    let plan: Stored<Plan> =
        document(&path)?.ok_or_else(|| wrong(&path, "there is no such file"))?;
    let mut facts = Vec::with_capacity(plan.document.ipes.len());
    for ipe in &plan.document.ipes {
        facts.push(IpeFacts {
            id: ipe.id.clone(),
            attempts: attempts(&folder.join(ipe.id.as_str()))?,
        });
    }
    Ok((plan.document, facts))
}

fn attempts(folder: &Path) -> Result<Vec<AttemptFacts>, LineageError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // An IPE that has not begun has no folder.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(wrong(folder, e)),
    };
    let mut attempts = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| wrong(folder, e))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("attempt-"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            let attempt = folder.join(&name);
            attempts.push(AttemptFacts {
                number,
                receipt: document(&attempt.join(RECEIPT))?,
                failure: document(&attempt.join(FAILURE))?,
                load: document(&attempt.join(LOAD))?,
                segments: 0,
            });
        }
    }
    attempts.sort_by_key(|attempt: &AttemptFacts| attempt.number);
    Ok(attempts)
}

/// A JSON document; `None` if there is no such file.
fn document<T: DeserializeOwned>(path: &Path) -> Result<Option<Stored<T>>, LineageError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(path, e)),
    };
    Ok(Some(Stored {
        document: serde_json::from_slice(&bytes).map_err(|e| wrong(path, e))?,
        sha256: Sha256::of(&bytes),
        size: bytes.len() as u64,
    }))
}

fn wrong(path: &Path, reason: impl ToString) -> LineageError {
    LineageError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
