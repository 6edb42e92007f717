//! Dates and times as the wire counts them, into those of the sink; what SQL Server's own types do not hold is refused.
//!
//! Both drivers come through here: what they decode independently is the count, not what it means.

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

/// `datetime`: days since 1900-01-01 and 1/300 s since midnight.
pub(crate) fn datetime<S: RowSink + ?Sized>(
    days: i32,
    units: u32,
    sink: &mut S,
) -> Result<(), ExtractError> {
    if !DATETIME_DAYS.contains(&days) || units >= DATETIME_UNITS {
        return Err(sink.undecodable("the server sent a datetime outside its range"));
    }
    sink.datetime(days - DAYS_FROM_1900, units)
}

/// `smalldatetime`: days since 1900-01-01 and minutes since midnight.
pub(crate) fn smalldatetime<S: RowSink + ?Sized>(
    days: u16,
    minutes: u32,
    sink: &mut S,
) -> Result<(), ExtractError> {
    if minutes >= 1_440 {
        return Err(sink.undecodable("the server sent a smalldatetime beyond midnight"));
    }
    let days = i64::from(days) - i64::from(DAYS_FROM_1900);
    sink.timestamp(days * TICKS_PER_DAY + i64::from(minutes) * TICKS_PER_MINUTE)
}

/// `date`: days since 0001-01-01.
pub(crate) fn date<S: RowSink + ?Sized>(days: u32, sink: &mut S) -> Result<(), ExtractError> {
    let days = since_1970(days, sink)?;
    sink.date(days)
}

/// `time`: ticks of 100 ns since midnight; `None` where they did not fit a number.
pub(crate) fn time<S: RowSink + ?Sized>(
    ticks: Option<i64>,
    sink: &mut S,
) -> Result<(), ExtractError> {
    let ticks = within_a_day(ticks, sink)?;
    sink.time(ticks)
}

/// `datetime2`, and `datetimeoffset`, whose instant is UTC on the wire already: the offset only says how it was written.
pub(crate) fn timestamp<S: RowSink + ?Sized>(
    days: u32,
    ticks: Option<i64>,
    sink: &mut S,
) -> Result<(), ExtractError> {
    let days = i64::from(since_1970(days, sink)?);
    let ticks = within_a_day(ticks, sink)?;
    sink.timestamp(days * TICKS_PER_DAY + ticks)
}

/// A day count of the wire has three bytes, more than SQL Server's years.
fn since_1970<S: RowSink + ?Sized>(days: u32, sink: &S) -> Result<i32, ExtractError> {
    i32::try_from(days)
        .ok()
        .filter(|days| *days <= LAST_DAY)
        .map(|days| days - DAYS_FROM_YEAR_1)
        .ok_or_else(|| sink.undecodable("the server sent a date after the year 9999"))
}

fn within_a_day<S: RowSink + ?Sized>(ticks: Option<i64>, sink: &S) -> Result<i64, ExtractError> {
    ticks
        .filter(|ticks| (0..TICKS_PER_DAY).contains(ticks))
        .ok_or_else(|| sink.undecodable("the server sent a time beyond midnight"))
}
