//! What the cells are made from: the number of the row and nothing else.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;

use super::Declared;

/// The companies that occur.
pub(crate) const COMPANIES: [&str; 8] = [
    "EC_NG", "JD_GH", "EC_IC", "HF_SN", "EC_KE", "JD_UG", "JD_DZ", "EC_MA",
];

/// 2020-01-01 in microseconds since 1970.
const FIRST_DAY: i64 = 1_577_836_800_000_000;
/// In microseconds.
pub(super) const DAY: i64 = 86_400_000_000;
/// After so many rows the posting dates come again.
pub(super) const DAYS: u64 = 1500;

/// `Posting Date` in microseconds since 1970.
pub(super) fn posted(n: u64) -> i64 {
    FIRST_DAY + (n % DAYS) as i64 * DAY
}

/// Two digits of cents, as amounts in ledgers have, in a type that has room for twenty.
pub(super) fn amount(n: u64) -> i128 {
    let cents = i128::from(scattered(n) % 20_000_000) - 9_999_000;
    cents * 10_i128.pow(18)
}

/// A number that looks like chance and is not (the finalizer of `SplitMix64`).
pub(super) fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One of eight, by the row.
pub(super) fn one_of_eight(n: u64) -> usize {
    (scattered(n) % 8) as usize
}

pub(super) fn texts(numbers: &[u64], make: impl Fn(u64) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(
        numbers.iter().map(|n| make(*n)),
    ))
}

pub(super) fn decimals(numbers: &[u64], make: impl Fn(u64) -> i128) -> ArrayRef {
    let values = numbers.iter().map(|n| make(*n));
    Arc::new(Decimal128Array::from_iter_values(values).with_data_type(DataType::Decimal128(38, 20)))
}

pub(super) fn instants(numbers: &[u64], make: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(
        numbers.iter().map(|n| make(*n)),
    ))
}

/// What every table has, for a table that begins with it.
pub(super) fn common_columns() -> Vec<Declared> {
    vec![
        Declared::new("Entry No_", "int", false),
        Declared::new("Company", "nvarchar(10)", false),
        Declared::new("Amount", "decimal(38,20)", false),
        Declared::new("Posting Date", "datetime", false),
    ]
}

/// Its cells.
pub(super) fn common_arrays(numbers: &[u64]) -> Vec<ArrayRef> {
    vec![
        Arc::new(Int32Array::from_iter_values(
            numbers.iter().map(|n| *n as i32),
        )),
        texts(numbers, |n| COMPANIES[one_of_eight(n)].to_owned()),
        decimals(numbers, amount),
        instants(numbers, posted),
    ]
}
