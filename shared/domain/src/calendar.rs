//! The one meaning of the cutoff, and the dates derived from it.
//!
//! The cutoff is the *exclusive* upper bound of the period: 2024-05-01 means "everything before
//! 1 May 2024". Controls are monthly, so a cutoff is the first day of a month.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Why a text or date is not a cutoff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutoffError {
    /// Not an ISO date.
    #[error("{0:?} is not a date: expected YYYY-MM-DD")]
    NotADate(String),
    /// Not the first day of a month.
    #[error(
        "{0} is not a cutoff: a cutoff is the first day of a month (the exclusive upper bound of the period), such as {1}"
    )]
    NotFirstOfMonth(Date, Date),
    /// Outside the years that every system on the way can hold.
    #[error("{0} is not a cutoff: the year must be between 1901 and 9998")]
    Year(Date),
}

/// The first day after the period: an exclusive upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cutoff(Date);

impl Cutoff {
    /// Takes the first day of a month.
    ///
    /// # Errors
    /// [`CutoffError`] when `date` is another day or its year is out of range.
    pub fn new(date: Date) -> Result<Self, CutoffError> {
        if !(1901..=9998).contains(&date.year()) {
            return Err(CutoffError::Year(date));
        }
        if date.day() != 1 {
            return Err(CutoffError::NotFirstOfMonth(date, date.first_of_month()));
        }
        Ok(Self(date))
    }

    /// The first day of the month that `now` falls in, in the control's time zone: the default cutoff.
    ///
    /// # Errors
    /// [`CutoffError::Year`] for a clock out of range.
    pub fn current(now: Timestamp, zone: &TimeZone) -> Result<Self, CutoffError> {
        Self::new(now.to_zoned(zone.clone()).date().first_of_month())
    }

    /// The date.
    #[must_use]
    pub fn date(self) -> Date {
        self.0
    }

    /// The dates derived from this cutoff.
    #[must_use]
    pub fn period(self) -> Period {
        // A month or a day before a first of month between 1901 and 9998 always exists.
        let start = self.0.checked_sub(1.month()).unwrap_or(self.0);
        let closing_date = self.0.yesterday().unwrap_or(self.0);
        Period {
            start,
            closing_date,
            year_start: Date::new(closing_date.year(), 1, 1).unwrap_or(closing_date),
            cutoff: self.0,
        }
    }
}

impl FromStr for Cutoff {
    type Err = CutoffError;
    fn from_str(text: &str) -> Result<Self, CutoffError> {
        let wrong = || CutoffError::NotADate(text.chars().take(40).collect());
        let date: Date = text.parse().map_err(|_| wrong())?;
        if date.to_string() != text {
            return Err(wrong());
        }
        Self::new(date)
    }
}

impl TryFrom<String> for Cutoff {
    type Error = CutoffError;
    fn try_from(text: String) -> Result<Self, CutoffError> {
        text.parse()
    }
}

impl From<Cutoff> for String {
    fn from(cutoff: Cutoff) -> String {
        cutoff.to_string()
    }
}

impl fmt::Display for Cutoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The month that a cutoff closes, and the dates a query may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// First day of the period (inclusive).
    pub start: Date,
    /// Last day of the period (inclusive): the day before the cutoff.
    pub closing_date: Date,
    /// First day of the closing date's year.
    pub year_start: Date,
    /// First day after the period (exclusive).
    pub cutoff: Date,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_dates() {
        let period = "2024-01-01".parse::<Cutoff>().unwrap().period();
        assert_eq!(period.start.to_string(), "2023-12-01");
        assert_eq!(period.closing_date.to_string(), "2023-12-31");
        assert_eq!(period.year_start.to_string(), "2023-01-01");
        let leap = "2024-03-01".parse::<Cutoff>().unwrap().period();
        assert_eq!(leap.closing_date.to_string(), "2024-02-29");
    }

    #[test]
    fn the_default_follows_the_controls_zone_not_utc() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        // 22:30 UTC on 30 April is already 1 May in Paris.
        let now: Timestamp = "2024-04-30T22:30:00Z".parse().unwrap();
        assert_eq!(
            Cutoff::current(now, &paris).unwrap().to_string(),
            "2024-05-01"
        );
        assert_eq!(
            Cutoff::current(now, &TimeZone::UTC).unwrap().to_string(),
            "2024-04-01"
        );
    }

    #[test]
    fn other_days_and_texts_are_refused() {
        for bad in [
            "2024-05-02",
            "2024-13-01",
            "2024-5-1",
            "01/05/2024",
            "",
            "2024-05-01T00:00:00",
            "9999-01-01",
            "20240501",
        ] {
            assert!(bad.parse::<Cutoff>().is_err(), "{bad}");
        }
    }
}
