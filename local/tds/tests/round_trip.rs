//! The property of the whole: an Arrow batch through the server and tiberius is the same Arrow batch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt8Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use common::{client_config, column, connect_with, start};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest::test_runner::TestRunner;
use soxauto_tds::{Column, Script, ScriptedBackend};
use tiberius::{ColumnData, EncryptionLevel, Row};

/// Days from 0001-01-01 to 1970-01-01.
const EPOCH: i64 = 719_162;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A value of any of the types.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bit(bool),
    Int(i64),
    Real(f32),
    Float(f64),
    Decimal(i128),
    /// Days since 1970.
    Date(i32),
    /// Microseconds: since midnight, or since 1970.
    Micros(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Each declared type with the values that it takes.
fn types() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let first = -EPOCH * MICROS_PER_DAY;
    let last = (3_652_059 - EPOCH) * MICROS_PER_DAY;
    let int = |low: i64, high: i64| (low..=high).prop_map(Value::Int).boxed();
    let decimal = |digits: u32| {
        let limit = 10_i128.pow(digits);
        (1 - limit..limit).prop_map(Value::Decimal).boxed()
    };
    let text = |pattern: &'static str| pattern.prop_map(Value::Text).boxed();
    let bytes = |most: usize| {
        prop::collection::vec(any::<u8>(), 0..=most)
            .prop_map(Value::Bytes)
            .boxed()
    };
    // What datetime can hold: three-hundredths of a second, which are whole microseconds only every third time.
    let datetime = (-79_000_i64..=2_900_000, 0..86_400_i64 * 100)
        .prop_map(|(day, part)| Value::Micros(day * MICROS_PER_DAY + part * 10_000))
        .boxed();
    let smalldatetime = (-25_567_i64..=39_968, 0..1440_i64)
        .prop_map(|(day, minute)| Value::Micros(day * MICROS_PER_DAY + minute * 60_000_000))
        .boxed();
    vec![
        ("bit", any::<bool>().prop_map(Value::Bit).boxed()),
        ("tinyint", int(0, 255)),
        ("smallint", int(i16::MIN.into(), i16::MAX.into())),
        ("int", int(i32::MIN.into(), i32::MAX.into())),
        ("bigint", int(i64::MIN, i64::MAX)),
        ("real", any::<f32>().prop_map(Value::Real).boxed()),
        ("float", any::<f64>().prop_map(Value::Float).boxed()),
        ("decimal(38,20)", decimal(38)),
        ("decimal(19,4)", decimal(19)),
        ("numeric(9,0)", decimal(9)),
        ("date", (-719_162..=2_932_896).prop_map(Value::Date).boxed()),
        (
            "time(6)",
            (0..MICROS_PER_DAY).prop_map(Value::Micros).boxed(),
        ),
        (
            "datetime2(6)",
            (first..last).prop_map(Value::Micros).boxed(),
        ),
        (
            "datetime2(7)",
            (first..last).prop_map(Value::Micros).boxed(),
        ),
        (
            "datetimeoffset(7)",
            (first..last).prop_map(Value::Micros).boxed(),
        ),
        ("datetime", datetime),
        ("smalldatetime", smalldatetime),
        ("nvarchar(40)", text("\\PC{0,20}")),
        ("nvarchar(max)", text("(\\PC|\n){0,300}")),
        ("varchar(40)", text("[ -~é€ßŒ]{0,40}")),
        (
            "varchar(max) COLLATE Cyrillic_General_CI_AS",
            text("[ -~а-яЁ]{0,300}"),
        ),
        (
            "uniqueidentifier",
            text("[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"),
        ),
        ("varbinary(100)", bytes(100)),
        ("varbinary(max)", bytes(3000)),
        ("xml", text("<a>[a-zé€]{0,30}</a>")),
    ]
}

