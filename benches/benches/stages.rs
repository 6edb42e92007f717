//! The stages of an extraction one by one: reading from a socket, texts into UTF-8, cells into Arrow, checks and digests, Parquet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{hint::black_box, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Encoding,
    file::{
        metadata::ParquetMetaData,
        properties::{EnabledStatistics, WriterProperties},
    },
};
use soxauto_benches::{
    Content, Discard, Nowhere, Prepared, Sending, Table, an_hour, backend, ipe, plain, read,
    settings, start,
};
use soxauto_content::{ContentDigest, ExternalSort, SORTED_IN_MEMORY};
use soxauto_extract::{BulkDriver, Driver as _, MemoryStore, Source};
use soxauto_tds::{Column, Recording, Script, ScriptedBackend, Server, Step};
use tokio::runtime::Runtime;

const CONTENT: Content = Content {
    table: Table::Ledger,
    rows: 100_000,
};
/// Columns and characters of the tables with which texts are compared with bytes.
const COLUMNS: usize = 8;
const CHARACTERS: usize = 24;
/// Rows of a batch, as the extraction makes them.
const BATCH: usize = 8_192;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A server and an open session with it.
async fn connected(
    driver: BulkDriver,
    backend: ScriptedBackend,
    tls: bool,
) -> (Server, Box<dyn Source>) {
    let server = start(backend).await.unwrap();
    let settings = settings(server.addr().port(), server.ca_pem(), tls).unwrap();
    let source = driver.connect(&settings, "AIG_Nav_DW", &an_hour()).await;
    (server, source.unwrap())
}

/// Rows from a socket, decoded and forgotten.
fn reading(c: &mut Criterion) {
    let runtime = runtime();
    let query = plain("SELECT * FROM [Ledger]");
    let mut group = c.benchmark_group("read and discard");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(CONTENT.rows));
    for driver in BulkDriver::ALL {
        for tls in [false, true] {
            let backend = backend(CONTENT, Sending::default()).unwrap();
            let (server, mut source) = runtime.block_on(connected(driver, backend, tls));
            let name = format!("{}, TLS {}", driver.name(), if tls { "on" } else { "off" });
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut sink = Discard::default();
                    runtime.block_on(source.read(&query, &mut sink)).unwrap();
                    assert_eq!(sink.rows, CONTENT.rows);
                });
            });
            drop(source);
            runtime.block_on(server.stop());
        }
    }
    group.finish();
}

/// The same bytes on the wire as binary, as plain texts, and as texts that are not all ASCII: what lies between is UTF-16 to UTF-8.
fn texts(c: &mut Criterion) {
    let rows = CONTENT.rows as usize;
    let text = |pattern: &str| -> ArrayRef {
        let value: String = pattern.chars().cycle().take(CHARACTERS).collect();
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value, rows,
        )))
    };
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n(
        [7; CHARACTERS * 2],
        rows,
    )));
    let tables = [
        ("as binary", "varbinary(48)", bytes),
        ("as ASCII", "nvarchar(24)", text("Refund of order 17 ")),
        ("with an umlaut", "nvarchar(24)", text("Zahlung für 17 ")),
        ("as Arabic", "nvarchar(24)", text("فاتورة رقم ")),
    ];
    let runtime = runtime();
    let query = plain("SELECT * FROM [Texts]");
    let mut group = c.benchmark_group("texts of the wire");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Bytes((rows * COLUMNS * CHARACTERS * 2) as u64));
    for (name, declared, array) in tables {
        let names: Vec<String> = (0..COLUMNS).map(|n| format!("c{n}")).collect();
        let columns = names.iter().map(|name| Column::new(name, declared));
        let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, Arc::clone(&array))));
        let recording = Recording::new(
            columns.collect::<Result<_, _>>().unwrap(),
            [batch.unwrap()],
            1,
        );
        let replay = Script::new().then(Step::Replay(recording.unwrap()));
        let backend = ScriptedBackend::new().on(&query.sql, replay);
        let (server, mut source) =
            runtime.block_on(connected(BulkDriver::MssqlTds, backend, false));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut sink = Discard::default();
                runtime.block_on(source.read(&query, &mut sink)).unwrap()
            });
        });
        drop(source);
        runtime.block_on(server.stop());
    }
    group.finish();
}

