//! Re-performance: the checks of an extraction once more, over the Parquet files alone.
//!
//! The same evaluators that judged the rows in the stream judge them again, so that an auditor compares two outcomes of
//! one rule. What only the source can answer (the independent count, the perturbed query) is taken as claimed.

use std::{path::Path, sync::Arc};

use arrow_array::{
    Array as _, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::SchemaRef;
use jiff::Timestamp;
use soxauto_domain::{CheckKind, CheckOutcome, PlannedIpe, RunId, receipt::ControlTotal};

use crate::{
    batch, canonical,
    checks::{Matching, StreamChecks, outcomes::Evidence, totals::Computed},
    completeness::Completeness,
    error::ExtractError,
    one_row::NamedValue,
    parquet_parts::with_traceability,
    sample::Sample,
};

/// What the evidence claims that the data alone cannot tell.
#[derive(Debug, Clone)]
pub struct Claims<'c> {
    /// The independent count.
    pub source_rows: u64,
    /// The control totals, in the order of the plan.
    pub control_totals: &'c [ControlTotal],
    /// Rows of the last published run that the extraction was compared with.
    pub last_published_rows: Option<u64>,
}

/// An extraction's rows, looked at again.
pub struct Reperformance {
    ipe: Arc<PlannedIpe>,
    run_id: String,
    cutoff_days: i32,
    extracted_micros: i64,
    schema: SchemaRef,
    checks: StreamChecks,
    sample: Sample,
    rows: u64,
    untraceable: u64,
    first_untraceable: Option<String>,
}

/// What the rows say.
#[derive(Debug)]
pub struct Reperformed {
    /// Rows seen.
    pub rows: u64,
    /// The totals over the rows, in the order of the plan; `Err` says why one cannot be computed.
    pub totals: Vec<Result<Option<String>, String>>,
    /// The outcomes that follow from the rows and the claims; the perturbed query's is not among them.
    pub outcomes: Vec<CheckOutcome>,
    /// What the plan expects of the perturbed query: the `expected` of its outcome.
    pub negative_expected: String,
    /// Rows that the perturbed query must lose.
    pub negative_rows: Result<u64, String>,
    /// Rows that are the witness, and the first of them.
    pub witness_rows: Result<(u64, Option<u64>), String>,
    /// The sample made of the rows.
    pub sample_csv: Vec<u8>,
    /// Rows whose traceability columns are wrong, and the first of them in words.
    pub untraceable: (u64, Option<String>),
}

impl Reperformance {
    /// Begins; `scratch` takes the key check's file beyond `keys_in_memory` keys.
    ///
    /// # Errors
    /// [`ExtractError::Internal`] when the plan declares a total over a column that it does not have.
    pub fn new(
        ipe: Arc<PlannedIpe>,
        run_id: &RunId,
        extracted_at: Timestamp,
        witness: &[NamedValue],
        scratch: &Path,
        keys_in_memory: usize,
    ) -> Result<Self, ExtractError> {
        Ok(Self {
            run_id: run_id.to_string(),
            cutoff_days: canonical::days_since_1970(run_id.cutoff().date()),
            extracted_micros: extracted_at.as_microsecond(),
            schema: with_traceability(&batch::schema(&ipe.columns)),
            checks: StreamChecks::new(&ipe, witness, scratch, keys_in_memory)?,
            sample: Sample::new(&ipe.columns),
            ipe,
            rows: 0,
            untraceable: 0,
            first_untraceable: None,
        })
    }

    /// The schema that every part must have: the contract's columns, then the traceability columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Looks at a batch of that schema; batches come in the order of the rows.
    ///
    /// # Errors
    /// [`ExtractError`] when the batch is of another schema, or the scratch file fails.
    pub fn observe(&mut self, full: &RecordBatch) -> Result<(), ExtractError> {
        let contract: Vec<usize> = (0..self.ipe.columns.len()).collect();
        let rows = full
            .project(&contract)
            .map_err(|e| ExtractError::Internal(format!("another schema: {e}")))?;
        self.checks.observe(&rows)?;
        self.sample.observe(&rows)?;
        self.trace(full)?;
        self.rows += full.num_rows() as u64;
        Ok(())
    }

