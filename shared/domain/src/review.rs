//! Reviews: signed statements about a manifest, by somebody other than those who prepared it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, chained},
    manifest::{Predicate, PredicateKind},
    plan::Software,
};

/// What a review says of the manifest that is its one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The run of the manifest.
    #[serde(with = "chained")]
    #[schemars(with = "RunId")]
    pub run_id: RunId,
    /// The manifest's revision: a newer one is not reviewed by this.
    pub revision: u32,
    /// From 1: which review of that revision this is.
    pub number: u32,
    /// What the reviewer decided.
    pub decision: Decision,
    /// Why, in the reviewer's words; never empty.
    pub comment: String,
    /// The AWS principal that signed, by its own credentials.
    pub reviewer: String,
    /// The principals that prepared the run, as manifest and deployment name them; the reviewer is none of them.
    pub preparers: Vec<String>,
    /// When.
    pub reviewed_at: Timestamp,
    /// The tool with which it was made.
    pub software: Software,
}

impl PredicateKind for Review {
    const TYPE: &'static str = "https://soxauto.dev/review/v1";
}

/// What a reviewer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The evidence is accepted.
    Approve,
    /// It is not.
    Reject,
}

impl Decision {
    /// The name in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// Where a manifest stands, by the reviews of its newest revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody has reviewed the newest revision.
    Draft,
    /// It is approved, and no later review says otherwise.
    Final,
    /// The last review rejects it.
    RejectedInReview,
}

impl Standing {
    /// What follows from the decisions about the newest revision, in their order: the last one counts.
    #[must_use]
    pub fn of(decisions: impl IntoIterator<Item = Decision>) -> Self {
        match decisions.into_iter().last() {
            None => Self::Draft,
            Some(Decision::Approve) => Self::Final,
            Some(Decision::Reject) => Self::RejectedInReview,
        }
    }

    /// The name in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Final => "final",
            Self::RejectedInReview => "rejected in review",
        }
    }
}

/// Who prepared the run, by its manifest: who started it, and who replayed what had failed.
#[must_use]
pub fn preparers(manifest: &Predicate) -> BTreeSet<String> {
    let started = manifest.trigger.iter().filter_map(|t| t.principal.as_ref());
    let replayed = manifest
        .ipes
        .iter()
        .flat_map(|ipe| &ipe.attempts)
        .filter_map(|attempt| attempt.replayed_by.as_ref());
    started.chain(replayed).cloned().collect()
}

/// The preparer that the principal is, if it is one.
///
/// The same ARN is the same person, and so is the same user or session name under two ARNs: single sign-on puts the
/// person's name there, so that one person with two roles is still one person.
#[must_use]
pub fn preparer_that_is<'p>(
    principal: &str,
    preparers: impl IntoIterator<Item = &'p String>,
) -> Option<&'p String> {
    preparers
        .into_iter()
        .find(|preparer| *preparer == principal || person(preparer) == person(principal))
}

/// `m.rossi` of `arn:aws:sts::1:assumed-role/finance/m.rossi`; the whole text where no name is.
fn person(principal: &str) -> &str {
    principal
        .rsplit_once('/')
        .map_or(principal, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_decision_counts() {
        use Decision::{Approve, Reject};
        assert_eq!(Standing::of([]), Standing::Draft);
        assert_eq!(Standing::of([Approve]), Standing::Final);
        assert_eq!(Standing::of([Reject, Approve]), Standing::Final);
        assert_eq!(Standing::of([Approve, Reject]), Standing::RejectedInReview);
    }

    #[test]
    fn one_person_with_two_roles_is_one_person() {
        let rossi = "arn:aws:sts::111122223333:assumed-role/operators/m.rossi".to_owned();
        let functions =
            "arn:aws:sts::111122223333:assumed-role/stack-Finalizer/prod-finalizer".to_owned();
        let preparers = [rossi, functions];
        for same in [
            "arn:aws:sts::111122223333:assumed-role/operators/m.rossi",
            "arn:aws:sts::111122223333:assumed-role/reviewers/m.rossi",
            "arn:aws:iam::111122223333:user/m.rossi",
            "arn:aws:sts::111122223333:assumed-role/other/prod-finalizer",
        ] {
            assert!(preparer_that_is(same, &preparers).is_some(), "{same}");
        }
        for other in [
            "arn:aws:sts::111122223333:assumed-role/operators/a.diop",
            "arn:aws:iam::111122223333:root",
        ] {
            assert_eq!(preparer_that_is(other, &preparers), None, "{other}");
        }
    }
}
