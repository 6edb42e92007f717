//! SQL Server's types, as the catalog's contract names them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A column or parameter type of SQL Server 2019, with its length, precision and scale.
///
/// Types without an exact counterpart (`sql_variant`, CLR types, `text`, `ntext`, `image`) are not here: they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SqlType {
    /// `bit`.
    Bit,
    /// `tinyint`, 0 to 255.
    TinyInt,
    /// `smallint`, 16 bits.
    SmallInt,
    /// `int`, 32 bits.
    Int,
    /// `bigint`, 64 bits.
    BigInt,
    /// `real`, 32 bits.
    Real,
    /// `float` (53).
    Float,
    /// `decimal(p,s)`, also `numeric(p,s)`.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to the precision.
        scale: u8,
    },
    /// `money`: four digits after the point.
    Money,
    /// `smallmoney`: four digits after the point.
    SmallMoney,
    /// `date`.
    Date,
    /// `time(n)`, n digits of a second (0 to 7).
    Time(u8),
    /// `datetime`: steps of 1/300 s.
    DateTime,
    /// `smalldatetime`: steps of a minute.
    SmallDateTime,
    /// `datetime2(n)`, n digits of a second (0 to 7).
    DateTime2(u8),
    /// `datetimeoffset(n)`, n digits of a second (0 to 7).
    DateTimeOffset(u8),
    /// `char(n)`, n bytes.
    Char(u16),
    /// `varchar(n)`, n bytes, or `varchar(max)`.
    VarChar(Length),
    /// `nchar(n)`, n UTF-16 units.
    NChar(u16),
    /// `nvarchar(n)`, n UTF-16 units, or `nvarchar(max)`.
    NVarChar(Length),
    /// `uniqueidentifier`.
    UniqueIdentifier,
    /// `binary(n)`, n bytes.
    Binary(u16),
    /// `varbinary(n)`, n bytes, or `varbinary(max)`.
    VarBinary(Length),
    /// `rowversion`, also `timestamp`: 8 bytes.
    RowVersion,
    /// `xml`.
    Xml,
}

/// The declared length of a variable-length type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// At most this many bytes (UTF-16 units for the n-types).
    Bounded(u16),
    /// Up to 2 GB.
    Max,
}

/// The text names no type that can be extracted exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a supported SQL Server type: {why}")]
pub struct SqlTypeError {
    text: String,
    why: &'static str,
}

impl SqlType {
    /// Whether values are texts (`char` to `nvarchar(max)`, `xml`, `uniqueidentifier`).
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Char(_)
                | Self::VarChar(_)
                | Self::NChar(_)
                | Self::NVarChar(_)
                | Self::Xml
                | Self::UniqueIdentifier
        )
    }

    /// Whether values are numbers with an exact sum.
    #[must_use]
    pub fn is_exact_number(&self) -> bool {
        matches!(
            self,
            Self::TinyInt
                | Self::SmallInt
                | Self::Int
                | Self::BigInt
                | Self::Decimal { .. }
                | Self::Money
                | Self::SmallMoney
        )
    }

    /// Whether values have a date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        matches!(
            self,
            Self::Date
                | Self::DateTime
                | Self::SmallDateTime
                | Self::DateTime2(_)
                | Self::DateTimeOffset(_)
        )
    }

    /// Digits after the decimal point of exact numbers; `None` for other types.
    #[must_use]
    pub fn scale(&self) -> Option<u8> {
        match self {
            Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt => Some(0),
            Self::Decimal { scale, .. } => Some(*scale),
            Self::Money | Self::SmallMoney => Some(4),
            _ => None,
        }
    }

    /// The Redshift column type that holds every value of this type, microseconds included.
    ///
    /// Redshift's `VARCHAR(n)` counts bytes of UTF-8: a UTF-16 unit takes at most three, a byte of a code page too.
    #[must_use]
    pub fn redshift(&self) -> String {
        let varchar =
            |units: u32| format!("VARCHAR({})", (units * 3).clamp(1, REDSHIFT_VARCHAR_MAX));
        match self {
            Self::Bit => "BOOLEAN".into(),
            Self::TinyInt | Self::SmallInt => "SMALLINT".into(),
            Self::Int => "INTEGER".into(),
            Self::BigInt => "BIGINT".into(),
            Self::Real => "REAL".into(),
            Self::Float => "DOUBLE PRECISION".into(),
            Self::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
            Self::Money | Self::SmallMoney => "DECIMAL(19,4)".into(),
            Self::Date => "DATE".into(),
            Self::Time(_) => "TIME".into(),
            Self::DateTime | Self::SmallDateTime | Self::DateTime2(_) => "TIMESTAMP".into(),
            Self::DateTimeOffset(_) => "TIMESTAMPTZ".into(),
            Self::Char(n) | Self::NChar(n) => varchar(u32::from(*n)),
            Self::VarChar(Length::Bounded(n)) | Self::NVarChar(Length::Bounded(n)) => {
                varchar(u32::from(*n))
            }
            Self::VarChar(Length::Max) | Self::NVarChar(Length::Max) | Self::Xml => {
                varchar(REDSHIFT_VARCHAR_MAX)
            }
            Self::UniqueIdentifier => "VARCHAR(36)".into(),
            Self::Binary(n) | Self::VarBinary(Length::Bounded(n)) => format!("VARBYTE({n})"),
            Self::VarBinary(Length::Max) => "VARBYTE(1024000)".into(),
            Self::RowVersion => "VARBYTE(8)".into(),
        }
    }
}

