//! Whether two rows share a key, exactly and in constant memory: an external sort of hashes.
//!
//! Each key is encoded so that different keys differ (see [`Cells::encode`]) and hashed to 128 bits; hashes with their
//! row numbers are sorted. Equal keys have equal hashes, so no duplicate is ever missed. Two different keys with one
//! hash would be reported as duplicates: for a billion rows the chance is below 10⁻²⁰, and the error is on the strict
//! side.

use std::{path::Path, sync::Arc};

use arrow_array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use soxauto_content::{Cells, ExternalSort};
use twox_hash::XxHash3_128;

use crate::{error::ExtractError, view::cells};

/// Examples that are kept.
const EXAMPLES: usize = 10;

/// Takes keys, finds duplicates.
#[derive(Debug)]
pub(crate) struct KeySorter {
    columns: Vec<String>,
    /// High and low half of the hash, row.
    sort: ExternalSort<3>,
    row: u64,
    bytes: Vec<u8>,
}

/// What the sort found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Duplicates {
    /// Rows beyond the first of their key.
    pub(crate) rows: u64,
    /// First and second row of the first keys found, from 1.
    pub(crate) examples: Vec<(u64, u64)>,
    /// Sorted runs that went to the scratch file.
    pub(crate) runs: usize,
}

impl KeySorter {
    /// A sorter that keeps at most `capacity` keys in memory and its scratch file in `folder`.
    pub(crate) fn new(columns: &[String], folder: &Path, capacity: usize) -> Self {
        Self {
            columns: columns.to_vec(),
            sort: ExternalSort::new(folder, capacity),
            row: 0,
            bytes: Vec::new(),
        }
    }

    /// Takes the keys of a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let array = batch.column_by_name(name).ok_or_else(|| {
                ExtractError::Internal(format!("no key column {name:?} in the batch"))
            })?;
            arrays.push(one_zero(array));
        }
        let columns = arrays
            .iter()
            .map(|array| cells(array.as_ref()))
            .collect::<Result<Vec<Cells<'_>>, _>>()?;
        for row in 0..batch.num_rows() {
            self.bytes.clear();
            for column in &columns {
                column.encode(row, &mut self.bytes);
            }
            self.row += 1;
            let hash = XxHash3_128::oneshot(&self.bytes);
            self.sort
                .push([(hash >> 64) as u64, hash as u64, self.row])?;
        }
        Ok(())
    }

    /// Merges what was taken.
    pub(crate) fn finish(self) -> Result<Duplicates, ExtractError> {
        let mut scan = Scan::default();
        let runs = self.sort.finish(|entry| scan.next(entry))?;
        Ok(Duplicates { runs, ..scan.found })
    }
}

/// SQL Server takes 0 and -0 as equal, so a key with one is the key with the other.
fn one_zero(array: &ArrayRef) -> ArrayRef {
    let any = array.as_any();
    if let Some(floats) = any.downcast_ref::<Float64Array>() {
        return Arc::new(floats.unary::<_, arrow_array::types::Float64Type>(|v| v + 0.0));
    }
    if let Some(reals) = any.downcast_ref::<Float32Array>() {
        return Arc::new(reals.unary::<_, arrow_array::types::Float32Type>(|v| v + 0.0));
    }
    Arc::clone(array)
}

/// Sees the entries in order of hash.
#[derive(Default)]
struct Scan {
    found: Duplicates,
    /// Hash and first row of the current key, and whether it is among the examples.
    current: Option<([u64; 2], u64, bool)>,
}

impl Scan {
    fn next(&mut self, [high, low, row]: [u64; 3]) {
        let hash = [high, low];
        match &mut self.current {
            Some((current, first, listed)) if *current == hash => {
                self.found.rows += 1;
                if !*listed && self.found.examples.len() < EXAMPLES {
                    self.found.examples.push((*first, row));
                }
                *listed = true;
            }
            current => *current = Some((hash, row, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(keys: &[(i64, Option<&str>)]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.iter().map(|k| k.0)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter(keys.iter().map(|k| k.1)));
        RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true)])
            .unwrap()
    }

    fn sorter(capacity: usize) -> KeySorter {
        KeySorter::new(&["n".into(), "t".into()], &std::env::temp_dir(), capacity)
    }

    #[test]
    fn duplicates_are_found_in_memory_and_over_runs_alike() {
        let mut keys: Vec<(i64, Option<&str>)> = (0..10_000)
            .map(|n| (n * 7_919 % 10_000, Some("x")))
            .collect();
        keys.push((5, Some("x")));
        keys.push((5, Some("x")));
        keys.push((9, Some("x")));
        let first = |n: i64| keys.iter().position(|k| k.0 == n).unwrap() as u64 + 1;
        let mut expected = vec![(first(5), 10_001), (first(9), 10_003)];
        for capacity in [1_000_000, 10_003, 5_000, 1_000, 37] {
            let mut sorter = sorter(capacity);
            for chunk in keys.chunks(900) {
                sorter.observe(&batch(chunk)).unwrap();
            }
            let mut found = sorter.finish().unwrap();
            found.examples.sort_unstable();
            expected.sort_unstable();
            assert_eq!((found.rows, &found.examples), (3, &expected), "{capacity}");
            assert_eq!(found.runs > 0, capacity <= 10_003);
        }
    }

    #[test]
    fn null_empty_and_shifted_texts_are_different_keys() {
        let mut one = sorter(100);
        one.observe(&batch(&[
            (1, None),
            (1, Some("")),
            (1, Some("\0")),
            (1, Some("a")),
            (2, Some("a")),
            (1, Some("A")),
        ]))
        .unwrap();
        assert_eq!(one.finish().unwrap(), Duplicates::default());
        let two_texts = |pairs: &[(&str, &str)]| {
            let a: ArrayRef = Arc::new(StringArray::from_iter_values(pairs.iter().map(|p| p.0)));
            let b: ArrayRef = Arc::new(StringArray::from_iter_values(pairs.iter().map(|p| p.1)));
            RecordBatch::try_from_iter([("n", a), ("t", b)]).unwrap()
        };
        let mut two = sorter(100);
        two.observe(&two_texts(&[("ab", "c"), ("a", "bc"), ("", "abc")]))
            .unwrap();
        assert_eq!(two.finish().unwrap().rows, 0);
    }

    #[test]
    fn a_negative_zero_is_the_key_zero() {
        let mut one = KeySorter::new(&["f".into(), "r".into()], &std::env::temp_dir(), 100);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, 1.0]));
        let reals: ArrayRef = Arc::new(Float32Array::from(vec![-0.0, 0.0, 1.0]));
        one.observe(&RecordBatch::try_from_iter([("f", floats), ("r", reals)]).unwrap())
            .unwrap();
        assert_eq!(one.finish().unwrap().examples, [(1, 2)]);
    }

    #[test]
    fn many_duplicates_keep_ten_examples() {
        let mut one = sorter(64);
        let keys: Vec<_> = (0..500).map(|n| (n % 100, Some("x"))).collect();
        one.observe(&batch(&keys)).unwrap();
        let found = one.finish().unwrap();
        assert_eq!((found.rows, found.examples.len()), (400, 10));
    }
}
