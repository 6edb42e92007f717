//! Named, typed parameters through `sp_executesql`: the text that runs is byte for byte the plan's.
//!
//! tiberius numbers its parameters and infers their types. So the plan's text, its declaration and its values become
//! tiberius's parameters, and `EXEC sys.sp_executesql` names them again with the declared types.

use soxauto_domain::{BoundParameter, BoundQuery};
use tiberius::time::{Date, DateTime2, Time};
use tiberius::{ColumnData, ToSql, numeric::Numeric};

use crate::{
    error::ExtractError,
    parameters::{self, Value},
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
    Ok(match parameters::value(parameter)? {
        Value::Bit(bit) => Bound(ColumnData::Bit(Some(bit))),
        Value::TinyInt(n) => Bound(ColumnData::U8(Some(n))),
        Value::SmallInt(n) => Bound(ColumnData::I16(Some(n))),
        Value::Int(n) => Bound(ColumnData::I32(Some(n))),
        Value::BigInt(n) => Bound(ColumnData::I64(Some(n))),
        Value::Float(number) => Bound(ColumnData::F64(Some(number))),
        Value::Decimal { unscaled, scale } => Bound(ColumnData::Numeric(Some(
            Numeric::new_with_scale(unscaled, scale),
        ))),
        Value::Date { days } => Bound(ColumnData::Date(Some(Date::new(days)))),
        Value::DateTime2 { days, ticks } => Bound(ColumnData::DateTime2(Some(DateTime2::new(
            Date::new(days),
            Time::new(ticks, 7),
        )))),
        Value::Text(value) => text(value),
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
}
