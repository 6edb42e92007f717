//! From what was seen to verdicts: expected beside measured, in words that a reader who is not technical understands.

use soxauto_domain::{CheckKind, CheckOutcome, PlannedIpe, receipt::ControlTotal};

use super::{Matching, Seen, totals::Computed};
use crate::completeness::Completeness;

/// Everything that the verdicts need besides the rows.
pub(crate) struct Evidence<'e> {
    pub(crate) ipe: &'e PlannedIpe,
    pub(crate) before: &'e Completeness,
    pub(crate) after: &'e Completeness,
    /// Rows of the perturbed query, and what matched in it.
    pub(crate) perturbed: (u64, &'e Matching),
    pub(crate) last_published_rows: Option<u64>,
}

impl Evidence<'_> {
    /// Source and extract agree that there is nothing, and the catalog allows that.
    fn rightly_empty(&self, rows: u64) -> bool {
        rows == 0 && self.before.rows == 0 && self.ipe.allow_empty
    }

    /// The outcomes, in the order of the report.
    pub(crate) fn outcomes(&self, seen: &Seen) -> Vec<CheckOutcome> {
        let mut all = vec![
            self.contract(),
            self.not_empty(seen.rows),
            self.key_unique(seen),
            CheckOutcome::new(
                CheckKind::CompletenessRows,
                None,
                self.before.rows == seen.rows,
                format!("{} rows by the independent count", self.before.rows),
                format!("{} rows extracted", seen.rows),
            ),
        ];
        all.extend(self.totals(seen));
        all.push(self.positive(seen));
        all.push(self.negative(seen));
        all.extend(seen.columns.iter().cloned());
        all.extend(self.row_variance(seen.rows));
        all
    }

    /// The control totals for the receipt.
    pub(crate) fn control_totals(&self, seen: &Seen) -> Vec<ControlTotal> {
        let answers = self.before.totals.iter().zip(&self.after.totals);
        seen.totals
            .iter()
            .zip(answers)
            .map(|(total, (before, after))| ControlTotal {
                column: total.total().column.clone(),
                function: total.total().function,
                source_before: before.clone(),
                source_after: after.clone(),
                extracted: match total.computed() {
                    Computed::Value(value) => value,
                    Computed::Impossible(_) => None,
                },
            })
            .collect()
    }

    /// A query that differs from the contract is an error and never comes here.
    fn contract(&self) -> CheckOutcome {
        let columns = self.ipe.columns.len();
        CheckOutcome::new(
            CheckKind::Contract,
            None,
            true,
            format!("{columns} columns as declared: names, order and types"),
            format!("{columns} columns as declared"),
        )
    }

    fn not_empty(&self, rows: u64) -> CheckOutcome {
        let expected = if self.ipe.allow_empty {
            "no rows are allowed if the independent count is 0 too"
        } else {
            "at least one row"
        };
        let holds = rows > 0 || self.rightly_empty(rows);
        CheckOutcome::new(
            CheckKind::NotEmpty,
            None,
            holds,
            expected,
            format!("{rows} rows"),
        )
    }

    fn key_unique(&self, seen: &Seen) -> CheckOutcome {
        let duplicates = &seen.duplicates;
        let mut outcome = CheckOutcome::new(
            CheckKind::KeyUnique,
            None,
            duplicates.rows == 0,
            format!("no two rows share {}", self.ipe.key.join(", ")),
            format!("{} rows repeat a key", duplicates.rows),
        );
        outcome.examples = duplicates
            .examples
            .iter()
            .map(|(first, second)| format!("rows {first} and {second} share a key"))
            .collect();
        outcome
    }

    fn totals<'s>(&'s self, seen: &'s Seen) -> impl Iterator<Item = CheckOutcome> + 's {
        seen.totals
            .iter()
            .zip(&self.before.totals)
            .map(|(total, source)| {
                let what = format!(
                    "{} of {}",
                    total.total().function.as_str(),
                    total.total().column
                );
                let measured = match total.computed() {
                    Computed::Value(value) => {
                        format!(
                            "{} over the extracted rows",
                            value.as_deref().unwrap_or("no value")
                        )
                    }
                    Computed::Impossible(why) => format!("not evaluated: {why}"),
                };
                CheckOutcome::new(
                    CheckKind::CompletenessTotal,
                    Some(&total.total().result),
                    total.agrees(source.as_deref()),
                    format!(
                        "{what}: {} by the independent query",
                        source.as_deref().unwrap_or("NULL")
                    ),
                    measured,
                )
            })
    }

    fn positive(&self, seen: &Seen) -> CheckOutcome {
        const EXPECTED: &str = "the witness, a known transaction, is among the rows";
        let outcome = |holds, measured: String| {
            CheckOutcome::new(CheckKind::AccuracyPositive, None, holds, EXPECTED, measured)
        };
        if self.rightly_empty(seen.rows) {
            return outcome(
                true,
                "no witness exists: the independent count is 0, and the catalog allows it".into(),
            );
        }
        match &seen.witness {
            Err(why) => outcome(false, format!("not evaluated: {why}")),
            Ok(matcher) => match matcher.first_row {
                None => outcome(false, "no row is the witness".into()),
                Some(row) => outcome(
                    true,
                    format!("{} rows are, the first is row {row}", matcher.found),
                ),
            },
        }
    }

    fn negative(&self, seen: &Seen) -> CheckOutcome {
        let planned = &self.ipe.negative;
        let rows: Vec<String> = planned
            .values
            .iter()
            .map(|(k, v)| format!("{k} = {v}"))
            .collect();
        let expected = format!(
            "rows with {} are there, and gone when {} runs {}",
            rows.join(" and "),
            planned.parameter,
            planned.change
        );
        let outcome = |holds, measured: String| {
            CheckOutcome::new(
                CheckKind::AccuracyNegative,
                None,
                holds,
                expected.clone(),
                measured,
            )
        };
        if self.rightly_empty(seen.rows) {
            return outcome(
                true,
                "nothing to take away: the independent count is 0, and the catalog allows it"
                    .into(),
            );
        }
        match (&seen.negative, self.perturbed) {
            (Err(why), _) | (_, (_, Err(why))) => outcome(false, format!("not evaluated: {why}")),
            (Ok(with), (rows, Ok(without))) => {
                let measured = format!(
                    "{} such rows in the extract, {} of {rows} rows in the perturbed query",
                    with.found, without.found
                );
                if with.found == 0 {
                    return outcome(
                        false,
                        format!("{measured}: nothing could go, so nothing is proven"),
                    );
                }
                outcome(without.found == 0, measured)
            }
        }
    }

    /// Only where the catalog declares a maximum: without one there is no such check.
    fn row_variance(&self, rows: u64) -> Option<CheckOutcome> {
        let percent = self.ipe.max_row_variance_percent?;
        let expected =
            format!("at most {percent} % more or fewer rows than the last published run");
        let (holds, measured) = match self.last_published_rows {
            None => (
                true,
                format!("{rows} rows; no earlier published run to compare with"),
            ),
            Some(last) => {
                let moved = u128::from(rows.abs_diff(last)) * 100;
                (
                    moved <= u128::from(percent) * u128::from(last),
                    format!("{rows} rows, {last} in the last published run"),
                )
            }
        };
        Some(CheckOutcome::new(
            CheckKind::RowVariance,
            None,
            holds,
            expected,
            measured,
        ))
    }
}
