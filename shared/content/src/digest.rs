//! Row digests, sorted and hashed under a header that says what the columns are.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use sha2::{Digest as _, Sha256 as Hasher};
use soxauto_domain::{Sha256, catalog::TRACEABILITY_COLUMNS};

use crate::{
    cells::{Cells, type_name},
    sort::{ExternalSort, ScratchError},
};

/// What the header begins with: a digest of something else, or of another version, is never taken for this one.
const DOMAIN: &[u8] = b"soxauto content digest v1\n";

/// A good number of rows to sort in memory. Spread over 256 buckets, these fill seven eighths of a power of two each,
/// so that no bucket grows beyond it: 8 MiB are held.
pub const SORTED_IN_MEMORY: usize = 7 << 15;

/// Why there is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A column of a type that no extract has.
    #[error("column {column:?} is of Arrow type {found}, which the content digest does not know")]
    Type {
        /// The column.
        column: String,
        /// Its Arrow type.
        found: String,
    },
    /// A batch with other columns than the digest was begun with.
    #[error(
        "a batch has other columns than the content digest was begun with, at column {column:?}"
    )]
    Columns {
        /// The first column that is missing or of another type.
        column: String,
    },
    /// The scratch file failed.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

/// Takes the rows of an extract in any order, and gives one SHA-256 for what they hold.
///
/// Memory is bounded: 32 bytes for each of the rows that are sorted in memory. Beyond those, 32 bytes per row go to
/// an unnamed scratch file, which disappears with the value, an error or the process.
#[derive(Debug)]
pub struct ContentDigest {
    columns: Vec<Declared>,
    rows: u64,
    encoded: Vec<u8>,
    sort: ExternalSort<4>,
}

/// A column that counts.
#[derive(Debug)]
struct Declared {
    index: usize,
    name: String,
    data_type: DataType,
    type_name: String,
}

impl ContentDigest {
    /// A digest of rows with this schema; the traceability columns (`_run_id` and so on) are left out wherever they are.
    ///
    /// At most `sorted_in_memory` row digests are in memory, the others in a scratch file in `scratch`.
    ///
    /// # Errors
    /// [`ContentError::Type`].
    pub fn new(
        schema: &Schema,
        scratch: &Path,
        sorted_in_memory: usize,
    ) -> Result<Self, ContentError> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            if TRACEABILITY_COLUMNS.contains(&field.name().as_str()) {
                continue;
            }
            let data_type = field.data_type();
            columns.push(Declared {
                index,
                name: field.name().clone(),
                data_type: data_type.clone(),
                type_name: type_name(data_type).ok_or_else(|| ContentError::Type {
                    column: field.name().clone(),
                    found: data_type.to_string(),
                })?,
            });
        }
        Ok(Self {
            columns,
            rows: 0,
            encoded: Vec::new(),
            sort: ExternalSort::new(scratch, sorted_in_memory),
        })
    }

    /// Takes the rows of a batch.
    ///
    /// # Errors
    /// [`ContentError::Columns`] or [`ContentError::Scratch`].
    pub fn update(&mut self, batch: &RecordBatch) -> Result<(), ContentError> {
        let mut cells = Vec::with_capacity(self.columns.len());
        let schema = batch.schema_ref();
        for column in &self.columns {
            let found = schema
                .fields()
                .get(column.index)
                .filter(|field| {
                    *field.name() == column.name && *field.data_type() == column.data_type
                })
                .and_then(|_| Cells::new(batch.column(column.index).as_ref()))
                .ok_or_else(|| ContentError::Columns {
                    column: column.name.clone(),
                })?;
            cells.push(found);
        }
        for row in 0..batch.num_rows() {
            let digest = hash_row(&cells, row, &mut self.encoded);
            self.sort.push(words(&digest))?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// The digest of the rows taken.
    ///
    /// # Errors
    /// [`ContentError::Scratch`].
    pub fn finish(self) -> Result<Sha256, ContentError> {
        let mut hasher = Hasher::new();
        hasher.update(header(&self.columns, self.rows));
        self.sort.finish(|entry| hasher.update(bytes(entry)))?;
        Ok(Sha256::from_bytes(hasher.finalize().into()))
    }
}

/// The digest of one row of these columns, which must be in the order of the schema and without traceability columns.
#[must_use]
pub fn row_digest(cells: &[Cells<'_>], row: usize) -> Sha256 {
    Sha256::from_bytes(hash_row(cells, row, &mut Vec::new()))
}

#[inline]
fn hash_row(cells: &[Cells<'_>], row: usize, encoded: &mut Vec<u8>) -> [u8; 32] {
    encoded.clear();
    for column in cells {
        column.encode(row, encoded);
    }
    Hasher::digest(&encoded).into()
}

fn header(columns: &[Declared], rows: u64) -> Vec<u8> {
    let mut out = DOMAIN.to_vec();
    out.extend_from_slice(&(columns.len() as u32).to_be_bytes());
    for column in columns {
        for text in [&column.name, &column.type_name] {
            // No schema has a name of 4 GiB.
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(&rows.to_be_bytes());
    out
}

/// Words that sort as the bytes do.
#[inline]
fn words(digest: &[u8; 32]) -> [u64; 4] {
    let (words, _) = digest.as_chunks::<8>();
    std::array::from_fn(|n| u64::from_be_bytes(words[n]))
}

/// The bytes that the words were made from.
#[inline]
fn bytes(entry: [u64; 4]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.as_chunks_mut::<8>().0.iter_mut().zip(entry) {
        *to = from.to_be_bytes();
    }
    out
}
