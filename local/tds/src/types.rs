//! T-SQL types and columns, read from and written as T-SQL has them.

use std::fmt;

use crate::collation::Collation;
use crate::error::SqlError;

/// How long a variable-length type may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// At most so many bytes (`varchar`, `varbinary`) or UTF-16 code units (`nvarchar`).
    Limit(u16),
    /// `(max)`: up to 2 GB, sent in chunks.
    Max,
}

/// A T-SQL type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants carry SQL Server's own names")]
pub enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Numeric {
        precision: u8,
        scale: u8,
    },
    Money,
    SmallMoney,
    Date,
    SmallDateTime,
    DateTime,
    DateTime2 {
        scale: u8,
    },
    DateTimeOffset {
        scale: u8,
    },
    Time {
        scale: u8,
    },
    Char {
        length: u16,
    },
    VarChar {
        length: Length,
    },
    NChar {
        length: u16,
    },
    NVarChar {
        length: Length,
    },
    UniqueIdentifier,
    Binary {
        length: u16,
    },
    VarBinary {
        length: Length,
    },
    RowVersion,
    Xml,
    /// Scripted only: a value that says its own type.
    Variant,
    /// Scripted only: a CLR type such as `geography`.
    Udt {
        schema: String,
        name: String,
    },
}

impl SqlType {
    /// Reads a declared type such as `decimal(38,20)` or `NVARCHAR (max)`.
    ///
    /// # Errors
    /// 2715 for an unknown type, 1001 for a length, precision or scale that SQL Server refuses.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let (name, arguments) = split_declaration(text)?;
        let bad = || {
            SqlError::new(
                1001,
                15,
                format!("Line 1: Length or precision specification of '{text}' is invalid."),
            )
        };
        let number = |index: usize, default: u16, low: u16, high: u16| -> Result<u16, SqlError> {
            match arguments.get(index) {
                None => Ok(default),
                Some(argument) => argument
                    .parse::<u16>()
                    .ok()
                    .filter(|value| (low..=high).contains(value))
                    .ok_or_else(bad),
            }
        };
        let small = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
        let is_max = arguments
            .first()
            .is_some_and(|argument| argument.eq_ignore_ascii_case("max"));
        let variable = |high: u16| -> Result<Length, SqlError> {
            if is_max {
                Ok(Length::Max)
            } else {
                number(0, 1, 1, high).map(Length::Limit)
            }
        };
        let decimal = || -> Result<(u8, u8), SqlError> {
            let precision = number(0, 18, 1, 38)?;
            Ok((small(precision), small(number(1, 0, 0, precision)?)))
        };
        Ok(match name.as_str() {
            "bit" => Self::Bit,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "float" => {
                if number(0, 53, 1, 53)? <= 24 {
                    Self::Real
                } else {
                    Self::Float
                }
            }
            "double precision" => Self::Float,
            "decimal" | "dec" => {
                let (precision, scale) = decimal()?;
                Self::Decimal { precision, scale }
            }
            "numeric" => {
                let (precision, scale) = decimal()?;
                Self::Numeric { precision, scale }
            }
            "money" => Self::Money,
            "smallmoney" => Self::SmallMoney,
            "date" => Self::Date,
            "smalldatetime" => Self::SmallDateTime,
            "datetime" => Self::DateTime,
            "datetime2" => Self::DateTime2 {
                scale: small(number(0, 7, 0, 7)?),
            },
            "datetimeoffset" => Self::DateTimeOffset {
                scale: small(number(0, 7, 0, 7)?),
            },
            "time" => Self::Time {
                scale: small(number(0, 7, 0, 7)?),
            },
            "char" | "character" => Self::Char {
                length: number(0, 1, 1, 8000)?,
            },
            "varchar" | "character varying" => Self::VarChar {
                length: variable(8000)?,
            },
            "nchar" => Self::NChar {
                length: number(0, 1, 1, 4000)?,
            },
            "nvarchar" => Self::NVarChar {
                length: variable(4000)?,
            },
            "sysname" => Self::NVarChar {
                length: Length::Limit(128),
            },
            "text" => Self::VarChar {
                length: Length::Max,
            },
            "ntext" => Self::NVarChar {
                length: Length::Max,
            },
            "uniqueidentifier" => Self::UniqueIdentifier,
            "binary" => Self::Binary {
                length: number(0, 1, 1, 8000)?,
            },
            "varbinary" => Self::VarBinary {
                length: variable(8000)?,
            },
            "image" => Self::VarBinary {
                length: Length::Max,
            },
            "rowversion" | "timestamp" => Self::RowVersion,
            "xml" => Self::Xml,
            "sql_variant" => Self::Variant,
            "geography" | "geometry" | "hierarchyid" => Self::Udt {
                schema: "sys".to_owned(),
                name,
            },
            _ => {
                return Err(SqlError::new(
                    2715,
                    16,
                    format!("Column, parameter, or variable: Cannot find data type {name}."),
                )
                .with_state(6));
            }
        })
    }

    /// Whether values of the type are text with a collation.
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Char { .. } | Self::VarChar { .. } | Self::NChar { .. } | Self::NVarChar { .. }
        )
    }
}

