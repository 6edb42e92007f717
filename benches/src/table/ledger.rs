//! The ledger: six texts, three amounts with 20 decimals, two times, three numbers.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use super::{
    Declared,
    numbers::{COMPANIES, DAY, amount, decimals, instants, one_of_eight, posted, scattered, texts},
};

const COLUMNS: [(&str, &str, bool); 14] = [
    ("Entry No_", "int", false),
    ("Transaction No_", "bigint", false),
    ("Company", "nvarchar(10)", false),
    ("Customer No_", "nvarchar(20)", false),
    ("Document No_", "nvarchar(35)", false),
    ("Description", "nvarchar(100)", true),
    ("Currency Code", "nvarchar(10)", false),
    ("Source Code", "nvarchar(20)", false),
    ("Amount", "decimal(38,20)", false),
    ("Amount (LCY)", "decimal(38,20)", false),
    ("Remaining Amount", "decimal(38,20)", false),
    ("Posting Date", "datetime", false),
    ("Created At", "datetime2(7)", true),
    ("Open", "bit", false),
];

pub(super) fn columns() -> Vec<Declared> {
    COLUMNS
        .iter()
        .map(|(name, sql_type, nullable)| Declared::new(*name, sql_type, *nullable))
        .collect()
}

/// The rows of these numbers.
pub(super) fn batch(numbers: &[u64]) -> Option<RecordBatch> {
    let arrays = arrays(numbers);
    let named = COLUMNS
        .iter()
        .zip(arrays)
        .map(|((name, _, nullable), array)| (*name, array, *nullable));
    RecordBatch::try_from_iter_with_nullable(named).ok()
}

fn arrays(numbers: &[u64]) -> Vec<ArrayRef> {
    let currencies = ["NGN", "GHS", "XOF", "XOF", "KES", "UGX", "DZD", "MAD"];
    vec![
        Arc::new(Int32Array::from_iter_values(
            numbers.iter().map(|n| *n as i32),
        )),
        Arc::new(Int64Array::from_iter_values(
            numbers.iter().map(|n| 4_000_000_000 + (*n / 3) as i64),
        )),
        texts(numbers, |n| COMPANIES[one_of_eight(n)].to_owned()),
        texts(numbers, |n| format!("C{:08}", scattered(n) % 400_000)),
        texts(numbers, |n| format!("VI-{}-{:09}", 2020 + n % 5, n)),
        Arc::new(
            numbers
                .iter()
                .map(|n| {
                    let word = ["Commande", "Zahlung für", "Refund of order"][(n % 3) as usize];
                    (n % 20 != 0).then(|| format!("{word} {:010}", scattered(*n) % 10_000_000_000))
                })
                .collect::<StringArray>(),
        ),
        texts(numbers, |n| currencies[one_of_eight(n)].to_owned()),
        texts(numbers, |n| {
            ["SALES", "CASHRECJNL", "GENJNL"][(n % 3) as usize].to_owned()
        }),
        decimals(numbers, amount),
        decimals(numbers, |n| amount(n) * 3 / 2),
        decimals(numbers, |n| if n % 4 == 0 { amount(n) } else { 0 }),
        instants(numbers, posted),
        Arc::new(
            numbers
                .iter()
                .map(|n| {
                    let within = (scattered(*n) % DAY as u64) as i64;
                    (n % 10 != 0).then_some(posted(*n) + within)
                })
                .collect::<TimestampMicrosecondArray>(),
        ),
        Arc::new(
            numbers
                .iter()
                .map(|n| Some(n % 4 == 0))
                .collect::<BooleanArray>(),
        ),
    ]
}
