//! A typed look at one column of a batch: canonical text, numbers, instants, and the bytes of a key.

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array,
};
use soxauto_domain::value::format_decimal;

use crate::{
    canonical::{self, TICKS_PER_DAY, TICKS_PER_MICRO},
    error::ExtractError,
};

/// Microseconds in a day.
pub(crate) const MICROS_PER_DAY: i64 = TICKS_PER_DAY / TICKS_PER_MICRO;

/// One column, its type known.
pub(crate) enum View<'a> {
    Boolean(&'a BooleanArray),
    UInt8(&'a UInt8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
}

macro_rules! each {
    ($self:expr, $array:ident => $body:expr) => {
        match $self {
            View::Boolean($array) => $body,
            View::UInt8($array) => $body,
            View::Int16($array) => $body,
            View::Int32($array) => $body,
            View::Int64($array) => $body,
            View::Float32($array) => $body,
            View::Float64($array) => $body,
            View::Decimal($array) => $body,
            View::Date($array) => $body,
            View::Time($array) => $body,
            View::Timestamp($array) => $body,
            View::Text($array) => $body,
            View::Binary($array) => $body,
        }
    };
}

impl<'a> View<'a> {
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self, ExtractError> {
        let any = array.as_any();
        macro_rules! first {
            ($($variant:ident),*) => {
                $(if let Some(array) = any.downcast_ref() { return Ok(Self::$variant(array)); })*
            };
        }
        first!(
            Text, Decimal, Timestamp, Int32, Int64, Date, Boolean, UInt8, Int16, Float32, Float64,
            Time, Binary
        );
        Err(ExtractError::Internal(format!(
            "no view of {}",
            array.data_type()
        )))
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        each!(self, array => array.is_null(row))
    }

    pub(crate) fn null_count(&self) -> usize {
        each!(self, array => array.null_count())
    }

    /// The number times ten to its scale; `None` for NULL and for other types.
    pub(crate) fn number(&self, row: usize) -> Option<i128> {
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

    /// Microseconds since 1970 of dates and timestamps, since midnight of times; `None` for NULL and other types.
    pub(crate) fn micros(&self, row: usize) -> Option<i64> {
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

    /// Canonical text; `None` for NULL.
    pub(crate) fn canonical(&self, row: usize) -> Option<String> {
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

    /// Appends bytes that are equal for equal values of this column only: a tag for NULL, a length before what varies.
    pub(crate) fn key(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.push(0);
            return;
        }
        out.push(1);
        match self {
            Self::Boolean(a) => out.push(u8::from(a.value(row))),
            Self::UInt8(a) => out.push(a.value(row)),
            Self::Int16(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Int32(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Int64(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            // SQL Server takes 0 and -0 as equal.
            Self::Float32(a) => {
                out.extend_from_slice(&(a.value(row) + 0.0).to_bits().to_le_bytes())
            }
            Self::Float64(a) => {
                out.extend_from_slice(&(a.value(row) + 0.0).to_bits().to_le_bytes())
            }
            Self::Decimal(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Date(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Time(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Timestamp(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Text(a) => sized(a.value(row).as_bytes(), out),
            Self::Binary(a) => sized(a.value(row), out),
        }
    }
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}
