//! Parameter values as clients send them: TYPE_INFO, then the value.

use uuid::Uuid;

use crate::calendar::{DAYS_TO_1900, Moment};
use crate::collation::Collation;
use crate::cursor::{Cursor, utf16_text};
use crate::error::ProtocolError;
use crate::type_info::token;
use crate::types::{Length, SqlType};

/// A typed value from a client: the type it was sent as, and its canonical text (see [`crate::Parameter`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireValue {
    pub(crate) ty: SqlType,
    pub(crate) text: Option<String>,
}

/// Reads one value with its type.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    let kind = cursor.u8()?;
    match kind {
        token::NULL => Ok(WireValue {
            ty: SqlType::Int,
            text: None,
        }),
        token::INT1
        | token::BIT
        | token::INT2
        | token::INT4
        | token::INT8
        | token::FLOAT4
        | token::FLOAT8
        | token::MONEY
        | token::MONEY4
        | token::DATETIME
        | token::DATETIME4 => fixed(kind, cursor),
        token::INTN
        | token::BITN
        | token::FLOATN
        | token::MONEYN
        | token::DATETIMEN
        | token::GUID
        | token::DECIMAL
        | token::NUMERIC => sized(kind, cursor),
        token::DATE | token::TIME | token::DATETIME2 | token::DATETIMEOFFSET => {
            temporal(kind, cursor)
        }
        token::CHAR
        | token::VARCHAR
        | token::NCHAR
        | token::NVARCHAR
        | token::BINARY
        | token::VARBINARY => variable(kind, cursor),
        token::XML => {
            if cursor.u8()? != 0 {
                cursor.b_varchar()?;
                cursor.b_varchar()?;
                cursor.us_varchar()?;
            }
            let bytes = chunked(cursor)?;
            let text = bytes.map(|bytes| wide(cursor, &bytes)).transpose()?;
            Ok(WireValue {
                ty: SqlType::Xml,
                text,
            })
        }
        token::TEXT | token::NTEXT | token::IMAGE => long(kind, cursor),
        token::VARIANT => Err(ProtocolError::Unsupported(
            "sql_variant parameters".to_owned(),
        )),
        token::UDT => Err(ProtocolError::Unsupported("CLR parameters".to_owned())),
        0xF3 => Err(ProtocolError::Unsupported(
            "table-valued parameters".to_owned(),
        )),
        other => Err(cursor.error(format!("parameter type {other:#04x}"))),
    }
}

fn fixed(kind: u8, cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    let (ty, size) = match kind {
        token::INT1 => (SqlType::TinyInt, 1),
        token::BIT => (SqlType::Bit, 1),
        token::INT2 => (SqlType::SmallInt, 2),
        token::INT4 => (SqlType::Int, 4),
        token::INT8 => (SqlType::BigInt, 8),
        token::FLOAT4 => (SqlType::Real, 4),
        token::FLOAT8 => (SqlType::Float, 8),
        token::MONEY => (SqlType::Money, 8),
        token::MONEY4 => (SqlType::SmallMoney, 4),
        token::DATETIME => (SqlType::DateTime, 8),
        _ => (SqlType::SmallDateTime, 4),
    };
    let mut value = Cursor::new(cursor.take(size)?, "parameter");
    let text = Some(plain(&ty, &mut value)?);
    Ok(WireValue { ty, text })
}

/// Types whose value says its length in one byte.
fn sized(kind: u8, cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    let size = cursor.u8()?;
    let ty = match (kind, size) {
        (token::BITN, 1) => SqlType::Bit,
        (token::INTN, 1) => SqlType::TinyInt,
        (token::INTN, 2) => SqlType::SmallInt,
        (token::INTN, 4) => SqlType::Int,
        (token::INTN, 8) => SqlType::BigInt,
        (token::FLOATN, 4) => SqlType::Real,
        (token::FLOATN, 8) => SqlType::Float,
        (token::MONEYN, 4) => SqlType::SmallMoney,
        (token::MONEYN, 8) => SqlType::Money,
        (token::DATETIMEN, 4) => SqlType::SmallDateTime,
        (token::DATETIMEN, 8) => SqlType::DateTime,
        (token::GUID, 16) => SqlType::UniqueIdentifier,
        (token::DECIMAL | token::NUMERIC, _) => {
            let (precision, scale) = (cursor.u8()?, cursor.u8()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(cursor.error(format!("decimal({precision},{scale})")));
            }
            SqlType::Decimal { precision, scale }
        }
        _ => return Err(cursor.error(format!("parameter type {kind:#04x} of {size} bytes"))),
    };
    let length = usize::from(cursor.u8()?);
    if length == 0 {
        return Ok(WireValue { ty, text: None });
    }
    let mut value = Cursor::new(cursor.take(length)?, "parameter");
    let text = match ty {
        SqlType::Decimal { scale, .. } => decimal(&mut value, scale)?,
        _ if length != usize::from(size) => {
            return Err(cursor.error(format!("{length} bytes in a {ty}")));
        }
        _ => plain(&ty, &mut value)?,
    };
    Ok(WireValue {
        ty,
        text: Some(text),
    })
}

