//! Texts of the wire into UTF-8, all or nothing: what is not valid is refused, never replaced.

use std::{borrow::Cow, str};

use encoding_rs::Encoding;
use mssql_tds::{
    datatypes::{
        sql_string::{EncodingType, get_encoding_type},
        sqldatatypes::TdsDataType,
    },
    query::metadata::ColumnMetadata,
};
use tiberius::Collation;

use crate::source::INVALID_TEXT;

/// What is said of a text whose code page is not known.
pub(super) const UNKNOWN_PAGE: &str = "the code page of the column's collation is not known here; CAST the column to nvarchar in the query";

/// How the texts of a column are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Text {
    /// `nchar`, `nvarchar`, `xml`.
    Utf16,
    /// `char`, `varchar` in a UTF-8 collation, which the driver asks for at login.
    Utf8,
    /// `char`, `varchar` in a code page.
    Page(&'static Encoding),
    /// A code page that is not known, or that the two drivers know differently.
    Unknown,
}

impl Text {
    /// Of a column; without meaning for one that is no text.
    pub(super) fn of(column: &ColumnMetadata) -> Self {
        match column.data_type {
            TdsDataType::BigChar
            | TdsDataType::BigVarChar
            | TdsDataType::Char
            | TdsDataType::VarChar => {}
            _ => return Self::Utf16,
        }
        let Some(collation) = column.get_collation() else {
            return Self::Unknown;
        };
        match get_encoding_type(column) {
            EncodingType::Utf8 => Self::Utf8,
            // For a locale that it does not know this driver takes Windows-1252. Only what both drivers say holds.
            known => {
                let other = Collation::new(collation.info, collation.sort_id).encoding();
                match (known.encoding(), other) {
                    (Some(one), Ok(other)) if one == other => Self::Page(one),
                    _ => Self::Unknown,
                }
            }
        }
    }

    /// The text; `scratch` is overwritten and may hold it.
    pub(super) fn decode<'t>(
        self,
        bytes: &'t [u8],
        scratch: &'t mut Vec<u8>,
    ) -> Result<Cow<'t, str>, &'static str> {
        match self {
            Self::Utf16 => {
                scratch.clear();
                utf16(bytes, scratch).ok_or(INVALID_TEXT)?;
                str::from_utf8(scratch)
                    .map_err(|_| INVALID_TEXT)
                    .map(Cow::from)
            }
            Self::Utf8 => str::from_utf8(bytes)
                .map_err(|_| INVALID_TEXT)
                .map(Cow::from),
            // Every code page of SQL Server has ASCII as its first half.
            Self::Page(_) if bytes.is_ascii() => str::from_utf8(bytes)
                .map_err(|_| INVALID_TEXT)
                .map(Cow::from),
            Self::Page(page) => page
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or(INVALID_TEXT),
            Self::Unknown => Err(UNKNOWN_PAGE),
        }
    }
}

/// Units that are looked at together: what a vector register holds.
const TOGETHER: usize = 16;

/// UTF-16 in little-endian bytes to UTF-8; `None` where a surrogate stands alone or half a unit is left.
fn utf16(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(bytes.len() / 2);
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<{ TOGETHER * 2 }>() {
        let mut seen = 0;
        let mut ascii = [0; TOGETHER];
        for (unit, byte) in block.as_chunks().0.iter().zip(&mut ascii) {
            let unit = u16::from_le_bytes(*unit);
            seen |= unit;
            *byte = unit as u8;
        }
        if seen < 0x80 {
            out.extend_from_slice(&ascii);
            rest = after;
        } else {
            // A pair may stand across the end of the block: it is taken whole.
            let paired = block
                .last_chunk::<2>()
                .is_some_and(|last| last[1] & 0xFC == 0xD8);
            let end = (TOGETHER * 2 + usize::from(paired) * 2).min(rest.len());
            let (now, later) = rest.split_at(end);
            units(now, out)?;
            rest = later;
        }
    }
    units(rest, out)
}

fn units(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (units, half) = bytes.as_chunks();
    if !half.is_empty() {
        return None;
    }
    // What is left of a text, or all of a short one, is nearly always ASCII too.
    let seen = units
        .iter()
        .fold(0, |seen, unit| seen | u16::from_le_bytes(*unit));
    if seen < 0x80 {
        out.extend(units.iter().map(|[low, _]| low));
        return Some(());
    }
    for decoded in char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))) {
        let character = decoded.ok()?;
        if character.is_ascii() {
            out.push(character as u8);
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(units: &[u16]) -> Vec<u8> {
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
    }

    fn decoded(bytes: &[u8]) -> Option<String> {
        let mut scratch = Vec::new();
        Text::Utf16
            .decode(bytes, &mut scratch)
            .ok()
            .map(Cow::into_owned)
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[a-zé漢😀 ]{0,80}") {
            let units: Vec<u16> = text.encode_utf16().collect();
            prop_assert_eq!(decoded(&wire(&units)), Some(text));
        }

        #[test]
        fn any_units_are_what_the_standard_library_makes_of_them(
            units in prop::collection::vec(prop_oneof![0u16..0x80, 0xD7F0u16..0xE010, any::<u16>()], 0..80)
        ) {
            prop_assert_eq!(decoded(&wire(&units)), String::from_utf16(&units).ok());
        }
    }

    #[test]
    fn half_a_unit_is_refused() {
        for length in 0..100 {
            assert_eq!(
                decoded(&vec![b'a'; length]).is_some(),
                length % 2 == 0,
                "{length}"
            );
        }
    }
}