/// Rows in memory into the builders of a batch, and through everything that follows.
fn after_the_driver(c: &mut Criterion) {
    let runtime = runtime();
    let driver = Prepared::new(CONTENT);
    let ipe = ipe(CONTENT).unwrap();
    let settings = Prepared::settings().unwrap();
    let extract = || {
        let extracted = runtime.block_on(read(&driver, &settings, &ipe, &Nowhere));
        let extracted = extracted.unwrap().unwrap();
        assert!(extracted.passed() && extracted.counts.parquet == CONTENT.rows);
    };
    let mut group = c.benchmark_group("after the driver");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(CONTENT.rows));
    group.bench_function("cells into Arrow builders", |b| {
        b.iter_custom(|iterations| {
            let _ = driver.take_pushing();
            (0..iterations).for_each(|_| extract());
            driver.take_pushing()
        });
    });
    group.bench_function("everything: Arrow, checks, digests, Parquet", |b| {
        b.iter(extract);
    });
    group.finish();
}

/// A part as an extraction writes it, with what its footer says.
fn part() -> (Vec<RecordBatch>, WriterProperties, u64) {
    let store = MemoryStore::default();
    runtime().block_on(async {
        let driver = Prepared::new(CONTENT);
        let settings = Prepared::settings().unwrap();
        let extracted = read(&driver, &settings, &ipe(CONTENT).unwrap(), &store).await;
        extracted
            .unwrap()
            .unwrap()
            .complete_uploads()
            .await
            .unwrap();
    });
    let part = Bytes::from(store.objects().into_values().next().unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(part.clone()).unwrap();
    let properties = properties(reader.metadata());
    let batches = reader.with_batch_size(BATCH).build().unwrap();
    let batches: Vec<_> = batches.map(Result::unwrap).collect();
    (batches, properties, part.len() as u64)
}

/// How the part was written: what is measured here cannot drift from what the extraction does.
fn properties(metadata: &ParquetMetaData) -> WriterProperties {
    let columns = metadata.row_group(0).columns();
    let mut builder = WriterProperties::builder()
        .set_compression(columns[0].compression())
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for column in columns {
        let path = column.column_path().clone();
        let dictionary = column.dictionary_page_offset().is_some();
        builder = builder.set_column_dictionary_enabled(path.clone(), dictionary);
        let special = column.encodings().find(|encoding| {
            !matches!(
                encoding,
                Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY
            )
        });
        if let Some(encoding) = special {
            builder = builder.set_column_encoding(path, encoding);
        }
    }
    builder.build()
}

fn batches(c: &mut Criterion) {
    let (batches, properties, size) = part();
    let schema = batches[0].schema();
    let mut group = c.benchmark_group("batches");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(CONTENT.rows));
    group.bench_function("content digest", |b| {
        b.iter(|| {
            let mut digest =
                ContentDigest::new(&schema, &std::env::temp_dir(), SORTED_IN_MEMORY).unwrap();
            for batch in &batches {
                digest.update(batch).unwrap();
            }
            black_box(digest.finish().unwrap())
        });
    });
    group.bench_function("sort of keys, as the check of keys does", |b| {
        b.iter(|| {
            let mut sort = ExternalSort::<3>::new(&std::env::temp_dir(), SORTED_IN_MEMORY);
            for row in 0..CONTENT.rows {
                // Hashes are scattered.
                let hash = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                sort.push([hash, hash.rotate_left(32), row]).unwrap();
            }
            sort.finish(|entry| {
                black_box(entry);
            })
            .unwrap()
        });
    });
    group.bench_function("Parquet, with the properties of a part", |b| {
        b.iter(|| {
            let out = Vec::with_capacity(size as usize);
            let mut writer =
                ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties.clone())).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.into_inner().unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, reading, texts, after_the_driver, batches);
criterion_main!(benches);
