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
/// 1753-01-01 to 9999-12-31, in days since 1900-01-01.
const DATETIME_DAYS: std::ops::RangeInclusive<i32> = -53_690..=2_958_463;
/// 1/300 s in a day.
const DATETIME_UNITS: u32 = 25_920_000;
/// 9999-12-31, in days since 0001-01-01.
const LAST_DAY: i32 = 3_652_058;

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
            if !DATETIME_DAYS.contains(&at.days()) || at.seconds_fragments() >= DATETIME_UNITS {
                return Err(sink.undecodable("the server sent a datetime outside its range"));
            }
            sink.datetime(at.days() - DAYS_FROM_1900, at.seconds_fragments())
        }
        ColumnData::SmallDateTime(Some(at)) => {
            // tiberius calls the minutes of the day "seconds fragments" here.
            if at.seconds_fragments() >= 1_440 {
                return Err(sink.undecodable("the server sent a smalldatetime beyond midnight"));
            }
            let days = i64::from(at.days()) - i64::from(DAYS_FROM_1900);
            sink.timestamp(
                days * TICKS_PER_DAY + i64::from(at.seconds_fragments()) * TICKS_PER_MINUTE,
            )
        }
        ColumnData::Time(Some(time)) => {
            let ticks = ticks(*time, sink)?;
            sink.time(ticks)
        }
        ColumnData::Date(Some(date)) => {
            let days = days(*date, sink)?;
            sink.date(days)
        }
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

/// Since 1970. A day count of the wire has three bytes, more than SQL Server's years.
fn days(date: Date, sink: &dyn RowSink) -> Result<i32, ExtractError> {
    i32::try_from(date.days())
        .ok()
        .filter(|days| *days <= LAST_DAY)
        .map(|days| days - DAYS_FROM_YEAR_1)
        .ok_or_else(|| sink.undecodable("the server sent a date after the year 9999"))
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
    Ok(i64::from(days(at.date(), sink)?) * TICKS_PER_DAY + ticks(at.time(), sink)?)
}

#[cfg(test)]
mod tests {
    use tiberius::time::{DateTime, SmallDateTime};

    use super::*;
    use crate::one_row::OneRow;

    fn pushed(column_type: ColumnType, data: ColumnData<'_>) -> Result<String, ExtractError> {
        let mut sink = OneRow::default();
        sink.start(&["c"])?;
        push(column_type, &data, &mut sink)?;
        sink.end_row()?;
        Ok(sink.take()?.remove(0).value.unwrap_or_default())
    }

    #[test]
    fn dates_and_times_end_where_sql_server_ends() {
        let datetime = |days, units| {
            let at = DateTime::new(days, units);
            pushed(ColumnType::Datetime, ColumnData::DateTime(Some(at)))
        };
        assert_eq!(datetime(-53_690, 0).unwrap(), "1753-01-01T00:00:00");
        assert_eq!(
            datetime(2_958_463, 25_919_999).unwrap(),
            "9999-12-31T23:59:59.996667"
        );
        for (days, units) in [
            (-53_691, 0),
            (2_958_464, 0),
            (0, 25_920_000),
            (i32::MIN, 0),
            (i32::MAX, u32::MAX),
        ] {
            assert!(datetime(days, units).is_err(), "{days} {units}");
        }
        let small = |days, minutes| {
            let at = SmallDateTime::new(days, minutes);
            pushed(ColumnType::Datetime4, ColumnData::SmallDateTime(Some(at)))
        };
        assert_eq!(small(u16::MAX, 1_439).unwrap(), "2079-06-06T23:59:00");
        assert!(small(0, 1_440).is_err());
        let date = |days| {
            let at = Date::new(days);
            pushed(ColumnType::Daten, ColumnData::Date(Some(at)))
        };
        assert_eq!(date(3_652_058).unwrap(), "9999-12-31");
        assert!(date(3_652_059).is_err());
        let datetime2 = |days| {
            let at = DateTime2::new(Date::new(days), Time::new(0, 7));
            pushed(ColumnType::Datetime2, ColumnData::DateTime2(Some(at)))
        };
        assert_eq!(datetime2(3_652_058).unwrap(), "9999-12-31T00:00:00");
        assert!(datetime2(3_652_059).is_err());
    }
}
