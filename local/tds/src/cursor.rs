//! A reader over bytes that came from outside: every read is bounded, no length is believed before it is checked.

use crate::error::ProtocolError;

/// Reads little-endian values from a message, in order.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes`; `what` names the structure in errors.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next byte, without reading it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// An error about this structure.
    pub(crate) fn error(&self, why: impl Into<String>) -> ProtocolError {
        ProtocolError::malformed(self.what, why)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ProtocolError> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(head)
            }
            None => Err(self.error(format!(
                "{count} bytes announced, {} left",
                self.bytes.len()
            ))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ProtocolError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ProtocolError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ProtocolError> {
        Ok(i16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ProtocolError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ProtocolError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ProtocolError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, ProtocolError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// `units` UTF-16 code units; an unpaired surrogate is refused.
    pub(crate) fn utf16(&mut self, units: usize) -> Result<String, ProtocolError> {
        let bytes = self.take(units.saturating_mul(2))?;
        utf16_text(bytes).ok_or_else(|| self.error("a text is not valid UTF-16"))
    }

    /// A text whose length in UTF-16 code units is one byte.
    pub(crate) fn b_varchar(&mut self) -> Result<String, ProtocolError> {
        let units = usize::from(self.u8()?);
        self.utf16(units)
    }

    /// A text whose length in UTF-16 code units is two bytes.
    pub(crate) fn us_varchar(&mut self) -> Result<String, ProtocolError> {
        let units = usize::from(self.u16()?);
        self.utf16(units)
    }
}

/// Little-endian UTF-16 as text; `None` for an odd length or an unpaired surrogate.
pub(crate) fn utf16_text(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    char::decode_utf16(
        bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]])),
    )
    .collect::<Result<String, _>>()
    .ok()
}
