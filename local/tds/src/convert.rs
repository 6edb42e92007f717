//! A parameter's value in the canonical text of its declared type: what SQL Server does when it assigns an argument.

use uuid::Uuid;

use crate::calendar::{DAYS_TO_1900, Moment};
use crate::error::SqlError;
use crate::types::{Length, SqlType};
use crate::wire_value::{WireValue, decimal_text};

/// Converts a value that was sent as one type to the type that the statement declares.
///
/// # Errors
/// 8114 when the text does not read as the type, 8115 when it does not fit.
pub(crate) fn to_declared(
    value: &WireValue,
    declared: &SqlType,
) -> Result<Option<String>, SqlError> {
    let Some(text) = &value.text else {
        return Ok(None);
    };
    let unreadable = || SqlError::conversion(family(&value.ty), family(declared));
    if binary(&value.ty) != binary(declared) && !matches!(declared, SqlType::Variant) {
        return Err(unreadable());
    }
    use SqlType as T;
    let converted = match declared {
        T::Bit => bit(text),
        T::TinyInt => integer(text, 0, 255),
        T::SmallInt => integer(text, i16::MIN.into(), i16::MAX.into()),
        T::Int => integer(text, i32::MIN.into(), i32::MAX.into()),
        T::BigInt => integer(text, i64::MIN.into(), i64::MAX.into()),
        T::Real => text.trim().parse::<f32>().ok().map(|v| v.to_string()),
        T::Float => text.trim().parse::<f64>().ok().map(|v| v.to_string()),
        T::Decimal { precision, scale } | T::Numeric { precision, scale } => {
            decimal(text, *precision, *scale)
        }
        T::Money => decimal(text, 19, 4),
        T::SmallMoney => decimal(text, 10, 4),
        T::Date
        | T::SmallDateTime
        | T::DateTime
        | T::DateTime2 { .. }
        | T::DateTimeOffset { .. }
        | T::Time { .. } => temporal(text, declared),
        T::UniqueIdentifier => Uuid::try_parse(text.trim().trim_matches(['{', '}']))
            .ok()
            .map(|guid| guid.to_string().to_uppercase()),
        T::Char { length } => Some(format!(
            "{:<width$}",
            cut(text, usize::from(*length)),
            width = usize::from(*length)
        )),
        T::NChar { length } => Some(format!(
            "{:<width$}",
            cut(text, usize::from(*length)),
            width = usize::from(*length)
        )),
        T::VarChar { length } | T::NVarChar { length } => Some(match length {
            Length::Limit(limit) => cut(text, usize::from(*limit)).to_owned(),
            Length::Max => text.clone(),
        }),
        T::Binary { length } => {
            let width = usize::from(*length) * 2;
            Some(format!("{:0<width$}", cut(text, width)))
        }
        T::VarBinary { length } => Some(match length {
            Length::Limit(limit) => cut(text, usize::from(*limit) * 2).to_owned(),
            Length::Max => text.clone(),
        }),
        T::RowVersion | T::Xml | T::Variant | T::Udt { .. } => Some(text.clone()),
    };
    converted.map(Some).ok_or_else(unreadable)
}

fn binary(ty: &SqlType) -> bool {
    matches!(
        ty,
        SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::RowVersion
    )
}

/// A type's name without its arguments, as SQL Server's messages have it.
fn family(ty: &SqlType) -> &'static str {
    use SqlType as T;
    match ty {
        T::Bit => "bit",
        T::TinyInt => "tinyint",
        T::SmallInt => "smallint",
        T::Int => "int",
        T::BigInt => "bigint",
        T::Real => "real",
        T::Float => "float",
        T::Decimal { .. } => "decimal",
        T::Numeric { .. } => "numeric",
        T::Money => "money",
        T::SmallMoney => "smallmoney",
        T::Date => "date",
        T::SmallDateTime => "smalldatetime",
        T::DateTime => "datetime",
        T::DateTime2 { .. } => "datetime2",
        T::DateTimeOffset { .. } => "datetimeoffset",
        T::Time { .. } => "time",
        T::Char { .. } => "char",
        T::VarChar { .. } => "varchar",
        T::NChar { .. } => "nchar",
        T::NVarChar { .. } => "nvarchar",
        T::UniqueIdentifier => "uniqueidentifier",
        T::Binary { .. } => "binary",
        T::VarBinary { .. } => "varbinary",
        T::RowVersion => "timestamp",
        T::Xml => "xml",
        T::Variant => "sql_variant",
        T::Udt { .. } => "a CLR type",
    }
}

/// The first `units` UTF-16 code units; SQL Server cuts an argument that is too long for its variable.
fn cut(text: &str, units: usize) -> &str {
    let mut left = units;
    for (at, character) in text.char_indices() {
        match left.checked_sub(character.len_utf16()) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

fn bit(text: &str) -> Option<String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Some("1".to_owned());
    }
    if text.eq_ignore_ascii_case("false") {
        return Some("0".to_owned());
    }
    let number = text.parse::<f64>().ok()?;
    Some(u8::from(number != 0.0).to_string())
}

fn integer(text: &str, low: i128, high: i128) -> Option<String> {
    let text = text.trim();
    let value = match text.parse::<i128>() {
        Ok(value) => value,
        // A number with decimals loses them, as in SQL Server.
        Err(_) => unscaled(text, 0, false)?,
    };
    (low..=high).contains(&value).then(|| value.to_string())
}

