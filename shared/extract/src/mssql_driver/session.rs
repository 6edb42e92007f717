//! One session that reads rows, with an eye on the deadline and on silence.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use mssql_tds::{
    connection::tds_client::{BufferedRowPoll, ResultSet, StatementResult, TdsClient},
    core::TdsResult,
    datatypes::sqldatatypes::TdsDataType,
    query::metadata::ColumnMetadata,
};
use soxauto_domain::BoundQuery;
use tokio::time::{Instant, timeout_at};

use super::{
    bind,
    cells::Cells,
    failure::{self, DURING},
    long,
    text::Text,
};
use crate::{
    error::ExtractError,
    source::{Flow, Limits, RowSink},
};

pub(super) type Client = TdsClient;

/// One open session.
pub(crate) struct Session {
    client: Client,
    limits: Limits,
    scratch: Vec<u8>,
}

impl Session {
    pub(super) fn new(client: Client, limits: Limits) -> Self {
        Self {
            client,
            limits,
            scratch: Vec::new(),
        }
    }

    /// Runs the query and pushes its rows into the sink; returns how many. After an error the session is of no use.
    ///
    /// # Errors
    /// The server's, the network's, or the sink's.
    pub(crate) async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let (positional, named) = bind::execute(query)?;
        contained(async {
            let sent = self.client.execute_stored_procedure(
                "sp_executesql".into(),
                Some(positional),
                Some(named),
                (),
            );
            let watch = Watch(self.limits);
            let mut result = watch.first(Box::pin(sent)).await?;
            while matches!(result, StatementResult::NoRows { .. }) {
                result = watch.first(Box::pin(self.client.advance())).await?;
            }
            if result != StatementResult::Rows {
                return Err(result_sets("no"));
            }
            let texts = start(self.client.get_metadata(), sink)?;
            let long = self
                .client
                .get_metadata()
                .iter()
                .any(ColumnMetadata::is_plp);
            let rows = if long {
                long::rows(&mut self.client, watch, &texts, &mut self.scratch, sink).await?
            } else {
                rows(&mut self.client, watch, &texts, &mut self.scratch, sink).await?
            };
            // The server counts what it sends, unless it is told not to.
            if let Some(said) = self.client.last_result_row_count()
                && said != rows
            {
                return Err(failure::lost(
                    rows,
                    format!("the server says that it sent {said} rows"),
                ));
            }
            self.end(watch, rows).await?;
            Ok(rows)
        })
        .await?
    }

    /// Reads what follows the rows: an error may, another result must not.
    async fn end(&mut self, watch: Watch, rows: u64) -> Result<(), ExtractError> {
        loop {
            match watch.next(rows, Box::pin(self.client.advance())).await? {
                StatementResult::End => return Ok(()),
                StatementResult::NoRows { .. } => {}
                StatementResult::Rows => return Err(result_sets("more than one")),
            }
        }
    }
}

/// The library panics on some bytes that no server sends. That is a broken connection, and not a reason to die.
pub(super) async fn contained<T>(work: impl Future<Output = T>) -> Result<T, ExtractError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_| failure::lost(0, "the server's answer cannot be read".into()))
}

fn result_sets(found: &'static str) -> ExtractError {
    ExtractError::ResultSets {
        during: DURING,
        found,
    }
}

/// Names and types of the result that begins.
fn start(columns: &[ColumnMetadata], sink: &mut dyn RowSink) -> Result<Vec<Text>, ExtractError> {
    let names: Vec<&str> = columns.iter().map(|c| c.column_name.as_str()).collect();
    sink.start(&names)?;
    // The description refused these already. A server that sends them nevertheless could make a value of any size of them.
    let foreign = columns.iter().find(|column| {
        column.is_encrypted()
            || matches!(
                column.data_type,
                TdsDataType::Text
                    | TdsDataType::NText
                    | TdsDataType::Image
                    | TdsDataType::SsVariant
                    | TdsDataType::Udt
                    | TdsDataType::Json
                    | TdsDataType::Vector
            )
    });
    match foreign {
        None => Ok(columns.iter().map(Text::of).collect()),
        Some(column) => Err(ExtractError::Contract {
            differences: vec![format!(
                "column {:?} is sent as {:?}, other than the server described",
                column.column_name, column.data_type
            )],
        }),
    }
}

/// The rows of a result whose values all have bounded lengths: nearly always, a row is read without waiting.
async fn rows(
    client: &mut Client,
    watch: Watch,
    texts: &[Text],
    scratch: &mut Vec<u8>,
    sink: &mut dyn RowSink,
) -> Result<u64, ExtractError> {
    let mut rows = 0;
    loop {
        let mut cells = Cells {
            sink: &mut *sink,
            texts,
            scratch: &mut *scratch,
            failed: None,
        };
        let polled = client.try_next_buffered_row_into(&mut cells);
        let more = match polled.map_err(|e| failure::running(&e, rows))? {
            BufferedRowPoll::Complete => true,
            BufferedRowPoll::Partial => {
                let rest = client.finish_row_into(&mut cells);
                watch.next(rows, rest).await?;
                true
            }
            BufferedRowPoll::Pending if rows == 0 => {
                watch.first(client.next_row_into(&mut cells)).await?
            }
            BufferedRowPoll::Pending => watch.next(rows, client.next_row_into(&mut cells)).await?,
            BufferedRowPoll::Exhausted => false,
        };
        if let Some(e) = cells.failed {
            return Err(e);
        }
        if !more {
            return Ok(rows);
        }
        rows += 1;
        if sink.end_row()? == Flow::Full {
            sink.flush().await?;
        }
    }
}

/// Waits for the server, but not for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch(Limits);

impl Watch {
    fn deadline(self) -> Instant {
        Instant::from_std(self.0.deadline)
    }

    /// Until the deadline: a query may think for minutes before its first row.
    pub(super) async fn first<T>(
        self,
        work: impl Future<Output = TdsResult<T>>,
    ) -> Result<T, ExtractError> {
        timeout_at(self.deadline(), work)
            .await
            .map_err(|_| deadline(0))?
            .map_err(|e| failure::running(&e, 0))
    }

    /// Between rows, and within a long one: as long as values come.
    pub(super) async fn next<T>(
        self,
        rows: u64,
        work: impl Future<Output = TdsResult<T>>,
    ) -> Result<T, ExtractError> {
        let silent_at = Instant::now() + self.0.stall;
        timeout_at(silent_at.min(self.deadline()), work)
            .await
            .map_err(|_| {
                if Instant::now() >= self.deadline() {
                    return deadline(rows);
                }
                ExtractError::Stalled {
                    during: DURING,
                    rows,
                    silence: self.0.stall,
                }
            })?
            .map_err(|e| failure::running(&e, rows))
    }
}

fn deadline(rows: u64) -> ExtractError {
    ExtractError::Deadline {
        during: DURING,
        rows,
    }
}
