//! The driver port: a driver pushes typed cells into a sink, column by column, and makes no object per row.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use soxauto_domain::{
    BoundQuery, SqlType,
    receipt::{Decoder, SourceIdentity},
};

use crate::{
    connection::ConnectionSettings,
    error::ExtractError,
    one_row::{NamedValue, OneRow},
};

/// Most bytes of one row on the wire. A driver gathers a value whole before it shows it, and a value may have 2 GB; of
/// the largest texts and binaries that the warehouse takes, a row of this size holds dozens.
pub(crate) const ROW_BYTES: u64 = 32 * 1024 * 1024;
/// What is said of a larger row.
pub(crate) const ROW_TOO_LARGE: &str = "the row has more than 32 MiB on the wire: a text or binary in it is longer than any that can be extracted; cut it, or leave the column out of the query";
/// What is said of a text that is not valid.
pub(crate) const INVALID_TEXT: &str = "the text is not valid: an unpaired UTF-16 surrogate, or bytes that its code page does not have; correct it in the source, or CAST the column to varbinary in the query";

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When the extraction must have ended; it then ends itself with `DEADLINE_NEAR`.
    pub deadline: Instant,
    /// How long the server may send nothing once rows have begun. The first row may take until the deadline.
    pub stall: Duration,
    /// How long connecting and logging in may take.
    pub connect: Duration,
}

impl Limits {
    /// Until `deadline`, with 120 s for a silent server and 15 s for connecting.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            stall: Duration::from_secs(120),
            connect: Duration::from_secs(15),
        }
    }
}

/// Opens connections.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Connects, logs in and opens `database`.
    ///
    /// # Errors
    /// Unreachable, TLS, login refused, database unavailable.
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError>;
}

/// One open session.
#[async_trait]
pub trait Source: Send {
    /// Who answers, as whom we are logged in, and with which rights.
    ///
    /// # Errors
    /// Whatever the server or the network says.
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError>;

    /// The columns that the query would return, without running it.
    ///
    /// # Errors
    /// The server's error for a text that cannot run.
    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError>;

    /// Runs the query and pushes its rows into the sink.
    ///
    /// Returns the rows pushed. A second result set is refused.
    ///
    /// # Errors
    /// The server's, the network's, or the sink's.
    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError>;

    /// Which program decodes the rows that [`Source::read`] pushes; `None` for a source that is no SQL Server.
    fn decoder(&self) -> Option<Decoder> {
        None
    }

    /// The one row of a query, as canonical texts.
    ///
    /// # Errors
    /// [`ExtractError::NotOneRow`] for another number of rows.
    async fn single_row(&mut self, query: &BoundQuery) -> Result<Vec<NamedValue>, ExtractError> {
        let mut sink = OneRow::default();
        self.read(query, &mut sink).await?;
        sink.take()
    }
}

/// A column as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedColumn {
    /// Empty when the expression has no name.
    pub name: String,
    /// Its type.
    pub sql_type: DescribedType,
    /// Whether NULL is possible by the server's word.
    pub nullable: bool,
}

/// A type as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescribedType {
    /// One that can be extracted exactly.
    Known(SqlType),
    /// One that cannot: the server's name for it.
    Refused(String),
}

impl std::fmt::Display for DescribedType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(sql_type) => sql_type.fmt(f),
            Self::Refused(name) => f.write_str(name),
        }
    }
}

/// Whether the sink wants to be flushed before the next row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Call [`RowSink::flush`] first.
    Full,
}

/// Takes cells from left to right, row by row. Each method takes the next cell of the row.
#[async_trait]
pub trait RowSink: Send {
    /// The columns of the result that begins, before any cell.
    ///
    /// # Errors
    /// When they are not the ones that the sink was made for.
    fn start(&mut self, names: &[&str]) -> Result<(), ExtractError>;
    /// NULL.
    ///
    /// # Errors
    /// When the row has no such cell.
    fn null(&mut self) -> Result<(), ExtractError>;
    /// `bit`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn bit(&mut self, value: bool) -> Result<(), ExtractError>;
    /// `tinyint`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn tinyint(&mut self, value: u8) -> Result<(), ExtractError>;
    /// `smallint`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn smallint(&mut self, value: i16) -> Result<(), ExtractError>;
    /// `int`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn int(&mut self, value: i32) -> Result<(), ExtractError>;
    /// `bigint`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn bigint(&mut self, value: i64) -> Result<(), ExtractError>;
    /// `real`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn real(&mut self, value: f32) -> Result<(), ExtractError>;
    /// `float`.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn float(&mut self, value: f64) -> Result<(), ExtractError>;
    /// `decimal`, `money`: the number times ten to `scale`.
    ///
    /// # Errors
    /// When the cell is of another type or the number does not fit it exactly.
    fn decimal(&mut self, unscaled: i128, scale: u8) -> Result<(), ExtractError>;
    /// `money` as a binary floating-point number, which is how some drivers deliver it.
    ///
    /// # Errors
    /// When the exact amount cannot be known from the number.
    fn money(&mut self, value: f64) -> Result<(), ExtractError>;
    /// `date`: days since 1970-01-01.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn date(&mut self, days: i32) -> Result<(), ExtractError>;
    /// `time`: ticks of 100 ns since midnight.
    ///
    /// # Errors
    /// When the cell is of another type or the ticks do not fit whole microseconds.
    fn time(&mut self, ticks: i64) -> Result<(), ExtractError>;
    /// `datetime2`, `smalldatetime`: ticks of 100 ns since 1970-01-01T00:00:00; `datetimeoffset`: the same in UTC.
    ///
    /// # Errors
    /// When the cell is of another type or the ticks do not fit whole microseconds.
    fn timestamp(&mut self, ticks: i64) -> Result<(), ExtractError>;
    /// `datetime`: days since 1970-01-01 and 1/300 s since midnight.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn datetime(&mut self, days: i32, three_hundredths: u32) -> Result<(), ExtractError>;
    /// Texts and XML.
    ///
    /// # Errors
    /// When the cell is of another type or the text is longer than the contract or Redshift allow.
    fn text(&mut self, value: &str) -> Result<(), ExtractError>;
    /// `binary`, `varbinary`, `rowversion`.
    ///
    /// # Errors
    /// When the cell is of another type or too long.
    fn binary(&mut self, value: &[u8]) -> Result<(), ExtractError>;
    /// `uniqueidentifier`, its bytes in the order in which SQL Server prints them.
    ///
    /// # Errors
    /// When the cell is of another type.
    fn uuid(&mut self, value: [u8; 16]) -> Result<(), ExtractError>;
    /// A text or value that the driver could not decode exactly. Always an error, made by the sink, which knows row
    /// and columns.
    fn undecodable(&self, reason: &str) -> ExtractError;
    /// The same, of the cell that would come next: for a driver that knows where it is.
    fn undecodable_cell(&self, reason: &str) -> ExtractError {
        self.undecodable(reason)
    }
    /// The row is complete.
    ///
    /// # Errors
    /// When cells are missing.
    fn end_row(&mut self) -> Result<Flow, ExtractError>;
    /// Hands over what is gathered; waits while the next stage is busy.
    ///
    /// # Errors
    /// When the next stage has ended.
    async fn flush(&mut self) -> Result<(), ExtractError>;
}