fn decimal(text: &str, precision: u8, scale: u8) -> Option<String> {
    let value = unscaled(text.trim(), scale, true)?;
    (value.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38))))
        .then(|| decimal_text(value, scale))
}

/// A decimal text, with or without an exponent, times 10 to the scale; rounded half away from zero, or cut.
fn unscaled(text: &str, scale: u8, round: bool) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    // How many of the digits are kept: those before the point, moved by the exponent, and `scale` after it.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    if !(0..=200).contains(&kept) {
        return (kept < 0).then_some(0);
    }
    let kept = usize::try_from(kept).ok()?;
    let head = format!("{:0<kept$}", digits.get(..kept).unwrap_or(&digits));
    let mut value = if head.is_empty() {
        0
    } else {
        head.parse::<i128>().ok()?
    };
    if round
        && digits
            .as_bytes()
            .get(kept)
            .is_some_and(|digit| *digit >= b'5')
    {
        value += 1;
    }
    Some(if negative { -value } else { value })
}

fn temporal(text: &str, declared: &SqlType) -> Option<String> {
    let mut moment = Moment::parse(text)?;
    if !matches!(declared, SqlType::DateTimeOffset { .. }) {
        moment.offset = None;
    }
    Some(match declared {
        SqlType::Date => moment.date_text(),
        SqlType::Time { scale } => moment.rounded(*scale).time_text(),
        SqlType::SmallDateTime => {
            let minute = 600_000_000;
            let minutes = (moment.ticks + minute / 2) / minute * minute;
            let moment =
                Moment { ticks: 0, ..moment }.shifted(i64::try_from(minutes / minute).ok()?);
            ((DAYS_TO_1900)..(DAYS_TO_1900 + 65536))
                .contains(&moment.days)
                .then(|| format!("{}T{}", moment.date_text(), moment.time_text()))?
        }
        SqlType::DateTime => {
            // Three-hundredths of a second, shown to the millisecond.
            let parts = (moment.ticks * 300 + 5_000_000) / 10_000_000;
            let (days, parts) = if parts >= 86_400 * 300 {
                (moment.days + 1, 0)
            } else {
                (moment.days, parts)
            };
            let moment = Moment {
                days,
                ticks: (parts * 10 + 1) / 3 * 10_000,
                offset: None,
            };
            format!("{}T{}", moment.date_text(), moment.time_text())
        }
        SqlType::DateTime2 { scale } => {
            let moment = moment.rounded(*scale);
            format!("{}T{}", moment.date_text(), moment.time_text())
        }
        SqlType::DateTimeOffset { scale } => {
            let mut moment = moment.rounded(*scale);
            moment.offset = Some(moment.offset.unwrap_or(0));
            format!(
                "{}T{}{}",
                moment.date_text(),
                moment.time_text(),
                moment.offset_text()
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(from: &str, text: &str, to: &str) -> Result<Option<String>, SqlError> {
        let value = WireValue {
            ty: SqlType::parse(from).expect("a type"),
            text: Some(text.to_owned()),
        };
        to_declared(&value, &SqlType::parse(to).expect("a type"))
    }

    #[test]
    fn arguments_become_their_declared_type() {
        for (from, text, to, expected) in [
            ("nvarchar(4000)", "2024-05-01", "date", "2024-05-01"),
            ("datetime2(7)", "2024-05-01T10:00:00", "date", "2024-05-01"),
            ("date", "2024-05-01", "datetime", "2024-05-01T00:00:00"),
            (
                "datetime2(7)",
                "2024-05-01T10:00:00.1234567",
                "datetime",
                "2024-05-01T10:00:00.123",
            ),
            (
                "datetime2(7)",
                "2024-05-01T10:00:00.1234567",
                "datetime2(3)",
                "2024-05-01T10:00:00.123",
            ),
            (
                "datetime2(7)",
                "2024-12-31T23:59:30",
                "smalldatetime",
                "2025-01-01T00:00:00",
            ),
            ("decimal(18,4)", "12.5000", "decimal(10,2)", "12.50"),
            ("decimal(18,4)", "-12.3450", "decimal(10,2)", "-12.35"),
            ("float", "1e3", "decimal(10,2)", "1000.00"),
            ("float", "0.00001", "decimal(10,2)", "0.00"),
            ("nvarchar(10)", "12.9", "int", "12"),
            ("int", "2", "bit", "1"),
            ("nvarchar(10)", "abcdef", "varchar(3)", "abc"),
            ("varbinary(4)", "0a0b", "binary(4)", "0a0b0000"),
            (
                "nvarchar(50)",
                "6f9619ff-8b86-d011-b42d-00c04fc964ff",
                "uniqueidentifier",
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ),
        ] {
            assert_eq!(
                convert(from, text, to).expect("converts").as_deref(),
                Some(expected),
                "{text} as {to}"
            );
        }
    }

    #[test]
    fn what_does_not_read_is_refused() {
        for (from, text, to) in [
            ("nvarchar(10)", "yesterday", "date"),
            ("nvarchar(10)", "2024-02-30", "date"),
            ("int", "256", "tinyint"),
            ("decimal(18,0)", "1000", "decimal(3,0)"),
            ("nvarchar(10)", "", "decimal(3,0)"),
            ("varbinary(3)", "010203", "int"),
        ] {
            assert_eq!(
                convert(from, text, to).expect_err(text).number,
                8114,
                "{text} as {to}"
            );
        }
    }
}
