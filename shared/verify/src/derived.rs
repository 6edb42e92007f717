//! The manifest derived once more from plan and records, and compared with what was signed.
//!
//! States, counts, totals, checks and attempts are not believed because a manifest says them: they are computed from the
//! signed records by the rules of `soxauto_domain::facts`, and every field that differs is told.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use soxauto_domain::{
    RunState,
    facts::{IpeFacts, RunFacts},
    manifest::Predicate,
};
use soxauto_evidence::statement::{self, Closing};

use crate::{check::Check, ledger::Ledger};

/// How far the times of two invocations may seem turned round: a manifest's is taken when its making begins, and a
/// function lives fifteen minutes at most.
pub(crate) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(15);
/// Most differences of one manifest that are told.
const MOST: usize = 40;

fn closing(claimed: &Predicate, past_deadline: bool) -> Closing {
    Closing {
        revision: claimed.revision,
        previous: claimed.previous.clone(),
        past_deadline,
        finished_at: claimed.finished_at,
        software: claimed.software.clone(),
    }
}

/// Compares the manifest of a month that nobody ran with what such a manifest may say.
pub(crate) fn check_missing(claimed: &Predicate, file: &str, ledger: &mut Ledger) {
    let derived = statement::missing(
        claimed.control.clone(),
        claimed.catalog_sha256,
        claimed.run_id.cutoff(),
        claimed.stage,
        &closing(claimed, true),
    );
    differences(claimed, &derived, file, ledger);
}

/// Compares the manifest's predicate with the one that follows from the facts.
pub(crate) fn check(claimed: &Predicate, facts: &RunFacts, file: &str, ledger: &mut Ledger) {
    let past_deadline = claimed.finished_at >= facts.plan.deadline;
    let derived = statement::predicate(facts, &closing(claimed, past_deadline));
    differences(claimed, &derived, file, ledger);
    for ipe in &facts.ipes {
        numbers(ipe, file, ledger);
        loads(ipe, file, ledger);
        times(ipe, claimed.finished_at, file, ledger);
    }
}

/// The worker counts attempts from 1 without a gap: one that is not named was left out.
fn numbers(ipe: &IpeFacts, file: &str, ledger: &mut Ledger) {
    let numbers: Vec<u32> = ipe.attempts.iter().map(|a| a.number).collect();
    let counted = (1..).zip(&numbers).all(|(n, number)| n == *number);
    ledger.check(Check::Attempts, file, counted, || {
        format!(
            "the attempts at {} are {numbers:?}, which is not 1 and so on",
            ipe.id
        )
    });
}

/// A report is loaded once, from the attempt that decides.
fn loads(ipe: &IpeFacts, file: &str, ledger: &mut Ledger) {
    let loaded: Vec<u32> = ipe
        .attempts
        .iter()
        .filter(|a| a.load.is_some())
        .map(|a| a.number)
        .collect();
    let deciding = ipe.deciding().map(|(attempt, _)| attempt.number);
    let right = match loaded.as_slice() {
        [] => true,
        [one] => deciding == Some(*one),
        _ => false,
    };
    ledger.check(Check::Load, file, right, || {
        format!(
            "the attempts {loaded:?} at {} are said to be loaded, where only one can be: that which decides, {}",
            ipe.id,
            deciding.map_or_else(|| "none".to_owned(), |n| n.to_string())
        )
    });
}

/// Records are older than the manifest that names them, and what was loaded had been extracted.
fn times(ipe: &IpeFacts, manifest: Timestamp, file: &str, ledger: &mut Ledger) {
    for attempt in &ipe.attempts {
        let receipt = attempt.receipt.as_ref().map(|r| r.document.finished_at);
        let failure = attempt.failure.as_ref().map(|f| f.document.failed_at);
        let load = attempt.load.as_ref().map(|l| l.document.loaded_at);
        let orders = [
            ("was extracted", receipt, "the manifest", Some(manifest)),
            ("failed", failure, "the manifest", Some(manifest)),
            ("was loaded", load, "the manifest", Some(manifest)),
            ("was extracted", receipt, "its load", load),
        ];
        for (what, earlier, of, later) in orders {
            let (Some(earlier), Some(later)) = (earlier, later) else {
                continue;
            };
            ledger.check(Check::Times, file, earlier <= later + CLOCKS_DIFFER, || {
                format!(
                    "attempt {} at {} {what} at {earlier}, after {of} of {later}",
                    attempt.number, ipe.id
                )
            });
        }
    }
}

