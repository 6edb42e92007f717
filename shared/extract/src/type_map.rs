//! SQL Server's types and the Arrow types that hold every value of them.

use arrow_schema::{DataType, TimeUnit};
use soxauto_domain::{SqlType, sql_type::Length};

/// The Arrow type of a SQL Server type.
#[must_use]
pub fn arrow_type(sql_type: SqlType) -> DataType {
    match sql_type {
        SqlType::Bit => DataType::Boolean,
        SqlType::TinyInt => DataType::UInt8,
        SqlType::SmallInt => DataType::Int16,
        SqlType::Int => DataType::Int32,
        SqlType::BigInt => DataType::Int64,
        SqlType::Real => DataType::Float32,
        SqlType::Float => DataType::Float64,
        // At most 38 digits, and a scale of at most 38.
        SqlType::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        SqlType::Money | SqlType::SmallMoney => DataType::Decimal128(19, 4),
        SqlType::Date => DataType::Date32,
        SqlType::Time(_) => DataType::Time64(TimeUnit::Microsecond),
        SqlType::DateTime | SqlType::SmallDateTime | SqlType::DateTime2(_) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        SqlType::DateTimeOffset(_) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::NChar(_)
        | SqlType::NVarChar(_)
        | SqlType::UniqueIdentifier
        | SqlType::Xml => DataType::Utf8,
        SqlType::Binary(_) | SqlType::VarBinary(_) | SqlType::RowVersion => DataType::Binary,
    }
}

/// The most units (UTF-16 units, bytes of a code page, bytes) of a text or binary type; `None` is without limit, and
/// for types without a width.
#[must_use]
pub fn width(sql_type: SqlType) -> Option<u32> {
    match sql_type {
        SqlType::Char(n) | SqlType::NChar(n) | SqlType::Binary(n) => Some(u32::from(n)),
        SqlType::VarChar(Length::Bounded(n))
        | SqlType::NVarChar(Length::Bounded(n))
        | SqlType::VarBinary(Length::Bounded(n)) => Some(u32::from(n)),
        SqlType::RowVersion => Some(8),
        _ => None,
    }
}

/// Whether every value of `described` is one of `declared`, in the same Arrow type; otherwise why not.
pub(crate) fn fits(described: SqlType, declared: SqlType) -> Result<(), &'static str> {
    if arrow_type(described) != arrow_type(declared) {
        return Err("the types differ");
    }
    let sized = |t: SqlType| {
        matches!(arrow_type(t), DataType::Utf8 | DataType::Binary) && t != SqlType::UniqueIdentifier
    };
    if described == SqlType::UniqueIdentifier || declared == SqlType::UniqueIdentifier {
        return if described == declared {
            Ok(())
        } else {
            Err("the types differ")
        };
    }
    if sized(declared)
        && let Some(declared_width) = width(declared)
        && width(described).is_none_or(|described_width| described_width > declared_width)
    {
        return Err("the source is wider");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_type_table() {
        let micros = || DataType::Timestamp(TimeUnit::Microsecond, None);
        for (sql, arrow) in [
            ("bit", DataType::Boolean),
            ("tinyint", DataType::UInt8),
            ("smallint", DataType::Int16),
            ("int", DataType::Int32),
            ("bigint", DataType::Int64),
            ("real", DataType::Float32),
            ("float", DataType::Float64),
            ("decimal(38,20)", DataType::Decimal128(38, 20)),
            ("decimal(1,0)", DataType::Decimal128(1, 0)),
            ("money", DataType::Decimal128(19, 4)),
            ("smallmoney", DataType::Decimal128(19, 4)),
            ("date", DataType::Date32),
            ("time(7)", DataType::Time64(TimeUnit::Microsecond)),
            ("datetime", micros()),
            ("smalldatetime", micros()),
            ("datetime2(7)", micros()),
            (
                "datetimeoffset(7)",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ),
            ("char(3)", DataType::Utf8),
            ("varchar(3)", DataType::Utf8),
            ("varchar(max)", DataType::Utf8),
            ("nchar(3)", DataType::Utf8),
            ("nvarchar(3)", DataType::Utf8),
            ("nvarchar(max)", DataType::Utf8),
            ("xml", DataType::Utf8),
            ("uniqueidentifier", DataType::Utf8),
            ("binary(3)", DataType::Binary),
            ("varbinary(3)", DataType::Binary),
            ("varbinary(max)", DataType::Binary),
            ("rowversion", DataType::Binary),
        ] {
            assert_eq!(arrow_type(sql.parse().unwrap()), arrow, "{sql}");
        }
    }

    #[test]
    fn what_fits_a_contract() {
        for (described, declared, expected) in [
            ("nvarchar(20)", "nvarchar(20)", true),
            ("nvarchar(10)", "nvarchar(20)", true),
            ("varchar(20)", "nvarchar(20)", true),
            ("nvarchar(21)", "nvarchar(20)", false),
            ("nvarchar(max)", "nvarchar(4000)", false),
            ("nvarchar(4000)", "nvarchar(max)", true),
            ("xml", "nvarchar(max)", true),
            ("xml", "nvarchar(4000)", false),
            ("uniqueidentifier", "varchar(36)", false),
            ("uniqueidentifier", "uniqueidentifier", true),
            ("varchar(36)", "uniqueidentifier", false),
            ("decimal(38,20)", "decimal(38,20)", true),
            ("decimal(38,19)", "decimal(38,20)", false),
            ("decimal(18,2)", "decimal(19,2)", false),
            ("money", "decimal(19,4)", true),
            ("int", "bigint", false),
            ("tinyint", "smallint", false),
            ("datetime", "datetime2(7)", true),
            ("date", "datetime", false),
            ("datetimeoffset(7)", "datetime2(7)", false),
            ("rowversion", "binary(8)", true),
            ("varbinary(9)", "binary(8)", false),
        ] {
            let found = fits(described.parse().unwrap(), declared.parse().unwrap());
            assert_eq!(
                found.is_ok(),
                expected,
                "{described} as {declared}: {found:?}"
            );
        }
    }
}
