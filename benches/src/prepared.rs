//! A source without a server: rows that are in memory are pushed into the sink, so that what comes after the driver can be
//! measured by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arrow_array::{
    Array, ArrowPrimitiveType, BooleanArray, PrimitiveArray, RecordBatch, StringArray,
    cast::AsArray as _,
    types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use arrow_schema::DataType;
use async_trait::async_trait;
use serde_json::json;
use soxauto_domain::{
    BoundQuery, SqlType,
    receipt::{SourceIdentity, TlsRecord},
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, DescribedType, Driver, ExtractError, Flow, Limits,
    RowSink, Source,
};

use crate::{
    Failure,
    plan::COMPLETENESS,
    table::{COMPANIES, Content},
};

/// Scale of the amounts.
const SCALE: u8 = 20;
const DAY: i64 = 86_400_000_000;

/// Hands out sessions that push the rows of a ledger.
#[derive(Debug, Clone)]
pub struct Prepared {
    content: Content,
    batches: Arc<[RecordBatch]>,
    pushing: Arc<AtomicU64>,
}

impl Prepared {
    /// Makes the rows.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self {
            content,
            batches: content.batches().collect(),
            pushing: Arc::default(),
        }
    }

    /// The way to a server that is never asked.
    ///
    /// # Errors
    /// Never.
    pub fn settings() -> Result<ConnectionSettings, Failure> {
        let nowhere = json!({"connection_string": "SERVER=tcp:localhost,9;UID=none;PWD=none"});
        Ok(ConnectionSettings::parse(&nowhere.to_string())?)
    }

    /// How long the sink has taken cells since this was last asked; handing batches over is not in it.
    #[must_use]
    pub fn take_pushing(&self) -> Duration {
        Duration::from_nanos(self.pushing.swap(0, Ordering::Relaxed))
    }

    async fn push(&self, sink: &mut dyn RowSink) -> Result<u64, ExtractError> {
        let mut rows = 0;
        let mut began = Instant::now();
        for batch in self.batches.iter() {
            let cells = cells(self.content, batch)?;
            for row in 0..batch.num_rows() {
                for column in &cells {
                    column.push(row, sink)?;
                }
                rows += 1;
                if sink.end_row()? == Flow::Full {
                    self.count(began);
                    sink.flush().await?;
                    began = Instant::now();
                }
            }
        }
        self.count(began);
        Ok(rows)
    }

    fn count(&self, began: Instant) {
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.pushing.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Driver for Prepared {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Source for Prepared {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        Ok(SourceIdentity {
            server: "none".to_owned(),
            database: "none".to_owned(),
            login: "none".to_owned(),
            version: String::new(),
            server_time: String::new(),
            isolation: String::new(),
            can_write: false,
            write_rights: Vec::new(),
            tls: TlsRecord::Off,
        })
    }

    async fn describe(&mut self, _: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        self.content
            .declared()
            .into_iter()
            .map(|declared| {
                let sql_type: SqlType = declared
                    .sql_type
                    .parse()
                    .map_err(|e| ExtractError::Internal(format!("{e}")))?;
                Ok(DescribedColumn {
                    name: declared.name,
                    sql_type: DescribedType::Known(sql_type),
                    nullable: declared.nullable,
                })
            })
            .collect()
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        if query.sql == COMPLETENESS {
            sink.start(&["rows", "amount", "last"])?;
            sink.bigint(self.content.rows as i64)?;
            sink.decimal(self.content.amount(), SCALE)?;
            sink.datetime(self.content.last_day() as i32, 0)?;
            sink.end_row()?;
            return Ok(1);
        }
        let declared = self.content.declared();
        let names: Vec<&str> = declared.iter().map(|column| column.name.as_str()).collect();
        sink.start(&names)?;
        // The negative asks for fewer companies, and finds nothing.
        if query.parameters.len() < COMPANIES.len() {
            return Ok(0);
        }
        self.push(sink).await
    }
}

/// One column of a batch.
enum Cells<'b> {
    Bit(&'b BooleanArray),
    Int(&'b PrimitiveArray<Int32Type>),
    BigInt(&'b PrimitiveArray<Int64Type>),
    Decimal(&'b PrimitiveArray<Decimal128Type>),
    /// `datetime`, at midnight.
    Day(&'b PrimitiveArray<TimestampMicrosecondType>),
    /// `datetime2`.
    Instant(&'b PrimitiveArray<TimestampMicrosecondType>),
    Text(&'b StringArray),
}

fn cells(content: Content, batch: &RecordBatch) -> Result<Vec<Cells<'_>>, ExtractError> {
    content
        .declared()
        .iter()
        .zip(batch.columns())
        .map(|(declared, array)| {
            Ok(match array.data_type() {
                DataType::Boolean => Cells::Bit(array.as_boolean()),
                DataType::Int32 => Cells::Int(array.as_primitive()),
                DataType::Int64 => Cells::BigInt(array.as_primitive()),
                DataType::Decimal128(..) => Cells::Decimal(array.as_primitive()),
                DataType::Timestamp(..) if declared.sql_type == "datetime" => {
                    Cells::Day(array.as_primitive())
                }
                DataType::Timestamp(..) => Cells::Instant(array.as_primitive()),
                DataType::Utf8 => Cells::Text(array.as_string()),
                other => {
                    return Err(ExtractError::Internal(format!(
                        "column {} of type {other} cannot be pushed",
                        declared.name
                    )));
                }
            })
        })
        .collect()
}

impl Cells<'_> {
    fn push(&self, row: usize, sink: &mut dyn RowSink) -> Result<(), ExtractError> {
        match self {
            Self::Bit(array) if array.is_valid(row) => sink.bit(array.value(row)),
            Self::Text(array) if array.is_valid(row) => sink.text(array.value(row)),
            Self::Bit(_) | Self::Text(_) => sink.null(),
            Self::Int(array) => number(array, row, sink, |sink, n| sink.int(n)),
            Self::BigInt(array) => number(array, row, sink, |sink, n| sink.bigint(n)),
            Self::Decimal(array) => number(array, row, sink, |sink, n| sink.decimal(n, SCALE)),
            Self::Day(array) => number(array, row, sink, |sink, n| {
                sink.datetime((n / DAY) as i32, 0)
            }),
            Self::Instant(array) => number(array, row, sink, |sink, n| sink.timestamp(n * 10)),
        }
    }
}

#[inline]
fn number<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    row: usize,
    sink: &mut dyn RowSink,
    push: impl Fn(&mut dyn RowSink, T::Native) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    if array.is_valid(row) {
        push(sink, array.value(row))
    } else {
        sink.null()
    }
}
