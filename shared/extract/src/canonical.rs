//! Canonical text of values: one spelling for sample, examples, totals and witnesses.
//!
//! Numbers are plain digits, dates are ISO 8601 without a zone (`datetimeoffset` is in UTC), `bit` is 0 or 1, binary
//! is lower-case hexadecimal, `uniqueidentifier` is upper case as SQL Server prints it.

use jiff::civil::{Date, DateTime};

/// Ticks of 100 ns in a day.
pub(crate) const TICKS_PER_DAY: i64 = 864_000_000_000;
/// Ticks of 100 ns in a microsecond.
pub(crate) const TICKS_PER_MICRO: i64 = 10;
/// Days from 0001-01-01 to 1970-01-01.
pub(crate) const DAYS_FROM_YEAR_1: i32 = 719_162;
/// Days from 1900-01-01 to 1970-01-01.
pub(crate) const DAYS_FROM_1900: i32 = 25_567;

/// `YYYY-MM-DD` of days since 1970-01-01.
pub(crate) fn date(days: i64) -> String {
    // Howard Hinnant's civil_from_days: exact for every day, and it cannot fail as a library's range could.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH:MM:SS` of ticks since midnight, with a fraction when there is one.
pub(crate) fn time(ticks: i64) -> String {
    let seconds = ticks / 10_000_000;
    let fraction = ticks % 10_000_000;
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        text.push_str(format!(".{fraction:07}").trim_end_matches('0'));
    }
    text
}

/// `YYYY-MM-DDTHH:MM:SS` of ticks since 1970, with a fraction when there is one.
pub(crate) fn timestamp(ticks: i64) -> String {
    format!(
        "{}T{}",
        date(ticks.div_euclid(TICKS_PER_DAY)),
        time(ticks.rem_euclid(TICKS_PER_DAY))
    )
}

/// Microseconds since midnight of `datetime`'s 1/300 s, to the nearest (a third is never half-way).
pub(crate) fn three_hundredths_to_micros(units: u32) -> i64 {
    (i64::from(units) * 10_000 + 1) / 3
}

/// The 36 characters of a `uniqueidentifier`.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    let mut buffer = [0; 36];
    uuid::Uuid::from_bytes(bytes)
        .hyphenated()
        .encode_upper(&mut buffer)
        .to_owned()
}

/// Days since 1970 of `YYYY-MM-DD`, or of a timestamp at midnight.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let ticks = parse_timestamp(text)?;
    if ticks.rem_euclid(TICKS_PER_DAY) != 0 {
        return None;
    }
    i32::try_from(ticks.div_euclid(TICKS_PER_DAY)).ok()
}

/// Ticks since 1970 of `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS[.fffffff][Z]`.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    // The library overlooks an offset, a zone and a leap second: another instant would be taken for this one.
    let (date, time) = text.split_at_checked(10)?;
    if date.contains([':', 'T', ' ']) || time.contains(['+', '-', '[']) || time.contains(":60") {
        return None;
    }
    let value: DateTime = text.parse().ok()?;
    let days = days_since_1970(value.date());
    let time = value.time();
    let nanos = i64::from(time.subsec_nanosecond());
    if nanos % 100 != 0 {
        return None;
    }
    let seconds =
        i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Some(i64::from(days) * TICKS_PER_DAY + seconds * 10_000_000 + nanos / 100)
}

/// Ticks since midnight of `HH:MM:SS[.fffffff]`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let time: jiff::civil::Time = text.parse().ok()?;
    let nanos = i64::from(time.subsec_nanosecond());
    (nanos % 100 == 0).then(|| {
        (i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second()))
            * 10_000_000
            + nanos / 100
    })
}

/// Days from 1970-01-01.
pub(crate) fn days_since_1970(date: Date) -> i32 {
    // Hinnant's days_from_civil.
    let month = i32::from(date.month());
    let year = i32::from(date.year()) - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year =
        (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i32::from(date.day()) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A text cut to what a message can carry.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{head:?}… ({} characters)", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_exact_at_the_ends_of_sql_servers_range() {
        for (days, text) in [
            (-i64::from(DAYS_FROM_YEAR_1), "0001-01-01"),
            (-i64::from(DAYS_FROM_1900), "1900-01-01"),
            (0, "1970-01-01"),
            (19_782, "2024-02-29"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(date(days), text);
            assert_eq!(i64::from(parse_date(text).unwrap()), days, "{text}");
        }
    }

    #[test]
    fn days_over_all_of_sql_servers_range_read_back() {
        use jiff::ToSpan;
        let mut parsed: Date = "0001-01-01".parse().unwrap();
        // A prime step meets every day of the month and of the week.
        for days in (-DAYS_FROM_YEAR_1..=2_932_896).step_by(37) {
            assert_eq!(days_since_1970(parsed), days);
            assert_eq!(date(i64::from(days)), parsed.to_string());
            parsed = parsed.checked_add(37.days()).unwrap_or(parsed);
        }
    }

    #[test]
    fn times_carry_the_digits_that_there_are() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.9999999");
        assert_eq!(
            parse_timestamp("9999-12-31T23:59:59.9999999")
                .map(timestamp)
                .unwrap(),
            "9999-12-31T23:59:59.9999999"
        );
        assert_eq!(
            parse_timestamp("2024-04-30 10:00:00.5Z")
                .map(timestamp)
                .unwrap(),
            "2024-04-30T10:00:00.5"
        );
        assert_eq!(parse_timestamp("2024-04-30T10:00:00.00000001"), None);
        assert_eq!(parse_date("2024-04-30T00:00:01"), None);
        // An offset or zone says another instant; it must not be overlooked.
        for text in [
            "2024-04-30T10:00:00+02:00",
            "2024-04-30T10:00:00-04",
            "2024-04-30T10:00:00[Europe/Paris]",
            "2024-04-30T23:59:60",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(
            parse_time("23:59:59.9999999").map(time).unwrap(),
            "23:59:59.9999999"
        );
        assert_eq!(parse_time("25:00:00"), None);
    }

    #[test]
    fn datetime_rounds_to_the_nearest_microsecond() {
        // .003, .007 and .010 as SQL Server shows them are 1/300, 2/300 and 3/300 s.
        assert_eq!(three_hundredths_to_micros(1), 3_333);
        assert_eq!(three_hundredths_to_micros(2), 6_667);
        assert_eq!(three_hundredths_to_micros(3), 10_000);
        assert_eq!(three_hundredths_to_micros(25_919_999), 86_399_996_667);
    }
}
