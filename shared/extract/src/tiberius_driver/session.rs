//! One session: describe, identity, rows; with an eye on the deadline and on silence.

use std::future::Future;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use soxauto_domain::{
    BoundQuery, SqlType,
    receipt::{Decoder, SourceIdentity, TlsRecord},
};
use tiberius::{Client, ColumnData, QueryItem, QueryStream, Row};
use tokio::time::{Instant, timeout_at};
use tokio_util::compat::Compat;

use super::{
    bind::{self, Statement},
    decode, failure, identity,
    watched::{Pulse, Watched},
};
use crate::{
    error::ExtractError,
    one_row::OneRow,
    source::{DescribedColumn, DescribedType, Flow, Limits, ROW_TOO_LARGE, RowSink, Source},
};

/// What is being done, until the pipeline names the step.
const DURING: &str = "a query";

/// One open session.
pub(crate) struct Session {
    client: Client<Compat<Watched>>,
    pulse: Pulse,
    limits: Limits,
    tls: TlsRecord,
}

impl Session {
    pub(super) fn new(
        client: Client<Compat<Watched>>,
        pulse: Pulse,
        limits: Limits,
        tls: TlsRecord,
    ) -> Self {
        Self {
            client,
            pulse,
            limits,
            tls,
        }
    }

    /// Sends the statement and waits until the first columns are there, however long that takes.
    async fn send(
        &mut self,
        statement: &Statement,
    ) -> Result<(QueryStream<'_>, Watch), ExtractError> {
        let watch = Watch {
            pulse: self.pulse.clone(),
            limits: self.limits,
        };
        self.pulse.row_begins();
        let parameters = statement.parameters();
        let sent = watch
            .first(self.client.query(statement.text.clone(), &parameters))
            .await?;
        Ok((sent.map_err(|e| failure::running(&e, 0, None))?, watch))
    }
}

/// Waits for the server, but not for ever.
struct Watch {
    pulse: Pulse,
    limits: Limits,
}

impl Watch {
    fn deadline(&self) -> Instant {
        Instant::from_std(self.limits.deadline)
    }

    /// Until the deadline: a query may think for minutes before its first row.
    async fn first<T>(&self, work: impl Future<Output = T>) -> Result<T, ExtractError> {
        timeout_at(self.deadline(), work)
            .await
            .map_err(|_| ExtractError::Deadline {
                during: DURING,
                rows: 0,
            })
    }

    /// Between rows: as long as bytes come.
    async fn next<T>(
        &self,
        rows: u64,
        work: impl Future<Output = T> + Unpin,
    ) -> Result<T, ExtractError> {
        let mut work = work;
        // Nearly always the row is here already, and no timer is needed.
        if let Some(ready) = (&mut work).now_or_never() {
            return Ok(ready);
        }
        loop {
            let before = self.pulse.bytes();
            let silent_at = Instant::now() + self.limits.stall;
            match timeout_at(silent_at.min(self.deadline()), &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) if Instant::now() >= self.deadline() => {
                    return Err(ExtractError::Deadline {
                        during: DURING,
                        rows,
                    });
                }
                Err(_) if self.pulse.bytes() == before => {
                    return Err(ExtractError::Stalled {
                        during: DURING,
                        rows,
                        silence: self.limits.stall,
                    });
                }
                Err(_) => {}
            }
        }
    }
}

/// Pushes a result into the sink.
async fn pump(
    mut stream: QueryStream<'_>,
    watch: &Watch,
    sink: &mut dyn RowSink,
) -> Result<u64, ExtractError> {
    let mut rows = 0;
    let mut began = false;
    loop {
        let item = if rows == 0 {
            watch.first(stream.next()).await?
        } else {
            watch.next(rows, stream.next()).await?
        };
        match item {
            None => break,
            Some(Err(_)) if watch.pulse.row_too_large() => {
                return Err(sink.undecodable(ROW_TOO_LARGE));
            }
            Some(Err(e)) => return Err(failure::running(&e, rows, Some(sink))),
            Some(Ok(QueryItem::Metadata(_))) if began => {
                return Err(ExtractError::ResultSets {
                    during: DURING,
                    found: "more than one",
                });
            }
            Some(Ok(QueryItem::Metadata(metadata))) => {
                began = true;
                let names: Vec<&str> = metadata
                    .columns()
                    .iter()
                    .map(tiberius::Column::name)
                    .collect();
                sink.start(&names)?;
            }
            Some(Ok(QueryItem::Row(row))) => {
                for (column, data) in row.cells() {
                    decode::push(column.column_type(), data, sink)?;
                }
                rows += 1;
                watch.pulse.row_begins();
                if sink.end_row()? == Flow::Full {
                    sink.flush().await?;
                }
            }
        }
    }
    if began {
        Ok(rows)
    } else {
        Err(ExtractError::ResultSets {
            during: DURING,
            found: "no",
        })
    }
}

