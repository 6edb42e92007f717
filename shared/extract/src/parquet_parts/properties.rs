//! How the columns of a part are written: what is decided once per part, from its first rows alone, so that the same rows
//! give the same bytes.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use parquet::{
    basic::{Compression as Codec, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use soxauto_content::Cells;
use soxauto_domain::catalog::TRACEABILITY_COLUMNS;
use twox_hash::XxHash3_128;

use super::{Compression, internal};
use crate::{error::ExtractError, view::cells};

/// A column gets a dictionary when each of its values stands in so many rows on average: below that, building the
/// dictionary costs more processor time than writing the values, and the file is hardly smaller.
const ROWS_PER_VALUE: usize = 5;

/// The settings of a part of this schema that begins with these rows.
pub(super) fn of(
    schema: &Schema,
    first: Option<&RecordBatch>,
    compression: Compression,
) -> Result<WriterProperties, ExtractError> {
    let codec = match compression {
        Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(1).map_err(internal)?),
        Compression::Snappy => Codec::SNAPPY,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by("soxauto".into())
        .set_compression(codec)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    // Every value occurs once.
    let [.., row_number] = TRACEABILITY_COLUMNS;
    properties = properties.set_column_dictionary_enabled(ColumnPath::from(row_number), false);
    for field in schema.fields() {
        // Readers skip row groups by entry numbers and dates; the smallest and largest text or amount of a row group seldom
        // says anything, and finding it takes two comparisons of bytes per value.
        if matches!(
            field.data_type(),
            DataType::Utf8 | DataType::Binary | DataType::Decimal128(..)
        ) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
        }
    }
    if let Some(first) = first {
        for (field, array) in first.schema().fields().iter().zip(first.columns()) {
            if !repeats(cells(array.as_ref())?, first.num_rows()) {
                let column = ColumnPath::from(field.name().as_str());
                properties = properties.set_column_dictionary_enabled(column, false);
            }
        }
    }
    Ok(properties.build())
}

/// Whether values occur often enough for a dictionary.
fn repeats(cells: Cells<'_>, rows: usize) -> bool {
    let most = rows / ROWS_PER_VALUE;
    let mut values = HashSet::new();
    let mut bytes = Vec::new();
    for row in 0..rows {
        bytes.clear();
        cells.encode(row, &mut bytes);
        if values.insert(XxHash3_128::oneshot(&bytes)) && values.len() > most {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, StringArray};

    use super::*;

    #[test]
    fn values_that_stand_in_five_rows_on_average_repeat() {
        let numbers =
            |distinct: i32| Int32Array::from_iter_values((0..1_000).map(|n| n % distinct));
        assert!(repeats(Cells::Int32(&numbers(200)), 1_000));
        assert!(!repeats(Cells::Int32(&numbers(201)), 1_000));
        let texts: StringArray = (0..1_000)
            .map(|n| (n % 10 == 0).then(|| n.to_string()))
            .collect();
        assert!(repeats(Cells::Text(&texts), 1_000), "NULL is one value");
        assert!(
            !repeats(Cells::Int32(&numbers(1)), 3),
            "of three rows nothing is known"
        );
    }
}
