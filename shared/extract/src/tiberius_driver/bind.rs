//! Named, typed parameters through `sp_executesql`: the text that runs is byte for byte the plan's.
//!
//! tiberius numbers its parameters and infers their types. So the plan's text, its declaration and its values become
//! tiberius's parameters, and `EXEC sys.sp_executesql` names them again with the declared types.

use soxauto_domain::{
    BoundParameter, BoundQuery, SqlType,
    value::{self, TypedValue},
};
use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, ToSql, numeric::Numeric};

use crate::{
    canonical::{self, DAYS_FROM_YEAR_1, TICKS_PER_DAY},
    error::ExtractError,
};

/// A statement for tiberius.
pub(super) struct Statement {
    pub(super) text: String,
    parameters: Vec<Bound>,
}

impl Statement {
    pub(super) fn parameters(&self) -> Vec<&dyn ToSql> {
        self.parameters.iter().map(|p| p as &dyn ToSql).collect()
    }
}

struct Bound(ColumnData<'static>);

impl ToSql for Bound {
    fn to_sql(&self) -> ColumnData<'_> {
        self.0.clone()
    }
}

fn text(text: impl Into<String>) -> Bound {
    Bound(ColumnData::String(Some(text.into().into())))
}

/// `EXEC sys.sp_executesql @P1, @P2, @cutoff = @P3, …`.
pub(super) fn execute(query: &BoundQuery) -> Result<Statement, ExtractError> {
    let mut exec = "EXEC sys.sp_executesql @P1".to_owned();
    let mut parameters = vec![text(&query.sql)];
    if !query.parameters.is_empty() {
        exec.push_str(", @P2");
        parameters.push(text(query.declaration()));
    }
    for parameter in &query.parameters {
        parameters.push(bound(parameter)?);
        exec.push_str(&format!(", {} = @P{}", parameter.name, parameters.len()));
    }
    Ok(Statement {
        text: exec,
        parameters,
    })
}

/// `EXEC sys.sp_describe_first_result_set`.
pub(super) fn describe(query: &BoundQuery) -> Statement {
    let declaration = (!query.parameters.is_empty()).then(|| query.declaration().into());
    Statement {
        text: "EXEC sys.sp_describe_first_result_set @tsql = @P1, @params = @P2".into(),
        parameters: vec![text(&query.sql), Bound(ColumnData::String(declaration))],
    }
}

