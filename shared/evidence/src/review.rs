//! Reviews of a manifest: how a statement is made, and what must hold before one is believed.

use soxauto_domain::{
    Sha256,
    manifest::{Predicate, Statement},
    review::{Review, preparer_that_is, preparers},
};

use crate::statement;

/// Why a review does not count, although its signature holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewFault {
    /// Its subject is not the manifest.
    #[error("it is not about this manifest: its subject should be {name} with SHA-256 {sha256}")]
    Subject {
        /// File of the manifest.
        name: String,
        /// Digest of the manifest's envelope.
        sha256: Sha256,
    },
    /// It names another run, revision or number than its file does.
    #[error("it is about {0}")]
    Place(String),
    /// The reviewer prepared the run.
    #[error(
        "{reviewer} prepared this run as {preparer}: a reviewer must be somebody else, under no role of the same name"
    )]
    Preparer {
        /// Who reviewed.
        reviewer: String,
        /// As whom the same person prepared.
        preparer: String,
    },
    /// No reason is given.
    #[error("it has no comment: say what was looked at, and why it is accepted or not")]
    Comment,
}

/// File name of a manifest revision in its run's folder.
#[must_use]
pub fn manifest_name(revision: u32) -> String {
    format!("manifest-{revision}.dsse.json")
}

/// The statement about the manifest with these bytes.
///
/// # Errors
/// [`ReviewFault`] when the review would not count: a reviewer who prepared the run, a review without a comment.
pub fn build(
    review: Review,
    manifest: &Predicate,
    envelope: &[u8],
) -> Result<Statement<Review>, ReviewFault> {
    let subject = statement::subject(
        manifest_name(review.revision),
        envelope.len() as u64,
        Sha256::of(envelope),
    );
    let number = review.number;
    let statement = statement::build(review, vec![subject]);
    check(&statement, number, manifest, Sha256::of(envelope))?;
    Ok(statement)
}

/// Whether a review whose signature holds counts for the manifest whose envelope has that digest; `number` is its file's.
///
/// # Errors
/// [`ReviewFault`] says why not.
pub fn check(
    statement: &Statement<Review>,
    number: u32,
    manifest: &Predicate,
    sha256: Sha256,
) -> Result<(), ReviewFault> {
    let review = &statement.predicate;
    if (&review.run_id, review.revision, review.number)
        != (&manifest.run_id, manifest.revision, number)
    {
        return Err(ReviewFault::Place(format!(
            "{} revision {} as review {}",
            review.run_id, review.revision, review.number
        )));
    }
    let name = manifest_name(manifest.revision);
    match statement.subject.as_slice() {
        [one] if one.name == name && one.digest.sha256 == sha256 => {}
        _ => return Err(ReviewFault::Subject { name, sha256 }),
    }
    let by_manifest = preparers(manifest);
    let all = by_manifest.iter().chain(&review.preparers);
    if let Some(preparer) = preparer_that_is(&review.reviewer, all) {
        return Err(ReviewFault::Preparer {
            reviewer: review.reviewer.clone(),
            preparer: preparer.clone(),
        });
    }
    if review.comment.trim().is_empty() {
        return Err(ReviewFault::Comment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use soxauto_domain::review::Decision;

    use super::*;

    const OPERATOR: &str = "arn:aws:sts::1:assumed-role/operators/m.rossi";

    fn manifest() -> Predicate {
        let mut manifest = crate::statement::tests::statement().predicate;
        if let Some(trigger) = &mut manifest.trigger {
            trigger.principal = Some(OPERATOR.into());
        }
        manifest
    }

    fn review(reviewer: &str) -> Review {
        let manifest = manifest();
        Review {
            run_id: manifest.run_id,
            revision: 1,
            number: 1,
            decision: Decision::Approve,
            comment: "read".into(),
            reviewer: reviewer.into(),
            preparers: vec!["arn:aws:sts::1:assumed-role/functions/finalizer".into()],
            reviewed_at: "2024-05-02T08:00:00Z".parse().unwrap(),
            software: manifest.software,
        }
    }

    #[test]
    fn somebody_else_reviews_this_manifest_and_says_why() {
        let reviewer = "arn:aws:sts::1:assumed-role/reviewers/a.diop";
        let statement = build(review(reviewer), &manifest(), b"m").unwrap();
        assert_eq!(check(&statement, 1, &manifest(), Sha256::of("m")), Ok(()));
        for (reviewer, preparer) in [
            (OPERATOR, OPERATOR),
            ("arn:aws:iam::1:user/m.rossi", OPERATOR),
            (
                "arn:aws:sts::1:assumed-role/functions/finalizer",
                "arn:aws:sts::1:assumed-role/functions/finalizer",
            ),
        ] {
            let fault = ReviewFault::Preparer {
                reviewer: reviewer.into(),
                preparer: preparer.into(),
            };
            assert_eq!(build(review(reviewer), &manifest(), b"m"), Err(fault));
        }
        let silent = Review {
            comment: " \n".into(),
            ..review(reviewer)
        };
        assert_eq!(build(silent, &manifest(), b"m"), Err(ReviewFault::Comment));
    }

    #[test]
    fn a_review_counts_for_the_manifest_that_was_read_only() {
        let reviewer = "arn:aws:sts::1:assumed-role/reviewers/a.diop";
        let statement = build(review(reviewer), &manifest(), b"m").unwrap();
        assert!(matches!(
            check(&statement, 1, &manifest(), Sha256::of("another")),
            Err(ReviewFault::Subject { .. })
        ));
        assert!(matches!(
            check(&statement, 2, &manifest(), Sha256::of("m")),
            Err(ReviewFault::Place(_))
        ));
        let mut newer = manifest();
        newer.revision = 2;
        assert!(matches!(
            check(&statement, 1, &newer, Sha256::of("m")),
            Err(ReviewFault::Place(_))
        ));
    }
}