fn differences(claimed: &Predicate, derived: &Predicate, file: &str, ledger: &mut Ledger) {
    if claimed.state == RunState::Open {
        ledger.fail(Check::State, file, "an open run has no manifest");
    }
    let (Ok(claimed), Ok(derived)) = (serde_json::to_value(claimed), serde_json::to_value(derived))
    else {
        ledger.fail(Check::ManifestFields, file, "it cannot be written as JSON");
        return;
    };
    let mut differences = Vec::new();
    compare("", &claimed, &derived, &mut differences);
    let mut touched = Vec::new();
    for (path, reason) in differences {
        let check = of_path(&path);
        touched.push(check);
        ledger.fail(check, file, reason);
    }
    for check in ALL {
        if !touched.contains(check) {
            ledger.holds(*check);
        }
    }
}

/// The checks that a comparison looks at.
const ALL: &[Check] = &[
    Check::Plan,
    Check::Query,
    Check::Parameters,
    Check::Counts,
    Check::ControlTotals,
    Check::Outcomes,
    Check::Source,
    Check::Attempts,
    Check::Partition,
    Check::State,
    Check::Load,
    Check::DataContentDigest,
    Check::ManifestFields,
];

/// The check to which a field of the predicate belongs.
fn of_path(path: &str) -> Check {
    let mut parts = path.split('.').filter(|p| !p.is_empty());
    let field = match parts.next() {
        // The IPE's place, then its field.
        Some("ipes") => parts.nth(1).unwrap_or("id"),
        Some(other) => other,
        None => "",
    };
    match field {
        "plan_sha256" | "catalog_sha256" | "control" | "stage" | "trigger" | "started_at"
        | "supersedes" | "run_id" | "id" | "title" | "period" | "approval" | "planned_by"
        | "baseline" | "lineage" => Check::Plan,
        "state" | "reason" => Check::State,
        "attempt" | "attempts" => Check::Attempts,
        "query_sha256" => Check::Query,
        "parameters" | "parameters_sha256" => Check::Parameters,
        "counts" => Check::Counts,
        "partition" => Check::Partition,
        "control_totals" => Check::ControlTotals,
        "checks" => Check::Outcomes,
        "source" => Check::Source,
        "warehouse" | "warehouse_totals" => Check::Load,
        "content_sha256" => Check::DataContentDigest,
        _ => Check::ManifestFields,
    }
}

/// The smallest fields that differ, by their path.
fn compare(path: &str, claimed: &Value, derived: &Value, out: &mut Vec<(String, String)>) {
    if out.len() >= MOST || claimed == derived {
        return;
    }
    match (claimed, derived) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let null = Value::Null;
                compare(
                    &format!("{path}.{key}"),
                    a.get(key).unwrap_or(&null),
                    b.get(key).unwrap_or(&null),
                    out,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}.{n}"), a, b, out);
            }
        }
        _ => {
            let shown = path.trim_start_matches('.');
            out.push((
                path.to_owned(),
                format!("{shown} is {claimed}, but plan and records say {derived}"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_has_its_check() {
        let claimed = json!({"state": "complete", "ipes": [{"id": "A", "counts": {"source": 1}, "checks": []}], "revision": 1});
        let derived = json!({"state": "rejected", "ipes": [{"id": "A", "counts": {"source": 2}, "checks": [1]}], "revision": 1});
        let mut out = Vec::new();
        compare("", &claimed, &derived, &mut out);
        let checks: Vec<Check> = out.iter().map(|(path, _)| of_path(path)).collect();
        assert_eq!(checks, [Check::Outcomes, Check::Counts, Check::State]);
        assert!(
            out[1]
                .1
                .contains("ipes.0.counts.source is 1, but plan and records say 2")
        );
        assert_eq!(of_path(".ipes"), Check::Plan);
        assert_eq!(of_path(".anything"), Check::ManifestFields);
    }
}