/// The largest `VARCHAR` of Redshift, in bytes.
pub const REDSHIFT_VARCHAR_MAX: u32 = 65_535;

impl FromStr for SqlType {
    type Err = SqlTypeError;

    fn from_str(text: &str) -> Result<Self, SqlTypeError> {
        let fail = |why| SqlTypeError {
            text: text.chars().take(60).collect(),
            why,
        };
        let lower = text.trim().to_ascii_lowercase();
        let (name, arguments) = match lower.split_once('(') {
            Some((name, rest)) => {
                let inner = rest
                    .strip_suffix(')')
                    .ok_or_else(|| fail("the closing parenthesis is missing"))?;
                (
                    name.trim(),
                    inner.split(',').map(str::trim).collect::<Vec<_>>(),
                )
            }
            None => (lower.as_str(), Vec::new()),
        };
        let number =
            |index: usize, default: u16, low: u16, high: u16| -> Result<u16, SqlTypeError> {
                let value = match arguments.get(index) {
                    None => default,
                    Some(text) => text
                        .parse()
                        .map_err(|_| fail("an argument is not a number"))?,
                };
                if (low..=high).contains(&value) {
                    Ok(value)
                } else {
                    Err(fail("an argument is out of range"))
                }
            };
        let length = |most: u16| -> Result<Length, SqlTypeError> {
            match arguments.first() {
                None => Err(fail(
                    "the length is missing, such as nvarchar(20) or nvarchar(max)",
                )),
                Some(&"max") => Ok(Length::Max),
                Some(_) => number(0, 0, 1, most).map(Length::Bounded),
            }
        };
        let fixed = |most: u16| -> Result<u16, SqlTypeError> {
            if arguments.is_empty() {
                Err(fail("the length is missing"))
            } else {
                number(0, 0, 1, most)
            }
        };
        let fraction = || number(0, 7, 0, 7).map(|n| n as u8);
        let (parsed, most_arguments) = match name {
            "bit" => (Self::Bit, 0),
            "tinyint" => (Self::TinyInt, 0),
            "smallint" => (Self::SmallInt, 0),
            "int" | "integer" => (Self::Int, 0),
            "bigint" => (Self::BigInt, 0),
            "real" => (Self::Real, 0),
            "float" => match number(0, 53, 1, 53)? {
                1..=24 => (Self::Real, 1),
                _ => (Self::Float, 1),
            },
            "decimal" | "numeric" => {
                let precision = number(0, 18, 1, 38)?;
                let scale = number(1, 0, 0, precision)?;
                (
                    Self::Decimal {
                        precision: precision as u8,
                        scale: scale as u8,
                    },
                    2,
                )
            }
            "money" => (Self::Money, 0),
            "smallmoney" => (Self::SmallMoney, 0),
            "date" => (Self::Date, 0),
            "time" => (Self::Time(fraction()?), 1),
            "datetime" => (Self::DateTime, 0),
            "smalldatetime" => (Self::SmallDateTime, 0),
            "datetime2" => (Self::DateTime2(fraction()?), 1),
            "datetimeoffset" => (Self::DateTimeOffset(fraction()?), 1),
            "char" => (Self::Char(fixed(8000)?), 1),
            "varchar" => (Self::VarChar(length(8000)?), 1),
            "nchar" => (Self::NChar(fixed(4000)?), 1),
            "nvarchar" => (Self::NVarChar(length(4000)?), 1),
            "uniqueidentifier" => (Self::UniqueIdentifier, 0),
            "binary" => (Self::Binary(fixed(8000)?), 1),
            "varbinary" => (Self::VarBinary(length(8000)?), 1),
            "rowversion" | "timestamp" => (Self::RowVersion, 0),
            "xml" => (Self::Xml, 0),
            "sql_variant" | "text" | "ntext" | "image" | "hierarchyid" | "geography"
            | "geometry" => {
                return Err(fail(
                    "this type has no exact counterpart; CAST the column in the query",
                ));
            }
            _ => return Err(fail("unknown type")),
        };
        if arguments.len() > most_arguments {
            return Err(fail("too many arguments"));
        }
        Ok(parsed)
    }
}

