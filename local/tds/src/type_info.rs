//! TYPE_INFO: how a column's metadata says its type on the wire.

use bytes::{BufMut, BytesMut};

use crate::types::{Column, Length, SqlType};

/// Type bytes of TDS.
pub(crate) mod token {
    pub(crate) const NULL: u8 = 0x1F;
    pub(crate) const INT1: u8 = 0x30;
    pub(crate) const BIT: u8 = 0x32;
    pub(crate) const INT2: u8 = 0x34;
    pub(crate) const INT4: u8 = 0x38;
    pub(crate) const DATETIME4: u8 = 0x3A;
    pub(crate) const FLOAT4: u8 = 0x3B;
    pub(crate) const MONEY: u8 = 0x3C;
    pub(crate) const DATETIME: u8 = 0x3D;
    pub(crate) const FLOAT8: u8 = 0x3E;
    pub(crate) const MONEY4: u8 = 0x7A;
    pub(crate) const INT8: u8 = 0x7F;
    pub(crate) const GUID: u8 = 0x24;
    pub(crate) const INTN: u8 = 0x26;
    pub(crate) const DATE: u8 = 0x28;
    pub(crate) const TIME: u8 = 0x29;
    pub(crate) const DATETIME2: u8 = 0x2A;
    pub(crate) const DATETIMEOFFSET: u8 = 0x2B;
    pub(crate) const BITN: u8 = 0x68;
    pub(crate) const DECIMAL: u8 = 0x6A;
    pub(crate) const NUMERIC: u8 = 0x6C;
    pub(crate) const FLOATN: u8 = 0x6D;
    pub(crate) const MONEYN: u8 = 0x6E;
    pub(crate) const DATETIMEN: u8 = 0x6F;
    pub(crate) const VARBINARY: u8 = 0xA5;
    pub(crate) const VARCHAR: u8 = 0xA7;
    pub(crate) const BINARY: u8 = 0xAD;
    pub(crate) const CHAR: u8 = 0xAF;
    pub(crate) const NVARCHAR: u8 = 0xE7;
    pub(crate) const NCHAR: u8 = 0xEF;
    pub(crate) const UDT: u8 = 0xF0;
    pub(crate) const XML: u8 = 0xF1;
    pub(crate) const TEXT: u8 = 0x23;
    pub(crate) const IMAGE: u8 = 0x22;
    pub(crate) const NTEXT: u8 = 0x63;
    pub(crate) const VARIANT: u8 = 0x62;
}

