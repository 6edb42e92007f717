//! An external sort of short fixed-size entries: constant memory, however many there are.
//!
//! Entries fill buckets by their first byte; when so many are held as may be, each bucket is sorted, which the processor's
//! cache has room for, and all go to a scratch file as one sorted run. At the end the runs are merged. An entry is a few 64-bit
//! words, so that comparing two is a few instructions; words that were made from big-endian bytes sort as those bytes do.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Most bytes of a run that are in memory during the merge.
const BLOCK: usize = 16 * 1024;

/// Bytes of a run that are written at a time.
const WRITTEN: usize = 64 * 1024;

/// Entries are hashes, so that their first bytes are spread evenly. Others are sorted as well, only later.
const BUCKETS: usize = 256;

/// The scratch file failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scratch file of a sort in {folder} failed: {reason}")]
pub struct ScratchError {
    /// Where.
    pub folder: String,
    /// What the system said.
    pub reason: String,
}

/// Sorts entries of `WORDS` words.
#[derive(Debug)]
pub struct ExternalSort<const WORDS: usize> {
    folder: PathBuf,
    capacity: usize,
    buckets: Vec<Vec<[u64; WORDS]>>,
    held: usize,
    /// Entries of each run in the scratch file.
    runs: Vec<u64>,
    scratch: Option<File>,
}

impl<const WORDS: usize> ExternalSort<WORDS> {
    /// Bytes of one entry, in memory and in the scratch file.
    pub const ENTRY: usize = WORDS * 8;

    /// A sort that keeps at most `capacity` entries in memory and its scratch file in `folder`.
    #[must_use]
    pub fn new(folder: &Path, capacity: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            capacity: capacity.max(2),
            buckets: vec![Vec::new(); BUCKETS],
            held: 0,
            runs: Vec::new(),
            scratch: None,
        }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// [`ScratchError`] when the buffer is full and cannot be written.
    #[inline]
    pub fn push(&mut self, entry: [u64; WORDS]) -> Result<(), ScratchError> {
        let first = entry.first().map_or(0, |word| word >> 56);
        self.buckets[first as usize].push(entry);
        self.held += 1;
        if self.held >= self.capacity {
            return self.spill();
        }
        Ok(())
    }

    /// Shows every entry in ascending order, equal ones as often as they were taken. Returns how many sorted runs went
    /// to the scratch file.
    ///
    /// # Errors
    /// [`ScratchError`] when the scratch file cannot be written or read.
    pub fn finish(mut self, mut each: impl FnMut([u64; WORDS])) -> Result<usize, ScratchError> {
        if self.runs.is_empty() {
            for mut bucket in self.buckets {
                bucket.sort_unstable();
                bucket.into_iter().for_each(&mut each);
            }
            return Ok(0);
        }
        if self.held > 0 {
            self.spill()?;
        }
        // Their room is needed for the blocks now.
        self.buckets = Vec::new();
        let block = block(self.capacity, self.runs.len(), Self::ENTRY);
        if let Some(file) = &self.scratch {
            merge(file, &self.runs, block, &mut each).map_err(|e| failed(&self.folder, &e))?;
        }
        Ok(self.runs.len())
    }