fn bound(parameter: &BoundParameter) -> Result<Bound, ExtractError> {
    // The name becomes part of the EXEC statement; the plan's are always of this form.
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
        (TypedValue::Bit(bit), _) => Bound(ColumnData::Bit(Some(bit))),
        // The value was checked against its type's range.
        (TypedValue::Integer(n), SqlType::TinyInt) => Bound(ColumnData::U8(Some(n as u8))),
        (TypedValue::Integer(n), SqlType::SmallInt) => Bound(ColumnData::I16(Some(n as i16))),
        (TypedValue::Integer(n), SqlType::Int) => Bound(ColumnData::I32(Some(n as i32))),
        (TypedValue::Integer(n), _) => Bound(ColumnData::I64(Some(n))),
        // tiberius would declare numeric(39,38) for a number below one; the server converts the text exactly.
        (TypedValue::Decimal { scale: 38, .. }, _) => text(&parameter.value),
        (TypedValue::Decimal { unscaled, scale }, _) => Bound(ColumnData::Numeric(Some(
            Numeric::new_with_scale(unscaled, scale),
        ))),
        (TypedValue::Float(number), _) => Bound(ColumnData::F64(Some(number))),
        // A time of day beside the date would be dropped.
        (TypedValue::Date(_), _) if canonical::parse_date(&parameter.value).is_none() => {
            return Err(rounded(parameter));
        }
        (TypedValue::Date(date), _) => Bound(ColumnData::Date(Some(wire_date(
            canonical::days_since_1970(date),
            &parameter.name,
        )?))),
        (TypedValue::DateTime(_), sql_type) => {
            // Sent as datetime2(7), which `sp_executesql` converts to the declared type: exactly, or not at all.
            let ticks = canonical::parse_timestamp(&parameter.value)
                .filter(|ticks| is_exact(*ticks, sql_type))
                .ok_or_else(|| rounded(parameter))?;
            let date = i32::try_from(ticks.div_euclid(TICKS_PER_DAY)).unwrap_or(i32::MIN);
            let time = Time::new(ticks.rem_euclid(TICKS_PER_DAY).unsigned_abs(), 7);
            let date = wire_date(date, &parameter.name)?;
            Bound(ColumnData::DateTime2(Some(DateTime2::new(date, time))))
        }
        (TypedValue::Text(value), _) => text(value),
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
fn wire_date(days_since_1970: i32, name: &str) -> Result<Date, ExtractError> {
    u32::try_from(days_since_1970.saturating_add(DAYS_FROM_YEAR_1))
        .ok()
        .filter(|days| *days <= 3_652_058)
        .map(Date::new)
        .ok_or_else(|| {
            ExtractError::Internal(format!("parameter {name} is outside the years 1 to 9999"))
        })
}

#[cfg(test)]
mod tests {
    use soxauto_domain::Sha256;

    use super::*;

    fn query(parameters: &[(&str, &str, &str)]) -> BoundQuery {
        BoundQuery {
            sql: "SELECT 1 -- ünï".into(),
            sha256: Sha256::of(""),
            parameters: parameters
                .iter()
                .map(|(name, sql_type, value)| BoundParameter {
                    name: (*name).into(),
                    sql_type: sql_type.parse().unwrap(),
                    value: (*value).into(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_text_is_a_parameter_and_values_keep_their_types() {
        let statement = execute(&query(&[
            ("@cutoff", "datetime", "2024-05-01"),
            ("@day", "date", "0001-01-01"),
            ("@last", "datetime2(7)", "9999-12-31T23:59:59.9999999"),
            ("@accounts_0", "nvarchar(20)", "13'003"),
            ("@n", "tinyint", "255"),
            ("@amount", "decimal(38,20)", "-1.5"),
            ("@tiny", "decimal(38,38)", "0.1"),
        ]))
        .unwrap();
        assert_eq!(
            statement.text,
            "EXEC sys.sp_executesql @P1, @P2, @cutoff = @P3, @day = @P4, @last = @P5, @accounts_0 = @P6, @n = @P7, @amount = @P8, @tiny = @P9"
        );
        let sent: Vec<&ColumnData<'_>> = statement.parameters.iter().map(|p| &p.0).collect();
        assert_eq!(*sent[0], ColumnData::String(Some("SELECT 1 -- ünï".into())));
        let midnight = Time::new(0, 7);
        assert_eq!(
            *sent[2],
            ColumnData::DateTime2(Some(DateTime2::new(Date::new(739_006), midnight)))
        );
        assert_eq!(*sent[3], ColumnData::Date(Some(Date::new(0))));
        assert_eq!(
            *sent[4],
            ColumnData::DateTime2(Some(DateTime2::new(
                Date::new(3_652_058),
                Time::new(863_999_999_999, 7)
            )))
        );
        assert_eq!(*sent[5], ColumnData::String(Some("13'003".into())));
        assert_eq!(*sent[6], ColumnData::U8(Some(255)));
        assert!(
            matches!(sent[7], ColumnData::Numeric(Some(n)) if n.value() == -150_000_000_000_000_000_000 && n.scale() == 20)
        );
        assert_eq!(*sent[8], ColumnData::String(Some("0.1".into())));
        assert_eq!(
            execute(&query(&[])).unwrap().text,
            "EXEC sys.sp_executesql @P1"
        );
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
            let bound = execute(&query(&[("@at", sql_type, value)]));
            assert_eq!(bound.is_ok(), exact, "{sql_type} {value}");
        }
    }

    #[test]
    fn a_name_that_would_change_the_statement_is_refused() {
        for name in ["cutoff", "@a = 1; DROP TABLE t --", "@", "@1", "@é"] {
            assert!(execute(&query(&[(name, "int", "1")])).is_err(), "{name}");
        }
    }
}
