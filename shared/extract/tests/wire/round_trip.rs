//! Arrow batch → server → driver → Parquet → Arrow batch is the identity, for every type.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array,
};
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::{collection::vec, option, prelude::*};
use soxauto_domain::{
    catalog::TotalFunction,
    plan::{PlannedWitness, Stage},
};
use soxauto_extract::{Extraction, MemoryStore, Options, arrow_type, extract};
use soxauto_tds::{Cell, Rows, Script, ScriptedBackend};

use super::{
    DRIVER,
    server::{Fixture, column, limits},
};
use crate::plan;

/// Microseconds of 0001-01-01 and of the last one of 9999.
const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

const TYPES: [&str; 20] = [
    "bit",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "real",
    "float",
    "decimal(38,20)",
    "decimal(9,2)",
    "date",
    "time(6)",
    "datetime2(6)",
    "datetimeoffset(6)",
    "nvarchar(50)",
    "nvarchar(max)",
    "varchar(50)",
    "uniqueidentifier",
    "varbinary(50)",
    "varbinary(max)",
    "xml",
];

#[derive(Debug, Clone)]
struct Row {
    bit: Option<bool>,
    tiny: Option<u8>,
    small: Option<i16>,
    int: Option<i32>,
    big: Option<i64>,
    real: Option<f32>,
    float: Option<f64>,
    wide: Option<i128>,
    narrow: Option<i128>,
    date: Option<i32>,
    time: Option<i64>,
    at: Option<i64>,
    utc: Option<i64>,
    text: Option<String>,
    ascii: Option<String>,
    id: Option<[u8; 16]>,
    bytes: Option<Vec<u8>>,
}

