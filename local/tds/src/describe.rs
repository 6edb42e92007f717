//! The result set of `sp_describe_first_result_set`, column for column as SQL Server has it.

use crate::cell::Cell;
use crate::error::SqlError;
use crate::type_info::{decimal_size, time_size, token};
use crate::types::{Column, Length, SqlType};

/// Names and types of the result set's columns.
const SHAPE: &[(&str, &str, bool)] = &[
    ("is_hidden", "bit", false),
    ("column_ordinal", "int", false),
    ("name", "sysname", true),
    ("is_nullable", "bit", false),
    ("system_type_id", "int", false),
    ("system_type_name", "nvarchar(256)", true),
    ("max_length", "smallint", false),
    ("precision", "tinyint", false),
    ("scale", "tinyint", false),
    ("collation_name", "sysname", true),
    ("user_type_id", "int", true),
    ("user_type_database", "sysname", true),
    ("user_type_schema", "sysname", true),
    ("user_type_name", "sysname", true),
    ("assembly_qualified_type_name", "nvarchar(4000)", true),
    ("xml_collection_id", "int", true),
    ("xml_collection_database", "sysname", true),
    ("xml_collection_schema", "sysname", true),
    ("xml_collection_name", "sysname", true),
    ("is_xml_document", "bit", false),
    ("is_case_sensitive", "bit", false),
    ("is_fixed_length_clr_type", "bit", false),
    ("source_server", "sysname", true),
    ("source_database", "sysname", true),
    ("source_schema", "sysname", true),
    ("source_table", "sysname", true),
    ("source_column", "sysname", true),
    ("is_identity_column", "bit", true),
    ("is_part_of_unique_key", "bit", true),
    ("is_updateable", "bit", true),
    ("is_computed_column", "bit", true),
    ("is_sparse_column_set", "bit", true),
    ("ordinal_in_order_by_list", "smallint", true),
    ("order_by_is_descending", "smallint", true),
    ("order_by_list_length", "smallint", true),
    ("tds_type_id", "int", false),
    ("tds_length", "int", false),
    ("tds_collation_id", "int", true),
    ("tds_collation_sort_id", "tinyint", true),
];

/// The columns of the description.
pub(crate) fn columns() -> Result<Vec<Column>, SqlError> {
    SHAPE
        .iter()
        .map(|(name, ty, nullable)| {
            let column = Column::new(*name, ty)?;
            Ok(if *nullable { column } else { column.not_null() })
        })
        .collect()
}

/// One row of the description: the column at this position, counted from 1.
pub(crate) fn row(ordinal: usize, column: &Column) -> Vec<Cell<'static>> {
    let facts = facts(&column.ty);
    let collated = column.ty.is_text();
    let text = |text: &str| Cell::text(text);
    let mut row = vec![
        Cell::Bit(false),
        Cell::Int(i64::try_from(ordinal).unwrap_or(i64::MAX)),
        if column.name.is_empty() {
            Cell::Null
        } else {
            text(&column.name)
        },
        Cell::Bit(column.nullable),
        Cell::Int(facts.system_type),
        Cell::text(column.ty.to_string()),
        Cell::Int(facts.max_length),
        Cell::Int(facts.precision.into()),
        Cell::Int(facts.scale.into()),
        if collated {
            text(column.collation.name())
        } else {
            Cell::Null
        },
    ];
    // User types, assemblies and XML collections: none.
    row.resize(19, Cell::Null);
    row.extend([Cell::Bit(false), Cell::Bit(false), Cell::Bit(false)]);
    // The source is not said without browse mode.
    row.resize(27, Cell::Null);
    row.extend([
        Cell::Bit(false),
        Cell::Null,
        Cell::Bit(false),
        Cell::Bit(false),
        Cell::Bit(false),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Int(facts.tds_type.into()),
        Cell::Int(facts.tds_length),
    ]);
    if collated {
        row.push(Cell::Int(column.collation.info().cast_signed().into()));
        row.push(Cell::Int(column.collation.sort_id().into()));
    } else {
        row.extend([Cell::Null, Cell::Null]);
    }
    row
}

