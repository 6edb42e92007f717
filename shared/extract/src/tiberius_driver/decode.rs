//! tiberius's cells into the sink.

use tiberius::{
    ColumnData, ColumnType,
    time::{Date, DateTime2, Time},
};

use crate::{
    canonical::{DAYS_FROM_1900, DAYS_FROM_YEAR_1, TICKS_PER_DAY},
    error::ExtractError,
    source::RowSink,
};

/// Ticks of 100 ns in a minute.
const TICKS_PER_MINUTE: i64 = 600_000_000;

/// Pushes one cell.
pub(super) fn push(
    column_type: ColumnType,
    data: &ColumnData<'_>,
    sink: &mut dyn RowSink,
) -> Result<(), ExtractError> {
    match data {
        ColumnData::F64(Some(amount))
            if matches!(column_type, ColumnType::Money | ColumnType::Money4) =>
        {
            sink.money(*amount)
        }
        ColumnData::U8(Some(n)) => sink.tinyint(*n),
        ColumnData::I16(Some(n)) => sink.smallint(*n),
        ColumnData::I32(Some(n)) => sink.int(*n),
        ColumnData::I64(Some(n)) => sink.bigint(*n),
        ColumnData::F32(Some(n)) => sink.real(*n),
        ColumnData::F64(Some(n)) => sink.float(*n),
        ColumnData::Bit(Some(bit)) => sink.bit(*bit),
        ColumnData::String(Some(text)) => sink.text(text),
        ColumnData::Guid(Some(guid)) => sink.uuid(*guid.as_bytes()),
        ColumnData::Binary(Some(bytes)) => sink.binary(bytes),
        ColumnData::Numeric(Some(n)) => sink.decimal(n.value(), n.scale()),
        ColumnData::Xml(Some(xml)) => sink.text(xml.as_ref().as_ref()),
        ColumnData::DateTime(Some(at)) => {
            sink.datetime(at.days() - DAYS_FROM_1900, at.seconds_fragments())
        }
        ColumnData::SmallDateTime(Some(at)) => {
            // tiberius calls the minutes of the day "seconds fragments" here.
            let days = i64::from(at.days()) - i64::from(DAYS_FROM_1900);
            sink.timestamp(
                days * TICKS_PER_DAY + i64::from(at.seconds_fragments()) * TICKS_PER_MINUTE,
            )
        }
        ColumnData::Time(Some(time)) => {
            let ticks = ticks(*time, sink)?;
            sink.time(ticks)
        }
        ColumnData::Date(Some(date)) => sink.date(days(*date)),
        ColumnData::DateTime2(Some(at)) => {
            let ticks = instant(*at, sink)?;
            sink.timestamp(ticks)
        }
        // On the wire the instant is UTC already; the offset only says how it was written.
        ColumnData::DateTimeOffset(Some(at)) => {
            let ticks = instant(at.datetime2(), sink)?;
            sink.timestamp(ticks)
        }
        ColumnData::U8(None)
        | ColumnData::I16(None)
        | ColumnData::I32(None)
        | ColumnData::I64(None)
        | ColumnData::F32(None)
        | ColumnData::F64(None)
        | ColumnData::Bit(None)
        | ColumnData::String(None)
        | ColumnData::Guid(None)
        | ColumnData::Binary(None)
        | ColumnData::Numeric(None)
        | ColumnData::Xml(None)
        | ColumnData::DateTime(None)
        | ColumnData::SmallDateTime(None)
        | ColumnData::Time(None)
        | ColumnData::Date(None)
        | ColumnData::DateTime2(None)
        | ColumnData::DateTimeOffset(None) => sink.null(),
    }
}

/// Since 1970. A day count of the wire has three bytes.
fn days(date: Date) -> i32 {
    date.days().min(0x00ff_ffff) as i32 - DAYS_FROM_YEAR_1
}

/// Ticks of 100 ns, whatever the scale of the wire.
fn ticks(time: Time, sink: &dyn RowSink) -> Result<i64, ExtractError> {
    let unit = 7u8
        .checked_sub(time.scale())
        .map(|digits| 10i64.pow(u32::from(digits)))
        .ok_or_else(|| sink.undecodable("the server sent a time with more than seven digits"))?;
    i64::try_from(time.increments())
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .filter(|ticks| *ticks < TICKS_PER_DAY)
        .ok_or_else(|| sink.undecodable("the server sent a time beyond midnight"))
}

fn instant(at: DateTime2, sink: &dyn RowSink) -> Result<i64, ExtractError> {
    Ok(i64::from(days(at.date())) * TICKS_PER_DAY + ticks(at.time(), sink)?)
}
