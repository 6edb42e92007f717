//! Parts that can be read back: schema, rows, digests, sizes, and the same bytes each time.

use std::collections::BTreeMap;

use arrow_array::{Array, cast::AsArray, types::Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::{batch, test_plan::column};

fn trace() -> Trace {
    Trace {
        run_id: "C-PG-1/2024-05-01/r1".parse().unwrap(),
        ipe_id: "IPE_07".parse().unwrap(),
        cutoff: "2024-05-01".parse().unwrap(),
        extracted_at: "2024-05-02T07:00:00.123456Z".parse().unwrap(),
    }
}

/// Writes `rows` rows; the files and their records.
fn write(
    rows: usize,
    batch_rows: usize,
    options: PartOptions,
) -> (BTreeMap<String, Vec<u8>>, Written) {
    let schema = batch::schema(&[column("n", "int"), column("t", "nvarchar(40)")]);
    let (out, mut messages) = mpsc::channel(4);
    let inner = Arc::clone(&schema);
    let writing = std::thread::spawn(move || {
        let mut parts = PartWriter::new(&inner, &trace(), options, out);
        for start in (0..rows).step_by(batch_rows) {
            let range = start..rows.min(start + batch_rows);
            let numbers: ArrayRef = Arc::new(arrow_array::Int32Array::from_iter_values(
                range.clone().map(|n| n as i32),
            ));
            let texts: ArrayRef = Arc::new(StringArray::from_iter(range.map(|n| {
                (n % 3 != 0).then(|| format!("text {} {}", n, n * 2_654_435_761 % 1_000_003))
            })));
            parts
                .write(&RecordBatch::try_new(Arc::clone(&inner), vec![numbers, texts]).unwrap())
                .unwrap();
        }
        parts.finish().unwrap()
    });
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = String::new();
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Start(path) => {
                current.clone_from(&path);
                files.insert(path, Vec::new());
            }
            Message::Chunk(chunk) => {
                assert!(chunk.len() <= CHUNK_BYTES);
                files.get_mut(&current).unwrap().extend_from_slice(&chunk);
            }
        }
    }
    (files, writing.join().unwrap())
}

#[test]
fn parts_roll_by_size_and_say_what_they_hold() {
    let options = PartOptions {
        part_bytes: 100_000,
        row_group_bytes: 400_000,
        compression: Compression::Snappy,
    };
    let (files, written) = write(40_000, 1_000, options);
    assert!(written.files.len() > 2, "{}", written.files.len());
    assert_eq!(
        written.files.iter().map(|f| f.rows.unwrap()).sum::<u64>(),
        40_000
    );
    let mut next = 1;
    for (index, record) in written.files.iter().enumerate() {
        assert_eq!(record.path, format!("data/part-{index:05}.parquet"));
        let bytes = &files[&record.path];
        assert_eq!(
            (record.size, record.sha256),
            (bytes.len() as u64, soxauto_domain::Sha256::of(bytes))
        );
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes.clone())).unwrap();
        let names: Vec<&str> = reader
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        assert_eq!(
            names,
            [
                "n",
                "t",
                "_run_id",
                "_ipe_id",
                "_cutoff_date",
                "_extracted_at",
                "_row_number"
            ]
        );
        assert_eq!(
            reader.metadata().file_metadata().created_by(),
            Some("soxauto")
        );
        let group = reader.metadata().row_group(0);
        assert!(
            group
                .columns()
                .iter()
                .all(|c| c.compression() == parquet::basic::Compression::SNAPPY)
        );
        // Integers, dates and times have statistics, texts and decimals none.
        let statistics = group.columns().iter().map(|c| c.statistics().is_some());
        assert_eq!(
            statistics.collect::<Vec<_>>(),
            [true, false, false, false, true, true, true]
        );
        // What repeats has a dictionary; `n`, `t` and `_row_number` do not.
        let dictionaries = group
            .columns()
            .iter()
            .map(|c| c.dictionary_page_offset().is_some());
        assert_eq!(
            dictionaries.collect::<Vec<_>>(),
            [false, false, true, true, true, true, false]
        );
        let mut rows = 0;
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            rows += batch.num_rows() as u64;
            let numbers = batch
                .column(6)
                .as_primitive::<arrow_array::types::Int64Type>();
            for row in 0..batch.num_rows() {
                assert_eq!(numbers.value(row), next);
                assert_eq!(
                    batch.column(0).as_primitive::<Int32Type>().value(row) as i64,
                    next - 1
                );
                assert_eq!(batch.column(1).is_null(row), (next - 1) % 3 == 0);
                next += 1;
            }
            assert_eq!(
                batch.column(2).as_string::<i32>().value(0),
                "C-PG-1/2024-05-01/r1"
            );
            assert_eq!(batch.column(3).as_string::<i32>().value(0), "IPE_07");
            assert_eq!(
                batch
                    .column(4)
                    .as_primitive::<arrow_array::types::Date32Type>()
                    .value(0),
                19_844
            );
            let at = batch
                .column(5)
                .as_primitive::<arrow_array::types::TimestampMicrosecondType>()
                .value(0);
            assert_eq!(at, 1_714_633_200_123_456);
        }
        assert_eq!(Some(rows), record.rows);
    }
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let (first, _) = write(20_000, 1_000, PartOptions::default());
    let (second, _) = write(20_000, 1_000, PartOptions::default());
    assert_eq!(first, second);
    assert_eq!(first.len(), 1);
}

#[test]
fn no_rows_are_one_part_without_rows() {
    let (files, written) = write(0, 10, PartOptions::default());
    assert_eq!((files.len(), written.files[0].rows), (1, Some(0)));
    let bytes = files.values().next().unwrap().clone();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    assert_eq!(reader.schema().fields().len(), 7);
}

#[test]
fn the_writer_holds_no_more_than_a_row_group() {
    let options = PartOptions {
        row_group_bytes: 1 << 20,
        ..PartOptions::default()
    };
    let (_, small) = write(50_000, 1_000, options);
    let (_, large) = write(200_000, 1_000, options);
    assert!(
        large.peak_bytes <= small.peak_bytes + (1 << 16),
        "{} then {}",
        small.peak_bytes,
        large.peak_bytes
    );
}

#[test]
fn an_upload_that_ends_early_ends_the_writer() {
    let schema = batch::schema(&[column("n", "int")]);
    let (out, messages) = mpsc::channel(1);
    drop(messages);
    let mut parts = PartWriter::new(&schema, &trace(), PartOptions::default(), out);
    let numbers: ArrayRef = Arc::new(arrow_array::Int32Array::from_iter_values(0..10));
    let error = parts
        .write(&RecordBatch::try_new(schema, vec![numbers]).unwrap())
        .unwrap_err();
    assert_eq!(error, ExtractError::Internal(UPLOAD_ENDED.into()));
}

#[test]
fn a_footer_that_is_not_one_is_refused() {
    for tail in [
        &b""[..],
        b"PAR1",
        b"\xff\xff\x00\x00PAR1",
        b"\x02\x00\x00\x00\x00\x00PAR2",
        b"xx\x02\x00\x00\x00PAR1",
    ] {
        assert!(rows_in_footer(tail).is_err());
    }
}
