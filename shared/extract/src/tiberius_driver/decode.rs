//! tiberius's cells into the sink.

use tiberius::{ColumnData, ColumnType, time::Time};

use crate::{error::ExtractError, source::RowSink, temporal};

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
        // SQL Server begins xml with a byte-order mark, which is no part of the value.
        ColumnData::Xml(Some(xml)) => {
            let text: &str = xml.as_ref().as_ref();
            sink.text(text.strip_prefix('\u{feff}').unwrap_or(text))
        }
        ColumnData::DateTime(Some(at)) => {
            temporal::datetime(at.days(), at.seconds_fragments(), sink)
        }
        // tiberius calls the minutes of the day "seconds fragments" here.
        ColumnData::SmallDateTime(Some(at)) => {
            temporal::smalldatetime(at.days(), at.seconds_fragments().into(), sink)
        }
        ColumnData::Time(Some(time)) => temporal::time(ticks(*time), sink),
        ColumnData::Date(Some(date)) => temporal::date(date.days(), sink),
        ColumnData::DateTime2(Some(at)) => {
            temporal::timestamp(at.date().days(), ticks(at.time()), sink)
        }
        ColumnData::DateTimeOffset(Some(at)) => {
            let at = at.datetime2();
            temporal::timestamp(at.date().days(), ticks(at.time()), sink)
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

/// Ticks of 100 ns, whatever the scale of the wire.
fn ticks(time: Time) -> Option<i64> {
    let digits = 7u8.checked_sub(time.scale())?;
    i64::try_from(time.increments())
        .ok()?
        .checked_mul(10i64.pow(u32::from(digits)))
}

#[cfg(test)]
mod tests {
    use tiberius::time::{Date, DateTime, DateTime2, SmallDateTime};

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
