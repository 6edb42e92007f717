//! Key ranges: how an extraction that is too long for one invocation is cut, and where the next one goes on.
//!
//! The values of one integer column, from the lowest to the *high-water mark*, are the [`Span`]. A [`Cursor`] cuts it into
//! [`KeyRange`]s of equal width, one query each. The cuts depend on nothing but the cursor, so that an invocation that
//! repeats a range after a crash writes the same bytes.

use serde::{Deserialize, Serialize};

use crate::sql_type::SqlType;

/// A parameter whose value only the run knows: the plan pins its name and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenParameter {
    /// With its at sign: `@after`.
    pub name: String,
    /// Declared type: an integer.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
}

impl OpenParameter {
    /// The smallest and the largest value of the type.
    #[must_use]
    pub fn bounds(&self) -> (i64, i64) {
        integer_bounds(self.sql_type).unwrap_or((i64::MIN, i64::MAX))
    }
}

/// The smallest and the largest value of an integer type; `None` for another type.
#[must_use]
pub fn integer_bounds(sql_type: SqlType) -> Option<(i64, i64)> {
    match sql_type {
        SqlType::TinyInt => Some((0, u8::MAX.into())),
        SqlType::SmallInt => Some((i16::MIN.into(), i16::MAX.into())),
        SqlType::Int => Some((i32::MIN.into(), i32::MAX.into())),
        SqlType::BigInt => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// The values that there are, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Ends")]
pub struct Span {
    /// The lowest value.
    pub lowest: i64,
    /// The highest value when the attempt began: rows that arrive above it belong to no range.
    pub high_water_mark: i64,
}

/// A span as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    lowest: i64,
    high_water_mark: i64,
}

impl TryFrom<Ends> for Span {
    type Error = &'static str;

    fn try_from(ends: Ends) -> Result<Self, Self::Error> {
        Self::new(ends.lowest, ends.high_water_mark).ok_or("a span without values")
    }
}

impl Span {
    /// A span; `None` when it holds nothing, or there is no value below it to begin after.
    #[must_use]
    pub fn new(lowest: i64, high_water_mark: i64) -> Option<Self> {
        (lowest > i64::MIN && lowest <= high_water_mark).then_some(Self {
            lowest,
            high_water_mark,
        })
    }

    /// How many values it has.
    #[must_use]
    pub fn width(&self) -> u64 {
        u64::try_from(i128::from(self.high_water_mark) - i128::from(self.lowest) + 1)
            .unwrap_or(u64::MAX)
    }
}

/// The rows with `after < value <= upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRange {
    /// Excluded.
    pub after: i64,
    /// Included.
    pub upto: i64,
}

impl KeyRange {
    /// Whether the value is in it.
    #[must_use]
    pub fn contains(&self, value: i64) -> bool {
        self.after < value && value <= self.upto
    }
}

impl std::fmt::Display for KeyRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "above {} up to {}", self.after, self.upto)
    }
}

/// Where an extraction goes on, and how wide its next range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Everything up to here is done.
    pub after: i64,
    /// Width of the next range.
    pub width: u64,
}

impl Cursor {
    /// At the beginning of the span, in ranges of about `rows_per_range` of its `rows`.
    #[must_use]
    pub fn first(span: Span, rows: u64, rows_per_range: u64) -> Self {
        let ranges = rows.div_ceil(rows_per_range.max(1)).max(1);
        Self {
            after: span.lowest - 1,
            width: span.width().div_ceil(ranges),
        }
    }

    /// The next range; `None` at the end of the span.
    #[must_use]
    pub fn next(&self, span: Span) -> Option<KeyRange> {
        let upto = i128::from(self.after) + i128::from(self.width.max(1));
        let upto = i64::try_from(upto)
            .unwrap_or(i64::MAX)
            .min(span.high_water_mark);
        (self.after < span.high_water_mark).then_some(KeyRange {
            after: self.after,
            upto,
        })
    }

    /// Behind a range that is done.
    #[must_use]
    pub fn past(&self, range: KeyRange) -> Self {
        Self {
            after: range.upto,
            width: self.width,
        }
    }

    /// The same place with ranges so many times narrower, at least twice, for a range that did not fit into an invocation;
    /// `None` when it cannot be narrower.
    #[must_use]
    pub fn narrowed(&self, range: KeyRange, times: u64) -> Option<Self> {
        let width = Span::new(range.after.saturating_add(1), range.upto)?.width();
        (width > 1).then_some(Self {
            after: self.after,
            width: width.div_ceil(times.max(2)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(span: Span, mut cursor: Cursor) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        while let Some(range) = cursor.next(span) {
            found.push((range.after, range.upto));
            cursor = cursor.past(range);
        }
        found
    }

    #[test]
    fn ranges_cover_the_span_without_gap_or_overlap() {
        for (lowest, high) in [(1, 10), (-5, 5), (7, 7), (0, 1_000_003)] {
            for (rows, wanted) in [(0, 10), (1, 1), (10, 3), (1_000, 7), (5, 1_000)] {
                let span = Span::new(lowest, high).unwrap();
                let found = ranges(span, Cursor::first(span, rows, wanted));
                assert_eq!(found.first().unwrap().0, lowest - 1);
                assert_eq!(found.last().unwrap().1, high);
                assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0));
                assert!(found.iter().all(|(after, upto)| after < upto));
                assert!(found.len() as u64 <= rows.div_ceil(wanted).max(1));
            }
        }
        let span = Span::new(1, 10).unwrap();
        assert_eq!(
            ranges(span, Cursor::first(span, 30, 10)),
            [(0, 4), (4, 8), (8, 10)]
        );
    }

    #[test]
    fn the_widest_span_is_cut_too() {
        assert_eq!(Span::new(i64::MIN, 0), None);
        assert_eq!(Span::new(2, 1), None);
        let read = |text: &str| serde_json::from_str::<Span>(text);
        assert!(read(r#"{"lowest": 2, "high_water_mark": 1}"#).is_err());
        assert!(read(r#"{"lowest": 1, "high_water_mark": 2}"#).is_ok());
        let span = Span::new(i64::MIN + 1, i64::MAX).unwrap();
        assert_eq!(span.width(), u64::MAX);
        let found = ranges(span, Cursor::first(span, 10, 1));
        assert_eq!(found.len(), 10);
        assert_eq!(found.last().unwrap().1, i64::MAX);
        assert_eq!(ranges(span, Cursor::first(span, 1, 1)).len(), 1);
    }

    #[test]
    fn a_range_is_narrowed_until_it_is_one_value() {
        let span = Span::new(1, 5).unwrap();
        let mut cursor = Cursor::first(span, 1, 1);
        let mut widths = Vec::new();
        while let Some(half) = cursor.narrowed(cursor.next(span).unwrap(), 1) {
            widths.push(half.width);
            cursor = half;
        }
        assert_eq!(widths, [3, 2, 1]);
        let wide = Cursor::first(span, 1, 1);
        let range = wide.next(span).unwrap();
        assert_eq!(wide.narrowed(range, 4).unwrap().width, 2);
        assert_eq!(wide.narrowed(range, u64::MAX).unwrap().width, 1);
        // The last range is narrower than the cursor says; half of what it is counts.
        let end = Cursor {
            after: 3,
            width: 100,
        };
        assert_eq!(end.narrowed(end.next(span).unwrap(), 2).unwrap().width, 1);
    }
}
