//! With which earlier month a row count had to be compared: who may choose can switch the check off.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use soxauto_domain::{CheckKind, CheckOutcome, IpeId};

use crate::{attempts::Attempt, figures, run::Published};

/// From the time in a manifest to when workers see it: it is taken before the manifest is signed and stored.
const UNTIL_SEEN: SignedDuration = SignedDuration::from_secs(3);

/// A complete run, as later months see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishedRun {
    /// When the first manifest that says so was made.
    pub(crate) since: Timestamp,
    /// Rows of its reports.
    pub(crate) rows: BTreeMap<IpeId, u64>,
}

/// What the other runs here say of the rows that a count was compared with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// They are those of the run that it had to be compared with.
    Right,
    /// They are others, or were said not to exist.
    Wrong(String),
    /// That run is not here.
    Unknown,
}

/// The rows that the row count was compared with, as the outcome tells them.
pub(crate) fn claimed(checks: &[CheckOutcome]) -> Option<u64> {
    let outcome = checks.iter().find(|c| c.check == CheckKind::RowVariance)?;
    let figures = figures::figures(&outcome.measured);
    figures.get(1)?.parse().ok()
}

/// Judges the claim by the newest complete run of an earlier month that was there when the attempt began. `whole` says
/// that nothing between the runs here was left out on somebody's word.
pub(crate) fn judge(
    attempt: &Attempt,
    claimed: Option<u64>,
    published: &Published,
    whole: bool,
) -> Judged {
    let (run_id, receipt) = (&attempt.run_id, &attempt.receipt);
    let earlier = published.iter().rev().filter(|(earlier, _)| {
        earlier.control() == run_id.control() && earlier.cutoff() < run_id.cutoff()
    });
    for (earlier, run) in earlier {
        let Some(rows) = run.rows.get(&attempt.planned.id).copied() else {
            continue;
        };
        if run.since > receipt.finished_at {
            continue;
        }
        if claimed == Some(rows) {
            return Judged::Right;
        }
        if run.since + UNTIL_SEEN > receipt.started_at {
            // It may have been seen, or not yet.
            continue;
        }
        let newer_may_be_missing = !whole && claimed.is_some();
        if newer_may_be_missing {
            return Judged::Unknown;
        }
        let said = claimed.map_or_else(
            || "no earlier published run".to_owned(),
            |rows| format!("{rows} rows"),
        );
        return Judged::Wrong(format!(
            "it was compared with {said}; the last published run was {earlier}, with {rows} rows"
        ));
    }
    Judged::Unknown
}
