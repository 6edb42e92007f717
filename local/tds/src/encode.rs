//! Values as TDS writes them, by declared type.

use bytes::{BufMut, BytesMut};
use thiserror::Error;
use uuid::Uuid;

use crate::calendar::{DAYS_TO_1900, LAST_DAY, Moment, TICKS_PER_DAY, TICKS_PER_SECOND};
use crate::cell::Cell;
use crate::error::SqlError;
use crate::type_info::{decimal_size, time_size};
use crate::types::{Column, Length, SqlType};

/// Bytes of a chunk of a `(max)` value.
const CHUNK: usize = 16 * 1024;

/// A value that its declared type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// NULL in a column that is declared never NULL.
    #[error("column '{column}' is declared NOT NULL and its value is NULL")]
    Null {
        /// The column.
        column: String,
    },
    /// The backend gave another kind of value.
    #[error("column '{column}' is declared {declared} and was given {given}")]
    Kind {
        /// The column.
        column: String,
        /// Its declared type.
        declared: String,
        /// What came.
        given: String,
    },
    /// The value is outside the type.
    #[error("column '{column}': the value does not fit {declared}")]
    Range {
        /// The column.
        column: String,
        /// Its declared type.
        declared: String,
    },
}

impl From<EncodeError> for SqlError {
    fn from(error: EncodeError) -> Self {
        // 8115 is SQL Server's own for a value that does not fit; 50000 is a user error: the backend is wrong.
        let number = match error {
            EncodeError::Range { .. } => 8115,
            EncodeError::Null { .. } => 515,
            EncodeError::Kind { .. } => 50000,
        };
        SqlError::new(number, 16, error.to_string())
    }
}

/// Appends one value.
pub(crate) fn put_cell(
    column: &Column,
    cell: &Cell<'_>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    match cell {
        Cell::Null => put_null(column, out),
        Cell::Raw(bytes) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        _ => put_value(column, cell, out),
    }
}

fn put_null(column: &Column, out: &mut BytesMut) -> Result<(), EncodeError> {
    use SqlType as T;
    if column.is_fixed() {
        return Err(EncodeError::Null {
            column: column.name.clone(),
        });
    }
    if column.is_chunked() {
        out.put_u64_le(u64::MAX);
        return Ok(());
    }
    match column.ty {
        T::Char { .. }
        | T::VarChar { .. }
        | T::NChar { .. }
        | T::NVarChar { .. }
        | T::Binary { .. }
        | T::VarBinary { .. }
        | T::RowVersion => out.put_u16_le(0xFFFF),
        T::Variant => out.put_u32_le(0),
        _ => out.put_u8(0),
    }
    Ok(())
}

