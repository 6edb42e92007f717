//! Values of parameters: canonical text, checked against the declared type before anything is bound.

use jiff::civil::{Date, DateTime};

use crate::sql_type::{Length, SqlType};

/// A parameter's value in the form that a driver binds.
#[derive(Debug, Clone, PartialEq)]
pub enum TypedValue {
    /// `bit`.
    Bit(bool),
    /// `tinyint` to `bigint`; the type says the range.
    Integer(i64),
    /// `decimal(p,s)`: the number times ten to the scale.
    Decimal {
        /// The number without its point.
        unscaled: i128,
        /// Digits after the point: the declared type's.
        scale: u8,
    },
    /// `float`, `real`.
    Float(f64),
    /// `date`.
    Date(Date),
    /// `datetime`, `smalldatetime`, `datetime2`.
    DateTime(DateTime),
    /// Texts.
    Text(String),
}

/// The text is not a value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a value of {sql_type}: {why}")]
pub struct ValueError {
    text: String,
    sql_type: SqlType,
    why: &'static str,
}

/// Reads `text` as a value of `sql_type`.
///
/// # Errors
/// [`ValueError`] when the text is not in the canonical form, is out of range, or the type cannot be a parameter.
pub fn parse(sql_type: SqlType, text: &str) -> Result<TypedValue, ValueError> {
    let fail = |why| ValueError {
        text: text.chars().take(80).collect(),
        sql_type,
        why,
    };
    let integer = |low: i64, high: i64| -> Result<TypedValue, ValueError> {
        let n: i64 = text.parse().map_err(|_| fail("expected plain digits"))?;
        if (low..=high).contains(&n) {
            Ok(TypedValue::Integer(n))
        } else {
            Err(fail("out of range"))
        }
    };
    match sql_type {
        SqlType::Bit => match text {
            "0" => Ok(TypedValue::Bit(false)),
            "1" => Ok(TypedValue::Bit(true)),
            _ => Err(fail("expected 0 or 1")),
        },
        SqlType::TinyInt => integer(0, 255),
        SqlType::SmallInt => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
        SqlType::BigInt => integer(i64::MIN, i64::MAX),
        SqlType::Decimal { precision, scale } => {
            let unscaled = parse_decimal(text, scale).ok_or_else(|| {
                fail("expected digits, with no more after the point than the scale")
            })?;
            if unscaled.unsigned_abs() >= 10u128.pow(u32::from(precision)) {
                return Err(fail("more digits than the precision"));
            }
            Ok(TypedValue::Decimal { unscaled, scale })
        }
        SqlType::Float | SqlType::Real => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(TypedValue::Float(number)),
            _ => Err(fail("expected a finite number")),
        },
        SqlType::Date => text
            .parse()
            .map(TypedValue::Date)
            .map_err(|_| fail("expected YYYY-MM-DD")),
        SqlType::DateTime | SqlType::SmallDateTime | SqlType::DateTime2(_) => {
            let value = match text.parse::<DateTime>() {
                Ok(value) => value,
                Err(_) => return Err(fail("expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS")),
            };
            if sql_type == SqlType::DateTime && value.year() < 1753 {
                return Err(fail("datetime begins in 1753"));
            }
            Ok(TypedValue::DateTime(value))
        }
        SqlType::NVarChar(length) => fits(text.encode_utf16().count(), length)
            .then(|| TypedValue::Text(text.to_owned()))
            .ok_or_else(|| fail("too long")),
        SqlType::VarChar(length) => fits(text.len(), length)
            .then(|| TypedValue::Text(text.to_owned()))
            .ok_or_else(|| fail("too long")),
        SqlType::NChar(n) => fits(text.encode_utf16().count(), Length::Bounded(n))
            .then(|| TypedValue::Text(text.to_owned()))
            .ok_or_else(|| fail("too long")),
        SqlType::Char(n) => fits(text.len(), Length::Bounded(n))
            .then(|| TypedValue::Text(text.to_owned()))
            .ok_or_else(|| fail("too long")),
        SqlType::Money
        | SqlType::SmallMoney
        | SqlType::Time(_)
        | SqlType::DateTimeOffset(_)
        | SqlType::UniqueIdentifier
        | SqlType::Binary(_)
        | SqlType::VarBinary(_)
        | SqlType::RowVersion
        | SqlType::Xml => Err(fail(
            "this type cannot be a parameter; use decimal, datetime2 or nvarchar",
        )),
    }
}

