//! Two hundred columns: what a reader keeps for each column counts here, not what it keeps for each row.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
};

use super::{
    Declared,
    numbers::{
        DAY, amount, common_arrays, common_columns, decimals, instants, posted, scattered, texts,
    },
};

/// Columns besides those that every table has.
const MORE: usize = 196;
/// Their types, over and over.
const TYPES: [&str; 8] = [
    "nvarchar(40)",
    "decimal(38,20)",
    "int",
    "datetime",
    "bit",
    "float",
    "date",
    "bigint",
];

pub(super) fn columns() -> Vec<Declared> {
    let mut columns = common_columns();
    columns.extend(
        TYPES
            .iter()
            .cycle()
            .take(MORE)
            .enumerate()
            .map(|(n, sql_type)| Declared::new(format!("Column {n}"), sql_type, true)),
    );
    columns
}

/// The rows of these numbers. Columns of one type hold the same: readers cannot know.
pub(super) fn batch(numbers: &[u64]) -> Option<RecordBatch> {
    let all = || numbers.iter().copied();
    let kinds: [ArrayRef; 8] = [
        texts(numbers, |n| {
            format!("Posten {}", scattered(n) % 1_000_000_000)
        }),
        decimals(numbers, amount),
        Arc::new(
            all()
                .map(|n| Some(scattered(n) as i32))
                .collect::<Int32Array>(),
        ),
        instants(numbers, posted),
        Arc::new(
            all()
                .map(|n| Some(n.is_multiple_of(3)))
                .collect::<BooleanArray>(),
        ),
        Arc::new(
            all()
                .map(|n| Some(scattered(n) as i32 as f64 / 8.0))
                .collect::<Float64Array>(),
        ),
        Arc::new(
            all()
                .map(|n| Some((posted(n) / DAY) as i32))
                .collect::<Date32Array>(),
        ),
        Arc::new(
            all()
                .map(|n| (n % 5 != 0).then_some(scattered(n) as i64))
                .collect::<Int64Array>(),
        ),
    ];
    let mut arrays = common_arrays(numbers);
    arrays.extend(kinds.iter().cycle().take(MORE).map(Arc::clone));
    let columns = columns().into_iter().zip(arrays);
    RecordBatch::try_from_iter_with_nullable(
        columns.map(|(declared, array)| (declared.name, array, declared.nullable)),
    )
    .ok()
}
