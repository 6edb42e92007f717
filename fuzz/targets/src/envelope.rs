//! Signed statements: manifests, reviews, and the report that is made of a manifest.

use std::sync::LazyLock;

use soxauto_domain::{Sha256, review::Review};
use soxauto_evidence::{
    envelope,
    report::{self, Earlier, Report},
    review,
};

/// The key of the seeds.
static KEY: LazyLock<String> =
    LazyLock::new(|| include_str!("../../corpus/envelope.pem").to_owned());

/// Reads the bytes as an envelope of either kind, believed and not believed.
pub(crate) fn run(data: &[u8]) {
    let _ = envelope::verify(data, &KEY);
    let _ = envelope::verify_as::<Review>(data, &KEY);
    let reviewed = envelope::read_as::<Review>(data).ok();
    if let Ok(manifest) = envelope::read(data) {
        let predicate = &manifest.predicate;
        let page = Report {
            predicate,
            plan: None,
            history: &[],
        };
        if let Ok(html) = report::render(&page) {
            assert!(!html.contains("<script>alert"), "a report repeats a script");
        }
        let _ = Earlier::read(&predicate.run_id, predicate.revision, data, &KEY);
        if let Some(reviewed) = &reviewed {
            let _ = review::check(reviewed, 1, predicate, Sha256::of(data));
        }
    }
}