/// The type's name, normalised, and its arguments.
fn split_declaration(text: &str) -> Result<(String, Vec<&str>), SqlError> {
    let text = text.trim();
    let (name, rest) = match text.split_once('(') {
        Some((name, rest)) => {
            let inner = rest
                .strip_suffix(')')
                .ok_or_else(|| SqlError::syntax(text))?;
            (name, Some(inner))
        }
        None => (text, None),
    };
    let mut name = name.trim().to_lowercase();
    for prefix in ["sys.", "[sys]."] {
        if let Some(bare) = name.strip_prefix(prefix) {
            name = bare.to_owned();
        }
    }
    if let Some(bare) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        name = bare.to_owned();
    }
    let arguments = rest.map_or_else(Vec::new, |inner| inner.split(',').map(str::trim).collect());
    Ok((name, arguments))
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = |f: &mut fmt::Formatter<'_>, name: &str, length: &Length| match length {
            Length::Limit(limit) => write!(f, "{name}({limit})"),
            Length::Max => write!(f, "{name}(max)"),
        };
        match self {
            Self::Bit => f.write_str("bit"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Float => f.write_str("float"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            Self::Money => f.write_str("money"),
            Self::SmallMoney => f.write_str("smallmoney"),
            Self::Date => f.write_str("date"),
            Self::SmallDateTime => f.write_str("smalldatetime"),
            Self::DateTime => f.write_str("datetime"),
            Self::DateTime2 { scale } => write!(f, "datetime2({scale})"),
            Self::DateTimeOffset { scale } => write!(f, "datetimeoffset({scale})"),
            Self::Time { scale } => write!(f, "time({scale})"),
            Self::Char { length } => write!(f, "char({length})"),
            Self::VarChar { length } => variable(f, "varchar", length),
            Self::NChar { length } => write!(f, "nchar({length})"),
            Self::NVarChar { length } => variable(f, "nvarchar", length),
            Self::UniqueIdentifier => f.write_str("uniqueidentifier"),
            Self::Binary { length } => write!(f, "binary({length})"),
            Self::VarBinary { length } => variable(f, "varbinary", length),
            Self::RowVersion => f.write_str("timestamp"),
            Self::Xml => f.write_str("xml"),
            Self::Variant => f.write_str("sql_variant"),
            Self::Udt { name, .. } => f.write_str(name),
        }
    }
}

/// A column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; may be empty, and may come twice.
    pub name: String,
    /// Its declared type.
    pub ty: SqlType,
    /// Whether the server says that it may be NULL.
    pub nullable: bool,
    /// The code page of `char` and `varchar`.
    pub collation: Collation,
}

impl Column {
    /// A nullable column of a type written as in T-SQL, with an optional `COLLATE` at the end:
    /// `varchar(20) COLLATE Cyrillic_General_CI_AS`.
    ///
    /// # Errors
    /// As [`SqlType::parse`]; 448 for an unknown collation.
    pub fn new(name: impl Into<String>, declared: &str) -> Result<Self, SqlError> {
        let lower = declared.to_ascii_lowercase();
        let (ty, collation) = match lower.find(" collate ") {
            None => (declared, Collation::default()),
            Some(at) => {
                let name = declared[at + " collate ".len()..].trim();
                let collation = Collation::named(name).ok_or_else(|| {
                    SqlError::new(448, 16, format!("Invalid collation '{name}'."))
                })?;
                (&declared[..at], collation)
            }
        };
        Ok(Self {
            name: name.into(),
            ty: SqlType::parse(ty)?,
            nullable: true,
            collation,
        })
    }

    /// The same column, never NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }
}