    fn trace(&mut self, full: &RecordBatch) -> Result<(), ExtractError> {
        let at = self.ipe.columns.len();
        let columns: Vec<Arc<dyn arrow_array::Array>> =
            full.columns().iter().skip(at).cloned().collect();
        let [run, ipe, cutoff, extracted, number] = columns.as_slice() else {
            return Err(ExtractError::Internal("no traceability columns".into()));
        };
        let missing = || ExtractError::Internal("a traceability column of another type".into());
        let text = |array: &'_ Arc<dyn arrow_array::Array>| {
            array.as_any().downcast_ref::<StringArray>().cloned()
        };
        let run = text(run).ok_or_else(missing)?;
        let ipe = text(ipe).ok_or_else(missing)?;
        let cutoff: &Date32Array = cutoff.as_any().downcast_ref().ok_or_else(missing)?;
        let extracted: &TimestampMicrosecondArray =
            extracted.as_any().downcast_ref().ok_or_else(missing)?;
        let number: &Int64Array = number.as_any().downcast_ref().ok_or_else(missing)?;
        for row in 0..full.num_rows() {
            let expected = self.rows as i64 + row as i64 + 1;
            let wrong = if run.is_null(row) || run.value(row) != self.run_id {
                "_run_id"
            } else if ipe.is_null(row) || ipe.value(row) != self.ipe.id.as_str() {
                "_ipe_id"
            } else if cutoff.is_null(row) || cutoff.value(row) != self.cutoff_days {
                "_cutoff_date"
            } else if extracted.is_null(row) || extracted.value(row) != self.extracted_micros {
                "_extracted_at"
            } else if number.is_null(row) || number.value(row) != expected {
                "_row_number"
            } else {
                continue;
            };
            self.untraceable += 1;
            self.first_untraceable
                .get_or_insert_with(|| format!("{wrong} of row {expected} is another"));
        }
        Ok(())
    }

    /// Ends: the keys are merged now, and the outcomes made.
    ///
    /// # Errors
    /// [`ExtractError`] when the scratch file fails.
    pub fn finish(self, claims: &Claims<'_>) -> Result<Reperformed, ExtractError> {
        let seen = self.checks.finish()?;
        let answers = |of: fn(&ControlTotal) -> &Option<String>| Completeness {
            rows: claims.source_rows,
            totals: claims
                .control_totals
                .iter()
                .map(|t| of(t).clone())
                .collect(),
        };
        let (before, after) = (answers(|t| &t.source_before), answers(|t| &t.source_after));
        let elsewhere: Matching = Err("asked of the source".to_owned());
        let evidence = Evidence {
            ipe: &self.ipe,
            before: &before,
            after: &after,
            perturbed: (0, &elsewhere),
            last_published_rows: claims.last_published_rows,
        };
        let mut outcomes = evidence.outcomes(&seen);
        let negative = outcomes
            .extract_if(.., |outcome| outcome.check == CheckKind::AccuracyNegative)
            .last();
        let count = |matching: &Matching| {
            matching
                .as_ref()
                .map(|m| (m.found, m.first_row))
                .map_err(Clone::clone)
        };
        Ok(Reperformed {
            rows: self.rows,
            totals: seen
                .totals
                .iter()
                .map(|total| match total.computed() {
                    Computed::Value(value) => Ok(value),
                    Computed::Impossible(why) => Err(why.to_owned()),
                })
                .collect(),
            outcomes,
            negative_expected: negative.map(|outcome| outcome.expected).unwrap_or_default(),
            negative_rows: count(&seen.negative).map(|(found, _)| found),
            witness_rows: count(&seen.witness),
            sample_csv: self.sample.finish(),
            untraceable: (self.untraceable, self.first_untraceable),
        })
    }
}
