//! The checks: those that look at every row as it passes, and the outcomes made of what they saw.
//!
//! Every declared check has an outcome whether it passes or not; one that could not be evaluated has failed.

pub(crate) mod columns;
pub(crate) mod keys;
pub(crate) mod matching;
pub(crate) mod outcomes;
pub(crate) mod totals;
pub(crate) mod wanted;

use std::path::Path;

use arrow_array::RecordBatch;
use soxauto_domain::{CheckOutcome, PlannedIpe};

use crate::{error::ExtractError, one_row::NamedValue};
use columns::ColumnCheck;
use keys::{Duplicates, KeySorter};
use matching::Matcher;
use totals::Accumulator;

/// All checks that look at rows.
pub(crate) struct StreamChecks {
    columns: Vec<ColumnCheck>,
    keys: KeySorter,
    totals: Vec<Accumulator>,
    witness: Matching,
    negative: Matching,
    rows: u64,
}

/// A matcher, or why there is none.
pub(crate) type Matching = Result<Matcher, String>;

/// What the checks saw in all rows.
pub(crate) struct Seen {
    pub(crate) columns: Vec<CheckOutcome>,
    pub(crate) duplicates: Duplicates,
    pub(crate) totals: Vec<Accumulator>,
    pub(crate) witness: Matching,
    pub(crate) negative: Matching,
    pub(crate) rows: u64,
}

impl StreamChecks {
    /// The checks of the plan, with the witness's values.
    pub(crate) fn new(
        ipe: &PlannedIpe,
        witness: &[NamedValue],
        scratch: &Path,
        sorted_in_memory: usize,
    ) -> Result<Self, ExtractError> {
        let witness = witness
            .iter()
            .map(|v| (v.name.as_str(), v.value.as_deref()));
        Ok(Self {
            columns: columns::declared(&ipe.columns),
            keys: KeySorter::new(&ipe.key, scratch, sorted_in_memory),
            totals: ipe
                .completeness
                .totals
                .iter()
                .map(|total| Accumulator::new(total, &ipe.columns))
                .collect::<Result<_, _>>()?,
            witness: Matcher::new(&ipe.columns, witness),
            negative: negative(ipe),
            rows: 0,
        })
    }

    /// Looks at a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        self.rows += batch.num_rows() as u64;
        for check in &mut self.columns {
            check.observe(batch)?;
        }
        for total in &mut self.totals {
            total.observe(batch)?;
        }
        for matcher in [&mut self.witness, &mut self.negative]
            .into_iter()
            .flatten()
        {
            matcher.observe(batch)?;
        }
        self.keys.observe(batch)
    }

    /// Ends: the keys are merged now.
    pub(crate) fn finish(self) -> Result<Seen, ExtractError> {
        Ok(Seen {
            columns: self.columns.into_iter().map(ColumnCheck::outcome).collect(),
            duplicates: self.keys.finish()?,
            totals: self.totals,
            witness: self.witness,
            negative: self.negative,
            rows: self.rows,
        })
    }
}

/// The matcher for the rows that must be gone from the perturbed query.
pub(crate) fn negative(ipe: &PlannedIpe) -> Matching {
    let values = ipe.negative.values.iter();
    Matcher::new(
        &ipe.columns,
        values.map(|(name, value)| (name.as_str(), Some(value.as_str()))),
    )
}

#[cfg(test)]
mod tests;