fn row() -> impl Strategy<Value = Row> {
    let widest = 10i128.pow(38) - 1;
    let finite32 = any::<f32>().prop_filter("finite", |n| n.is_finite());
    let finite64 = any::<f64>().prop_filter("finite", |n| n.is_finite());
    let numbers = (
        option::of(any::<bool>()),
        option::of(any::<u8>()),
        option::of(any::<i16>()),
        option::of(any::<i32>()),
        option::of(any::<i64>()),
        option::of(finite32),
        option::of(finite64),
    );
    let exact = (
        option::of(prop_oneof![-widest..=widest, -1000i128..1000]),
        option::of(-999_999_999i128..=999_999_999),
    );
    let times = (
        option::of(-719_162i32..=2_932_896),
        option::of(0i64..86_400_000_000),
        option::of(MICROS),
        option::of(MICROS),
    );
    let texts = (
        option::of("[^\\x00]{0,25}"),
        option::of("[ -~]{0,50}"),
        option::of(any::<[u8; 16]>()),
        option::of(vec(any::<u8>(), 0..50)),
    );
    (numbers, exact, times, texts).prop_map(
        |(
            (bit, tiny, small, int, big, real, float),
            (wide, narrow),
            (date, time, at, utc),
            (text, ascii, id, bytes),
        )| Row {
            bit,
            tiny,
            small,
            int,
            big,
            real,
            float,
            wide,
            narrow,
            date,
            time,
            at,
            utc,
            text,
            ascii,
            id,
            bytes,
        },
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from_iter(rows.iter().map(|r| r.bit))),
        Arc::new(UInt8Array::from_iter(rows.iter().map(|r| r.tiny))),
        Arc::new(Int16Array::from_iter(rows.iter().map(|r| r.small))),
        Arc::new(Int32Array::from_iter(rows.iter().map(|r| r.int))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.big))),
        Arc::new(Float32Array::from_iter(rows.iter().map(|r| r.real))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.float))),
        Arc::new(
            Decimal128Array::from_iter(rows.iter().map(|r| r.wide))
                .with_precision_and_scale(38, 20)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter(rows.iter().map(|r| r.narrow))
                .with_precision_and_scale(9, 2)
                .unwrap(),
        ),
        Arc::new(Date32Array::from_iter(rows.iter().map(|r| r.date))),
        Arc::new(Time64MicrosecondArray::from_iter(
            rows.iter().map(|r| r.time),
        )),
        Arc::new(TimestampMicrosecondArray::from_iter(
            rows.iter().map(|r| r.at),
        )),
        Arc::new(
            TimestampMicrosecondArray::from_iter(rows.iter().map(|r| r.utc)).with_timezone("UTC"),
        ),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.text.clone()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.text.clone()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.ascii.clone()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| {
            r.id.map(|id| {
                uuid::Uuid::from_bytes(id)
                    .hyphenated()
                    .to_string()
                    .to_uppercase()
            })
        }))),
        Arc::new(BinaryArray::from_iter(rows.iter().map(|r| r.bytes.clone()))),
        Arc::new(BinaryArray::from_iter(rows.iter().map(|r| r.bytes.clone()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.ascii.clone()))),
    ];
    let fields: Vec<Field> = TYPES
        .iter()
        .enumerate()
        .map(|(n, t)| Field::new(format!("c{n}"), arrow_type(t.parse().unwrap()), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

async fn through(rows: &[Row]) -> Vec<RecordBatch> {
    let sent = batch(rows);
    let columns: Vec<_> = TYPES
        .iter()
        .enumerate()
        .map(|(n, t)| column(&format!("c{n}"), t))
        .collect();
    let answer = Script::rows(Rows::batches(columns, vec![sent.clone()]));
    let count = Rows::cells(
        vec![column("rows", "int")],
        vec![vec![Cell::Int(rows.len() as i64)]],
    );
    let backend = ScriptedBackend::new()
        .on_containing("ORIGINAL_LOGIN()", Script::identity(false).unwrap())
        .on(plan::COMPLETENESS, Script::rows(count))
        .on_containing("[Entries]", answer);
    let fixture = Fixture::start(backend).await;
    let mut ipe = plan::ipe();
    ipe.columns = TYPES
        .iter()
        .enumerate()
        .map(|(n, t)| plan::column(&format!("c{n}"), t))
        .collect();
    ipe.key = vec!["c3".into()];
    ipe.allow_empty = true;
    ipe.completeness
        .totals
        .retain(|t| t.function == TotalFunction::Min);
    ipe.witness = PlannedWitness::Match {
        values: BTreeMap::from([("c0".to_owned(), "1".to_owned())]),
    };
    ipe.negative.values = BTreeMap::from([("c0".to_owned(), "1".to_owned())]);
    let settings = fixture.settings();
    let request = Extraction {
        ipe: &ipe,
        run_id: &"C-PG-1/2024-05-01/r1".parse().unwrap(),
        extracted_at: "2024-05-02T07:00:00Z".parse().unwrap(),
        stage: Stage::Dev,
        driver: &DRIVER,
        settings: &settings,
        limits: limits(),
        options: Options::default(),
        last_published_rows: None,
    };
    let store = MemoryStore::default();
    let mut extracted = extract(request, &store, &()).await.unwrap();
    extracted.complete_uploads().await.unwrap();
    let bytes = store.objects().remove("data/part-00000.parquet").unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
        .unwrap()
        .with_batch_size(100_000)
        .build()
        .unwrap();
    reader
        .map(|batch| {
            batch
                .unwrap()
                .project(&(0..TYPES.len()).collect::<Vec<_>>())
                .unwrap()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn identity_of_every_type(rows in vec(row(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let received = runtime.block_on(through(&rows));
        let sent = batch(&rows);
        if rows.is_empty() {
            prop_assert_eq!(received.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        } else {
            prop_assert_eq!(received.len(), 1);
            for (name, (got, expected)) in TYPES.iter().zip(received[0].columns().iter().zip(sent.columns())) {
                prop_assert_eq!(got.data_type(), expected.data_type());
                prop_assert_eq!(got.to_data(), expected.to_data(), "{}", name);
            }
        }
    }
}
