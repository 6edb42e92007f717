//! What the machine allows: the stages' work done by the best known means and nothing else. Set beside the stages, they say how much
//! there is left to win.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use arrow_array::{cast::AsArray as _, types::Decimal128Type};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};
use soxauto_benches::{Content, Table};

/// Of a chunk of an upload, and of a page of a Parquet file.
const MIB: usize = 1024 * 1024;
const WIRE: usize = 64 * MIB;

/// The texts of so many rows of a ledger, and the bytes of their amounts.
fn ledger() -> (String, Vec<u8>) {
    let (mut texts, mut amounts) = (String::new(), Vec::new());
    let content = Content {
        table: Table::Ledger,
        rows: 100_000,
    };
    for batch in content.batches() {
        let description = batch.column_by_name("Description").unwrap();
        texts.extend(description.as_string::<i32>().iter().flatten());
        let amount = batch.column_by_name("Amount").unwrap();
        let amount = amount.as_primitive::<Decimal128Type>();
        amounts.extend((0..amount.len()).flat_map(|row| amount.value(row).to_be_bytes()));
    }
    (texts, amounts)
}

fn memory(c: &mut Criterion) {
    let mut group = c.benchmark_group("limits");
    let (texts, amounts) = ledger();
    let page = |bytes: &[u8]| bytes.get(..MIB).unwrap().to_vec();
    let (texts_page, amounts_page) = (page(texts.as_bytes()), page(&amounts));

    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("copy 1 MiB", |b| {
        let mut to = vec![0; MIB];
        b.iter(|| to.copy_from_slice(black_box(&amounts_page)));
    });
    group.bench_function("SHA-256 of a chunk of 1 MiB", |b| {
        b.iter(|| black_box(Sha256::digest(&amounts_page)));
    });
    for (name, page) in [("texts", &texts_page), ("amounts", &amounts_page)] {
        group.bench_function(format!("zstd(1) of a page of 1 MiB, {name}"), |b| {
            let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
            let mut out = vec![0; zstd::zstd_safe::compress_bound(MIB)];
            b.iter(|| compressor.compress_to_buffer(page, &mut out).unwrap());
        });
    }

    let units: Vec<u16> = texts.encode_utf16().collect();
    let ascii: Vec<u16> = units.iter().copied().filter(|unit| *unit < 0x80).collect();
    for (name, units) in [("the ledger's", &units), ("ASCII", &ascii)] {
        group.throughput(Throughput::Bytes(units.len() as u64 * 2));
        group.bench_function(format!("UTF-16 to UTF-8, {name} texts in one"), |b| {
            let mut out = vec![0; units.len() * 3];
            b.iter(|| encoding_rs::mem::convert_utf16_to_utf8(black_box(units), &mut out));
        });
    }
    group.finish();
}

fn wire(c: &mut Criterion) {
    let mut group = c.benchmark_group("limits");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(WIRE as u64));
    group.bench_function("a socket of 127.0.0.1, read and discarded", |b| {
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
            let mut left = WIRE;
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
