//! The headers of a column's pages, read without unpacking a page: to how many bytes they unpack, and by which encodings.
//!
//! The Parquet library unpacks a page into as much memory as its header claims, up to 2 GiB, and shows no header before.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use parquet::{
    basic::Type,
    column::page::{Page, PageReader as _},
    file::{metadata::ColumnChunkMetaData, serialized_reader::SerializedPageReader},
};

/// The most bytes of a page's header: the writer's have less than a hundred.
const HEADER_BYTES: usize = 16 * 1024;
/// The most bytes to which a dictionary unpacks: the writer ends one at 1 MiB, at the next thousand of its longest values.
const DICTIONARY_BYTES: u64 = 128 * 1024 * 1024;
/// How deep the structs of a header nest; three levels exist.
const DEPTH: usize = 8;
/// `PLAIN`, `PLAIN_DICTIONARY`, `RLE`, `RLE_DICTIONARY`: what the writer uses, and what cannot grow while it is decoded
/// but by a dictionary.
const ENCODINGS: [i64; 4] = [0, 2, 3, 8];

/// What the pages of a column chunk say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Bytes when all are unpacked.
    pub(super) unpacked: u64,
    /// Bytes of the longest value of the dictionary; 0 without one.
    pub(super) longest_in_dictionary: usize,
}

/// Looks at the pages of the chunk.
pub(super) fn look(file: &File, column: &ColumnChunkMetaData) -> Result<Chunk, String> {
    let name = column.column_path().string();
    let wrong = |what: String| format!("column {name}: {what}");
    let size = file.metadata().map_err(|e| wrong(e.to_string()))?.len();
    let start = column
        .dictionary_page_offset()
        .unwrap_or_else(|| column.data_page_offset());
    let (Ok(start), Ok(length)) = (
        u64::try_from(start),
        u64::try_from(column.compressed_size()),
    ) else {
        return Err(wrong("its place is negative".to_owned()));
    };
    let end = start
        .checked_add(length)
        .filter(|end| *end <= size)
        .ok_or_else(|| wrong("it lies beyond the end of the file".to_owned()))?;
    let mut chunk = Chunk::default();
    let mut at = start;
    let mut has_dictionary = false;
    while at < end {
        let mut bytes = vec![
            0;
            usize::try_from(end - at)
                .unwrap_or(HEADER_BYTES)
                .min(HEADER_BYTES)
        ];
        read_at(file, at, &mut bytes).map_err(|e| wrong(e.to_string()))?;
        let (header, read) = Header::read(&bytes)
            .ok_or_else(|| wrong("a page's header cannot be read".to_owned()))?;
        let (Ok(packed), Ok(unpacked)) =
            (u64::try_from(header.packed), u64::try_from(header.unpacked))
        else {
            return Err(wrong("a page's size is negative".to_owned()));
        };
        if !header.encoding.is_none_or(|e| ENCODINGS.contains(&e)) {
            return Err(wrong(
                "a page's encoding is none that extractions use".to_owned(),
            ));
        }
        at = at
            .checked_add(read as u64)
            .and_then(|at| at.checked_add(packed))
            .filter(|at| *at <= end)
            .ok_or_else(|| wrong("a page lies beyond its column".to_owned()))?;
        chunk.unpacked = chunk.unpacked.saturating_add(unpacked);
        if header.is_dictionary {
            if unpacked > DICTIONARY_BYTES {
                return Err(wrong(format!("its dictionary unpacks to {unpacked} bytes")));
            }
            has_dictionary = true;
        }
    }
    if has_dictionary {
        chunk.longest_in_dictionary = longest(file, column).map_err(wrong)?;
    }
    Ok(chunk)
}

/// Bytes of the longest value in the chunk's dictionary, whose size was looked at before.
fn longest(file: &File, column: &ColumnChunkMetaData) -> Result<usize, String> {
    match column.column_type() {
        Type::BYTE_ARRAY => {}
        Type::FIXED_LEN_BYTE_ARRAY => {
            return usize::try_from(column.column_descr().type_length()).map_err(|e| e.to_string());
        }
        _ => return Ok(0),
    }
    let file = std::sync::Arc::new(file.try_clone().map_err(|e| e.to_string())?);
    let rows = usize::try_from(column.num_values()).map_err(|e| e.to_string())?;
    let mut pages =
        SerializedPageReader::new(file, column, rows, None).map_err(|e| e.to_string())?;
    let Some(Page::DictionaryPage { buf, .. }) =
        pages.get_next_page().map_err(|e| e.to_string())?
    else {
        return Err("its dictionary is not its first page".to_owned());
    };
    let mut longest = 0;
    let mut rest = buf.as_ref();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        rest = after
            .get(length..)
            .ok_or("a value of its dictionary lies beyond it")?;
        longest = longest.max(length);
    }
    Ok(longest)
}

/// Fills `bytes` from the file at this place.
pub(super) fn read_at(mut file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

/// What is needed of a page's header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    is_dictionary: bool,
    unpacked: i64,
    packed: i64,
    encoding: Option<i64>,
}

impl Header {
    /// Reads the header at the beginning of `bytes`, in Thrift's compact protocol; returns its length too.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Compact { bytes, at: 0 };
        let mut header = Self::default();
        let mut id = 0;
        while let Some(kind) = reader.field(&mut id)? {
            match (id, kind) {
                (1, INTEGER_32) => header.is_dictionary = reader.integer()? == 2,
                (2, INTEGER_32) => header.unpacked = reader.integer()?,
                (3, INTEGER_32) => header.packed = reader.integer()?,
                // The headers of data pages of version 1 and 2, and of dictionaries.
                (5, STRUCT) => header.encoding = reader.encoding(2)?,
                (7, STRUCT) => header.encoding = reader.encoding(2)?,
                (8, STRUCT) => header.encoding = reader.encoding(4)?,
                _ => reader.skip(kind, DEPTH)?,
            }
        }
        Some((header, reader.at))
    }
}

const INTEGER_32: u8 = 5;
const STRUCT: u8 = 12;

/// Thrift's compact protocol, as far as headers of pages need it. `None` is the end, or nonsense.
struct Compact<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The kind of the next field, whose number replaces `id`; `Some(None)` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => self.integer()?,
            delta => id.checked_add(i64::from(delta))?,
        };
        Some(Some(byte & 0x0f))
    }

    /// The integer of this number in a struct.
    fn encoding(&mut self, wanted: i64) -> Option<Option<i64>> {
        let mut found = None;
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            if (id, kind) == (wanted, INTEGER_32) {
                found = Some(self.integer()?);
            } else {
                self.skip(kind, DEPTH)?;
            }
        }
        Some(found)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // Booleans are in the field's own byte.
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => {
                self.varint()?;
            }
            7 => self.at += 8,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    few => u64::from(few),
                };
                for _ in 0..count {
                    match head & 0x0f {
                        // In a list they have a byte each.
                        1 | 2 => self.at += 1,
                        kind => self.skip(kind, depth)?,
                    }
                    if self.at > self.bytes.len() {
                        return None;
                    }
                }
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
            }
            // Maps are in no header.
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}