/// The text of a value of a fixed size.
fn plain(ty: &SqlType, value: &mut Cursor<'_>) -> Result<String, ProtocolError> {
    Ok(match ty {
        SqlType::Bit => u8::from(value.u8()? != 0).to_string(),
        SqlType::TinyInt => value.u8()?.to_string(),
        SqlType::SmallInt => value.i16()?.to_string(),
        SqlType::Int => value.i32()?.to_string(),
        SqlType::BigInt => value.i64()?.to_string(),
        SqlType::Real => {
            let bytes = value.u32()?;
            f32::from_bits(bytes).to_string()
        }
        SqlType::Float => f64::from_bits(value.u64()?).to_string(),
        SqlType::SmallMoney => decimal_text(i128::from(value.i32()?), 4),
        SqlType::Money => {
            let (high, low) = (value.i32()?, value.u32()?);
            decimal_text((i128::from(high) << 32) | i128::from(low), 4)
        }
        SqlType::DateTime => {
            let (days, parts) = (value.i32()?, value.u32()?);
            if parts >= 86_400 * 300 {
                return Err(value.error("a datetime past midnight"));
            }
            // To the nearest millisecond, which is how SQL Server shows it.
            let millis = (u64::from(parts) * 10 + 1) / 3;
            let moment = Moment {
                days: i64::from(days) + DAYS_TO_1900,
                ticks: millis * 10_000,
                offset: None,
            };
            in_calendar(value, moment)?;
            format!("{}T{}", moment.date_text(), moment.time_text())
        }
        SqlType::SmallDateTime => {
            let (days, minutes) = (value.u16()?, value.u16()?);
            if minutes >= 1440 {
                return Err(value.error("a smalldatetime past midnight"));
            }
            let moment = Moment {
                days: i64::from(days) + DAYS_TO_1900,
                ticks: u64::from(minutes) * 600_000_000,
                offset: None,
            };
            format!("{}T{}", moment.date_text(), moment.time_text())
        }
        SqlType::UniqueIdentifier => {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(value.take(16)?);
            Uuid::from_bytes_le(bytes).to_string().to_uppercase()
        }
        other => return Err(value.error(format!("a fixed {other}"))),
    })
}

fn in_calendar(cursor: &Cursor<'_>, moment: Moment) -> Result<(), ProtocolError> {
    if (0..=crate::calendar::LAST_DAY).contains(&moment.days) {
        Ok(())
    } else {
        Err(cursor.error("a date outside the calendar"))
    }
}

fn decimal(value: &mut Cursor<'_>, scale: u8) -> Result<String, ProtocolError> {
    let positive = value.u8()? != 0;
    let length = value.remaining();
    let mut bytes = [0; 16];
    if length > 16 {
        return Err(value.error("a decimal of more than 16 bytes"));
    }
    bytes[..length].copy_from_slice(value.take(length)?);
    let magnitude = i128::try_from(u128::from_le_bytes(bytes))
        .map_err(|_| value.error("a decimal of more than 38 digits"))?;
    Ok(decimal_text(
        if positive { magnitude } else { -magnitude },
        scale,
    ))
}

