//! Dates and times as SQL Server counts them: days since 0001-01-01 and ticks of 100 ns since midnight.

/// Ticks of 100 ns in a second.
pub(crate) const TICKS_PER_SECOND: u64 = 10_000_000;
/// Ticks of 100 ns in a day.
pub(crate) const TICKS_PER_DAY: u64 = 86_400 * TICKS_PER_SECOND;
/// Days from 0001-01-01 to 1970-01-01.
pub(crate) const DAYS_TO_1970: i64 = 719_162;
/// Days from 0001-01-01 to 1900-01-01.
pub(crate) const DAYS_TO_1900: i64 = 693_595;
/// Days from 0001-01-01 to 9999-12-31.
pub(crate) const LAST_DAY: i64 = 3_652_058;

/// A point of the calendar, without a zone unless `offset` says one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Days since 0001-01-01.
    pub(crate) days: i64,
    /// Ticks of 100 ns since midnight.
    pub(crate) ticks: u64,
    /// Minutes east of UTC; days and ticks are then local time.
    pub(crate) offset: Option<i16>,
}

impl Moment {
    /// The same clock reading shifted by `minutes`.
    pub(crate) fn shifted(self, minutes: i64) -> Self {
        let total = i128::from(self.days) * i128::from(TICKS_PER_DAY)
            + i128::from(self.ticks)
            + i128::from(minutes) * 60 * i128::from(TICKS_PER_SECOND);
        Self::from_ticks(total, self.offset)
    }

    /// Rounded to `scale` decimals of a second, as SQL Server rounds.
    pub(crate) fn rounded(self, scale: u8) -> Self {
        let unit = i128::from(10_u64.pow(u32::from(7 - scale.min(7))));
        let total = i128::from(self.days) * i128::from(TICKS_PER_DAY) + i128::from(self.ticks);
        Self::from_ticks((total + unit / 2).div_euclid(unit) * unit, self.offset)
    }

    fn from_ticks(total: i128, offset: Option<i16>) -> Self {
        let day = i128::from(TICKS_PER_DAY);
        Self {
            days: i64::try_from(total.div_euclid(day)).unwrap_or(i64::MAX),
            ticks: u64::try_from(total.rem_euclid(day)).unwrap_or(0),
            offset,
        }
    }

    /// Reads `YYYY-MM-DD` or `YYYYMMDD`, `HH:MM[:SS[.f…]]`, or both with `T` or blanks between, and an optional
    /// `Z` or `±HH:MM`. A time alone is on 1900-01-01, as in SQL Server.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains(':') && !text.get(..5)?.contains('-') && text.find(':') <= Some(2) {
            let (ticks, offset) = parse_time(text)?;
            return Some(Self {
                days: DAYS_TO_1900,
                ticks,
                offset,
            });
        }
        let date_length = if text.as_bytes().get(4) == Some(&b'-') {
            10
        } else {
            8
        };
        let (date, rest) = text.split_at_checked(date_length)?;
        let days = parse_date(date)?;
        let rest = rest.strip_prefix('T').unwrap_or_else(|| rest.trim_start());
        if rest.is_empty() {
            return Some(Self {
                days,
                ticks: 0,
                offset: None,
            });
        }
        let (ticks, offset) = parse_time(rest)?;
        Some(Self {
            days,
            ticks,
            offset,
        })
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn date_text(self) -> String {
        let (year, month, day) = civil(self.days);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `HH:MM:SS[.fffffff]`.
    pub(crate) fn time_text(self) -> String {
        let seconds = self.ticks / TICKS_PER_SECOND;
        let fraction = self.ticks % TICKS_PER_SECOND;
        let mut text = format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        if fraction != 0 {
            text.push_str(format!(".{fraction:07}").trim_end_matches('0'));
        }
        text
    }

    /// `±HH:MM` of the offset; empty without one.
    pub(crate) fn offset_text(self) -> String {
        match self.offset {
            None => String::new(),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (year, month, day) = if bytes.len() == 10 {
        if bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        (text.get(..4)?, text.get(5..7)?, text.get(8..)?)
    } else {
        (text.get(..4)?, text.get(4..6)?, text.get(6..)?)
    };
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let days = days_from_civil(year, month, day);
    // A day that does not exist, such as 30 February, comes back as another day.
    ((1..=9999).contains(&year) && civil(days) == (year, month, day)).then_some(days)
}

fn parse_time(text: &str) -> Option<(u64, Option<i16>)> {
    let (clock, offset) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, Some(0))
    } else if let Some(at) = text.rfind(['+', '-']) {
        let (hours, minutes) = text.get(at + 1..)?.split_once(':')?;
        let minutes = i16::try_from(digits(hours)? * 60 + digits(minutes)?).ok()?;
        let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
        (
            &text[..at],
            (minutes <= 14 * 60).then_some(Some(sign * minutes))?,
        )
    } else {
        (text, None)
    };
    let mut parts = clock.trim().splitn(3, ':');
    let (hours, minutes) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (seconds, ticks) = match parts.next() {
        None => (0, 0),
        Some(text) => match text.split_once('.') {
            None => (digits(text)?, 0),
            Some((seconds, fraction)) => {
                if fraction.is_empty() || fraction.len() > 9 {
                    return None;
                }
                let nanos = digits(&format!("{fraction:0<9}"))?;
                (digits(seconds)?, (nanos + 50) / 100)
            }
        },
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let ticks = (hours * 3600 + minutes * 60 + seconds) * 10_000_000 + ticks;
    Some((u64::try_from(ticks).ok()?, offset))
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Days since 0001-01-01 of a date of the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 306
}

/// Year, month and day of the days since 0001-01-01.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 306;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_of_year = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
    let month = if month_of_year < 10 {
        month_of_year + 3
    } else {
        month_of_year - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_calendar() {
        assert_eq!(days_from_civil(1, 1, 1), 0);
        assert_eq!(days_from_civil(1970, 1, 1), DAYS_TO_1970);
        assert_eq!(days_from_civil(1900, 1, 1), DAYS_TO_1900);
        assert_eq!(days_from_civil(9999, 12, 31), LAST_DAY);
        for days in [0, 58, 59, 364, 365, 693_595, 719_162, 730_178, LAST_DAY] {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn texts_are_read_and_written() {
        let moment = Moment::parse("2024-02-29T23:59:59.9999999").expect("a moment");
        assert_eq!(moment.date_text(), "2024-02-29");
        assert_eq!(moment.time_text(), "23:59:59.9999999");
        assert_eq!(moment.rounded(3).date_text(), "2024-03-01");
        let moment = Moment::parse("20240501 10:00 -03:30").expect("a moment");
        assert_eq!(moment.offset_text(), "-03:30");
        assert_eq!(moment.shifted(210).time_text(), "13:30:00");
        assert_eq!(Moment::parse("2023-02-29"), None);
        assert_eq!(Moment::parse("2024-13-01"), None);
        assert_eq!(Moment::parse("24:00:00"), None);
        assert_eq!(Moment::parse(""), None);
        assert_eq!(
            Moment::parse("10:11:12").map(|m| m.time_text()).as_deref(),
            Some("10:11:12")
        );
    }
}
