//! Finds the rows that hold given values: the witness, and the rows that a perturbed filter must lose.

use arrow_array::RecordBatch;
use soxauto_domain::plan::ColumnContract;

use super::wanted::Wanted;
use crate::{error::ExtractError, view::cells};

/// Counts the rows equal to the given values on the given columns.
#[derive(Debug)]
pub(crate) struct Matcher {
    wanted: Vec<(String, Wanted)>,
    /// Rows that matched.
    pub(crate) found: u64,
    /// The first of them, from 1.
    pub(crate) first_row: Option<u64>,
    rows: u64,
}

impl Matcher {
    /// A matcher for the values, in canonical text.
    ///
    /// # Errors
    /// In words, when a value cannot be one of its column, or there is no such column, or no value but NULL.
    pub(crate) fn new<'v>(
        columns: &[ColumnContract],
        values: impl IntoIterator<Item = (&'v str, Option<&'v str>)>,
    ) -> Result<Self, String> {
        let mut wanted = Vec::new();
        for (name, value) in values {
            let column = columns
                .iter()
                .find(|c| c.name == name)
                .ok_or_else(|| format!("{name:?} is not a column of the contract"))?;
            wanted.push((column.name.clone(), Wanted::parse(column, value)?));
        }
        if wanted.is_empty() {
            return Err("there is no value to look for".into());
        }
        // An aggregate over no rows answers NULL: rows that hold nothing there are not the transaction it looked for.
        if wanted.iter().all(|(_, value)| *value == Wanted::Null) {
            return Err("every value to look for is NULL, which is no known transaction".into());
        }
        Ok(Self {
            wanted,
            found: 0,
            first_row: None,
            rows: 0,
        })
    }

    /// The columns that are looked at.
    pub(crate) fn looks_at(&self, name: &str) -> bool {
        self.wanted.iter().any(|(n, _)| n == name)
    }

    /// Looks at a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let mut views = Vec::with_capacity(self.wanted.len());
        for (name, wanted) in &self.wanted {
            let array = batch.column_by_name(name).ok_or_else(|| {
                ExtractError::Internal(format!("no column {name:?} in the batch"))
            })?;
            views.push((cells(array.as_ref())?, wanted));
        }
        for row in 0..batch.num_rows() {
            if views.iter().all(|(view, wanted)| wanted.equals(view, row)) {
                self.found += 1;
                self.first_row.get_or_insert(self.rows + row as u64 + 1);
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
}