/// Bytes of a decimal's sign and magnitude.
pub(crate) fn decimal_size(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// Bytes of a time of day.
pub(crate) fn time_size(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

impl Column {
    /// Whether values are written without a length because they can never be NULL.
    pub(crate) fn is_fixed(&self) -> bool {
        use SqlType as T;
        !self.nullable
            && matches!(
                self.ty,
                T::Bit
                    | T::TinyInt
                    | T::SmallInt
                    | T::Int
                    | T::BigInt
                    | T::Real
                    | T::Float
                    | T::Money
                    | T::SmallMoney
                    | T::SmallDateTime
                    | T::DateTime
            )
    }

    /// The column as a client gets it. Text in UTF-8 goes as UTF-16 to a client that did not say at login that it reads
    /// UTF-8; SQL Server does the same, with the collation unchanged.
    pub(crate) fn as_sent(&self, utf8: bool) -> Self {
        let mut sent = self.clone();
        if utf8 || !self.collation.is_utf8() {
            return sent;
        }
        let wide = |bytes: u16| {
            // A character of one byte is one of one code unit.
            if bytes <= 4000 {
                Length::Limit(bytes)
            } else {
                Length::Max
            }
        };
        sent.ty = match self.ty {
            SqlType::Char { length } => SqlType::NVarChar {
                length: wide(length),
            },
            SqlType::VarChar {
                length: Length::Limit(bytes),
            } => SqlType::NVarChar {
                length: wide(bytes),
            },
            SqlType::VarChar {
                length: Length::Max,
            } => SqlType::NVarChar {
                length: Length::Max,
            },
            _ => return sent,
        };
        sent
    }

    /// Whether values are sent in chunks with a terminator.
    pub(crate) fn is_chunked(&self) -> bool {
        matches!(
            self.ty,
            SqlType::VarChar {
                length: Length::Max
            } | SqlType::NVarChar {
                length: Length::Max
            } | SqlType::VarBinary {
                length: Length::Max
            } | SqlType::Xml
                | SqlType::Udt { .. }
        )
    }

    /// Writes TYPE_INFO.
    pub(crate) fn put_type_info(&self, out: &mut BytesMut) {
        use SqlType as T;
        let sized = |out: &mut BytesMut, fixed: u8, variable: u8, size: u8| {
            if self.nullable {
                out.put_u8(variable);
                out.put_u8(size);
            } else {
                out.put_u8(fixed);
            }
        };
        let limit = |length: &Length, width: u16| match length {
            Length::Limit(limit) => limit * width,
            Length::Max => 0xFFFF,
        };
        let text = |out: &mut BytesMut, token: u8, bytes: u16| {
            out.put_u8(token);
            out.put_u16_le(bytes);
            out.extend_from_slice(&self.collation.to_wire());
        };
        match &self.ty {
            T::Bit => sized(out, token::BIT, token::BITN, 1),
            T::TinyInt => sized(out, token::INT1, token::INTN, 1),
            T::SmallInt => sized(out, token::INT2, token::INTN, 2),
            T::Int => sized(out, token::INT4, token::INTN, 4),
            T::BigInt => sized(out, token::INT8, token::INTN, 8),
            T::Real => sized(out, token::FLOAT4, token::FLOATN, 4),
            T::Float => sized(out, token::FLOAT8, token::FLOATN, 8),
            T::Money => sized(out, token::MONEY, token::MONEYN, 8),
            T::SmallMoney => sized(out, token::MONEY4, token::MONEYN, 4),
            T::SmallDateTime => sized(out, token::DATETIME4, token::DATETIMEN, 4),
            T::DateTime => sized(out, token::DATETIME, token::DATETIMEN, 8),
            T::Decimal { precision, scale } | T::Numeric { precision, scale } => {
                let is_numeric = matches!(self.ty, T::Numeric { .. });
                out.put_u8(if is_numeric {
                    token::NUMERIC
                } else {
                    token::DECIMAL
                });
                out.extend_from_slice(&[decimal_size(*precision), *precision, *scale]);
            }
            T::Date => out.put_u8(token::DATE),
            T::Time { scale } => out.extend_from_slice(&[token::TIME, *scale]),
            T::DateTime2 { scale } => out.extend_from_slice(&[token::DATETIME2, *scale]),
            T::DateTimeOffset { scale } => out.extend_from_slice(&[token::DATETIMEOFFSET, *scale]),
            T::Char { length } => text(out, token::CHAR, *length),
            T::VarChar { length } => text(out, token::VARCHAR, limit(length, 1)),
            T::NChar { length } => text(out, token::NCHAR, length * 2),
            T::NVarChar { length } => text(out, token::NVARCHAR, limit(length, 2)),
            T::UniqueIdentifier => out.extend_from_slice(&[token::GUID, 16]),
            T::Binary { length } => {
                out.put_u8(token::BINARY);
                out.put_u16_le(*length);
            }
            T::RowVersion => {
                out.put_u8(token::BINARY);
                out.put_u16_le(8);
            }
            T::VarBinary { length } => {
                out.put_u8(token::VARBINARY);
                out.put_u16_le(limit(length, 1));
            }
            T::Xml => out.extend_from_slice(&[token::XML, 0]),
            T::Variant => {
                out.put_u8(token::VARIANT);
                out.put_u32_le(8009);
            }
            T::Udt { schema, name } => {
                out.put_u8(token::UDT);
                out.put_u16_le(0xFFFF);
                put_b_varchar(out, "master");
                put_b_varchar(out, schema);
                put_b_varchar(out, name);
                put_us_varchar(
                    out,
                    "Microsoft.SqlServer.Types.SqlGeography, Microsoft.SqlServer.Types, Version=11.0.0.0",
                );
            }
        }
    }
}

/// A text with its length in UTF-16 code units in one byte; cut at 255 units.
pub(crate) fn put_b_varchar(out: &mut BytesMut, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(255).collect();
    out.put_u8(u8::try_from(units.len()).unwrap_or(u8::MAX));
    for unit in units {
        out.put_u16_le(unit);
    }
}

/// A text with its length in UTF-16 code units in two bytes; cut at 65,535 units.
pub(crate) fn put_us_varchar(out: &mut BytesMut, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(65535).collect();
    out.put_u16_le(u16::try_from(units.len()).unwrap_or(u16::MAX));
    for unit in units {
        out.put_u16_le(unit);
    }
}
