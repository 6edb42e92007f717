//! The cells of mssql-tds into the sink: its decoder calls these methods while it reads the packet.

use std::borrow::Cow;

use mssql_tds::datatypes::{
    column_values::{
        SqlDate, SqlDateTime, SqlDateTime2, SqlDateTimeOffset, SqlMoney, SqlSmallDateTime,
        SqlSmallMoney, SqlTime, SqlXml,
    },
    decoder::DecimalParts,
    row_writer::RowWriter,
    sql_json::SqlJson,
    sql_string::EncodingType,
    sql_vector::SqlVector,
};
use uuid::Uuid;

use super::text::Text;
use crate::{error::ExtractError, source::RowSink, temporal};

/// Said of a type that the contract cannot have let through.
const FOREIGN: &str = "the server sent a value of a type that was not described";

/// One row on its way. The decoder's methods return nothing: the first error is kept, and what follows it is not pushed.
pub(super) struct Cells<'s> {
    pub(super) sink: &'s mut dyn RowSink,
    pub(super) texts: &'s [Text],
    pub(super) scratch: &'s mut Vec<u8>,
    pub(super) failed: Option<ExtractError>,
}

impl Cells<'_> {
    fn put(&mut self, push: impl FnOnce(&mut dyn RowSink) -> Result<(), ExtractError>) {
        if self.failed.is_none()
            && let Err(e) = push(self.sink)
        {
            self.failed = Some(e);
        }
    }

    /// A text as the wire has it.
    pub(super) fn text(&mut self, column: usize, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let text = self.texts.get(column).copied().unwrap_or(Text::Unknown);
        let pushed = match text.decode(bytes, self.scratch) {
            Ok(text) => self.sink.text(&text),
            Err(reason) => Err(self.sink.undecodable_cell(reason)),
        };
        self.failed = pushed.err();
    }

    fn foreign(&mut self) {
        self.put(|sink| Err(sink.undecodable_cell(FOREIGN)));
    }
}

/// This version's documentation says nanoseconds; what comes are ticks of 100 ns. The tests of the two drivers against
/// each other would see it change.
fn ticks(time: &SqlTime) -> Option<i64> {
    i64::try_from(time.time_nanoseconds).ok()
}

impl RowWriter for Cells<'_> {
    fn write_null(&mut self, _: usize) {
        self.put(|sink| sink.null());
    }

    fn write_bool(&mut self, _: usize, value: bool) {
        self.put(|sink| sink.bit(value));
    }

    fn write_u8(&mut self, _: usize, value: u8) {
        self.put(|sink| sink.tinyint(value));
    }

    fn write_i16(&mut self, _: usize, value: i16) {
        self.put(|sink| sink.smallint(value));
    }

    fn write_i32(&mut self, _: usize, value: i32) {
        self.put(|sink| sink.int(value));
    }

    fn write_i64(&mut self, _: usize, value: i64) {
        self.put(|sink| sink.bigint(value));
    }

    fn write_f32(&mut self, _: usize, value: f32) {
        self.put(|sink| sink.real(value));
    }

    fn write_f64(&mut self, _: usize, value: f64) {
        self.put(|sink| sink.float(value));
    }

    fn write_string(&mut self, column: usize, bytes: Cow<'_, [u8]>, _: EncodingType) {
        self.text(column, &bytes);
    }

    fn write_bytes(&mut self, _: usize, bytes: Cow<'_, [u8]>) {
        self.put(|sink| sink.binary(&bytes));
    }

    fn write_decimal(&mut self, _: usize, value: DecimalParts) {
        self.put(|sink| {
            // 38 digits fit; the wire's four words hold more.
            let magnitude = i128::try_from(value.magnitude()).map_err(|_| {
                sink.undecodable_cell("the server sent a decimal of more than 38 digits")
            })?;
            let unscaled = if value.is_positive {
                magnitude
            } else {
                -magnitude
            };
            sink.decimal(unscaled, value.scale)
        });
    }

    fn write_numeric(&mut self, column: usize, value: DecimalParts) {
        self.write_decimal(column, value);
    }

    fn write_date(&mut self, _: usize, value: SqlDate) {
        self.put(|sink| temporal::date(value.get_days(), sink));
    }

    fn write_time(&mut self, _: usize, value: SqlTime) {
        self.put(|sink| temporal::time(ticks(&value), sink));
    }

    fn write_datetime(&mut self, _: usize, value: SqlDateTime) {
        self.put(|sink| temporal::datetime(value.days, value.time, sink));
    }

    fn write_smalldatetime(&mut self, _: usize, value: SqlSmallDateTime) {
        self.put(|sink| temporal::smalldatetime(value.days, value.time.into(), sink));
    }

    fn write_datetime2(&mut self, _: usize, value: SqlDateTime2) {
        self.put(|sink| temporal::timestamp(value.days, ticks(&value.time), sink));
    }

    fn write_datetimeoffset(&mut self, column: usize, value: SqlDateTimeOffset) {
        self.write_datetime2(column, value.datetime2);
    }

    fn write_money(&mut self, _: usize, value: SqlMoney) {
        // Exact, where tiberius gives a binary floating-point number.
        let low = i64::from(value.lsb_part.cast_unsigned());
        let unscaled = i64::from(value.msb_part) << 32 | low;
        self.put(|sink| sink.decimal(unscaled.into(), 4));
    }

    fn write_smallmoney(&mut self, _: usize, value: SqlSmallMoney) {
        self.put(|sink| sink.decimal(value.int_val.into(), 4));
    }

    fn write_uuid(&mut self, _: usize, value: Uuid) {
        self.put(|sink| sink.uuid(*value.as_bytes()));
    }

    fn write_xml(&mut self, column: usize, value: SqlXml) {
        self.text(column, without_mark(&value.bytes));
    }

    fn write_json(&mut self, _: usize, _: SqlJson) {
        self.foreign();
    }

    fn write_vector(&mut self, _: usize, _: SqlVector) {
        self.foreign();
    }

    // The row is the caller's to end: it may have failed.
    fn end_row(&mut self) {}
}

/// SQL Server begins xml with a byte-order mark, which is no part of the value.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0xFF, 0xFE]).unwrap_or(bytes)
}
