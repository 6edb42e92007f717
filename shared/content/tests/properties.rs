//! The promises: order and cuts do not matter, every changed cell does, whatever the types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array,
};
use arrow_schema::{DataType, Field, Schema};
use proptest::{collection::vec, prelude::*, sample::Index};
use soxauto_content::{ContentDigest, ContentError};
use soxauto_domain::Sha256;

/// One row with a cell of every type, in the order of [`batch`].
#[derive(Debug, Clone, PartialEq)]
struct Row {
    bit: Option<bool>,
    tiny: Option<u8>,
    small: Option<i16>,
    int: Option<i32>,
    big: Option<i64>,
    /// Bits, so that zeros of either sign and every NaN occur.
    real: Option<u32>,
    float: Option<u64>,
    decimal: Option<i128>,
    date: Option<i32>,
    time: Option<i64>,
    timestamp: Option<i64>,
    instant: Option<i64>,
    text: Option<String>,
    binary: Option<Vec<u8>>,
}

const DECIMAL_END: i128 = 10i128.pow(38) - 1;

/// NULL, an end of the range, or anything.
fn cell<T: std::fmt::Debug + Clone + 'static, const N: usize>(
    ends: [T; N],
    any: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![
        1 => Just(None),
        2 => proptest::sample::select(ends.to_vec()).prop_map(Some),
        3 => any.prop_map(Some),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let times = (
        cell([-719_162, -1, 0, 2_932_896], any::<i32>()),
        cell([0, 86_399_999_999], 0..86_400_000_000i64),
        cell(
            [-62_135_596_800_000_000, 0, 253_402_300_799_999_999],
            any::<i64>(),
        ),
        cell([i64::MIN, i64::MAX], any::<i64>()),
        cell(
            [String::new(), "NULL".into(), "\0".into(), "é".into()],
            ".{0,12}",
        ),
        cell([vec![], vec![0], vec![0, 0]], vec(any::<u8>(), 0..12)),
    );
    let numbers = (
        cell([false, true], any::<bool>()),
        cell([0, 1, u8::MAX], any::<u8>()),
        cell([i16::MIN, 0, i16::MAX], any::<i16>()),
        cell([i32::MIN, 0, i32::MAX], any::<i32>()),
        cell([i64::MIN, 0, i64::MAX], any::<i64>()),
        cell([0, 0x8000_0000, f32::NAN.to_bits()], any::<u32>()),
        cell([0, 1 << 63, f64::NAN.to_bits()], any::<u64>()),
        cell([-DECIMAL_END, 0, DECIMAL_END], -DECIMAL_END..=DECIMAL_END),
    );
    (numbers, times).prop_map(|(n, t)| Row {
        bit: n.0,
        tiny: n.1,
        small: n.2,
        int: n.3,
        big: n.4,
        real: n.5,
        float: n.6,
        decimal: n.7,
        date: t.0,
        time: t.1,
        timestamp: t.2,
        instant: t.3,
        text: t.4,
        binary: t.5,
    })
}

/// What of a row counts: one NaN is as good as another.
fn counted(row: &Row) -> Row {
    Row {
        real: row.real.map(|b| {
            if f32::from_bits(b).is_nan() {
                f32::NAN.to_bits()
            } else {
                b
            }
        }),
        float: row.float.map(|b| {
            if f64::from_bits(b).is_nan() {
                f64::NAN.to_bits()
            } else {
                b
            }
        }),
        ..row.clone()
    }
}

fn batch(rows: &[Row]) -> RecordBatch {
    macro_rules! column {
        ($array:ty, $field:ident) => {
            Arc::new(<$array>::from_iter(rows.iter().map(|r| r.$field.clone()))) as ArrayRef
        };
    }
    let decimals = Decimal128Array::from_iter(rows.iter().map(|r| r.decimal));
    let instants = TimestampMicrosecondArray::from_iter(rows.iter().map(|r| r.instant));
    RecordBatch::try_from_iter_with_nullable([
        ("bit", column!(BooleanArray, bit), true),
        ("tiny", column!(UInt8Array, tiny), true),
        ("small", column!(Int16Array, small), true),
        ("int", column!(Int32Array, int), true),
        ("big", column!(Int64Array, big), true),
        (
            "real",
            Arc::new(Float32Array::from_iter(
                rows.iter().map(|r| r.real.map(f32::from_bits)),
            )),
            true,
        ),
        (
            "float",
            Arc::new(Float64Array::from_iter(
                rows.iter().map(|r| r.float.map(f64::from_bits)),
            )),
            true,
        ),
        (
            "decimal",
            Arc::new(decimals.with_precision_and_scale(38, 20).unwrap()),
            true,
        ),
        ("date", column!(Date32Array, date), true),
        ("time", column!(Time64MicrosecondArray, time), true),
        (
            "timestamp",
            column!(TimestampMicrosecondArray, timestamp),
            true,
        ),
        ("instant", Arc::new(instants.with_timezone("UTC")), true),
        ("text", column!(StringArray, text), true),
        ("binary", column!(BinaryArray, binary), true),
    ])
    .unwrap()
}

