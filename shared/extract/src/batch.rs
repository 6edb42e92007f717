//! The sink of an extraction: cells into Arrow builders, handed on as record batches of bounded size.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use soxauto_domain::plan::ColumnContract;
use tokio::sync::mpsc;

use crate::{
    cells::{Column, FIXED, Refusal},
    error::ExtractError,
    money,
    progress::Progress,
    source::{Flow, RowSink},
    type_map,
};

/// Most rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Rows after which the progress hears of them, long before a batch is full when they come slowly.
const TELL_ROWS: usize = 128;
/// Bytes after which a batch is handed on, however few its rows.
pub(crate) const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Where full batches go.
pub(crate) enum Out<'o> {
    /// To another thread; waits when it is busy. The progress hears of the rows.
    Channel(mpsc::Sender<RecordBatch>, &'o dyn Progress),
    /// To a function.
    Inline(&'o mut (dyn FnMut(&RecordBatch) -> Result<(), ExtractError> + Send)),
}

/// Cells into batches.
pub(crate) struct BatchSink<'o> {
    columns: Vec<Column>,
    schema: SchemaRef,
    out: Out<'o>,
    at: usize,
    rows_before: u64,
    rows: usize,
    bytes: usize,
    peak_bytes: usize,
}

/// The Arrow schema of the contract's columns. All are nullable: a NULL where none is declared is counted by a check,
/// and kept as evidence.
pub(crate) fn schema<'c>(columns: impl IntoIterator<Item = &'c ColumnContract>) -> SchemaRef {
    let fields: Vec<Field> = columns
        .into_iter()
        .map(|c| Field::new(&c.name, type_map::arrow_type(c.sql_type), true))
        .collect();
    Arc::new(Schema::new(fields))
}

impl<'o> BatchSink<'o> {
    /// A sink for the contract's columns; of those that `wanted` says no to, nothing is kept.
    pub(crate) fn new(
        contract: &[ColumnContract],
        wanted: impl Fn(&ColumnContract) -> bool,
        out: Out<'o>,
    ) -> Self {
        let wide = contract.iter().filter(|c| wanted(c)).count();
        // No batch has more rows: each cell counts for that much.
        let rows = BATCH_ROWS.min(BATCH_BYTES / FIXED / wide.max(1) + 1);
        let column = |c| Column::new(c, wanted(c), rows);
        Self {
            columns: contract.iter().map(column).collect(),
            schema: schema(contract.iter().filter(|c| wanted(c))),
            out,
            at: 0,
            rows_before: 0,
            rows: 0,
            bytes: 0,
            peak_bytes: 0,
        }
    }

    /// The same, behind so many rows of the extract.
    pub(crate) fn behind(self, rows: u64) -> Self {
        Self {
            rows_before: rows,
            ..self
        }
    }