#[async_trait]
impl Source for Session {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        let watch = Watch {
            pulse: self.pulse.clone(),
            limits: self.limits,
        };
        self.pulse.row_begins();
        let stream = watch
            .first(self.client.simple_query(identity::QUERY))
            .await?
            .map_err(|e| failure::running(&e, 0, None))?;
        let mut sink = OneRow::default();
        pump(stream, &watch, &mut sink).await?;
        identity::read(&sink.take()?, self.tls)
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        let statement = bind::describe(query);
        let (stream, watch) = self.send(&statement).await?;
        let results = watch
            .first(stream.into_results())
            .await?
            .map_err(|e| failure::running(&e, 0, None))?;
        let [rows] = results.as_slice() else {
            return Err(wrong(format!(
                "the description came in {} result sets",
                results.len()
            )));
        };
        let mut columns = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(column) = described(row)? {
                columns.push(column);
            }
        }
        if columns.is_empty() {
            return Err(ExtractError::ResultSets {
                during: DURING,
                found: "no",
            });
        }
        columns.sort_by_key(|(ordinal, _)| *ordinal);
        Ok(columns.into_iter().map(|(_, column)| column).collect())
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let statement = bind::execute(query)?;
        let (stream, watch) = self.send(&statement).await?;
        pump(stream, &watch, sink).await
    }

    fn decoder(&self) -> Option<Decoder> {
        Some(Decoder::Tiberius)
    }
}

fn wrong(reason: String) -> ExtractError {
    ExtractError::ControlQuery {
        query: "describe",
        reason,
    }
}

/// One row of `sp_describe_first_result_set`; `None` for a column that the result does not show.
fn described(row: &Row) -> Result<Option<(i32, DescribedColumn)>, ExtractError> {
    let cell = |name: &str| -> Result<&ColumnData<'static>, ExtractError> {
        row.cells()
            .find(|(column, _)| column.name().eq_ignore_ascii_case(name))
            .map(|(_, data)| data)
            .ok_or_else(|| wrong(format!("there is no column {name}")))
    };
    let bit = |name: &str| -> Result<bool, ExtractError> {
        match cell(name)? {
            ColumnData::Bit(bit) => Ok(bit.unwrap_or(false)),
            other => Err(wrong(format!("{name} is {other:?}"))),
        }
    };
    let text = |name: &str| -> Result<Option<String>, ExtractError> {
        match cell(name)? {
            ColumnData::String(text) => Ok(text.as_ref().map(ToString::to_string)),
            other => Err(wrong(format!("{name} is {other:?}"))),
        }
    };
    if bit("is_hidden")? {
        return Ok(None);
    }
    let ordinal = match cell("column_ordinal")? {
        ColumnData::I32(Some(ordinal)) => *ordinal,
        other => return Err(wrong(format!("column_ordinal is {other:?}"))),
    };
    // A CLR type has a name of its own and no, or another, system type.
    let sql_type = match text("system_type_name")? {
        Some(name) => name
            .parse::<SqlType>()
            .map_or(DescribedType::Refused(name), DescribedType::Known),
        None => DescribedType::Refused(
            text("user_type_name")?.unwrap_or_else(|| "of an unknown type".into()),
        ),
    };
    let column = DescribedColumn {
        name: text("name")?.unwrap_or_default(),
        sql_type,
        nullable: bit("is_nullable")?,
    };
    Ok(Some((ordinal, column)))
}