/// The digest of the rows, cut into batches of these sizes in turn, so many of them sorted in memory.
fn digest(rows: &[Row], cuts: &[usize], in_memory: usize) -> Sha256 {
    let mut content =
        ContentDigest::new(&batch(&[]).schema(), &std::env::temp_dir(), in_memory).unwrap();
    let mut left = rows;
    let mut cuts = cuts.iter().cycle();
    while !left.is_empty() {
        let (now, later) = left.split_at(left.len().min(*cuts.next().unwrap()));
        content.update(&batch(now)).unwrap();
        left = later;
    }
    content.finish().unwrap()
}

/// Gives one cell of `to`, the `field`th, the value that it has in `from`.
fn take(to: &mut Row, from: &Row, field: usize) {
    match field {
        0 => to.bit = from.bit,
        1 => to.tiny = from.tiny,
        2 => to.small = from.small,
        3 => to.int = from.int,
        4 => to.big = from.big,
        5 => to.real = from.real,
        6 => to.float = from.float,
        7 => to.decimal = from.decimal,
        8 => to.date = from.date,
        9 => to.time = from.time,
        10 => to.timestamp = from.timestamp,
        11 => to.instant = from.instant,
        12 => to.text.clone_from(&from.text),
        _ => to.binary.clone_from(&from.binary),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_cuts_and_scratch_files_do_not_matter(
        rows in vec(row(), 0..60),
        order in vec(any::<u64>(), 60),
        cuts in vec(1..20usize, 1..5),
        in_memory in 2..70usize,
    ) {
        let mut other: Vec<(u64, Row)> = order.into_iter().zip(rows.clone()).collect();
        other.sort_by_key(|(place, _)| *place);
        let other: Vec<Row> = other.into_iter().map(|(_, row)| row).collect();
        prop_assert_eq!(digest(&rows, &[1_000], 1_000), digest(&other, &cuts, in_memory));
    }

    #[test]
    fn one_cell_of_another_value_is_another_digest(
        rows in vec(row(), 1..20),
        at in any::<Index>(),
        field in 0..14usize,
        from in row(),
    ) {
        let mut changed = rows.clone();
        let row = at.index(rows.len());
        take(&mut changed[row], &from, field);
        let same = counted(&rows[row]) == counted(&changed[row]);
        prop_assert_eq!(digest(&rows, &[7], 5) == digest(&changed, &[7], 5), same);
    }

    #[test]
    fn a_row_more_or_less_is_another_digest(rows in vec(row(), 1..20), at in any::<Index>()) {
        let whole = digest(&rows, &[7], 5);
        let mut fewer = rows.clone();
        let twice = fewer.remove(at.index(rows.len()));
        prop_assert_ne!(digest(&fewer, &[7], 5), whole);
        let mut more = rows;
        more.push(twice);
        prop_assert_ne!(digest(&more, &[7], 5), whole);
    }
}

#[test]
fn a_type_that_no_extract_has_and_a_batch_of_other_columns_are_refused() {
    let new = |data_type| {
        let schema = Schema::new(vec![Field::new("a", data_type, true)]);
        ContentDigest::new(&schema, &std::env::temp_dir(), 2)
    };
    let error = new(DataType::UInt64).unwrap_err();
    assert!(error.to_string().contains("\"a\"") && error.to_string().contains("UInt64"));
    let mut content = new(DataType::Int64).unwrap();
    for array in [
        Arc::new(Int32Array::from(vec![1])) as ArrayRef,
        Arc::new(TimestampMicrosecondArray::from(vec![1])),
    ] {
        let other = RecordBatch::try_from_iter([("a", array)]).unwrap();
        let error = content.update(&other).unwrap_err();
        assert!(matches!(error, ContentError::Columns { column } if column == "a"));
    }
    let renamed: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let renamed = RecordBatch::try_from_iter([("b", renamed)]).unwrap();
    assert!(content.update(&renamed).is_err());
}
