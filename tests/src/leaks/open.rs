//! What is packed: unpacked, so that it can be searched, or said to be what cannot be.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use arrow_array::{Array, cast::AsArray};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::python;

/// Packed things in packed things.
const DEEPEST: usize = 4;
/// More than this in one layer is not looked into.
const LARGEST: u64 = 1 << 30;

/// Every layer below these bytes; an error names what cannot be opened.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut layers = Vec::new();
    let mut open = vec![(bytes.to_vec(), 0)];
    while let Some((bytes, depth)) = open.pop() {
        for layer in layers_of(&bytes)? {
            if depth == DEEPEST {
                return Err("packed too often".to_owned());
            }
            layers.push(layer.clone());
            open.push((layer, depth + 1));
        }
    }
    Ok(layers)
}

fn layers_of(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    for (magic, name) in [
        (&b"\x1F\x8B"[..], "gzip"),
        (b"BZh", "bz2"),
        (b"\xFD7zXZ\0", "xz"),
        (b"PK\x03\x04", "zip"),
    ] {
        if bytes.starts_with(magic) {
            return python_unpacks(name, bytes);
        }
    }
    if bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        let mut layer = Vec::new();
        let packed = zstd::Decoder::new(bytes).map_err(|e| format!("zstd: {e}"))?;
        let read = packed.take(LARGEST + 1).read_to_end(&mut layer);
        return match read {
            Err(e) => Err(format!("zstd: {e}")),
            Ok(length) if length as u64 > LARGEST => Err("zstd: too large".to_owned()),
            Ok(_) => Ok(vec![layer]),
        };
    }
    if bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1") {
        return parquet(bytes).map_err(|e| format!("Parquet: {e}"));
    }
    if is_duckdb(bytes) {
        return Err("a DuckDB file: only by its path".to_owned());
    }
    for (magic, name) in [
        (&b"7z\xBC\xAF\x27\x1C"[..], "7z"),
        (b"\x04\x22\x4D\x18", "lz4"),
    ] {
        if bytes.starts_with(magic) {
            return Err(format!("{name} is not looked into"));
        }
    }
    Ok(Vec::new())
}

/// By Python's standard library, which this project needs anyway.
fn python_unpacks(kind: &str, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    const SCRIPT: &str = "import bz2, gzip, io, lzma, sys, zipfile
kind, data, out = sys.argv[1], sys.stdin.buffer.read(), sys.stdout.buffer
if kind == 'zip':
    archive = zipfile.ZipFile(io.BytesIO(data))
    layers = [archive.read(name) for name in archive.namelist()]
else:
    layers = [{'gzip': gzip, 'bz2': bz2, 'xz': lzma}[kind].decompress(data)]
for layer in layers:
    out.write(len(layer).to_bytes(8, 'little') + layer)";
    let python = std::env::var_os("SOXAUTO_PYTHON").unwrap_or_else(|| "python3".into());
    let mut child = Command::new(python)
        .args(["-c", SCRIPT, kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // It reads all before it writes anything; a broken pipe shows in how it ends.
        let _ = input.write_all(bytes);
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{kind}: {}",
            said.lines().last().unwrap_or_default()
        ));
    }
    let mut layers = Vec::new();
    let mut rest = output.stdout.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (layer, after) = after.split_at_checked(length).ok_or("a layer is cut")?;
        layers.push(layer.to_vec());
        rest = after;
    }
    Ok(layers)
}

/// The texts and bytes of all columns, and what the footer says about itself.
fn parquet(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(
        Bytes::copy_from_slice(bytes),
        options,
    )
    .map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    let metadata = builder.metadata().file_metadata();
    for pair in metadata.key_value_metadata().into_iter().flatten() {
        for part in [Some(&pair.key), pair.value.as_ref()].into_iter().flatten() {
            text.extend_from_slice(part.as_bytes());
            text.push(b'\n');
        }
    }
    for batch in builder.build().map_err(|e| e.to_string())? {
        let batch = batch.map_err(|e| e.to_string())?;
        for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
            match field.data_type() {
                DataType::Utf8 => {
                    for value in column.as_string::<i32>().iter().flatten() {
                        text.extend_from_slice(value.as_bytes());
                        text.push(b'\n');
                    }
                }
                DataType::Binary => {
                    for value in column.as_binary::<i32>().iter().flatten() {
                        text.extend_from_slice(value);
                        text.push(b'\n');
                    }
                }
                DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::Dictionary(..)
                | DataType::FixedSizeBinary(_)
                    if !column.is_empty() =>
                {
                    return Err(format!("{} is {}", field.name(), field.data_type()));
                }
                // Numbers and times.
                _ => {}
            }
        }
    }
    Ok(vec![text])
}

/// Whether this is a database of DuckDB, which packs its texts.
pub(super) fn is_duckdb(bytes: &[u8]) -> bool {
    bytes.get(8..12) == Some(b"DUCK")
}

/// Every distinct text of every table in a database that nobody has open.
pub(super) fn duckdb(path: &Path) -> Result<Vec<u8>, String> {
    const SCRIPT: &str = "import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
tables = con.execute(\"select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'\")
quote = lambda name: '\"' + name.replace('\"', '\"\"') + '\"'
for schema, table in tables.fetchall():
    print(schema, table)
    place = f'{quote(schema)}.{quote(table)}'
    for name, kind, *_ in con.execute(f'describe {place}').fetchall():
        print(name)
        if kind in ('VARCHAR', 'BLOB', 'JSON') or '[' in kind or '(' in kind and 'STRUCT' in kind:
            for (value,) in con.execute(f'select distinct {quote(name)} from {place}').fetchall():
                print(value if not isinstance(value, bytes) else value.hex())
print('all was read')";
    let output = python()
        .args(["-c", SCRIPT])
        .arg(path)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() || !output.stdout.ends_with(b"all was read\n") {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(output.stdout)
}
