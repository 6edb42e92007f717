//! Rows with values of unbounded length (`nvarchar(max)`, `varbinary(max)`, `xml`): read in pieces, so that a row too
//! large is refused before it is in memory.

use mssql_tds::{
    connection::tds_client::{BufferedRowPoll, CursorColumn, CursorPoll, ResultSet},
    datatypes::{row_writer, sqldatatypes::TdsDataType},
    query::metadata::{ColumnMetadata, PlpEncoding},
};

use super::{
    cells::{Cells, without_mark},
    failure,
    session::{Client, Watch},
    text::Text,
};
use crate::{
    error::ExtractError,
    source::{Flow, ROW_BYTES, ROW_TOO_LARGE, RowSink},
};

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// What a column is to this reader.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bounded,
    Text,
    Xml,
    Binary,
}

impl Kind {
    fn of(column: &ColumnMetadata) -> Self {
        match column.plp_encoding() {
            None => Self::Bounded,
            Some(PlpEncoding::Binary) => Self::Binary,
            Some(_) if column.data_type == TdsDataType::Xml => Self::Xml,
            Some(_) => Self::Text,
        }
    }
}

/// Where a row of this result is read.
struct Reader<'r> {
    client: &'r mut Client,
    watch: Watch,
    kinds: Vec<Kind>,
    rows: u64,
    piece: Vec<u8>,
    value: Vec<u8>,
}

/// Pushes all rows; returns how many.
pub(super) async fn rows(
    client: &mut Client,
    watch: Watch,
    texts: &[Text],
    scratch: &mut Vec<u8>,
    sink: &mut dyn RowSink,
) -> Result<u64, ExtractError> {
    let kinds = client.get_metadata().iter().map(Kind::of).collect();
    let mut reader = Reader {
        client,
        watch,
        kinds,
        rows: 0,
        piece: vec![0; PIECE],
        value: Vec::new(),
    };
    loop {
        let mut cells = Cells {
            sink: &mut *sink,
            texts,
            scratch: &mut *scratch,
            failed: None,
        };
        if !reader.row(&mut cells).await? {
            return Ok(reader.rows);
        }
        if let Some(e) = cells.failed {
            return Err(e);
        }
        reader.rows += 1;
        if sink.end_row()? == Flow::Full {
            sink.flush().await?;
        }
    }
}