/// What the catalog views say of a type.
struct Facts {
    system_type: i64,
    /// Bytes; -1 for `(max)`.
    max_length: i64,
    precision: u8,
    scale: u8,
    tds_type: u8,
    tds_length: i64,
}

fn facts(ty: &SqlType) -> Facts {
    use SqlType as T;
    let fact = |system_type, max_length: i64, precision, scale, tds_type| Facts {
        system_type,
        max_length,
        precision,
        scale,
        tds_type,
        tds_length: if max_length == -1 { 65535 } else { max_length },
    };
    let length = |length: &Length, width: i64| match length {
        Length::Limit(limit) => i64::from(*limit) * width,
        Length::Max => -1,
    };
    // A time shows as HH:MM:SS, and a point with its decimals.
    let digits = |whole: u8, scale: u8| if scale == 0 { whole } else { whole + 1 + scale };
    match ty {
        T::Bit => fact(104, 1, 1, 0, token::BITN),
        T::TinyInt => fact(48, 1, 3, 0, token::INTN),
        T::SmallInt => fact(52, 2, 5, 0, token::INTN),
        T::Int => fact(56, 4, 10, 0, token::INTN),
        T::BigInt => fact(127, 8, 19, 0, token::INTN),
        T::Real => fact(59, 4, 24, 0, token::FLOATN),
        T::Float => fact(62, 8, 53, 0, token::FLOATN),
        T::Decimal { precision, scale } => fact(
            106,
            decimal_size(*precision).into(),
            *precision,
            *scale,
            token::DECIMAL,
        ),
        T::Numeric { precision, scale } => fact(
            108,
            decimal_size(*precision).into(),
            *precision,
            *scale,
            token::NUMERIC,
        ),
        T::Money => fact(60, 8, 19, 4, token::MONEYN),
        T::SmallMoney => fact(122, 4, 10, 4, token::MONEYN),
        T::Date => fact(40, 3, 10, 0, token::DATE),
        T::SmallDateTime => fact(58, 4, 16, 0, token::DATETIMEN),
        T::DateTime => fact(61, 8, 23, 3, token::DATETIMEN),
        T::DateTime2 { scale } => fact(
            42,
            i64::from(time_size(*scale)) + 3,
            digits(19, *scale),
            *scale,
            token::DATETIME2,
        ),
        T::DateTimeOffset { scale } => fact(
            43,
            i64::from(time_size(*scale)) + 5,
            digits(26, *scale),
            *scale,
            token::DATETIMEOFFSET,
        ),
        T::Time { scale } => fact(
            41,
            time_size(*scale).into(),
            digits(8, *scale),
            *scale,
            token::TIME,
        ),
        T::Char { length } => fact(175, (*length).into(), 0, 0, token::CHAR),
        T::VarChar { length: limit } => fact(167, length(limit, 1), 0, 0, token::VARCHAR),
        T::NChar { length } => fact(239, i64::from(*length) * 2, 0, 0, token::NCHAR),
        T::NVarChar { length: limit } => fact(231, length(limit, 2), 0, 0, token::NVARCHAR),
        T::UniqueIdentifier => fact(36, 16, 0, 0, token::GUID),
        T::Binary { length } => fact(173, (*length).into(), 0, 0, token::BINARY),
        T::VarBinary { length: limit } => fact(165, length(limit, 1), 0, 0, token::VARBINARY),
        T::RowVersion => fact(189, 8, 0, 0, token::BINARY),
        T::Xml => fact(241, -1, 0, 0, token::XML),
        T::Variant => fact(98, 8016, 0, 0, token::VARIANT),
        T::Udt { .. } => fact(240, -1, 0, 0, token::UDT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_column() {
        let columns = columns().expect("the shape is valid");
        for ty in [
            "int",
            "decimal(38,20)",
            "nvarchar(max)",
            "datetime2(7)",
            "geography",
        ] {
            let row = row(1, &Column::new("c", ty).expect("a type"));
            let mut out = bytes::BytesMut::new();
            crate::response::put_row(&columns, &row, &mut out).expect("it can be written");
        }
    }
}
