//! The manifest's subjects: every file of the run with its digest.

use std::collections::{BTreeMap, BTreeSet};

use sha2::Digest as _;
use soxauto_domain::{
    Sha256,
    facts::RunFacts,
    layout::{self, Layout, Object},
    manifest::Subject,
};
use soxauto_evidence::statement::subject;

use crate::{context::Context, error::FinalizerError};

/// Every object of the run's folder but manifests and reviews, which are about manifests. Digests that receipts and records give are taken from there (the
/// receipt itself is a subject too); any other file is read and hashed.
///
/// # Errors
/// [`FinalizerError`] when an object cannot be read.
pub async fn of_run(context: &Context, facts: &RunFacts) -> Result<Vec<Subject>, FinalizerError> {
    let known = known(context.reader.layout(), facts);
    let folder = context.reader.layout().run_folder(&facts.plan.run_id);
    let mut subjects = Vec::with_capacity(facts.objects.len());
    for (name, size) in &facts.objects {
        let key = format!("{folder}{name}");
        if matches!(
            context.reader.layout().parse(&key),
            Some(Object::Manifest(..) | Object::Review(..))
        ) {
            continue;
        }
        match known.get(name.as_str()) {
            // A size that differs would be a lie of one of the two: then the bytes decide.
            Some((known_size, digest)) if known_size == size => {
                subjects.push(subject(name, *size, *digest))
            }
            _ => {
                let (size, digest) = read(context, &key).await?;
                subjects.push(subject(name, size, digest));
            }
        }
    }
    Ok(subjects)
}

/// Whether a manifest's `subjects` name every file that the run's folder holds now, and no other. Reports are left out:
/// each revision has its own.
pub fn are_of_run(context: &Context, facts: &RunFacts, subjects: &[Subject]) -> bool {
    let layout = context.reader.layout();
    let folder = layout.run_folder(&facts.plan.run_id);
    let is_file = |name: &&str| {
        !matches!(
            layout.parse(&format!("{folder}{name}")),
            Some(Object::Manifest(..) | Object::Review(..) | Object::Report(..))
        )
    };
    let there = facts.objects.iter().map(|(name, _)| name.as_str());
    let named = subjects.iter().map(|subject| subject.name.as_str());
    there.filter(is_file).collect::<BTreeSet<_>>() == named.filter(is_file).collect()
}

fn known(layout: &Layout, facts: &RunFacts) -> BTreeMap<String, (u64, Sha256)> {
    let run = &facts.plan.run_id;
    let folder = layout.run_folder(run);
    let mut known =
        BTreeMap::from([("plan.json".to_owned(), (facts.plan_size, facts.plan_sha256))]);
    for ipe in &facts.ipes {
        for attempt in &ipe.attempts {
            let place = layout::Attempt {
                run_id: run.clone(),
                ipe_id: ipe.id.clone(),
                number: attempt.number,
            };
            let mut add = |path: &str, size: u64, sha256: Sha256| {
                let key = layout.file(&place, path);
                if let Some(name) = key.strip_prefix(&folder) {
                    known.insert(name.to_owned(), (size, sha256));
                }
            };
            if let Some(receipt) = &attempt.receipt {
                add(layout::RECEIPT, receipt.size, receipt.sha256);
                for file in &receipt.document.files {
                    add(&file.path, file.size, file.sha256);
                }
            }
            if let Some(failure) = &attempt.failure {
                add(layout::FAILURE, failure.size, failure.sha256);
            }
            if let Some(load) = &attempt.load {
                add(layout::LOAD, load.size, load.sha256);
            }
        }
    }
    known
}

async fn read(context: &Context, key: &str) -> Result<(u64, Sha256), FinalizerError> {
    let mut download = context.evidence.download(key).await?;
    let mut hasher = sha2::Sha256::new();
    let mut size = 0;
    while let Some(chunk) = download.next().await? {
        size += chunk.len() as u64;
        hasher.update(&chunk);
    }
    Ok((size, Sha256::from_bytes(hasher.finalize().into())))
}
