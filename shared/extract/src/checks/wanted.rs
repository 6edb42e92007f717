//! A value that the catalog or the source names, read as the column's type, so that equal means equal.
//!
//! Numbers are compared numerically, dates as instants, texts exactly (but for the blanks that pad `char` and `nchar`).

use soxauto_content::Cells;
use soxauto_domain::{
    SqlType,
    catalog::{Rounding, Sample},
    plan::ColumnContract,
    value::parse_decimal,
};

use crate::{
    canonical::{self, TICKS_PER_MICRO},
    view::{MICROS_PER_DAY, Reading as _},
};

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    Null,
    Bit(bool),
    /// At the column's scale.
    Number(i128),
    Float(f64),
    /// Since 1970, or since midnight for `time`.
    Micros(i64),
    Text(String),
    /// Without the blanks at its end.
    Padded(String),
    Binary(Vec<u8>),
}

impl Wanted {
    /// Reads canonical text.
    ///
    /// # Errors
    /// In words, when the text is not a value of the column.
    pub(crate) fn parse(column: &ColumnContract, text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else {
            return Ok(Self::Null);
        };
        let sql_type = column.sql_type;
        let wrong = || {
            let shown = match column.sample {
                Sample::Mask => "the value (not shown)".to_owned(),
                Sample::Show => canonical::shorten(text),
            };
            format!(
                "{shown} is not a value of column {:?}, which is {sql_type}",
                column.name
            )
        };
        Ok(match sql_type {
            SqlType::Bit => match text {
                "0" => Self::Bit(false),
                "1" => Self::Bit(true),
                _ => return Err(wrong()),
            },
            SqlType::Real | SqlType::Float => Self::Float(text.parse().map_err(|_| wrong())?),
            SqlType::Date => {
                let days = canonical::parse_date(text).ok_or_else(wrong)?;
                Self::Micros(i64::from(days) * MICROS_PER_DAY)
            }
            SqlType::Time(_) => {
                Self::Micros(to_micros(canonical::parse_time(text), column).ok_or_else(wrong)?)
            }
            SqlType::DateTime
            | SqlType::SmallDateTime
            | SqlType::DateTime2(_)
            | SqlType::DateTimeOffset(_) => {
                Self::Micros(to_micros(canonical::parse_timestamp(text), column).ok_or_else(wrong)?)
            }
            SqlType::Char(_) | SqlType::NChar(_) => {
                Self::Padded(text.trim_end_matches(' ').to_owned())
            }
            SqlType::UniqueIdentifier => Self::Text(text.to_ascii_uppercase()),
            SqlType::Binary(_) | SqlType::VarBinary(_) | SqlType::RowVersion => {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                Self::Binary(hex::decode(digits).map_err(|_| wrong())?)
            }
            SqlType::VarChar(_) | SqlType::NVarChar(_) | SqlType::Xml => {
                Self::Text(text.to_owned())
            }
            SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::Decimal { .. }
            | SqlType::Money
            | SqlType::SmallMoney => {
                let scale = sql_type.scale().unwrap_or(0);
                // The source may answer with more zeros than the column has digits.
                Self::Number(parse_decimal(text, scale).ok_or_else(wrong)?)
            }
        })
    }

    /// Whether the row's value is this one.
    pub(crate) fn equals(&self, view: &Cells<'_>, row: usize) -> bool {
        if view.is_null(row) {
            return *self == Self::Null;
        }
        match (self, view) {
            (Self::Bit(wanted), Cells::Boolean(a)) => a.value(row) == *wanted,
            (Self::Number(wanted), _) => view.number(row) == Some(*wanted),
            (Self::Float(wanted), Cells::Float64(a)) => a.value(row) == *wanted,
            (Self::Float(wanted), Cells::Float32(a)) => a.value(row) == *wanted as f32,
            (Self::Micros(wanted), _) => view.micros(row) == Some(*wanted),
            (Self::Text(wanted), Cells::Text(a)) => a.value(row) == wanted,
            (Self::Padded(wanted), Cells::Text(a)) => a.value(row).trim_end_matches(' ') == wanted,
            (Self::Binary(wanted), Cells::Binary(a)) => a.value(row) == wanted.as_slice(),
            _ => false,
        }
    }
}

fn to_micros(ticks: Option<i64>, column: &ColumnContract) -> Option<i64> {
    let ticks = ticks?;
    let whole = ticks.div_euclid(TICKS_PER_MICRO);
    let rest = ticks.rem_euclid(TICKS_PER_MICRO);
    match column.rounding {
        _ if rest == 0 => Some(whole),
        Some(Rounding::Round) => Some(whole + i64::from(rest >= 5)),
        // `datetime` answers in thirds of 100 ns; the extract holds the nearest microsecond.
        None if column.sql_type == SqlType::DateTime => Some(whole + i64::from(rest >= 5)),
        None => None,
    }
}