impl Reader<'_> {
    async fn row(&mut self, cells: &mut Cells<'_>) -> Result<bool, ExtractError> {
        let Some(mut at) = self.begin(cells).await? else {
            return Ok(false);
        };
        let mut before = 0;
        // After a value that came in pieces the library wants the next column asked for by itself.
        let mut pieces = false;
        while at < self.kinds.len() && cells.failed.is_none() {
            if self.kinds[at] != Kind::Bounded {
                pieces = self.unbounded(at, cells, &mut before).await?;
                at += 1;
            } else if pieces {
                self.single(at, cells).await?;
                pieces = false;
                at += 1;
            } else {
                at = self.bounded(at, cells).await?;
            }
        }
        Ok(true)
    }

    /// Goes to the next row, and pushes the columns before the first unbounded one. Returns the column that is next.
    async fn begin(&mut self, cells: &mut Cells<'_>) -> Result<Option<usize>, ExtractError> {
        let rows = self.rows;
        let fail = |e| failure::running(&e, rows);
        let prefix = self.next_unbounded(0);
        if prefix > 0 {
            let polled = self.client.try_next_buffered_row_prefix_into(prefix, cells);
            match polled.map_err(fail)? {
                BufferedRowPoll::Complete => return Ok(Some(prefix)),
                BufferedRowPoll::Partial => {
                    let rest = self.client.finish_row_prefix_into(prefix, cells);
                    self.watch.next(rows, rest).await?;
                    return Ok(Some(prefix));
                }
                BufferedRowPoll::Exhausted => return Ok(None),
                BufferedRowPoll::Pending => {}
            }
        }
        let there = match self.client.try_next_row_cursor().map_err(fail)? {
            CursorPoll::Ready(there) => there,
            CursorPoll::Pending if rows == 0 => {
                self.watch.first(self.client.next_row_cursor()).await?
            }
            CursorPoll::Pending => self.watch.next(rows, self.client.next_row_cursor()).await?,
        };
        Ok(there.then_some(0))
    }

    fn next_unbounded(&self, from: usize) -> usize {
        self.kinds[from..]
            .iter()
            .position(|kind| *kind != Kind::Bounded)
            .map_or(self.kinds.len(), |ahead| from + ahead)
    }

    /// Pushes bounded columns up to the next unbounded one, or to the end; returns where that is.
    async fn bounded(&mut self, at: usize, cells: &mut Cells<'_>) -> Result<usize, ExtractError> {
        let rows = self.rows;
        let fail = |e| failure::running(&e, rows);
        let end = self.next_unbounded(at);
        if end == self.kinds.len() {
            if !self.client.try_finish_row_into(cells).map_err(fail)? {
                self.watch
                    .next(rows, self.client.finish_row_into(cells))
                    .await?;
            }
        } else if !self
            .client
            .try_finish_row_prefix_into(end, cells)
            .map_err(fail)?
        {
            self.watch
                .next(rows, self.client.finish_row_prefix_into(end, cells))
                .await?;
        }
        Ok(end)
    }

    async fn single(&mut self, at: usize, cells: &mut Cells<'_>) -> Result<(), ExtractError> {
        match self
            .watch
            .next(self.rows, self.client.read_row_column(at))
            .await?
        {
            CursorColumn::Value { value, .. } => {
                row_writer::write_column_value(cells, at, value);
                Ok(())
            }
            other => Err(sequence(&other)),
        }
    }

    /// Pushes one unbounded value; `before` counts the bytes of the row. Whether it came in pieces is returned.
    async fn unbounded(
        &mut self,
        at: usize,
        cells: &mut Cells<'_>,
        before: &mut u64,
    ) -> Result<bool, ExtractError> {
        let rows = self.rows;
        let whole = self
            .client
            .try_read_row_plp_complete(at, &mut self.piece)
            .map_err(|e| failure::running(&e, rows))?;
        match whole {
            CursorPoll::Ready(None) => {
                null(cells);
                return Ok(false);
            }
            CursorPoll::Ready(Some(chunk)) => {
                *before += chunk.read as u64;
                push(cells, at, self.kinds[at], &self.piece[..chunk.read]);
                return Ok(false);
            }
            CursorPoll::Pending => {}
        }
        match self
            .watch
            .next(rows, self.client.read_row_column(at))
            .await?
        {
            CursorColumn::PlpStreaming { .. } => {}
            CursorColumn::Value {
                value: mssql_tds::datatypes::column_values::ColumnValues::Null,
                ..
            } => {
                null(cells);
                return Ok(false);
            }
            other => return Err(sequence(&other)),
        }
        self.value.clear();
        loop {
            let chunk = self
                .watch
                .next(rows, self.client.read_active_plp_chunk(&mut self.piece))
                .await?;
            *before += chunk.read as u64;
            if *before > ROW_BYTES {
                return Err(cells.sink.undecodable_cell(ROW_TOO_LARGE));
            }
            self.value.extend_from_slice(&self.piece[..chunk.read]);
            if chunk.reached_end {
                break;
            }
        }
        push(cells, at, self.kinds[at], &self.value);
        Ok(true)
    }
}

fn null(cells: &mut Cells<'_>) {
    use mssql_tds::datatypes::row_writer::RowWriter as _;
    cells.write_null(0);
}

fn push(cells: &mut Cells<'_>, at: usize, kind: Kind, value: &[u8]) {
    use mssql_tds::datatypes::row_writer::RowWriter as _;
    match kind {
        Kind::Text => cells.text(at, value),
        Kind::Xml => cells.text(at, without_mark(value)),
        Kind::Binary | Kind::Bounded => cells.write_bytes(at, value.into()),
    }
}

fn sequence(column: &CursorColumn) -> ExtractError {
    ExtractError::Internal(format!(
        "mssql-tds: a column is not where the row was left ({:?})",
        std::mem::discriminant(column)
    ))
}
