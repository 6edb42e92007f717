//! The plan's parameters as typed values: what any driver binds, or why a value cannot be bound exactly.

use soxauto_domain::{
    BoundParameter, SqlType,
    value::{self, TypedValue},
};

use crate::{
    canonical::{self, DAYS_FROM_YEAR_1, TICKS_PER_DAY},
    error::ExtractError,
};

/// A value as it travels; `sp_executesql` converts it to the declared type: exactly, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bit(bool),
    TinyInt(u8),
    SmallInt(i16),
    Int(i32),
    BigInt(i64),
    Float(f64),
    /// The number times ten to `scale`.
    Decimal {
        unscaled: i128,
        scale: u8,
    },
    /// Days since 0001-01-01.
    Date {
        days: u32,
    },
    /// Days since 0001-01-01 and ticks of 100 ns since midnight.
    DateTime2 {
        days: u32,
        ticks: u64,
    },
    Text(String),
}

/// The value of a parameter, whose name is checked as well: it becomes part of the call.
pub(crate) fn value(parameter: &BoundParameter) -> Result<Value, ExtractError> {
    // The plan's names are always of this form.
    let name = parameter.name.strip_prefix('@').unwrap_or_default();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Err(ExtractError::Internal(format!(
            "parameter name {:?}",
            parameter.name
        )));
    }
    let value = value::parse(parameter.sql_type, &parameter.value)
        .map_err(|e| ExtractError::Internal(format!("parameter {}: {e}", parameter.name)))?;
    Ok(match (value, parameter.sql_type) {
        (TypedValue::Bit(bit), _) => Value::Bit(bit),
        // The value was checked against its type's range.
        (TypedValue::Integer(n), SqlType::TinyInt) => Value::TinyInt(n as u8),
        (TypedValue::Integer(n), SqlType::SmallInt) => Value::SmallInt(n as i16),
        (TypedValue::Integer(n), SqlType::Int) => Value::Int(n as i32),
        (TypedValue::Integer(n), _) => Value::BigInt(n),
        // tiberius would declare numeric(39,38) for a number below one; the server converts the text exactly.
        (TypedValue::Decimal { scale: 38, .. }, _) => Value::Text(parameter.value.clone()),
        (TypedValue::Decimal { unscaled, scale }, _) => Value::Decimal { unscaled, scale },
        (TypedValue::Float(number), _) => Value::Float(number),
        // A time of day beside the date would be dropped.
        (TypedValue::Date(_), _) if canonical::parse_date(&parameter.value).is_none() => {
            return Err(rounded(parameter));
        }
        (TypedValue::Date(date), _) => Value::Date {
            days: wire_days(canonical::days_since_1970(date), &parameter.name)?,
        },
        (TypedValue::DateTime(_), sql_type) => {
            let ticks = canonical::parse_timestamp(&parameter.value)
                .filter(|ticks| is_exact(*ticks, sql_type))
                .ok_or_else(|| rounded(parameter))?;
            let days = i32::try_from(ticks.div_euclid(TICKS_PER_DAY)).unwrap_or(i32::MIN);
            Value::DateTime2 {
                days: wire_days(days, &parameter.name)?,
                ticks: ticks.rem_euclid(TICKS_PER_DAY).unsigned_abs(),
            }
        }
        (TypedValue::Text(value), _) => Value::Text(value),
    })
}

/// Whether the server's conversion to the declared type keeps the instant. For `datetime` these are its 1/300 s as it
/// writes them (.000, .003, .007): 23:59:59.999 would become midnight, and rows of the next day would count.
fn is_exact(ticks: i64, sql_type: SqlType) -> bool {
    const MILLI: i64 = 10_000;
    match sql_type {
        SqlType::DateTime => {
            ticks.rem_euclid(MILLI) == 0
                && matches!(ticks.div_euclid(MILLI).rem_euclid(10), 0 | 3 | 7)
        }
        SqlType::SmallDateTime => ticks.rem_euclid(60_000 * MILLI) == 0,
        SqlType::DateTime2(scale) => {
            let digits = 7u8.saturating_sub(scale);
            ticks.rem_euclid(10i64.pow(u32::from(digits))) == 0
        }
        _ => true,
    }
}

fn rounded(parameter: &BoundParameter) -> ExtractError {
    ExtractError::ControlQuery {
        query: "parameterised",
        reason: format!(
            "parameter {} is {:?}, which {} does not hold exactly; declare datetime2(7), or write a value that it holds",
            parameter.name, parameter.value, parameter.sql_type
        ),
    }
}

/// Days since 0001-01-01.
fn wire_days(days_since_1970: i32, name: &str) -> Result<u32, ExtractError> {
    u32::try_from(days_since_1970.saturating_add(DAYS_FROM_YEAR_1))
        .ok()
        .filter(|days| *days <= 3_652_058)
        .ok_or_else(|| {
            ExtractError::Internal(format!("parameter {name} is outside the years 1 to 9999"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(name: &str, sql_type: &str, text: &str) -> Result<Value, ExtractError> {
        value(&BoundParameter {
            name: name.into(),
            sql_type: sql_type.parse().unwrap(),
            value: text.into(),
        })
    }

    #[test]
    fn a_value_that_the_server_would_round_is_refused() {
        for (sql_type, value, exact) in [
            ("datetime", "2024-04-30T23:59:59.997", true),
            ("datetime", "2024-04-30T23:59:59.003", true),
            // SQL Server makes this 2024-05-01T00:00:00: the next month.
            ("datetime", "2024-04-30T23:59:59.999", false),
            ("datetime", "2024-04-30T23:59:59.9999999", false),
            ("smalldatetime", "2024-04-30T23:59:00", true),
            ("smalldatetime", "2024-04-30T23:59:30", false),
            ("datetime2(3)", "2024-04-30T23:59:59.999", true),
            ("datetime2(3)", "2024-04-30T23:59:59.9999", false),
            ("datetime2(0)", "2024-04-30T23:59:59.5", false),
            ("datetime2(7)", "2024-04-30T23:59:59.9999999", true),
            ("datetime2(7)", "2024-04-30T23:59:59+02:00", false),
            ("date", "2024-04-30", true),
            ("date", "2024-04-30T23:59:59", false),
        ] {
            assert_eq!(
                bound("@at", sql_type, value).is_ok(),
                exact,
                "{sql_type} {value}"
            );
        }
    }

    #[test]
    fn a_name_that_would_change_the_statement_is_refused() {
        for name in ["cutoff", "@a = 1; DROP TABLE t --", "@", "@1", "@é"] {
            assert!(bound(name, "int", "1").is_err(), "{name}");
        }
    }
}