/// An unscaled number as plain digits with `scale` of them after the point.
pub(crate) fn decimal_text(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

fn temporal(kind: u8, cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    let scale = if kind == token::DATE { 0 } else { cursor.u8()? };
    if scale > 7 {
        return Err(cursor.error(format!("a scale of {scale}")));
    }
    let ty = match kind {
        token::DATE => SqlType::Date,
        token::TIME => SqlType::Time { scale },
        token::DATETIME2 => SqlType::DateTime2 { scale },
        _ => SqlType::DateTimeOffset { scale },
    };
    let length = usize::from(cursor.u8()?);
    if length == 0 {
        return Ok(WireValue { ty, text: None });
    }
    let tail = match kind {
        token::TIME => 0,
        token::DATE | token::DATETIME2 => 3,
        _ => 5,
    };
    let mut value = Cursor::new(cursor.take(length)?, "parameter");
    let mut moment = Moment {
        days: 0,
        ticks: 0,
        offset: None,
    };
    if kind != token::DATE {
        let width = length
            .checked_sub(tail)
            .filter(|width| (3..=5).contains(width))
            .ok_or_else(|| value.error(format!("{length} bytes in a {ty}")))?;
        moment.ticks = little(value.take(width)?) * 10_u64.pow(u32::from(7 - scale));
        if moment.ticks >= crate::calendar::TICKS_PER_DAY {
            return Err(value.error("a time past midnight"));
        }
    }
    if kind != token::TIME {
        moment.days = i64::try_from(little(value.take(3)?)).unwrap_or(i64::MAX);
        in_calendar(&value, moment)?;
    }
    if kind == token::DATETIMEOFFSET {
        let offset = value.i16()?;
        moment = moment.shifted(i64::from(offset));
        moment.offset = Some(offset);
        in_calendar(&value, moment)?;
    }
    let text = match kind {
        token::DATE => moment.date_text(),
        token::TIME => moment.time_text(),
        _ => format!(
            "{}T{}{}",
            moment.date_text(),
            moment.time_text(),
            moment.offset_text()
        ),
    };
    Ok(WireValue {
        ty,
        text: Some(text),
    })
}

fn little(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn collation(cursor: &mut Cursor<'_>) -> Result<[u8; 5], ProtocolError> {
    let mut wire = [0; 5];
    wire.copy_from_slice(cursor.take(5)?);
    Ok(wire)
}

/// Text and binary whose value says its length in two bytes, or comes in chunks.
fn variable(kind: u8, cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    let limit = cursor.u16()?;
    let is_text = !matches!(kind, token::BINARY | token::VARBINARY);
    let code_page = if is_text {
        Collation::code_page_of(collation(cursor)?)
    } else {
        encoding_rs::WINDOWS_1252
    };
    let is_max = limit == 0xFFFF;
    let bytes = if is_max {
        chunked(cursor)?
    } else {
        match cursor.u16()? {
            0xFFFF => None,
            length => Some(cursor.take(usize::from(length))?.to_vec()),
        }
    };
    let length = |width: u16| {
        if is_max {
            Length::Max
        } else {
            Length::Limit((limit / width).max(1))
        }
    };
    let ty = match kind {
        token::CHAR => SqlType::Char {
            length: limit.max(1),
        },
        token::VARCHAR => SqlType::VarChar { length: length(1) },
        token::NCHAR => SqlType::NChar {
            length: (limit / 2).max(1),
        },
        token::NVARCHAR => SqlType::NVarChar { length: length(2) },
        token::BINARY => SqlType::Binary {
            length: limit.max(1),
        },
        _ => SqlType::VarBinary { length: length(1) },
    };
    let text = match bytes {
        None => None,
        Some(bytes) => Some(match kind {
            token::BINARY | token::VARBINARY => hex_text(&bytes),
            token::NCHAR | token::NVARCHAR => wide(cursor, &bytes)?,
            _ => code_page.decode_without_bom_handling(&bytes).0.into_owned(),
        }),
    };
    Ok(WireValue { ty, text })
}

fn wide(cursor: &Cursor<'_>, bytes: &[u8]) -> Result<String, ProtocolError> {
    utf16_text(bytes).ok_or_else(|| cursor.error("a text is not valid UTF-16"))
}

/// A value in chunks. Its announced length is not believed: memory grows only with the bytes that are there.
fn chunked(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, ProtocolError> {
    if cursor.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        match cursor.u32()? {
            0 => return Ok(Some(bytes)),
            length => bytes.extend_from_slice(cursor.take(length as usize)?),
        }
    }
}

/// The legacy long types, as parameters: no text pointer, a length in four bytes.
fn long(kind: u8, cursor: &mut Cursor<'_>) -> Result<WireValue, ProtocolError> {
    cursor.u32()?;
    let code_page = if kind == token::IMAGE {
        encoding_rs::WINDOWS_1252
    } else {
        Collation::code_page_of(collation(cursor)?)
    };
    let bytes = match cursor.i32()? {
        -1 => None,
        length => {
            let length = usize::try_from(length).map_err(|_| cursor.error("a negative length"))?;
            Some(cursor.take(length)?)
        }
    };
    let (ty, text) = match (kind, bytes) {
        (token::NTEXT, bytes) => (
            SqlType::NVarChar {
                length: Length::Max,
            },
            bytes.map(|bytes| wide(cursor, bytes)).transpose()?,
        ),
        (token::TEXT, bytes) => (
            SqlType::VarChar {
                length: Length::Max,
            },
            bytes.map(|bytes| code_page.decode_without_bom_handling(bytes).0.into_owned()),
        ),
        (_, bytes) => (
            SqlType::VarBinary {
                length: Length::Max,
            },
            bytes.map(hex_text),
        ),
    };
    Ok(WireValue { ty, text })
}

/// Lower-case hexadecimal.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
