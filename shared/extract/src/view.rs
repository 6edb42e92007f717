//! What the checks read from the cells of a column: canonical text, numbers, instants.

use arrow_array::Array;
use soxauto_content::Cells;
use soxauto_domain::value::format_decimal;

use crate::{
    canonical::{self, TICKS_PER_DAY, TICKS_PER_MICRO},
    error::ExtractError,
};

/// Microseconds in a day.
pub(crate) const MICROS_PER_DAY: i64 = TICKS_PER_DAY / TICKS_PER_MICRO;

/// The cells of a column of a batch.
pub(crate) fn cells(array: &dyn Array) -> Result<Cells<'_>, ExtractError> {
    Cells::new(array)
        .ok_or_else(|| ExtractError::Internal(format!("no cells of {}", array.data_type())))
}

/// What a cell says.
pub(crate) trait Reading {
    /// The number times ten to its scale; `None` for NULL and for other types.
    fn number(&self, row: usize) -> Option<i128>;
    /// Microseconds since 1970 of dates and timestamps, since midnight of times; `None` for NULL and other types.
    fn micros(&self, row: usize) -> Option<i64>;
    /// Canonical text; `None` for NULL.
    fn canonical(&self, row: usize) -> Option<String>;
}

impl Reading for Cells<'_> {
    fn number(&self, row: usize) -> Option<i128> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Self::UInt8(a) => Some(i128::from(a.value(row))),
            Self::Int16(a) => Some(i128::from(a.value(row))),
            Self::Int32(a) => Some(i128::from(a.value(row))),
            Self::Int64(a) => Some(i128::from(a.value(row))),
            Self::Decimal(a) => Some(a.value(row)),
            _ => None,
        }
    }

    fn micros(&self, row: usize) -> Option<i64> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Self::Date(a) => Some(i64::from(a.value(row)) * MICROS_PER_DAY),
            Self::Timestamp(a) => Some(a.value(row)),
            Self::Time(a) => Some(a.value(row)),
            _ => None,
        }
    }

    fn canonical(&self, row: usize) -> Option<String> {
        if self.is_null(row) {
            return None;
        }
        Some(match self {
            Self::Boolean(a) => u8::from(a.value(row)).to_string(),
            Self::UInt8(a) => a.value(row).to_string(),
            Self::Int16(a) => a.value(row).to_string(),
            Self::Int32(a) => a.value(row).to_string(),
            Self::Int64(a) => a.value(row).to_string(),
            Self::Float32(a) => a.value(row).to_string(),
            Self::Float64(a) => a.value(row).to_string(),
            // A SQL Server scale is never negative.
            Self::Decimal(a) => format_decimal(a.value(row), a.scale().unsigned_abs()),
            Self::Date(a) => canonical::date(i64::from(a.value(row))),
            Self::Time(a) => canonical::time(a.value(row) * TICKS_PER_MICRO),
            Self::Timestamp(a) => canonical::timestamp(a.value(row) * TICKS_PER_MICRO),
            Self::Text(a) => a.value(row).to_owned(),
            Self::Binary(a) => hex::encode(a.value(row)),
        })
    }
}