/// Reads `text` as a value that is bound to a parameter of `sql_type`: what SQL Server would change on the way is refused.
///
/// # Errors
/// [`ValueError`] as [`parse`] gives it, and for a value that would be rounded, cut, shifted or replaced.
pub fn parse_parameter(sql_type: SqlType, text: &str) -> Result<TypedValue, ValueError> {
    let fail = |why| ValueError {
        text: text.chars().take(80).collect(),
        sql_type,
        why,
    };
    let value = parse(sql_type, text)?;
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b'.'));
    let digits = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    match (&value, sql_type) {
        (TypedValue::Date(date), _) if date.to_string() != text => {
            Err(fail("a date has no time of day and no offset"))
        }
        (TypedValue::DateTime(_), _) if !plain => Err(fail("an offset or a zone would be dropped")),
        (TypedValue::DateTime(at), SqlType::SmallDateTime) if at.second() != 0 || digits > 0 => {
            Err(fail("smalldatetime rounds to minutes"))
        }
        (TypedValue::DateTime(_), SqlType::DateTime) if digits > 0 => {
            Err(fail("datetime rounds to 1/300 s; give whole seconds"))
        }
        (TypedValue::DateTime(_), SqlType::DateTime2(scale)) if digits > usize::from(scale) => {
            Err(fail("more digits of a second than the type has"))
        }
        (TypedValue::Text(_), SqlType::VarChar(_) | SqlType::Char(_)) if !text.is_ascii() => Err(
            fail("the server's code page may lack a character; declare the parameter as nvarchar"),
        ),
        _ => Ok(value),
    }
}

fn fits(units: usize, length: Length) -> bool {
    match length {
        Length::Bounded(most) => units <= usize::from(most),
        Length::Max => true,
    }
}

/// Reads a decimal number exactly as an integer of `scale` digits after the point.
///
/// `None` when the text is not a plain decimal number, has more digits after the point than `scale` (trailing zeros
/// are fine), or does not fit.
#[must_use]
pub fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || digits.ends_with('.') {
        return None;
    }
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let scale = usize::from(scale);
    let (kept, cut) = fraction.split_at(fraction.len().min(scale));
    if cut.bytes().any(|b| b != b'0') {
        return None;
    }
    let mut value: i128 = 0;
    for b in whole
        .bytes()
        .chain(kept.bytes())
        .chain(std::iter::repeat_n(b'0', scale - kept.len()))
    {
        value = value.checked_mul(10)?.checked_add(i128::from(b - b'0'))?;
    }
    Some(if negative { -value } else { value })
}

/// Writes an integer of `scale` digits after the point as a plain decimal number.
#[must_use]
pub fn format_decimal(unscaled: i128, scale: u8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_both_ways() {
        let widest = "-123456789012345678.12345678901234567890";
        let unscaled = parse_decimal(widest, 20).unwrap();
        assert_eq!(format_decimal(unscaled, 20), widest);
        assert_eq!(parse_decimal("1", 20), Some(100_000_000_000_000_000_000));
        assert_eq!(parse_decimal("1.50", 1), Some(15));
        assert_eq!(parse_decimal("1.55", 1), None);
        assert_eq!(format_decimal(-5, 2), "-0.05");
        for bad in [
            "",
            "-",
            ".5",
            "1.",
            "1e3",
            "+1",
            "1,5",
            "٣",
            "--1",
            "9999999999999999999999999999999999999999999",
        ] {
            assert_eq!(parse_decimal(bad, 2), None, "{bad}");
        }
    }

    #[test]
    fn what_the_server_would_change_is_no_parameter() {
        let ok = |ty: &str, text: &str| parse_parameter(ty.parse().unwrap(), text).is_ok();
        assert!(ok("date", "2024-05-01") && !ok("date", "2024-05-01T10:00:00"));
        assert!(ok("datetime", "2024-05-01") && ok("datetime", "2024-05-01T23:59:59"));
        // It would become midnight of the next month.
        assert!(!ok("datetime", "2024-04-30T23:59:59.999"));
        assert!(!ok("datetime", "2024-05-01T00:00:00+02:00"));
        assert!(ok("datetime2(3)", "2024-05-01T00:00:00.123"));
        assert!(!ok("datetime2(3)", "2024-05-01T00:00:00.1234"));
        assert!(
            ok("smalldatetime", "2024-05-01T10:30:00")
                && !ok("smalldatetime", "2024-05-01T10:30:30")
        );
        assert!(ok("varchar(9)", "Cote") && !ok("varchar(9)", "Côte") && ok("nvarchar(9)", "Côte"));
    }

    #[test]
    fn values_keep_to_their_type() {
        let ok = |ty: &str, text: &str| parse(ty.parse().unwrap(), text).is_ok();
        assert!(ok("tinyint", "255") && !ok("tinyint", "256") && !ok("tinyint", "-1"));
        assert!(
            ok("decimal(4,2)", "99.99")
                && !ok("decimal(4,2)", "100")
                && !ok("decimal(4,2)", "1.001")
        );
        assert!(ok("nvarchar(2)", "😀") && !ok("nvarchar(1)", "😀"));
        assert!(
            ok("datetime", "2024-05-01")
                && !ok("datetime", "1752-12-31")
                && !ok("datetime", "yesterday")
        );
        assert!(!ok("varbinary(8)", "00") && !ok("float", "NaN") && !ok("bit", "true"));
    }
}
