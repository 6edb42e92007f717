//! Answers encoded once and replayed many times: for benchmarks of clients, where the server must cost next to nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::arrow::readers;
use crate::error::{Failure, SqlError};
use crate::response::{Response, put_arrow_row};
use crate::types::Column;

/// Bytes that are sent at once. A timer's tick is a millisecond, so a pace holds up to a gigabyte a second.
const PIECE: usize = 1024 * 1024;

/// A result set whose rows are encoded already; a replay only cuts them into packets of the size that the client asked for.
#[derive(Clone)]
pub struct Recording {
    columns: Arc<[Column]>,
    tokens: Bytes,
    rows: u64,
    times: u64,
    bytes_per_second: Option<u64>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("rows", &self.rows)
            .field("times", &self.times)
            .field("bytes", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl Recording {
    /// Encodes batches, which stay in memory as they are sent; a replay sends them `times` times over.
    ///
    /// # Errors
    /// When a value does not fit its declared type, or a column is in UTF-8: how that is sent depends on the client.
    pub fn new(
        columns: Vec<Column>,
        batches: impl IntoIterator<Item = RecordBatch>,
        times: u64,
    ) -> Result<Self, SqlError> {
        if let Some(column) = columns
            .iter()
            .find(|column| column.as_sent(false) != **column)
        {
            return Err(SqlError::new(
                50000,
                16,
                format!(
                    "column '{}' is in UTF-8 and cannot be recorded",
                    column.name
                ),
            ));
        }
        let mut tokens = BytesMut::new();
        let mut rows = 0;
        for batch in batches {
            let readers = readers(&columns, &batch)?;
            for row in 0..batch.num_rows() {
                put_arrow_row(&columns, &readers, row, &mut tokens)?;
            }
            rows += batch.num_rows() as u64;
        }
        Ok(Self {
            columns: columns.into(),
            tokens: tokens.freeze(),
            rows,
            times,
            bytes_per_second: None,
        })
    }

    /// The same, sent no faster than that: a server that is the limit.
    #[must_use]
    pub fn paced(self, bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: Some(bytes_per_second.max(1)),
            ..self
        }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Rows of a whole replay.
    pub fn rows(&self) -> u64 {
        self.rows * self.times
    }

    /// Bytes of a whole replay, without the headers of the packets.
    pub fn bytes(&self) -> u64 {
        self.tokens.len() as u64 * self.times
    }

    pub(crate) async fn replay(&self, out: &mut Response<'_>) -> Result<(), Failure> {
        out.start(&self.columns).await?;
        let started = Instant::now();
        let mut sent = 0u64;
        for _ in 0..self.times {
            for piece in self.tokens.chunks(PIECE) {
                out.encoded_rows(piece, 0).await?;
                sent += piece.len() as u64;
                if let Some(pace) = self.bytes_per_second {
                    let due = Duration::from_secs_f64(sent as f64 / pace as f64);
                    tokio::time::sleep_until(started + due).await;
                }
            }
            out.encoded_rows(&[], self.rows).await?;
        }
        out.end_rows();
        Ok(())
    }
}
