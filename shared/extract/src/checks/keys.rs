//! Whether two rows share a key, exactly and in constant memory: an external sort of hashes.
//!
//! Each key is encoded so that different keys differ (see [`View::key`]) and hashed to 128 bits. Hashes and row
//! numbers fill a buffer of fixed size, which is sorted and written to a scratch file when full; at the end the sorted
//! runs are merged. Equal keys have equal hashes, so no duplicate is ever missed. Two different keys with one hash
//! would be reported as duplicates: for a billion rows the chance is below 10⁻²⁰, and the error is on the strict side.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use twox_hash::XxHash3_128;

use crate::{error::ExtractError, view::View};

/// Bytes of one entry in the scratch file.
const ENTRY: usize = 24;
/// Most bytes of a run that are in memory during the merge.
const BLOCK: usize = ENTRY * 2_730;
/// Examples that are kept.
const EXAMPLES: usize = 10;

type Entry = (u128, u64);

/// Takes keys, finds duplicates.
#[derive(Debug)]
pub(crate) struct KeySorter {
    columns: Vec<String>,
    folder: PathBuf,
    capacity: usize,
    buffer: Vec<Entry>,
    runs: Vec<u64>,
    scratch: Option<File>,
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
            folder: folder.to_owned(),
            capacity: capacity.max(2),
            buffer: Vec::new(),
            runs: Vec::new(),
            scratch: None,
            row: 0,
            bytes: Vec::new(),
        }
    }

    /// Takes the keys of a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let mut views = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let array = batch.column_by_name(name).ok_or_else(|| {
                ExtractError::Internal(format!("no key column {name:?} in the batch"))
            })?;
            views.push(View::new(array.as_ref())?);
        }
        for row in 0..batch.num_rows() {
            self.bytes.clear();
            for view in &views {
                view.key(row, &mut self.bytes);
            }
            self.row += 1;
            self.buffer
                .push((XxHash3_128::oneshot(&self.bytes), self.row));
            if self.buffer.len() >= self.capacity {
                self.spill()?;
            }
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), ExtractError> {
        self.buffer.sort_unstable();
        let written = (|| {
            if self.scratch.is_none() {
                // Unnamed: it goes with the process, however that ends.
                self.scratch = Some(tempfile::tempfile_in(&self.folder)?);
            }
            let Some(file) = &mut self.scratch else {
                return Ok(());
            };
            let mut out = BufWriter::with_capacity(BLOCK, file);
            for (hash, row) in &self.buffer {
                out.write_all(&hash.to_le_bytes())?;
                out.write_all(&row.to_le_bytes())?;
            }
            out.flush()
        })();
        written.map_err(|e| self.scratch_error(&e))?;
        self.runs.push(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }

    fn scratch_error(&self, e: &std::io::Error) -> ExtractError {
        ExtractError::Scratch {
            folder: self.folder.display().to_string(),
            reason: e.to_string(),
        }
    }

    /// Merges what was taken.
    pub(crate) fn finish(mut self) -> Result<Duplicates, ExtractError> {
        let mut scan = Scan::default();
        if self.runs.is_empty() {
            self.buffer.sort_unstable();
            for entry in &self.buffer {
                scan.next(*entry);
            }
            return Ok(scan.found);
        }
        if !self.buffer.is_empty() {
            self.spill()?;
        }
        scan.found.runs = self.runs.len();
        // The room of the buffer is needed for the blocks now.
        self.buffer = Vec::new();
        let Some(mut file) = self.scratch.take() else {
            return Err(ExtractError::Internal("runs without a scratch file".into()));
        };
        let block = block(self.capacity, self.runs.len());
        merge(&mut file, &self.runs, block, &mut scan).map_err(|e| self.scratch_error(&e))?;
        Ok(scan.found)
    }
}

/// Sees the entries in order of hash.
#[derive(Default)]
struct Scan {
    found: Duplicates,
    /// Hash and first row of the current key, and whether it is among the examples.
    current: Option<(u128, u64, bool)>,
}

impl Scan {
    fn next(&mut self, (hash, row): Entry) {
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

/// One sorted run: where its unread part is, and the block in memory.
struct Run {
    offset: u64,
    left: u64,
    most: usize,
    block: Vec<u8>,
    at: usize,
}

impl Run {
    fn next(&mut self, file: &mut File) -> std::io::Result<Option<Entry>> {
        if self.at == self.block.len() {
            let bytes = (self.most as u64).min(self.left * ENTRY as u64) as usize;
            if bytes == 0 {
                return Ok(None);
            }
            self.block.resize(bytes, 0);
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_exact(&mut self.block)?;
            self.offset += bytes as u64;
            self.left -= (bytes / ENTRY) as u64;
            self.at = 0;
        }
        let mut hash = [0; 16];
        let mut row = [0; 8];
        hash.copy_from_slice(&self.block[self.at..self.at + 16]);
        row.copy_from_slice(&self.block[self.at + 16..self.at + ENTRY]);
        self.at += ENTRY;
        Ok(Some((u128::from_le_bytes(hash), u64::from_le_bytes(row))))
    }
}

/// Bytes of each run that are in memory during the merge: all runs together need no more than the buffer did.
fn block(capacity: usize, runs: usize) -> usize {
    (capacity / runs.max(1)).clamp(1, BLOCK / ENTRY) * ENTRY
}

fn merge(file: &mut File, lengths: &[u64], block: usize, scan: &mut Scan) -> std::io::Result<()> {
    let mut runs = Vec::with_capacity(lengths.len());
    let mut heap = BinaryHeap::with_capacity(lengths.len());
    let mut offset = 0;
    for (index, length) in lengths.iter().enumerate() {
        let mut run = Run {
            offset,
            left: *length,
            most: block,
            block: Vec::new(),
            at: 0,
        };
        offset += length * ENTRY as u64;
        if let Some(entry) = run.next(file)? {
            heap.push(Reverse((entry, index)));
        }
        runs.push(run);
    }
    while let Some(Reverse((entry, index))) = heap.pop() {
        scan.next(entry);
        if let Some(entry) = runs[index].next(file)? {
            heap.push(Reverse((entry, index)));
        }
    }
    Ok(())
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
    fn the_merge_needs_no_more_than_the_buffer_did() {
        let capacity = 1_000_000;
        for runs in [1, 10, 1_000, 10_000] {
            assert!(block(capacity, runs) * runs <= capacity * ENTRY, "{runs}");
            assert_eq!(block(capacity, runs) % ENTRY, 0);
        }
        assert_eq!(block(capacity, 3), BLOCK);
        assert!(block(2, 1_000_000) >= ENTRY);
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
