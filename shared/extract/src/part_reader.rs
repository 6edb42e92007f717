//! Reads a Parquet part that nobody vouches for: evidence may come from anybody, and a reader of it must end, in bounded
//! memory, whatever the bytes are.
//!
//! What the writer of [`crate::extract`] makes is read whole. What it could not have made is refused before it is
//! decoded, because a few bytes of Parquet may claim any number of rows and unpack to any number of bytes.

mod pages;

use std::{fs::File, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder},
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

/// Rows of a batch: few enough that very wide rows stay small.
const BATCH_ROWS: usize = 2_048;
/// Bytes that the values of a batch may have when dictionaries repeat them.
const BATCH_BYTES: usize = 64 * 1024 * 1024;
/// The most bytes of a footer: the writer's have a few hundred for each column of each row group.
const FOOTER_BYTES: u64 = 64 * 1024 * 1024;
/// The most rows of a row group. The writer ends one at 64 MiB in memory, and each row has more than 40 bytes there.
const GROUP_ROWS: i64 = 4 * 1024 * 1024;
/// The most bytes to which the pages of a row group unpack: the writer's 64 MiB, a last batch, and as much again.
const GROUP_BYTES: u64 = 256 * 1024 * 1024;

/// Why a part is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PartFault<E> {
    /// The footer cannot be read, contradicts itself or the claim, or describes what the writer never makes.
    #[error("{0}")]
    Footer(String),
    /// The columns are others.
    #[error("{0}")]
    Schema(String),
    /// The rows cannot be read, or are not as many as the footer says.
    #[error("{0}")]
    Rows(String),
    /// Whoever takes the rows refused.
    #[error("the rows were refused")]
    Taken(E),
}

/// Reads `file`, which must have these columns and this many rows, and hands its batches to `take` in their order.
///
/// # Errors
/// [`PartFault`] says what is wrong; `take`'s own error comes back as [`PartFault::Taken`].
pub fn read_part<E>(
    file: &File,
    schema: &Schema,
    rows: u64,
    mut take: impl FnMut(&RecordBatch) -> Result<(), E>,
) -> Result<(), PartFault<E>> {
    let footer = |e: String| PartFault::Footer(e);
    let length = footer_bytes(file).map_err(footer)?;
    if length > FOOTER_BYTES {
        return Err(footer(format!("its footer has {length} bytes")));
    }
    let arrow = ArrowReaderMetadata::load(file, Default::default())
        .map_err(|e| footer(format!("it is no Parquet file: {e}")))?;
    let metadata = Arc::clone(arrow.metadata());
    claimed_rows(&metadata, rows).map_err(footer)?;
    if let Some(why) = schema_difference(arrow.schema(), schema) {
        return Err(PartFault::Schema(why));
    }
    let mut longest = 0;
    for group in metadata.row_groups() {
        longest = longest.max(unpacked(file, group).map_err(footer)?);
    }
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
        file.try_clone().map_err(|e| footer(e.to_string()))?,
        arrow,
    )
    .with_batch_size((BATCH_BYTES / longest.max(1)).clamp(1, BATCH_ROWS))
    .build()
    .map_err(|e| footer(e.to_string()))?;
    let mut found = 0u64;
    for batch in reader {
        let batch = batch.map_err(|e| PartFault::Rows(e.to_string()))?;
        found += batch.num_rows() as u64;
        if found > rows {
            break;
        }
        take(&batch).map_err(PartFault::Taken)?;
    }
    if found == rows {
        Ok(())
    } else {
        Err(PartFault::Rows(format!(
            "{found} rows can be read, its footer says {rows}"
        )))
    }
}

/// Bytes of the footer, as the file's last eight bytes say.
fn footer_bytes(file: &File) -> Result<u64, String> {
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let tail = size
        .checked_sub(8)
        .ok_or("it is no Parquet file: too short")?;
    let mut bytes = [0; 8];
    pages::read_at(file, tail, &mut bytes).map_err(|e| e.to_string())?;
    let [a, b, c, d, ..] = bytes;
    Ok(u64::from(u32::from_le_bytes([a, b, c, d])))
}

/// Whether footer, row groups and claim agree, and no group has more rows than the writer makes.
fn claimed_rows(metadata: &ParquetMetaData, rows: u64) -> Result<(), String> {
    let groups = metadata
        .row_groups()
        .iter()
        .try_fold(0i64, |sum, group| sum.checked_add(group.num_rows()));
    let total = metadata.file_metadata().num_rows();
    if groups != Some(total) || u64::try_from(total) != Ok(rows) {
        return Err(format!(
            "its footer says {total} rows, its row groups {groups:?}, the receipt {rows}"
        ));
    }
    match metadata
        .row_groups()
        .iter()
        .find(|group| !(0..=GROUP_ROWS).contains(&group.num_rows()))
    {
        Some(group) => Err(format!(
            "a row group claims {} rows; no extraction makes such a one",
            group.num_rows()
        )),
        None => Ok(()),
    }
}

/// Looks at every page of the group without unpacking it; returns the most bytes that one row may have by way of
/// dictionaries.
fn unpacked(file: &File, group: &RowGroupMetaData) -> Result<usize, String> {
    let mut bytes = 0u64;
    let mut longest = 0usize;
    for column in group.columns() {
        let chunk = pages::look(file, column)?;
        bytes = bytes.saturating_add(chunk.unpacked);
        longest = longest.saturating_add(chunk.longest_in_dictionary);
        if bytes > GROUP_BYTES {
            return Err(format!(
                "a row group unpacks to more than {GROUP_BYTES} bytes; no extraction makes such a one"
            ));
        }
    }
    Ok(longest)
}

fn schema_difference(found: &Schema, expected: &Schema) -> Option<String> {
    if found.fields().len() != expected.fields().len() {
        return Some(format!(
            "it has {} columns, contract and traceability are {}",
            found.fields().len(),
            expected.fields().len()
        ));
    }
    let pairs = found.fields().iter().zip(expected.fields());
    pairs
        .filter(|(is, should)| {
            is.name() != should.name()
                || is.data_type() != should.data_type()
                || is.is_nullable() != should.is_nullable()
        })
        .map(|(is, should)| {
            format!(
                "column {:?} of {} stands where {:?} of {} is declared",
                is.name(),
                is.data_type(),
                should.name(),
                should.data_type()
            )
        })
        .next()
}

#[cfg(test)]
mod tests;
