//! Answers encoded once and replayed many times: for benchmarks of clients, where the server must cost next to nothing.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::{BufMut, Bytes, BytesMut};

use crate::arrow::readers;
use crate::error::{Failure, SqlError};
use crate::packet::{HEADER, MAX_PACKET_SIZE, MIN_PACKET_SIZE, kind};
use crate::response::{Response, put_arrow_row};
use crate::types::Column;

/// A result set whose rows are packets already. The packet size is that of the recording, whatever the client
/// negotiated; record with the size that it will ask for.
#[derive(Clone)]
pub struct Recording {
    columns: Arc<[Column]>,
    packets: Bytes,
    rows: u64,
    times: u64,
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("rows", &self.rows)
            .field("times", &self.times)
            .field("bytes", &self.packets.len())
            .finish_non_exhaustive()
    }
}

impl Recording {
    /// Encodes batches into packets of `packet_size` bytes; a replay sends them `times` times over.
    ///
    /// # Errors
    /// When a value does not fit its declared type, or a column is in UTF-8: how that is sent depends on the client.
    pub fn new(
        columns: Vec<Column>,
        batches: &[RecordBatch],
        packet_size: usize,
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
        let payload = packet_size.clamp(MIN_PACKET_SIZE, MAX_PACKET_SIZE) - HEADER;
        let mut tokens = BytesMut::new();
        let mut rows = 0;
        for batch in batches {
            let readers = readers(&columns, batch)?;
            for row in 0..batch.num_rows() {
                put_arrow_row(&columns, &readers, row, &mut tokens)?;
            }
            rows += batch.num_rows() as u64;
        }
        let mut packets = BytesMut::with_capacity(tokens.len() + tokens.len() / payload * HEADER);
        for (number, piece) in tokens.chunks(payload).enumerate() {
            packets.put_u8(kind::RESPONSE);
            packets.put_u8(0);
            packets.put_u16(u16::try_from(piece.len() + HEADER).unwrap_or(u16::MAX));
            packets.put_u16(0);
            // Packet numbers wrap at 256.
            packets.put_u8((number & 0xFF) as u8);
            packets.put_u8(0);
            packets.extend_from_slice(piece);
        }
        Ok(Self {
            columns: columns.into(),
            packets: packets.freeze(),
            rows,
            times,
        })
    }

    /// Rows of a whole replay.
    pub fn rows(&self) -> u64 {
        self.rows * self.times
    }

    /// Bytes of a whole replay, packet headers included.
    pub fn bytes(&self) -> u64 {
        self.packets.len() as u64 * self.times
    }

    pub(crate) async fn replay(&self, out: &mut Response<'_>) -> Result<(), Failure> {
        out.start(&self.columns).await?;
        for _ in 0..self.times {
            out.packets(&self.packets, self.rows).await?;
        }
        out.end_rows();
        Ok(())
    }
}
