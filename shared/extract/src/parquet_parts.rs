//! Arrow batches into Parquet parts: rolled by size, hashed while they stream, their rows read back from the footer.
//!
//! The same rows give the same bytes: nothing written depends on a clock, a machine or the pace of the source.

use std::{io::Write, sync::Arc};

use arrow_array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use jiff::Timestamp;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    file::metadata::ParquetMetaDataReader,
};
use sha2::{Digest as _, Sha256};
use soxauto_domain::{
    Cutoff, IpeId, RunId, catalog::TRACEABILITY_COLUMNS, receipt::FileRecord, segment::part_path,
};
use tokio::sync::mpsc;

use crate::{batch::BATCH_ROWS, canonical, error::ExtractError};

mod properties;

/// The most bytes of a chunk that an upload is given.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// How the parts are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zstd, level 1: the smallest files at nearly the speed of snappy.
    Zstd,
    /// snappy.
    Snappy,
}

/// Sizes of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOptions {
    /// Compressed bytes after which the next part begins, at the next row group: a part is at most one row group larger.
    pub part_bytes: usize,
    /// Bytes of a row group as batches; it ends earlier when half as many are encoded, which is what the writer keeps in memory.
    pub row_group_bytes: usize,
    /// Compression.
    pub compression: Compression,
}

impl Default for PartOptions {
    /// 128 MiB parts of 32 MiB row groups, zstd.
    fn default() -> Self {
        Self {
            part_bytes: 128 * 1024 * 1024,
            row_group_bytes: 32 * 1024 * 1024,
            compression: Compression::Zstd,
        }
    }
}

/// What the traceability columns say in every row.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) run_id: RunId,
    pub(crate) ipe_id: IpeId,
    pub(crate) cutoff: Cutoff,
    pub(crate) extracted_at: Timestamp,
}

/// What the uploading side is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// A part begins.
    Start(String),
    /// Bytes of it.
    Chunk(Bytes),
}

/// Writes the parts.
pub(crate) struct PartWriter {
    schema: SchemaRef,
    trace: Constants,
    options: PartOptions,
    out: mpsc::Sender<Message>,
    part: Option<Part>,
    parts: usize,
    rows: u64,
    even_empty: bool,
    records: Vec<FileRecord>,
    peak_bytes: usize,
}

struct Part {
    path: String,
    writer: ArrowWriter<ChunkWriter>,
    uncompressed: usize,
}

impl PartWriter {
    pub(crate) fn new(
        contract: &SchemaRef,
        trace: &Trace,
        options: PartOptions,
        out: mpsc::Sender<Message>,
    ) -> Self {
        Self {
            schema: with_traceability(contract),
            trace: Constants::new(trace),
            options,
            out,
            part: None,
            parts: 0,
            rows: 0,
            even_empty: true,
            records: Vec::new(),
            peak_bytes: 0,
        }
    }

    /// Goes on behind so many parts and rows; without rows of its own it writes a part only if `even_empty`.
    pub(crate) fn behind(self, parts: usize, rows: u64, even_empty: bool) -> Self {
        Self {
            parts,
            rows,
            even_empty,
            ..self
        }
    }