fn put_value(column: &Column, cell: &Cell<'_>, out: &mut BytesMut) -> Result<(), EncodeError> {
    use SqlType as T;
    let range = || EncodeError::Range {
        column: column.name.clone(),
        declared: column.ty.to_string(),
    };
    // Values that may be NULL say their length; those that cannot do not.
    let sized = |out: &mut BytesMut, bytes: &[u8]| {
        if !column.is_fixed() {
            out.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        }
        out.extend_from_slice(bytes);
    };
    match (&column.ty, cell) {
        (T::Bit, Cell::Bit(value)) => sized(out, &[u8::from(*value)]),
        (T::TinyInt, Cell::Int(value)) => {
            sized(
                out,
                &u8::try_from(*value).map_err(|_| range())?.to_le_bytes(),
            );
        }
        (T::SmallInt, Cell::Int(value)) => {
            sized(
                out,
                &i16::try_from(*value).map_err(|_| range())?.to_le_bytes(),
            );
        }
        (T::Int, Cell::Int(value)) => {
            sized(
                out,
                &i32::try_from(*value).map_err(|_| range())?.to_le_bytes(),
            );
        }
        (T::BigInt, Cell::Int(value)) => sized(out, &value.to_le_bytes()),
        (T::Real, Cell::Real(value)) => sized(out, &value.to_le_bytes()),
        (T::Float, Cell::Float(value)) => sized(out, &value.to_le_bytes()),
        (T::Decimal { precision, .. } | T::Numeric { precision, .. }, Cell::Decimal(value)) => {
            put_decimal(*value, *precision, out).ok_or_else(range)?;
        }
        (T::Money, Cell::Decimal(value)) => {
            let value = i64::try_from(*value).map_err(|_| range())?;
            let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
            // The high half first, each half little-endian.
            sized(out, &[e, f, g, h, a, b, c, d]);
        }
        (T::SmallMoney, Cell::Decimal(value)) => {
            sized(
                out,
                &i32::try_from(*value).map_err(|_| range())?.to_le_bytes(),
            );
        }
        (T::Date, Cell::Date(days)) => {
            out.put_u8(3);
            put_days(*days, out).ok_or_else(range)?;
        }
        (T::Time { scale }, Cell::Time(ticks)) => {
            // Rounding 23:59:59.9999999 up would be tomorrow; SQL Server wraps to midnight, and so does this.
            if *ticks >= TICKS_PER_DAY {
                return Err(range());
            }
            let moment = moment(0, *ticks).rounded(*scale);
            out.put_u8(time_size(*scale));
            put_ticks(moment.ticks, *scale, out).ok_or_else(range)?;
        }
        (T::DateTime2 { scale }, Cell::DateTime { days, ticks }) => {
            let moment = moment(*days, *ticks).rounded(*scale);
            out.put_u8(time_size(*scale) + 3);
            put_ticks(moment.ticks, *scale, out).ok_or_else(range)?;
            put_days(moment.days, out).ok_or_else(range)?;
        }
        (T::DateTimeOffset { scale }, Cell::DateTime { days, ticks }) => {
            put_datetimeoffset(*days, *ticks, 0, *scale, out).ok_or_else(range)?;
        }
        (
            T::DateTimeOffset { scale },
            Cell::DateTimeOffset {
                days,
                ticks,
                offset,
            },
        ) => {
            put_datetimeoffset(*days, *ticks, *offset, *scale, out).ok_or_else(range)?;
        }
        (T::DateTime, Cell::DateTime { days, ticks }) => {
            sized(out, &datetime(*days, *ticks).ok_or_else(range)?);
        }
        (T::SmallDateTime, Cell::DateTime { days, ticks }) => {
            sized(out, &smalldatetime(*days, *ticks).ok_or_else(range)?);
        }
        (T::UniqueIdentifier, Cell::Guid(guid)) => {
            out.put_u8(16);
            out.extend_from_slice(&guid.to_bytes_le());
        }
        (T::UniqueIdentifier, Cell::Text(text)) => {
            let guid = Uuid::try_parse(text).map_err(|_| range())?;
            out.put_u8(16);
            out.extend_from_slice(&guid.to_bytes_le());
        }
        (T::Variant, Cell::VariantInt(value)) => {
            out.put_u32_le(6);
            out.extend_from_slice(&[crate::type_info::token::INT4, 0]);
            out.put_i32_le(*value);
        }
        (ty, Cell::Text(text)) if ty.is_text() || *ty == T::Xml => {
            put_text(column, text, out).ok_or_else(range)?;
        }
        (T::NChar { .. } | T::NVarChar { .. } | T::Xml, Cell::Utf16(units)) => {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            put_bytes(column, &bytes, out).ok_or_else(range)?;
        }
        (
            T::Char { .. }
            | T::VarChar { .. }
            | T::Binary { .. }
            | T::VarBinary { .. }
            | T::RowVersion
            | T::Udt { .. },
            Cell::Bytes(bytes),
        ) => put_bytes(column, bytes, out).ok_or_else(range)?,
        _ => {
            return Err(EncodeError::Kind {
                column: column.name.clone(),
                declared: column.ty.to_string(),
                given: kind_of(cell).to_owned(),
            });
        }
    }
    Ok(())
}

