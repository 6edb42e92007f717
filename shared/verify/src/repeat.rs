//! What the rows say, compared with what is recorded: outcome by outcome.

use soxauto_domain::{CheckKind, CheckOutcome, Sha256, plan::PlannedWitness};
use soxauto_extract::Reperformed;

use crate::{
    attempts::Attempt,
    check::Check,
    figures,
    run::{Published, Run},
    same_value::same_value,
};

/// The check that repeats a check of the extraction.
fn repeated_by(kind: CheckKind) -> Check {
    match kind {
        CheckKind::Contract => Check::DataContract,
        CheckKind::NotEmpty => Check::DataNotEmpty,
        CheckKind::KeyUnique => Check::DataKeyUnique,
        CheckKind::CompletenessRows | CheckKind::CompletenessTotal => Check::DataCompleteness,
        CheckKind::AccuracyPositive => Check::DataWitness,
        CheckKind::AccuracyNegative => Check::DataNegative,
        CheckKind::NotNull => Check::DataNotNull,
        CheckKind::AcceptedValues => Check::DataAcceptedValues,
        CheckKind::Range => Check::DataRange,
        CheckKind::Period => Check::DataPeriod,
        CheckKind::RowVariance => Check::DataRowVariance,
    }
}

/// The rows of the run that the row count was compared with, as the outcome tells them.
pub(crate) fn last_published(checks: &[CheckOutcome]) -> Option<u64> {
    let outcome = checks.iter().find(|c| c.check == CheckKind::RowVariance)?;
    let figures = figures::figures(&outcome.measured);
    figures.get(1)?.parse().ok()
}

/// Compares all of it.
pub(crate) fn compare(
    run: &mut Run<'_>,
    attempt: &Attempt,
    found: &Reperformed,
    published: &Published,
) {
    let (receipt, file) = (&attempt.receipt, attempt.file.as_str());
    let ledger = &mut run.ledger;
    ledger.equal(
        Check::DataRows,
        file,
        "the count of rows",
        &receipt.counts.decoded,
        &found.rows,
    );
    let (untraceable, first) = &found.untraceable;
    ledger.check(Check::DataTraceability, file, *untraceable == 0, || {
        format!(
            "{untraceable} rows are not this attempt's: {}",
            first.as_deref().unwrap_or_default()
        )
    });
    for (total, computed) in receipt.control_totals.iter().zip(&found.totals) {
        let what = format!("{} of {}", total.function.as_str(), total.column);
        match computed {
            Ok(value) => {
                let same = match (value.as_deref(), total.extracted.as_deref()) {
                    (Some(a), Some(b)) => same_value(a, b),
                    (a, b) => a == b,
                };
                ledger.check(Check::DataTotals, file, same, || {
                    format!(
                        "{what} is recorded as {}, the rows say {}",
                        total.extracted.as_deref().unwrap_or("NULL"),
                        value.as_deref().unwrap_or("NULL")
                    )
                });
            }
            Err(why) => ledger.skip(Check::DataTotals, file, format!("{what}: {why}")),
        }
    }
    if receipt.control_totals.is_empty() && found.totals.is_empty() {
        ledger.skip(Check::DataTotals, file, "the plan declares none");
    }
    let sample = format!("{}sample.csv", attempt.folder);
    let signed = run.subjects.get(&sample).map(|s| s.sha256);
    ledger.check(
        Check::DataSample,
        &sample,
        signed == Some(Sha256::of(&found.sample_csv)),
        || "it is not what the first rows give",
    );
    for outcome in &found.outcomes {
        let Some(claimed) = receipt.checks.iter().find(|c| c.id() == outcome.id()) else {
            continue;
        };
        repeat(run, attempt, claimed, outcome, found, published);
    }
    negative(run, attempt, found);
}

/// Compares one recorded outcome with the one that the rows give.
fn repeat(
    run: &mut Run<'_>,
    attempt: &Attempt,
    claimed: &CheckOutcome,
    outcome: &CheckOutcome,
    found: &Reperformed,
    published: &Published,
) {
    let file = attempt.file.as_str();
    let check = repeated_by(outcome.check);
    let difference = figures::difference(claimed, outcome);
    match outcome.check {
        CheckKind::AccuracyPositive if difference.is_some() => {
            let masked = attempt.receipt.witness.iter().any(|w| w.masked);
            let unrecorded = attempt.receipt.witness.is_empty()
                && matches!(attempt.planned.witness, PlannedWitness::Query { .. });
            let some = matches!(found.witness_rows, Ok((n, _)) if n > 0);
            if unrecorded && claimed.passed() {
                run.ledger.skip(
                    check,
                    file,
                    "not re-performed: the receipt does not say what the witness was",
                );
                return;
            }
            if masked && some && claimed.passed() {
                run.ledger.skip(
                    check,
                    file,
                    "not fully re-performed: rows match the witness on the recorded columns; masked ones are not recorded",
                );
                return;
            }
        }
        CheckKind::RowVariance if difference.is_none() => {
            let last = last_published(&attempt.receipt.checks);
            let mut earlier = published.iter().filter(|(run_id, _)| {
                run_id.control() == attempt.run_id.control()
                    && run_id.cutoff() < attempt.run_id.cutoff()
            });
            let met = earlier.any(|(_, rows)| last == rows.get(&attempt.planned.id).copied());
            if last.is_none() || !met {
                run.ledger.skip(
                    check,
                    file,
                    "not re-performed: the run that it was compared with is not among those here",
                );
                return;
            }
        }
        _ => {}
    }
    match difference {
        None => run.ledger.holds(check),
        Some(reason) => run.ledger.fail(check, file, reason),
    }
}

/// The perturbed query ran at the source; what can be repeated is that there was something to lose.
fn negative(run: &mut Run<'_>, attempt: &Attempt, found: &Reperformed) {
    const CHECK: Check = Check::DataNegative;
    let file = attempt.file.as_str();
    let Some(claimed) = attempt
        .receipt
        .checks
        .iter()
        .find(|c| c.check == CheckKind::AccuracyNegative)
    else {
        return;
    };
    let planned = &attempt.planned;
    let rightly_empty =
        found.rows == 0 && attempt.receipt.counts.source == 0 && planned.allow_empty;
    match &found.negative_rows {
        Err(why) => {
            run.ledger.check(CHECK, file, !claimed.passed(), || {
                format!("it is recorded as passed, but cannot be judged: {why}")
            });
        }
        Ok(_) if rightly_empty => run.ledger.holds(CHECK),
        Ok(rows) => {
            let figures = figures::figures(&claimed.measured);
            let same = figures.first().and_then(|f| f.parse().ok()) == Some(*rows)
                && (*rows > 0 || !claimed.passed());
            run.ledger.check(CHECK, file, same, || {
                format!(
                    "it is recorded as {}; {rows} such rows are in the extract",
                    claimed.measured
                )
            });
            run.ledger.skip(
                CHECK,
                file,
                "not re-performed: the perturbed query ran at the source, and its rows are not kept",
            );
        }
    }
}
