//! The plan's parameters as those of one `sp_executesql` call: text, declaration, and the values by name.

use mssql_tds::{
    datatypes::{
        column_values::{SqlDate, SqlDateTime2, SqlTime},
        decoder::DecimalParts,
        sql_string::SqlString,
        sqltypes::SqlType,
    },
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
};
use soxauto_domain::BoundQuery;

use crate::{
    error::ExtractError,
    parameters::{self, Value},
};

/// UTF-16 units that a parameter has room for before it must be `nvarchar(max)`.
const UNITS: u16 = 4_000;
/// The digits of the widest decimal.
const PRECISION: u8 = 38;

/// By position, and by name.
pub(super) type Arguments = (Vec<RpcParameter>, Vec<RpcParameter>);

/// The arguments of `sp_executesql`. The declaration is the plan's, not one that the driver makes of the values.
pub(super) fn execute(query: &BoundQuery) -> Result<Arguments, ExtractError> {
    let mut positional = vec![argument(None, long_text(&query.sql))];
    if !query.parameters.is_empty() {
        positional.push(argument(None, long_text(&query.declaration())));
    }
    let named = query
        .parameters
        .iter()
        .map(|parameter| {
            let value = wire(parameters::value(parameter)?)?;
            Ok(argument(Some(parameter.name.clone()), value))
        })
        .collect::<Result<_, ExtractError>>()?;
    Ok((positional, named))
}

fn argument(name: Option<String>, value: SqlType) -> RpcParameter {
    RpcParameter::new(name, StatusFlags::NONE, value)
}

fn long_text(text: &str) -> SqlType {
    SqlType::NVarcharMax(Some(SqlString::from_utf8_string(text.to_owned())))
}

fn wire(value: Value) -> Result<SqlType, ExtractError> {
    let date = |days| {
        SqlDate::create(days).map_err(|e| ExtractError::Internal(format!("a parameter: {e}")))
    };
    Ok(match value {
        Value::Bit(bit) => SqlType::Bit(Some(bit)),
        Value::TinyInt(n) => SqlType::TinyInt(Some(n)),
        Value::SmallInt(n) => SqlType::SmallInt(Some(n)),
        Value::Int(n) => SqlType::Int(Some(n)),
        Value::BigInt(n) => SqlType::BigInt(Some(n)),
        Value::Float(n) => SqlType::Float(Some(n)),
        Value::Decimal { unscaled, scale } => SqlType::Decimal(Some(DecimalParts::new(
            unscaled >= 0,
            PRECISION,
            scale,
            unscaled.unsigned_abs(),
        ))),
        Value::Date { days } => SqlType::Date(Some(date(days)?)),
        Value::DateTime2 { days, ticks } => SqlType::DateTime2(Some(SqlDateTime2 {
            days,
            time: SqlTime {
                time_nanoseconds: ticks,
                scale: 7,
            },
        })),
        Value::Text(text) if text.encode_utf16().count() > usize::from(UNITS) => long_text(&text),
        Value::Text(text) => SqlType::NVarchar(Some(SqlString::from_utf8_string(text)), UNITS),
    })
}
