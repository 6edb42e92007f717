//! The answer to one request, as a backend writes it: result sets, counts and messages become tokens and packets.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::{BufMut, BytesMut};
use tokio::io::WriteHalf;

use crate::arrow::{ColumnReader, readers};
use crate::cancel::CancelSignal;
use crate::cell::Cell;
use crate::encode::{EncodeError, put_cell};
use crate::error::{Failure, SqlError};
use crate::packet::PacketWriter;
use crate::tokens::{self, COMMAND_SELECT, Done, TextChange, status};
use crate::transport::Transport;
use crate::types::Column;

/// Where a session's packets go.
pub(crate) type SessionWriter = PacketWriter<WriteHalf<Transport>>;

/// Tokens are sent when so many bytes of them are waiting.
const SEND_AT: usize = 32 * 1024;

/// A DONE token that is held back until it is known whether more follows.
#[derive(Debug, Clone, Copy)]
struct HeldDone {
    kind: Done,
    status: u16,
    command: u16,
    rows: u64,
}

/// Writes the answer to one request. Nothing is buffered beyond a few packets: when the client does not read, writing
/// waits.
pub struct Response<'a> {
    out: &'a mut SessionWriter,
    cancel: CancelSignal,
    server_name: &'a str,
    database: &'a mut String,
    /// The client reads UTF-8 in varchar columns.
    utf8: bool,
    done_kind: Done,
    columns: Arc<[Column]>,
    rows: u64,
    in_rows: bool,
    held: Option<HeldDone>,
}

impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<'a> Response<'a> {
    pub(crate) fn new(
        out: &'a mut SessionWriter,
        cancel: CancelSignal,
        server_name: &'a str,
        database: &'a mut String,
        utf8: bool,
    ) -> Self {
        Self {
            out,
            cancel,
            server_name,
            database,
            utf8,
            done_kind: Done::Statement,
            columns: Arc::from([]),
            rows: 0,
            in_rows: false,
            held: None,
        }
    }

    /// The client's attention, to wait for beside the backend's own work.
    pub fn cancel_signal(&self) -> CancelSignal {
        self.cancel.clone()
    }

    /// The current database of the session.
    pub fn database(&self) -> &str {
        self.database
    }

    /// Starts a result set; one that is open is ended first.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] or [`Failure::Client`], as for every method here.
    pub async fn start(&mut self, columns: &[Column]) -> Result<(), Failure> {
        self.end_if_open();
        self.release(true);
        self.columns = columns
            .iter()
            .map(|column| column.as_sent(self.utf8))
            .collect();
        tokens::column_metadata(&self.columns, &mut self.out.tokens);
        self.rows = 0;
        self.in_rows = true;
        self.send_when_due().await
    }

    /// Writes all rows of a batch, whose columns are those of [`Response::start`] in their order.
    ///
    /// # Errors
    /// Also [`Failure::Sql`] when a value does not fit its declared type; the rows before it are sent.
    pub async fn batch(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.batch_rows(batch, 0..batch.num_rows()).await
    }

    /// Writes some rows of a batch.
    ///
    /// # Errors
    /// As [`Response::batch`].
    pub async fn batch_rows(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
    ) -> Result<(), Failure> {
        let columns = Arc::clone(&self.columns);
        let readers = readers(&columns, batch).map_err(SqlError::from)?;
        for row in rows {
            let start = self.out.tokens.len();
            put_arrow_row(&columns, &readers, row, &mut self.out.tokens).map_err(|error| {
                self.out.tokens.truncate(start);
                SqlError::from(error)
            })?;
            self.rows += 1;
            if self.out.tokens.len() >= SEND_AT {
                self.send_when_due().await?;
            }
        }
        Ok(())
    }

    /// Writes one row of cells.
    ///
    /// # Errors
    /// As [`Response::batch`].
    pub async fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Failure> {
        let start = self.out.tokens.len();
        put_row(&self.columns, cells, &mut self.out.tokens).map_err(|error| {
            self.out.tokens.truncate(start);
            SqlError::from(error)
        })?;
        self.rows += 1;
        self.send_when_due().await
    }

    /// Ends the open result set.
    pub fn end_rows(&mut self) {
        self.end_if_open();
    }

    /// Says that a statement without a result set touched so many rows.
    pub fn row_count(&mut self, rows: u64) {
        self.end_if_open();
        self.hold(status::COUNT, 0, rows);
    }

    /// Sends a message of severity 0, as PRINT does.
    pub fn info(&mut self, number: u32, text: &str) {
        self.release(true);
        tokens::info(number, 1, text, self.server_name, &mut self.out.tokens);
    }

    /// Tells the client that the session's database is another one now.
    pub fn database_changed(&mut self, database: &str) {
        self.end_if_open();
        self.release(true);
        let old = std::mem::replace(self.database, database.to_owned());
        tokens::text_change(TextChange::Database, database, &old, &mut self.out.tokens);
        let text = format!("Changed database context to '{database}'.");
        tokens::info(5701, 2, &text, self.server_name, &mut self.out.tokens);
        self.hold(status::FINAL, 0, 0);
    }

    /// Sends what is waiting, in a short packet if need be.
    ///
    /// # Errors
    /// [`Failure::Client`].
    pub async fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().await.map_err(Failure::Client)
    }

    /// Sends bytes of rows that are encoded already, with which `rows` of them are complete; see [`crate::Recording`].
    pub(crate) async fn encoded_rows(&mut self, tokens: &[u8], rows: u64) -> Result<(), Failure> {
        for piece in tokens.chunks(2 * SEND_AT) {
            self.out.tokens.extend_from_slice(piece);
            self.send_when_due().await?;
        }
        self.rows += rows;
        Ok(())
    }

    /// Sends half of a row, and gives the other half back: what a fault in the middle of a row looks like.
    pub(crate) async fn half_row(&mut self, row: BytesMut) -> Result<BytesMut, Failure> {
        let mut head = row;
        let rest = head.split_off(head.len() / 2);
        self.out.tokens.extend_from_slice(&head);
        self.flush().await?;
        Ok(rest)
    }

    /// The other half.
    pub(crate) fn rest_of_row(&mut self, rest: &[u8]) {
        self.out.tokens.extend_from_slice(rest);
        self.rows += 1;
    }

    /// One row of a batch as bytes.
    pub(crate) fn encoded_batch_row(
        &self,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<BytesMut, Failure> {
        let readers = readers(&self.columns, batch).map_err(SqlError::from)?;
        let mut out = BytesMut::new();
        put_arrow_row(&self.columns, &readers, row, &mut out).map_err(SqlError::from)?;
        Ok(out)
    }

    /// One row of cells as bytes.
    pub(crate) fn encoded_row(&self, cells: &[Cell<'_>]) -> Result<BytesMut, Failure> {
        let mut out = BytesMut::new();
        put_row(&self.columns, cells, &mut out).map_err(SqlError::from)?;
        Ok(out)
    }

    /// Statements from here on are inside a procedure.
    pub(crate) fn enter_procedure(&mut self) {
        self.end_if_open();
        self.release(true);
        self.done_kind = Done::InProcedure;
    }

    /// The procedure is over: its status, its handle if it returns one, and its DONEPROC.
    pub(crate) fn leave_procedure(&mut self, handle: Option<i32>, failed: bool) {
        self.end_if_open();
        self.release(true);
        tokens::return_status(i32::from(failed), &mut self.out.tokens);
        if let Some(handle) = handle {
            tokens::return_int(0, "@handle", handle, &mut self.out.tokens);
        }
        self.held = Some(HeldDone {
            kind: Done::Procedure,
            status: if failed { status::ERROR } else { status::FINAL },
            command: 0,
            rows: 0,
        });
        self.done_kind = Done::Statement;
    }

    /// Writes an error. The statement ends with it.
    pub(crate) fn error(&mut self, error: &SqlError) {
        self.in_rows = false;
        self.release(true);
        tokens::error(error, self.server_name, &mut self.out.tokens);
        self.hold(status::ERROR, 0, 0);
    }

    /// A transaction began or ended.
    pub(crate) fn transaction(&mut self, change: tokens::TransactionChange, descriptor: u64) {
        tokens::transaction_change(change, descriptor, &mut self.out.tokens);
    }

    /// The session was reset.
    pub(crate) fn reset(&mut self) {
        tokens::reset_ack(&mut self.out.tokens);
    }

    /// The request is over: its last DONE, or the answer to an attention.
    pub(crate) async fn finish(mut self, attention: bool) -> Result<(), Failure> {
        if attention {
            // Rows that were sent are abandoned as they are; the acknowledgement is the only DONE.
            self.held = None;
            tokens::done(
                Done::Statement,
                status::ATTENTION,
                0,
                0,
                &mut self.out.tokens,
            );
        } else {
            self.end_if_open();
            if self.held.is_none() {
                self.hold(status::FINAL, 0, 0);
            }
            self.release(false);
        }
        self.out.end_message().await.map_err(Failure::Client)
    }

    fn end_if_open(&mut self) {
        if self.in_rows {
            self.in_rows = false;
            self.hold(status::COUNT, COMMAND_SELECT, self.rows);
        }
    }

    fn hold(&mut self, status: u16, command: u16, rows: u64) {
        self.release(true);
        self.held = Some(HeldDone {
            kind: self.done_kind,
            status,
            command,
            rows,
        });
    }

    fn release(&mut self, more: bool) {
        if let Some(held) = self.held.take() {
            let status = held.status | if more { status::MORE } else { 0 };
            tokens::done(
                held.kind,
                status,
                held.command,
                held.rows,
                &mut self.out.tokens,
            );
        }
    }

    fn check_cancel(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }

    async fn send_when_due(&mut self) -> Result<(), Failure> {
        self.check_cancel()?;
        if self.out.tokens.len() >= SEND_AT {
            self.out.send_full().await.map_err(Failure::Client)?;
        }
        Ok(())
    }
}

/// Appends a row of cells: with a bitmap when it has NULLs, plain when not, as SQL Server does.
pub(crate) fn put_row(
    columns: &[Column],
    cells: &[Cell<'_>],
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if columns.len() != cells.len() {
        return Err(EncodeError::Kind {
            column: "*".to_owned(),
            declared: format!("{} columns", columns.len()),
            given: format!("{} cells", cells.len()),
        });
    }
    let bitmap = put_row_head(columns, |index| matches!(cells[index], Cell::Null), out)?;
    for (column, cell) in columns.iter().zip(cells) {
        if !(bitmap && matches!(cell, Cell::Null)) {
            put_cell(column, cell, out)?;
        }
    }
    Ok(())
}

pub(crate) fn put_arrow_row(
    columns: &[Column],
    readers: &[ColumnReader<'_>],
    row: usize,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let bitmap = put_row_head(columns, |index| readers[index].is_null(row), out)?;
    for (column, reader) in columns.iter().zip(readers) {
        let cell = reader.cell(row);
        if !(bitmap && matches!(cell, Cell::Null)) {
            put_cell(column, &cell, out)?;
        }
    }
    Ok(())
}

/// The row's token and, when there is one, its bitmap. Returns whether there is one.
fn put_row_head(
    columns: &[Column],
    is_null: impl Fn(usize) -> bool,
    out: &mut BytesMut,
) -> Result<bool, EncodeError> {
    let token_at = out.len();
    out.put_u8(tokens::ROW);
    let mut any = false;
    for (index, column) in columns.iter().enumerate() {
        if !is_null(index) {
            continue;
        }
        if !column.nullable {
            return Err(EncodeError::Null {
                column: column.name.clone(),
            });
        }
        if !any {
            any = true;
            out[token_at] = tokens::NBCROW;
            out.put_bytes(0, columns.len().div_ceil(8));
        }
        out[token_at + 1 + index / 8] |= 1 << (index % 8);
    }
    Ok(any)
}