/// Values of a column as an Arrow array of the type that goes with its declared type.
fn array(declared: &str, values: &[Option<Value>]) -> ArrayRef {
    macro_rules! build {
        ($builder:expr, $pattern:pat => $value:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some($pattern) => builder.append_value($value),
                    Some(other) => panic!("{declared}: {other:?}"),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    let name = declared.split(['(', ' ']).next().unwrap();
    match name {
        "bit" => build!(BooleanBuilder::new(), Value::Bit(v) => *v),
        "tinyint" => build!(UInt8Builder::new(), Value::Int(v) => u8::try_from(*v).unwrap()),
        "smallint" => build!(Int16Builder::new(), Value::Int(v) => i16::try_from(*v).unwrap()),
        "int" => build!(Int32Builder::new(), Value::Int(v) => i32::try_from(*v).unwrap()),
        "bigint" => build!(Int64Builder::new(), Value::Int(v) => *v),
        "real" => build!(Float32Builder::new(), Value::Real(v) => *v),
        "float" => build!(Float64Builder::new(), Value::Float(v) => *v),
        "decimal" | "numeric" => {
            let inner = declared.split(['(', ')']).nth(1).unwrap();
            let (precision, scale) = inner.split_once(',').unwrap();
            let builder = Decimal128Builder::new()
                .with_precision_and_scale(precision.parse().unwrap(), scale.parse().unwrap())
                .unwrap();
            build!(builder, Value::Decimal(v) => *v)
        }
        "date" => build!(Date32Builder::new(), Value::Date(v) => *v),
        "time" => build!(Time64MicrosecondBuilder::new(), Value::Micros(v) => *v),
        "datetime" | "smalldatetime" | "datetime2" => {
            build!(TimestampMicrosecondBuilder::new(), Value::Micros(v) => *v)
        }
        "datetimeoffset" => {
            build!(TimestampMicrosecondBuilder::new().with_timezone("UTC"), Value::Micros(v) => *v)
        }
        "varbinary" => build!(BinaryBuilder::new(), Value::Bytes(v) => v),
        _ => build!(StringBuilder::new(), Value::Text(v) => v),
    }
}

fn batch(columns: &[(&str, Vec<Option<Value>>)]) -> RecordBatch {
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|(declared, values)| array(declared, values))
        .collect();
    let fields: Vec<Field> = columns
        .iter()
        .zip(&arrays)
        .map(|((declared, _), array)| Field::new(*declared, array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// What tiberius read, as a value.
fn value(cell: ColumnData<'static>, declared: &str) -> Option<Value> {
    let micros = |days: i64, micros: i64| Value::Micros((days - EPOCH) * MICROS_PER_DAY + micros);
    let unit = |scale: u8| 10_i64.pow(u32::from(7 - scale));
    let exact = |ticks: i64| {
        assert_eq!(
            ticks % 10,
            0,
            "{declared}: digits that microseconds cannot hold"
        );
        ticks / 10
    };
    Some(match cell {
        ColumnData::Bit(v) => Value::Bit(v?),
        ColumnData::U8(v) => Value::Int(v?.into()),
        ColumnData::I16(v) => Value::Int(v?.into()),
        ColumnData::I32(v) => Value::Int(v?.into()),
        ColumnData::I64(v) => Value::Int(v?),
        ColumnData::F32(v) => Value::Real(v?),
        ColumnData::F64(v) => Value::Float(v?),
        ColumnData::Numeric(v) => Value::Decimal(v?.value()),
        ColumnData::Date(v) => Value::Date(i32::try_from(i64::from(v?.days()) - EPOCH).unwrap()),
        ColumnData::Time(v) => {
            let v = v?;
            Value::Micros(exact(v.increments() as i64 * unit(v.scale())))
        }
        ColumnData::DateTime2(v) => {
            let v = v?;
            let ticks = v.time().increments() as i64 * unit(v.time().scale());
            micros(v.date().days().into(), exact(ticks))
        }
        ColumnData::DateTimeOffset(v) => {
            let v = v?;
            assert_eq!(v.offset(), 0);
            let time = v.datetime2().time();
            micros(
                v.datetime2().date().days().into(),
                exact(time.increments() as i64 * unit(time.scale())),
            )
        }
        ColumnData::DateTime(v) => {
            let v = v?;
            let parts = i64::from(v.seconds_fragments());
            micros(i64::from(v.days()) + 693_595, (parts * 10_000 + 1) / 3)
        }
        ColumnData::SmallDateTime(v) => {
            let v = v?;
            micros(
                i64::from(v.days()) + 693_595,
                i64::from(v.seconds_fragments()) * 60_000_000,
            )
        }
        ColumnData::String(v) => Value::Text(v?.into_owned()),
        ColumnData::Xml(v) => Value::Text(v?.to_string()),
        ColumnData::Guid(v) => Value::Text(v?.to_string().to_uppercase()),
        ColumnData::Binary(v) => Value::Bytes(v?.into_owned()),
    })
}

fn batch_of_rows(declared: &[&'static str], rows: Vec<Row>) -> RecordBatch {
    let mut columns: Vec<(&str, Vec<Option<Value>>)> = declared
        .iter()
        .map(|declared| (*declared, Vec::new()))
        .collect();
    for row in rows {
        for ((declared, values), cell) in columns.iter_mut().zip(row) {
            values.push(value(cell, declared));
        }
    }
    batch(&columns)
}

/// What the server is to show.
type Shown = (Vec<Column>, RecordBatch);

/// Declared types with their columns.
type Table = Vec<(&'static str, Vec<Option<Value>>)>;

/// Some of the types, each with a column of values and NULLs of the same length.
fn tables() -> impl Strategy<Value = Table> {
    (prop::sample::subsequence(types(), 1..12), 0_usize..40).prop_flat_map(|(types, rows)| {
        types
            .into_iter()
            .map(|(declared, values)| {
                prop::collection::vec(prop::option::weighted(0.8, values), rows)
                    .prop_map(move |values| (declared, values))
            })
            .collect::<Vec<_>>()
    })
}

#[test]
fn a_batch_through_the_wire_is_the_same_batch() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let table: Arc<Mutex<Option<Shown>>> = Arc::default();
    let shown = Arc::clone(&table);
    let backend = ScriptedBackend::new().on_request(move |_| {
        let (columns, batch) = shown.lock().unwrap().clone()?;
        Some(Script::batches(columns, vec![batch]))
    });
    let (_server, client) = runtime.block_on(async {
        let server = start(backend).await;
        let mut config = client_config(&server, EncryptionLevel::NotSupported);
        // Small packets, so that rows and values cross their borders.
        config.packet_size(512);
        let client = connect_with(&server, config).await.unwrap();
        (server, client)
    });
    let client = Mutex::new(client);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(256));
    runner
        .run(&tables(), |columns| {
            let declared: Vec<&'static str> =
                columns.iter().map(|(declared, _)| *declared).collect();
            let sent = batch(&columns);
            let shape = declared
                .iter()
                .map(|declared| column(declared, declared))
                .collect();
            *table.lock().unwrap() = Some((shape, sent.clone()));
            let mut client = client.lock().unwrap();
            let rows = runtime.block_on(async {
                client
                    .simple_query("SELECT")
                    .await
                    .unwrap()
                    .into_first_result()
                    .await
                    .unwrap()
            });
            prop_assert_eq!(rows.len(), sent.num_rows());
            prop_assert_eq!(batch_of_rows(&declared, rows), sent);
            Ok(())
        })
        .unwrap();
}
