//! What the rows say, compared with what is recorded: outcome by outcome.

use soxauto_domain::{CheckKind, CheckOutcome, Sha256};
use soxauto_extract::Reperformed;

use crate::{
    attempts::Attempt,
    check::Check,
    figures,
    row_variance::{self, Judged},
    run::{Published, Run},
    same_value::same_value,
    witness,
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
    witness::recorded(run, attempt);
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
        CheckKind::AccuracyPositive => {
            if let Some(why) = witness::not_repeatable(attempt, claimed, found) {
                run.ledger.skip(check, file, why);
                return;
            }
        }
        CheckKind::RowVariance if difference.is_none() => {
            let last = row_variance::claimed(&attempt.receipt.checks);
            let whole = run.request.trusted.is_empty();
            match row_variance::judge(attempt, last, published, whole) {
                Judged::Right => {}
                Judged::Wrong(reason) => {
                    run.ledger.fail(check, file, reason);
                    return;
                }
                Judged::Unknown => {
                    run.ledger.skip(
                        check,
                        file,
                        "not re-performed: the run that it was compared with is not among those here",
                    );
                    return;
                }
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
    let values = planned.negative.values.values().map(String::as_str);
    let told = values
        .chain([&*planned.negative.parameter, &*planned.negative.change])
        .all(|word| claimed.expected.contains(word));
    let expected = &found.negative_expected;
    let same = told && figures::figures(&claimed.expected) == figures::figures(expected);
    run.ledger.check(CHECK, file, same, || {
        format!(
            "it is recorded as expecting {}; the plan says {expected}",
            claimed.expected
        )
    });
    match &found.negative_rows {
        Err(why) => {
            run.ledger.check(CHECK, file, !claimed.passed(), || {
                format!("it is recorded as passed, but cannot be judged: {why}")
            });
        }
        Ok(_) if rightly_empty(attempt, found) => {
            run.ledger.check(
                CHECK,
                file,
                claimed.passed(),
                || "it is recorded as failed, but there is nothing to take away, rightly",
            );
        }
        Ok(rows) => {
            let same = negative_follows(claimed, *rows);
            run.ledger.check(CHECK, file, same, || {
                format!(
                    "it is recorded as {}: {}; {rows} such rows are in the extract, and it holds only if there are some and none in the perturbed query",
                    if claimed.passed() { "passed" } else { "failed" },
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

/// Whether the verdict follows from the three figures (such rows in the extract, such rows in the perturbed query, all
/// rows of the perturbed query), and the first of them is what the extract has.
fn negative_follows(claimed: &CheckOutcome, rows: u64) -> bool {
    let figures = figures::figures(&claimed.measured);
    let figures: Vec<u64> = figures.iter().filter_map(|f| f.parse().ok()).collect();
    match figures.as_slice() {
        [with, without, all] => {
            *with == rows && without <= all && claimed.passed() == (*with > 0 && *without == 0)
        }
        _ => false,
    }
}

/// Source and extract agree that there is nothing, and the plan allows that.
pub(crate) fn rightly_empty(attempt: &Attempt, found: &Reperformed) -> bool {
    found.rows == 0 && attempt.receipt.counts.source == 0 && attempt.planned.allow_empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_perturbed_query_s_verdict_follows_from_its_figures() {
        let claimed = |holds, with: u64, without: u64, all: u64| {
            CheckOutcome::new(
                CheckKind::AccuracyNegative,
                None,
                holds,
                "rows with customer_posting_group = EU are there, and gone",
                format!(
                    "{with} such rows in the extract, {without} of {all} rows in the perturbed query"
                ),
            )
        };
        assert!(negative_follows(&claimed(true, 17, 0, 900), 17));
        assert!(negative_follows(&claimed(false, 17, 17, 900), 17));
        assert!(negative_follows(&claimed(false, 0, 0, 900), 0));
        for (wrong, rows) in [
            (claimed(true, 17, 17, 900), 17),
            (claimed(false, 17, 0, 900), 17),
            (claimed(true, 17, 0, 900), 16),
            (claimed(true, 0, 0, 900), 0),
            (claimed(false, 17, 901, 900), 17),
        ] {
            assert!(!negative_follows(&wrong, rows), "{wrong:?}");
        }
        let mut wordless = claimed(true, 17, 0, 900);
        wordless.measured = "17 such rows in the extract".into();
        assert!(!negative_follows(&wordless, 17));
    }
}
