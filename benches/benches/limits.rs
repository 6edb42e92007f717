//! What the machine allows: what a row of the ledger costs at least, each part of the work done by the best known means and nothing
//! else. `benches/profile` sets these figures beside what the stages take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use arrow_array::{RecordBatch, cast::AsArray as _};
use arrow_schema::DataType;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use sha2::{Digest as _, Sha256};
use soxauto_benches::{Content, Table};

const ROWS: usize = 100_000;
/// Bytes of a row on the wire, which `serve` prints.
const WIRE: usize = 221;
/// Bytes of a row as the content digest encodes it.
const ENCODED: usize = 177;
/// Bytes of a row in a part.
const WRITTEN: usize = 51;
const MIB: usize = 1024 * 1024;

fn ledger() -> Vec<RecordBatch> {
    let content = Content {
        table: Table::Ledger,
        rows: ROWS as u64,
    };
    content.batches().collect()
}

/// The texts one by one, as the wire has them.
fn texts(batches: &[RecordBatch]) -> Vec<Vec<u16>> {
    let mut texts = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        for column in columns.filter(|column| *column.data_type() == DataType::Utf8) {
            let values = column.as_string::<i32>().iter().flatten();
            texts.extend(values.map(|text| text.encode_utf16().collect()));
        }
    }
    texts
}

/// The pages of a Parquet file before they are compressed.
fn pages(batches: &[RecordBatch]) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn memory(c: &mut Criterion) {
    let batches = ledger();
    let mut group = c.benchmark_group("limits");
    group.throughput(Throughput::Elements(ROWS as u64));

    let texts = texts(&batches);
    group.bench_function("UTF-16 to UTF-8", |b| {
        let mut out = [0; 512];
        b.iter(|| {
            for text in &texts {
                black_box(encoding_rs::mem::convert_utf16_to_utf8(text, &mut out));
            }
        });
    });

    let bytes = vec![7; WRITTEN * ROWS];
    group.bench_function("SHA-256 of the part", |b| {
        b.iter(|| {
            let mut hash = Sha256::new();
            bytes.chunks(MIB).for_each(|chunk| hash.update(chunk));
            hash.finalize()
        });
    });
    group.bench_function("SHA-256 of each row", |b| {
        b.iter(|| {
            for row in 0..ROWS {
                black_box(Sha256::digest(&bytes[row..row + ENCODED]));
            }
        });
    });

    let pages = pages(&batches);
    group.bench_function("zstd(1) of the pages", |b| {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        let mut out = vec![0; zstd::zstd_safe::compress_bound(MIB)];
        b.iter(|| {
            for page in pages.chunks(MIB) {
                compressor.compress_to_buffer(page, &mut out).unwrap();
            }
        });
    });

    // Digests are as good as chance.
    let digests: Vec<[u64; 4]> = (0..ROWS as u64)
        .map(|row| std::array::from_fn(|n| (row + n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    group.bench_function("sort of the row digests", |b| {
        b.iter(|| {
            let mut digests = digests.clone();
            digests.sort_unstable();
            digests
        });
    });
    group.finish();
}

fn wire(c: &mut Criterion) {
    let mut group = c.benchmark_group("limits");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("the wire", |b| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut reading = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut writing, _) = listener.accept().unwrap();
        // Ends with the error of a closed socket when the bench is over.
        let writer = thread::spawn(move || {
            let piece = vec![7; MIB];
            while writing.write_all(&piece).is_ok() {}
        });
        let mut buffer = vec![0; 64 * 1024];
        b.iter(|| {
            let mut left = ROWS * WIRE;
            while left > 0 {
                let most = left.min(buffer.len());
                left -= reading.read(&mut buffer[..most]).unwrap();
            }
        });
        drop(reading);
        writer.join().unwrap();
    });
    group.finish();
}

criterion_group!(benches, memory, wire);
criterion_main!(benches);