    #[cold]
    fn spill(&mut self) -> Result<(), ScratchError> {
        self.write_run().map_err(|e| failed(&self.folder, &e))?;
        self.runs.push(self.held as u64);
        self.held = 0;
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        let file = match &mut self.scratch {
            Some(file) => file,
            // Unnamed: it goes with the process, however that ends.
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        let mut out = BufWriter::with_capacity(WRITTEN, file);
        for bucket in &mut self.buckets {
            bucket.sort_unstable();
            for word in bucket.as_flattened() {
                out.write_all(&word.to_ne_bytes())?;
            }
            bucket.clear();
        }
        out.flush()
    }
}

fn failed(folder: &Path, e: &io::Error) -> ScratchError {
    ScratchError {
        folder: folder.display().to_string(),
        reason: e.to_string(),
    }
}

/// One sorted run: where its unread part is, and the block in memory.
struct Run {
    offset: u64,
    left: u64,
    block: Vec<u8>,
    at: usize,
}

impl Run {
    fn next<const WORDS: usize>(
        &mut self,
        file: &File,
        most: usize,
    ) -> io::Result<Option<[u64; WORDS]>> {
        if self.at == self.block.len() {
            let bytes = (most as u64).min(self.left) as usize;
            if bytes == 0 {
                return Ok(None);
            }
            self.block.resize(bytes, 0);
            file.read_exact_at(&mut self.block, self.offset)?;
            self.offset += bytes as u64;
            self.left -= bytes as u64;
            self.at = 0;
        }
        let (words, _) = self.block[self.at..].as_chunks::<8>();
        let mut entry = [0; WORDS];
        for (to, from) in entry.iter_mut().zip(words) {
            *to = u64::from_ne_bytes(*from);
        }
        self.at += WORDS * 8;
        Ok(Some(entry))
    }
}

/// Bytes of each run that are in memory during the merge: all runs together need no more than the buffer did.
fn block(capacity: usize, runs: usize, entry: usize) -> usize {
    (capacity / runs.max(1)).clamp(1, BLOCK / entry) * entry
}

fn merge<const WORDS: usize>(
    file: &File,
    lengths: &[u64],
    block: usize,
    each: &mut impl FnMut([u64; WORDS]),
) -> io::Result<()> {
    let mut runs = Vec::with_capacity(lengths.len());
    let mut heap = BinaryHeap::with_capacity(lengths.len());
    let mut offset = 0;
    for (index, length) in lengths.iter().enumerate() {
        let mut run = Run {
            offset,
            left: length * (WORDS * 8) as u64,
            block: Vec::new(),
            at: 0,
        };
        offset += run.left;
        if let Some(entry) = run.next::<WORDS>(file, block)? {
            heap.push(Reverse((entry, index)));
        }
        runs.push(run);
    }
    while let Some(mut top) = heap.peek_mut() {
        let Reverse((entry, index)) = *top;
        each(entry);
        match runs[index].next(file, block)? {
            Some(next) => *top = Reverse((next, index)),
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(
        entries: &[[u64; 3]],
        capacity: usize,
    ) -> Result<(Vec<[u64; 3]>, usize), ScratchError> {
        let mut sort = ExternalSort::new(&std::env::temp_dir(), capacity);
        for entry in entries {
            sort.push(*entry)?;
        }
        let mut out = Vec::new();
        let runs = sort.finish(|entry| out.push(entry))?;
        Ok((out, runs))
    }

    proptest! {
        #[test]
        fn it_sorts_as_a_vector_does(
            entries in prop::collection::vec(prop::array::uniform3(0..5u64), 0..300),
            capacity in 0..320usize,
        ) {
            let mut expected = entries.clone();
            expected.sort_unstable();
            let (found, runs) = sorted(&entries, capacity).unwrap();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(runs, if entries.len() < capacity.max(2) { 0 } else { entries.len().div_ceil(capacity.max(2)) });
        }
    }

    #[test]
    fn the_merge_needs_no_more_than_the_buffer_did() {
        let capacity = 1_000_000;
        for runs in [1, 10, 1_000, 10_000] {
            for entry in [24, 32] {
                let block = block(capacity, runs, entry);
                assert!(block * runs <= capacity * entry, "{runs}");
                assert!(block > 0 && block <= BLOCK && block.is_multiple_of(entry));
            }
        }
        assert!(block(2, 1_000_000, 24) >= 24);
    }

    #[test]
    fn a_run_of_several_blocks_is_read_to_its_end() {
        let entries: Vec<[u64; 3]> = (0..20_000).rev().map(|n| [n, 1, 2]).collect();
        let (found, runs) = sorted(&entries, 9_000).unwrap();
        assert_eq!(runs, 3);
        assert!(found.iter().map(|e| e[0]).eq(0..20_000));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let mut sort = ExternalSort::<1>::new(Path::new("/no/such/folder"), 2);
        sort.push([1]).unwrap();
        let error = sort.push([2]).unwrap_err();
        assert_eq!(error.folder, "/no/such/folder");
    }
}