    /// Appends a batch of the contract's columns.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.extend(self.trace.columns(self.rows, rows));
        let full = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(internal)?;
        if self.part.is_none() {
            self.start(Some(batch))?;
        }
        let Some(part) = &mut self.part else {
            return Err(ExtractError::Internal("no part".into()));
        };
        part.writer.write(&full).map_err(|e| write_error(part, e))?;
        part.uncompressed += batch.get_array_memory_size();
        self.rows += rows as u64;
        self.peak_bytes = self.peak_bytes.max(part.writer.memory_size());
        if part.uncompressed >= self.options.row_group_bytes
            || part.writer.in_progress_size() >= self.options.row_group_bytes / 2
        {
            part.writer.flush().map_err(|e| write_error(part, e))?;
            part.uncompressed = 0;
            // Only here are the bytes of the part known: what is in progress is not compressed yet.
            if part.writer.bytes_written() >= self.options.part_bytes {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Ends the last part; without rows there is one part that says so, unless nobody asked for it.
    pub(crate) fn finish(mut self) -> Result<Written, ExtractError> {
        if self.part.is_none() && self.records.is_empty() && self.even_empty {
            self.start(None)?;
        }
        self.end()?;
        Ok(Written {
            files: self.records,
            peak_bytes: self.peak_bytes,
        })
    }

    /// Begins a part, whose encodings suit its first rows.
    fn start(&mut self, first: Option<&RecordBatch>) -> Result<(), ExtractError> {
        let path = part_path(self.parts);
        self.parts += 1;
        send(&self.out, Message::Start(path.clone()))?;
        let properties = properties::of(&self.schema, first, self.options.compression)?;
        let writer = ArrowWriter::try_new_with_options(
            ChunkWriter::new(self.out.clone()),
            Arc::clone(&self.schema),
            ArrowWriterOptions::new().with_properties(properties),
        )
        .map_err(internal)?;
        self.part = Some(Part {
            path,
            writer,
            uncompressed: 0,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ExtractError> {
        let Some(mut part) = self.part.take() else {
            return Ok(());
        };
        part.writer.flush().map_err(|e| write_error(&part, e))?;
        part.writer.inner_mut().keep_from_here();
        part.writer.finish().map_err(|e| write_error(&part, e))?;
        let (size, sha256, tail) = part
            .writer
            .inner_mut()
            .finish()
            .map_err(|e| upload_ended(&e))?;
        let rows = rows_in_footer(&tail)?;
        let record = FileRecord {
            path: part.path,
            size,
            sha256,
            rows: Some(rows),
        };
        self.records.push(record);
        Ok(())
    }
}

/// The contract's columns followed by the traceability columns: the schema of every part.
pub(crate) fn with_traceability(contract: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = contract.fields().iter().cloned().collect();
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let types = [
        DataType::Utf8,
        DataType::Utf8,
        DataType::Date32,
        micros,
        DataType::Int64,
    ];
    for (name, data_type) in TRACEABILITY_COLUMNS.iter().zip(types) {
        fields.push(Arc::new(Field::new(*name, data_type, false)));
    }
    Arc::new(Schema::new(fields))
}

/// What was written.
pub(crate) struct Written {
    pub(crate) files: Vec<FileRecord>,
    /// The most bytes that the writer held.
    pub(crate) peak_bytes: usize,
}

/// The rows that the file itself claims: the sum over its row groups, decoded from the bytes that were uploaded.
fn rows_in_footer(tail: &[u8]) -> Result<u64, ExtractError> {
    let broken = |why: &str| {
        ExtractError::Internal(format!("the Parquet footer cannot be read back: {why}"))
    };
    let (rest, magic) = tail
        .split_last_chunk::<4>()
        .ok_or_else(|| broken("too short"))?;
    let (rest, length) = rest
        .split_last_chunk::<4>()
        .ok_or_else(|| broken("too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if magic != b"PAR1" || length > rest.len() {
        return Err(broken("no PAR1 at its end"));
    }
    let metadata = ParquetMetaDataReader::decode_metadata(&rest[rest.len() - length..])
        .map_err(|e| broken(&e.to_string()))?;
    let rows: i64 = metadata
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .sum();
    if rows != metadata.file_metadata().num_rows() {
        return Err(broken("its row groups do not add up"));
    }
    u64::try_from(rows).map_err(|_| broken("a negative row count"))
}

fn internal(e: impl std::fmt::Display) -> ExtractError {
    ExtractError::Internal(format!("Parquet: {e}"))
}

fn write_error(part: &Part, e: parquet::errors::ParquetError) -> ExtractError {
    if part.writer.inner().closed {
        upload_ended(&e)
    } else {
        internal(e)
    }
}

/// Said when the uploading side is gone; the pipeline then reports that side's own error.
pub(crate) const UPLOAD_ENDED: &str = "the upload ended before the rows";

fn upload_ended(_: &dyn std::fmt::Display) -> ExtractError {
    ExtractError::Internal(UPLOAD_ENDED.into())
}

fn send(out: &mpsc::Sender<Message>, message: Message) -> Result<(), ExtractError> {
    out.blocking_send(message).map_err(|e| upload_ended(&e))
}

/// Gathers, hashes and passes on what the Parquet writer writes.
struct ChunkWriter {
    out: mpsc::Sender<Message>,
    buffer: Vec<u8>,
    hash: Sha256,
    size: u64,
    tail: Option<Vec<u8>>,
    closed: bool,
}

impl ChunkWriter {
    fn new(out: mpsc::Sender<Message>) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(CHUNK_BYTES),
            hash: Sha256::new(),
            size: 0,
            tail: None,
            closed: false,
        }
    }

    /// From now on the bytes are kept as well: what follows the last row group is the footer.
    fn keep_from_here(&mut self) {
        self.tail = Some(Vec::new());
    }

    fn pass_on(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        self.out
            .blocking_send(Message::Chunk(Bytes::from(chunk)))
            .map_err(|_| {
                self.closed = true;
                std::io::Error::new(std::io::ErrorKind::BrokenPipe, UPLOAD_ENDED)
            })
    }

    fn finish(&mut self) -> std::io::Result<(u64, soxauto_domain::Sha256, Vec<u8>)> {
        self.pass_on()?;
        let digest: [u8; 32] = self.hash.finalize_reset().into();
        Ok((
            self.size,
            soxauto_domain::Sha256::from_bytes(digest),
            self.tail.take().unwrap_or_default(),
        ))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(bytes);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
            if self.buffer.len() == CHUNK_BYTES {
                self.pass_on()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The traceability columns, made once and sliced for each batch.
struct Constants {
    run_id: ArrayRef,
    ipe_id: ArrayRef,
    cutoff: ArrayRef,
    extracted_at: ArrayRef,
}

impl Constants {
    fn new(trace: &Trace) -> Self {
        let text = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                text, BATCH_ROWS,
            )))
        };
        Self {
            run_id: text(&trace.run_id.to_string()),
            ipe_id: text(trace.ipe_id.as_str()),
            cutoff: Arc::new(Date32Array::from_value(
                canonical::days_since_1970(trace.cutoff.date()),
                BATCH_ROWS,
            )),
            extracted_at: Arc::new(TimestampMicrosecondArray::from_value(
                trace.extracted_at.as_microsecond(),
                BATCH_ROWS,
            )),
        }
    }

    fn columns(&self, rows_before: u64, rows: usize) -> [ArrayRef; 5] {
        let first = rows_before as i64 + 1;
        let numbers = Int64Array::from_iter_values(first..first + rows as i64);
        [
            self.run_id.slice(0, rows),
            self.ipe_id.slice(0, rows),
            self.cutoff.slice(0, rows),
            self.extracted_at.slice(0, rows),
            Arc::new(numbers),
        ]
    }
}

#[cfg(test)]
mod tests;
