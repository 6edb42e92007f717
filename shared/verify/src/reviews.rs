//! The reviews of a run: signed statements about one revision of its manifest, by somebody who did not prepare it.

use std::collections::BTreeMap;

use soxauto_domain::{
    layout::Object,
    review::{Review, Standing},
};
use soxauto_evidence::{envelope, review};

use crate::{
    check::Check,
    files,
    manifests::{self, Manifests, Revision},
    run::Run,
};

/// Revision and number that a file name gives.
pub(crate) fn place(name: &str) -> Option<(u32, u32)> {
    match manifests::object(name)? {
        Object::Review(_, revision, number) => Some((revision, number)),
        _ => None,
    }
}

/// Checks every review that is there, and what they make of the newest manifest.
///
/// Without a reviewers' key nothing is believed: that is said, and with `--require-review` it is a failure.
pub(crate) async fn check(run: &mut Run<'_>, manifests: &Manifests) {
    let files: BTreeMap<(u32, u32), String> = run
        .place
        .files
        .keys()
        .filter_map(|name| Some((place(name)?, name.clone())))
        .collect();
    let required = run.request.require_review;
    if run.request.review_keys.is_empty() {
        let mut why = "no reviewers' key was given: --review-key".to_owned();
        if !files.is_empty() {
            let names: Vec<&str> = files.values().map(String::as_str).collect();
            why += &format!("; not looked at: {}", names.join(", "));
        }
        if required {
            run.ledger.fail(Check::Review, "", why);
        } else {
            run.ledger.skip(Check::Review, "", why);
        }
        return;
    }
    let mut standing: BTreeMap<u32, Vec<Review>> = BTreeMap::new();
    for ((revision, number), name) in &files {
        let of_revision = standing.entry(*revision).or_default();
        let before = u32::try_from(of_revision.len()).unwrap_or(u32::MAX);
        let found = match manifests.believed.iter().find(|r| r.number == *revision) {
            None => Err(format!("manifest revision {revision} is not believed")),
            Some(_) if *number != before.saturating_add(1) => Err(format!(
                "there is no believed review {} before it",
                before + 1
            )),
            Some(manifest) => one(run, manifest, *number, name).await,
        };
        match found {
            Ok(review) => {
                run.ledger.holds(Check::Review);
                of_revision.push(review);
            }
            Err(why) => run.ledger.fail(Check::Review, name, why),
        }
    }
    if !required {
        if files.is_empty() {
            run.ledger.skip(Check::Review, "", "nobody has reviewed it");
        }
        return;
    }
    let newest = standing.get(&manifests.newest).map(Vec::as_slice);
    let now = Standing::of(newest.unwrap_or_default().iter().map(|r| r.decision));
    let file = review::manifest_name(manifests.newest);
    run.ledger
        .check(Check::Review, &file, now == Standing::Final, || {
            format!("the newest manifest is {}", now.as_str())
        });
}

async fn one(
    run: &Run<'_>,
    manifest: &Revision,
    number: u32,
    name: &str,
) -> Result<Review, String> {
    let path = format!("{}{name}", run.place.path);
    let listed = run.place.files.get(name).copied().unwrap_or_default();
    let bytes = files::document(run.folder, &path, listed, run.progress).await?;
    let mut why = String::new();
    for key in &run.request.review_keys {
        match envelope::verify_as::<Review>(&bytes, key.pem()) {
            Ok(statement) => {
                review::check(
                    &statement,
                    number,
                    &manifest.statement.predicate,
                    manifest.sha256,
                )
                .map_err(|fault| fault.to_string())?;
                let closed = manifest.statement.predicate.finished_at;
                let reviewed = statement.predicate.reviewed_at;
                if reviewed < closed {
                    return Err(format!(
                        "it is of {reviewed}, before its manifest of {closed}"
                    ));
                }
                return Ok(statement.predicate);
            }
            Err(e) => why = e.to_string(),
        }
    }
    Err(why)
}
