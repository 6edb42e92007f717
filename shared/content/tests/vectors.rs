//! What the second implementation computed (`tests/content_digest.py --vectors`), computed here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array,
};
use serde::Deserialize;
use serde_json::Value;
use soxauto_content::{Cells, ContentDigest, row_digest, type_name};
use soxauto_domain::{catalog::TRACEABILITY_COLUMNS, value::parse_decimal};

#[derive(Deserialize)]
struct Vector {
    name: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    content_sha256: String,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    encoded: String,
    sha256: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../docs/content-digest.vectors.json")).unwrap()
}

fn array(kind: &str, cells: &[Option<&str>]) -> ArrayRef {
    fn each<'c, T>(
        cells: &[Option<&'c str>],
        parse: impl Fn(&'c str) -> T,
    ) -> impl Iterator<Item = Option<T>> {
        cells.iter().map(move |cell| cell.map(&parse))
    }
    macro_rules! numbers {
        ($array:ty) => {
            Arc::new(<$array>::from_iter(each(cells, |c| c.parse().unwrap())))
        };
    }
    match kind {
        "boolean" => Arc::new(BooleanArray::from_iter(each(cells, |c| c == "true"))),
        "uint8" => numbers!(UInt8Array),
        "int16" => numbers!(Int16Array),
        "int32" => numbers!(Int32Array),
        "int64" => numbers!(Int64Array),
        "float32" => Arc::new(Float32Array::from_iter(each(cells, |c| {
            f32::from_bits(u32::from_str_radix(c, 16).unwrap())
        }))),
        "float64" => Arc::new(Float64Array::from_iter(each(cells, |c| {
            f64::from_bits(u64::from_str_radix(c, 16).unwrap())
        }))),
        "date" => numbers!(Date32Array),
        "time(us)" => numbers!(Time64MicrosecondArray),
        "timestamp(us)" => numbers!(TimestampMicrosecondArray),
        "timestamp(us,utc)" => Arc::new(
            TimestampMicrosecondArray::from_iter(each(cells, |c| c.parse().unwrap()))
                .with_timezone("UTC"),
        ),
        "text" => Arc::new(StringArray::from_iter(cells)),
        "binary" => Arc::new(BinaryArray::from_iter(each(cells, |c| {
            hex::decode(c).unwrap()
        }))),
        decimal => {
            let digits = decimal
                .strip_prefix("decimal(")
                .and_then(|d| d.strip_suffix(')'));
            let (precision, scale) = digits.unwrap().split_once(',').unwrap();
            let scale: u8 = scale.parse().unwrap();
            Arc::new(
                Decimal128Array::from_iter(each(cells, |c| parse_decimal(c, scale).unwrap()))
                    .with_precision_and_scale(precision.parse().unwrap(), scale as i8)
                    .unwrap(),
            )
        }
    }
}

fn batch(vector: &Vector) -> RecordBatch {
    let column = |(index, column): (usize, &Column)| {
        let texts: Vec<Option<String>> = vector
            .rows
            .iter()
            .map(|row| match &row.cells[index] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            })
            .collect();
        let cells: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        let array = array(&column.kind, &cells);
        assert_eq!(
            type_name(array.data_type()).as_ref(),
            Some(&column.kind),
            "{}",
            vector.name
        );
        (column.name.clone(), array, true)
    };
    RecordBatch::try_from_iter_with_nullable(vector.columns.iter().enumerate().map(column)).unwrap()
}

#[test]
fn every_row_and_every_content_digest_is_what_python_found() {
    let vectors = vectors();
    assert!(vectors.len() > 30);
    for vector in &vectors {
        let batch = batch(vector);
        let kept: Vec<&ArrayRef> = vector
            .columns
            .iter()
            .zip(batch.columns())
            .filter(|(column, _)| !TRACEABILITY_COLUMNS.contains(&column.name.as_str()))
            .map(|(_, array)| array)
            .collect();
        let cells: Vec<Cells<'_>> = kept
            .iter()
            .map(|array| Cells::new(array.as_ref()).unwrap())
            .collect();
        for (index, row) in vector.rows.iter().enumerate() {
            let mut encoded = Vec::new();
            for column in &cells {
                column.encode(index, &mut encoded);
            }
            assert_eq!(hex::encode(encoded), row.encoded, "{}", vector.name);
            let digest = row_digest(&cells, index);
            assert_eq!(digest.to_string(), row.sha256, "{}", vector.name);
        }
        let mut content = ContentDigest::new(&batch.schema(), &std::env::temp_dir(), 100).unwrap();
        content.update(&batch).unwrap();
        let found = content.finish().unwrap();
        assert_eq!(found.to_string(), vector.content_sha256, "{}", vector.name);
    }
}

#[test]
fn of_the_vectors_only_those_that_must_be_equal_are() {
    let vectors = vectors();
    let digest = |name: &str| {
        let found = vectors.iter().find(|vector| vector.name == name);
        found.unwrap().content_sha256.clone()
    };
    let same = digest("order and duplicates");
    assert_eq!(same, digest("the same in another order"));
    assert_eq!(same, digest("traceability columns are left out"));
    let mut all: Vec<String> = vectors.iter().map(|v| v.content_sha256.clone()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), vectors.len() - 2);
}