/// The name of the cell's kind; never its value, which may be confidential.
fn kind_of(cell: &Cell<'_>) -> &'static str {
    match cell {
        Cell::Null => "NULL",
        Cell::Bit(_) => "a bit",
        Cell::Int(_) => "an integer",
        Cell::Real(_) => "a real",
        Cell::Float(_) => "a float",
        Cell::Decimal(_) => "a decimal",
        Cell::Date(_) => "a date",
        Cell::Time(_) => "a time",
        Cell::DateTime { .. } => "a date and time",
        Cell::DateTimeOffset { .. } => "a date and time with an offset",
        Cell::Text(_) => "text",
        Cell::Utf16(_) => "UTF-16 text",
        Cell::Bytes(_) => "bytes",
        Cell::Guid(_) => "a uniqueidentifier",
        Cell::VariantInt(_) => "a sql_variant",
        Cell::Raw(_) => "raw bytes",
    }
}

fn moment(days: i64, ticks: u64) -> Moment {
    Moment {
        days,
        ticks,
        offset: None,
    }
}

fn put_decimal(value: i128, precision: u8, out: &mut BytesMut) -> Option<()> {
    let magnitude = value.unsigned_abs();
    if magnitude >= 10_u128.pow(u32::from(precision.min(38))) {
        return None;
    }
    let size = decimal_size(precision);
    out.put_u8(size);
    out.put_u8(u8::from(value >= 0));
    out.extend_from_slice(&magnitude.to_le_bytes()[..usize::from(size) - 1]);
    Some(())
}

fn put_days(days: i64, out: &mut BytesMut) -> Option<()> {
    if !(0..=LAST_DAY).contains(&days) {
        return None;
    }
    out.extend_from_slice(&days.to_le_bytes()[..3]);
    Some(())
}

fn put_ticks(ticks: u64, scale: u8, out: &mut BytesMut) -> Option<()> {
    if ticks >= TICKS_PER_DAY {
        return None;
    }
    let units = ticks / 10_u64.pow(u32::from(7 - scale.min(7)));
    out.extend_from_slice(&units.to_le_bytes()[..usize::from(time_size(scale))]);
    Some(())
}

fn put_datetimeoffset(
    days: i64,
    ticks: u64,
    offset: i16,
    scale: u8,
    out: &mut BytesMut,
) -> Option<()> {
    let moment = moment(days, ticks).rounded(scale);
    out.put_u8(time_size(scale) + 5);
    put_ticks(moment.ticks, scale, out)?;
    put_days(moment.days, out)?;
    out.put_i16_le(offset);
    (offset.unsigned_abs() <= 14 * 60).then_some(())
}

/// Days since 1900 and three-hundredths of a second, from 1753 on.
fn datetime(days: i64, ticks: u64) -> Option<[u8; 8]> {
    const EARLIEST: i64 = 639_905;
    let day = 86_400 * 300;
    let rounded = (ticks * 300 + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND;
    let (days, rounded) = if rounded >= day {
        (days + 1, 0)
    } else {
        (days, rounded)
    };
    if !(EARLIEST..=LAST_DAY).contains(&days) {
        return None;
    }
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&i32::try_from(days - DAYS_TO_1900).ok()?.to_le_bytes());
    bytes[4..].copy_from_slice(&u32::try_from(rounded).ok()?.to_le_bytes());
    Some(bytes)
}

/// Days since 1900 and minutes, seconds rounded away.
fn smalldatetime(days: i64, ticks: u64) -> Option<[u8; 4]> {
    let minute = 60 * TICKS_PER_SECOND;
    let minutes = (ticks + minute / 2) / minute;
    let (days, minutes) = if minutes >= 1440 {
        (days + 1, 0)
    } else {
        (days, minutes)
    };
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&u16::try_from(days - DAYS_TO_1900).ok()?.to_le_bytes());
    bytes[2..].copy_from_slice(&u16::try_from(minutes).ok()?.to_le_bytes());
    Some(bytes)
}

fn put_text(column: &Column, text: &str, out: &mut BytesMut) -> Option<()> {
    match column.ty {
        SqlType::Char { .. } | SqlType::VarChar { .. } => {
            put_bytes(column, &column.collation.encode(text), out)
        }
        // The common case without a copy in between: write, then fill the length in.
        SqlType::NVarChar {
            length: Length::Limit(limit),
        } => {
            let at = out.len();
            out.put_u16_le(0);
            for unit in text.encode_utf16() {
                out.put_u16_le(unit);
            }
            let bytes = out.len() - at - 2;
            if bytes > usize::from(limit) * 2 {
                return None;
            }
            out[at..at + 2].copy_from_slice(&u16::try_from(bytes).ok()?.to_le_bytes());
            Some(())
        }
        _ => {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            put_bytes(column, &bytes, out)
        }
    }
}

/// Bytes of a text or binary value: padded, length-prefixed or in chunks, as the type has it.
fn put_bytes(column: &Column, bytes: &[u8], out: &mut BytesMut) -> Option<()> {
    use SqlType as T;
    if column.is_chunked() {
        out.put_u64_le(bytes.len() as u64);
        for chunk in bytes.chunks(CHUNK) {
            out.put_u32_le(u32::try_from(chunk.len()).ok()?);
            out.extend_from_slice(chunk);
        }
        out.put_u32_le(0);
        return Some(());
    }
    let limit = |length: Length| match length {
        Length::Limit(limit) => usize::from(limit),
        Length::Max => usize::MAX,
    };
    let (limit, padding): (usize, &[u8]) = match column.ty {
        T::Char { length } => (usize::from(length), b" "),
        T::NChar { length } => (usize::from(length) * 2, b" \0"),
        T::Binary { length } => (usize::from(length), b"\0"),
        T::RowVersion => (8, b"\0"),
        T::VarChar { length } | T::VarBinary { length } => (limit(length), b""),
        T::NVarChar { length } => (limit(length) * 2, b""),
        _ => return None,
    };
    if bytes.len() > limit {
        return None;
    }
    let length = if padding.is_empty() {
        bytes.len()
    } else {
        limit
    };
    out.put_u16_le(u16::try_from(length).ok()?);
    out.extend_from_slice(bytes);
    if !padding.is_empty() {
        for _ in 0..(limit - bytes.len()) / padding.len() {
            out.extend_from_slice(padding);
        }
    }
    Some(())
}
