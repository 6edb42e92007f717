//! `soxauto catalog approve`: writes the baseline of a query, for a pull request that a reviewer merges.
//!
//! The command does not know who may approve. The control is the review: the one who merges is not the one who wrote.

use std::{fs, io::Write, path::Path};

use jiff::{Timestamp, Unit};
use soxauto_domain::{
    IpeId,
    catalog::{self, BaselineFile, BaselineSchema, Ipe, Problem},
};
use soxauto_tsql::baseline;

use super::{CatalogError, chosen, source};

/// Who approves, and where it was asked for.
#[derive(Debug)]
pub(super) struct Approver {
    pub(super) by: String,
    pub(super) ticket: String,
}

/// Writes the baselines of the IPE, or of all that lack one.
pub(super) fn run(
    dir: &Path,
    only: Option<&IpeId>,
    approver: &Approver,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), CatalogError> {
    if approver.by.trim().is_empty() || approver.ticket.trim().is_empty() {
        return Err(CatalogError::Anonymous);
    }
    for folder in source::folders(Some(dir))? {
        let catalog = catalog::read(&folder.files)
            .map_err(|problems| CatalogError::Invalid(problems.len()))?;
        // Whoever approves a query approves what passes the check; a broken baseline is what approving mends.
        let problems = soxauto_tsql::check(&catalog);
        let own = |p: &&Problem| !p.file.starts_with("baseline/");
        if problems.iter().any(|p| own(&p)) {
            return Err(CatalogError::Invalid(problems.iter().filter(own).count()));
        }
        let control = Path::new(&folder.prefix);
        for (_, ipe) in chosen(std::slice::from_ref(&catalog), only)? {
            approve(control, ipe, approver, now, out)?;
        }
    }
    Ok(())
}

fn approve(
    control: &Path,
    ipe: &Ipe,
    approver: &Approver,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), CatalogError> {
    if baseline::status(ipe).is_approved() {
        writeln!(out, "{}: approved as it is; nothing written", ipe.id)?;
        return Ok(());
    }
    let texts = ipe.texts();
    let file = BaselineFile {
        schema: BaselineSchema,
        ipe: ipe.id.clone(),
        sha256: baseline::digest(&texts),
        approved_by: approver.by.trim().to_owned(),
        approved_at: now.round(Unit::Second).unwrap_or(now),
        ticket: approver.ticket.trim().to_owned(),
        texts,
    };
    let path = control.join(BaselineFile::path(&ipe.id));
    let text = toml::to_string_pretty(&file)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| source::wrong(folder, source))?;
    }
    fs::write(&path, text).map_err(|source| source::wrong(&path, source))?;
    writeln!(
        out,
        "{}: {} written, digest {}. It counts once a reviewer has merged it",
        ipe.id,
        path.display(),
        file.sha256
    )?;
    Ok(())
}