impl TryFrom<String> for SqlType {
    type Error = SqlTypeError;
    fn try_from(text: String) -> Result<Self, SqlTypeError> {
        text.parse()
    }
}

impl From<SqlType> for String {
    fn from(t: SqlType) -> String {
        t.to_string()
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounded(n) => write!(f, "{n}"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit => f.write_str("bit"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Float => f.write_str("float"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Money => f.write_str("money"),
            Self::SmallMoney => f.write_str("smallmoney"),
            Self::Date => f.write_str("date"),
            Self::Time(n) => write!(f, "time({n})"),
            Self::DateTime => f.write_str("datetime"),
            Self::SmallDateTime => f.write_str("smalldatetime"),
            Self::DateTime2(n) => write!(f, "datetime2({n})"),
            Self::DateTimeOffset(n) => write!(f, "datetimeoffset({n})"),
            Self::Char(n) => write!(f, "char({n})"),
            Self::VarChar(n) => write!(f, "varchar({n})"),
            Self::NChar(n) => write!(f, "nchar({n})"),
            Self::NVarChar(n) => write!(f, "nvarchar({n})"),
            Self::UniqueIdentifier => f.write_str("uniqueidentifier"),
            Self::Binary(n) => write!(f, "binary({n})"),
            Self::VarBinary(n) => write!(f, "varbinary({n})"),
            Self::RowVersion => f.write_str("rowversion"),
            Self::Xml => f.write_str("xml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_it_is_written() {
        for text in [
            "bit",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "real",
            "float",
            "decimal(38,20)",
            "money",
            "smallmoney",
            "date",
            "time(7)",
            "datetime",
            "smalldatetime",
            "datetime2(0)",
            "datetimeoffset(3)",
            "char(1)",
            "varchar(8000)",
            "varchar(max)",
            "nchar(4000)",
            "nvarchar(20)",
            "nvarchar(max)",
            "uniqueidentifier",
            "binary(16)",
            "varbinary(max)",
            "rowversion",
            "xml",
        ] {
            assert_eq!(text.parse::<SqlType>().unwrap().to_string(), text);
        }
        assert_eq!(
            "NUMERIC( 10 , 2 )".parse::<SqlType>().unwrap().to_string(),
            "decimal(10,2)"
        );
        assert_eq!(
            "datetime2".parse::<SqlType>().unwrap(),
            SqlType::DateTime2(7)
        );
        assert_eq!("float(24)".parse::<SqlType>().unwrap(), SqlType::Real);
    }

    #[test]
    fn types_without_an_exact_counterpart_are_refused() {
        for text in [
            "sql_variant",
            "text",
            "geography",
            "decimal(39,2)",
            "decimal(10,11)",
            "nvarchar",
            "nvarchar(4001)",
            "nvarchar(0)",
            "datetime2(8)",
            "int(4)",
            "int(",
            "",
            "varchar(-1)",
        ] {
            assert!(text.parse::<SqlType>().is_err(), "{text}");
        }
    }

    #[test]
    fn redshift_counts_bytes() {
        assert_eq!(
            SqlType::NVarChar(Length::Bounded(20)).redshift(),
            "VARCHAR(60)"
        );
        assert_eq!(SqlType::NVarChar(Length::Max).redshift(), "VARCHAR(65535)");
        assert_eq!(SqlType::TinyInt.redshift(), "SMALLINT");
    }
}
