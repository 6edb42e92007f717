//! What the writer makes is read; what claims more than it can be is refused before it is unpacked.

use std::{
    io::{Seek as _, SeekFrom, Write as _},
    sync::Arc,
};

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, Type, ZstdLevel},
    file::{
        metadata::ColumnChunkMetaData,
        properties::{WriterProperties, WriterVersion},
    },
    schema::types::{ColumnDescriptor, ColumnPath, Type as SchemaType},
};

use super::*;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("t", DataType::Utf8, true),
    ])
}

fn zstd() -> parquet::file::properties::WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
}

/// A file of so many rows, each with this text.
fn written(rows: usize, text: &str, properties: WriterProperties) -> File {
    let mut file = tempfile::tempfile().unwrap();
    let schema = Arc::new(schema());
    let mut writer =
        ArrowWriter::try_new(&mut file, Arc::clone(&schema), Some(properties)).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(0..rows as i32)),
        Arc::new(StringArray::from_iter_values((0..rows).map(|_| text))),
    ];
    writer
        .write(&RecordBatch::try_new(schema, columns).unwrap())
        .unwrap();
    writer.close().unwrap();
    file
}

fn read(file: &File, rows: u64) -> Result<Vec<usize>, PartFault<()>> {
    let mut batches = Vec::new();
    read_part(file, &schema(), rows, |batch| {
        batches.push(batch.num_rows());
        Ok(())
    })?;
    Ok(batches)
}

fn reason(read: Result<Vec<usize>, PartFault<()>>) -> String {
    read.unwrap_err().to_string()
}

#[test]
fn a_part_is_read_whole_in_batches() {
    let file = written(5_000, "Customer", zstd().build());
    assert_eq!(read(&file, 5_000).unwrap(), [2_048, 2_048, 904]);
    assert!(matches!(read(&file, 4_999), Err(PartFault::Footer(_))));
    let empty = written(0, "", zstd().build());
    assert!(read(&empty, 0).unwrap().is_empty());
}

#[test]
fn a_dictionary_of_a_long_value_is_not_repeated_without_bound() {
    // The writer ends a dictionary at 1 MiB.
    let text = "x".repeat(512 * 1024);
    let file = written(150, &text, zstd().build());
    assert_eq!(read(&file, 150).unwrap(), [128, 22]);
}

#[test]
fn other_encodings_are_refused() {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_column_encoding(ColumnPath::from("t"), Encoding::DELTA_BYTE_ARRAY)
        .build();
    let file = written(10, "Customer", properties);
    assert!(reason(read(&file, 10)).contains("encoding"));
}

#[test]
fn what_is_no_parquet_is_refused() {
    for bytes in [
        &b""[..],
        b"PAR1",
        b"PAR1\xff\xff\xff\xffPAR1",
        b"PAR1\0\0\0\0PAR1",
    ] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        assert!(matches!(read(&file, 1), Err(PartFault::Footer(_))));
    }
}

/// A page's header in Thrift's compact protocol: type, unpacked and packed size, and the encoding of a data page.
fn header(unpacked: u32, packed: u32, encoding: u8) -> Vec<u8> {
    let mut bytes = vec![0x15, 0];
    for size in [unpacked, packed] {
        bytes.push(0x15);
        let mut zigzag = u64::from(size) << 1;
        while zigzag >= 0x80 {
            bytes.push((zigzag & 0x7f) as u8 | 0x80);
            zigzag >>= 7;
        }
        bytes.push(zigzag as u8);
    }
    // Field 5, a struct: the number of values, the encoding, the two encodings of levels.
    bytes.extend([0x2c, 0x15, 2, 0x15, encoding << 1, 0x15, 6, 0x15, 6, 0, 0]);
    bytes
}

/// What the pages of a column say that has these bytes.
fn look(bytes: &[u8]) -> Result<pages::Chunk, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let column = SchemaType::primitive_type_builder("t", Type::BYTE_ARRAY)
        .build()
        .unwrap();
    let column = ColumnDescriptor::new(Arc::new(column), 0, 0, ColumnPath::from("t"));
    let chunk = ColumnChunkMetaData::builder(Arc::new(column))
        .set_data_page_offset(0)
        .set_total_compressed_size(bytes.len() as i64)
        .build()
        .unwrap();
    pages::look(&file, &chunk)
}

#[test]
fn pages_are_weighed_before_they_are_unpacked() {
    let gigabyte = header(1 << 30, 0, 0);
    let two = [gigabyte.as_slice(), &gigabyte].concat();
    assert_eq!(look(&two).unwrap().unpacked, 2 << 30);
    for (bytes, why) in [
        (header(10, 1_000, 0), "beyond its column"),
        (header(10, 0, 6), "encoding"),
        (vec![0x15], "cannot be read"),
        (vec![0x1c; 5_000], "cannot be read"),
        (
            vec![0x19, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x0f],
            "cannot be read",
        ),
    ] {
        let refused = look(&bytes).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