    /// The most bytes that a batch held.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    fn column(&mut self) -> Result<&mut Column, ExtractError> {
        let at = self.at;
        self.at += 1;
        self.columns.get_mut(at).ok_or_else(|| {
            ExtractError::Internal("the driver pushed more cells than there are columns".into())
        })
    }

    fn put(
        &mut self,
        take: impl FnOnce(&mut Column) -> Result<usize, Refusal>,
    ) -> Result<(), ExtractError> {
        match take(self.column()?) {
            Ok(bytes) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    #[cold]
    fn refused(&self, refusal: Refusal) -> ExtractError {
        let Some(column) = self.columns.get(self.at.saturating_sub(1)) else {
            return ExtractError::Internal("a cell without a column".into());
        };
        match refusal {
            Refusal::Type(sent) => ExtractError::Contract {
                differences: vec![format!(
                    "column {:?} was described as {}, but the server sends {sent}",
                    column.name, column.sql_type
                )],
            },
            Refusal::Value(value, reason) => ExtractError::Value {
                column: column.name.clone(),
                row: self.row(),
                value: if column.masked {
                    "not shown".into()
                } else {
                    value
                },
                reason,
            },
        }
    }

    /// The row that is being filled, from 1.
    fn row(&self) -> u64 {
        self.rows_before + self.rows as u64 + 1
    }
}

#[async_trait]
impl RowSink for BatchSink<'_> {
    fn start(&mut self, names: &[&str]) -> Result<(), ExtractError> {
        let same = names.len() == self.columns.len()
            && names
                .iter()
                .zip(&self.columns)
                .all(|(name, column)| *name == column.name);
        if same {
            return Ok(());
        }
        Err(ExtractError::Contract {
            differences: vec![format!(
                "the query now returns columns {names:?}, other than the server described"
            )],
        })
    }

    fn null(&mut self) -> Result<(), ExtractError> {
        self.put(|c| Ok(c.null()))
    }

    fn bit(&mut self, value: bool) -> Result<(), ExtractError> {
        self.put(|c| c.bit(value))
    }

    fn tinyint(&mut self, value: u8) -> Result<(), ExtractError> {
        self.put(|c| c.tinyint(value))
    }

    fn smallint(&mut self, value: i16) -> Result<(), ExtractError> {
        self.put(|c| c.smallint(value))
    }

    fn int(&mut self, value: i32) -> Result<(), ExtractError> {
        self.put(|c| c.int(value))
    }

    fn bigint(&mut self, value: i64) -> Result<(), ExtractError> {
        self.put(|c| c.bigint(value))
    }

    fn real(&mut self, value: f32) -> Result<(), ExtractError> {
        self.put(|c| c.real(value))
    }

    fn float(&mut self, value: f64) -> Result<(), ExtractError> {
        self.put(|c| c.float(value))
    }

    fn decimal(&mut self, unscaled: i128, scale: u8) -> Result<(), ExtractError> {
        self.put(|c| c.decimal(unscaled, scale))
    }

    fn money(&mut self, value: f64) -> Result<(), ExtractError> {
        self.put(|c| {
            if !c.is_wanted() {
                return Ok(0);
            }
            let unscaled = money::exact(value)
                .ok_or_else(|| Refusal::Value(format!("about {value}"), money::INEXACT.into()))?;
            c.decimal(i128::from(unscaled), 4)
        })
    }

    fn date(&mut self, days: i32) -> Result<(), ExtractError> {
        self.put(|c| c.date(days))
    }

    fn time(&mut self, ticks: i64) -> Result<(), ExtractError> {
        self.put(|c| c.time(ticks))
    }

    fn timestamp(&mut self, ticks: i64) -> Result<(), ExtractError> {
        self.put(|c| c.timestamp(ticks))
    }

    fn datetime(&mut self, days: i32, three_hundredths: u32) -> Result<(), ExtractError> {
        self.put(|c| c.datetime(days, three_hundredths))
    }

    fn text(&mut self, value: &str) -> Result<(), ExtractError> {
        self.put(|c| c.text(value))
    }

    fn binary(&mut self, value: &[u8]) -> Result<(), ExtractError> {
        self.put(|c| c.binary(value))
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<(), ExtractError> {
        self.put(|c| c.uuid(value))
    }

    fn undecodable(&self, reason: &str) -> ExtractError {
        let texts: Vec<&str> = self
            .columns
            .iter()
            .filter(|c| {
                c.sql_type.is_text() && c.sql_type != soxauto_domain::SqlType::UniqueIdentifier
            })
            .map(|c| c.name.as_str())
            .collect();
        let column = match texts.as_slice() {
            [] => "unknown".to_owned(),
            [one] => (*one).to_owned(),
            many => format!("one of {}", many.join(", ")),
        };
        ExtractError::Value {
            column,
            row: self.row(),
            value: "not decodable".into(),
            reason: reason.to_owned(),
        }
    }

    fn undecodable_cell(&self, reason: &str) -> ExtractError {
        let Some(column) = self.columns.get(self.at) else {
            return self.undecodable(reason);
        };
        ExtractError::Value {
            column: column.name.clone(),
            row: self.row(),
            value: "not decodable".into(),
            reason: reason.to_owned(),
        }
    }

    fn end_row(&mut self) -> Result<Flow, ExtractError> {
        if self.at != self.columns.len() {
            return Err(ExtractError::Internal(
                "a row ended before its last column".into(),
            ));
        }
        self.at = 0;
        self.rows += 1;
        if self.rows.is_multiple_of(TELL_ROWS)
            && let Out::Channel(_, progress) = &self.out
        {
            progress.rows(self.rows_before + self.rows as u64);
        }
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            return Ok(Flow::Full);
        }
        Ok(Flow::Continue)
    }

    async fn flush(&mut self) -> Result<(), ExtractError> {
        if self.rows == 0 {
            return Ok(());
        }
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        let arrays = self.columns.iter_mut().filter_map(Column::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| ExtractError::Internal(format!("the batch is not consistent: {e}")))?;
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        match &mut self.out {
            Out::Inline(take) => take(&batch),
            Out::Channel(channel, progress) => {
                progress.rows(self.rows_before);
                channel
                    .send(batch)
                    .await
                    .map_err(|_| ExtractError::Internal(BATCHES_ENDED.into()))
            }
        }
    }
}

/// Said when whoever takes the batches is gone; the pipeline then reports that thread's own error.
pub(crate) const BATCHES_ENDED: &str = "what takes the batches ended before the rows";

#[cfg(test)]
mod tests;
