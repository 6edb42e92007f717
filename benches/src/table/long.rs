//! Values without a declared length. A reader gathers each of them whole, and a batch of rows may hold many.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};

use super::{
    Declared,
    numbers::{common_arrays, common_columns, scattered},
};

/// Of so many rows, one has long values.
const EVERY: u64 = 1_000;
/// The longest text that is extracted: what a Redshift VARCHAR holds, in bytes of UTF-8.
const LONG_TEXT: usize = 65_535;
/// One that is not: 1 MB as `nvarchar(max)` on the wire.
const TOO_LONG_TEXT: usize = 500_000;
/// A Redshift VARBYTE holds 1,024,000.
const LONG_BINARY: usize = 1_000_000;

pub(super) fn columns() -> Vec<Declared> {
    let mut columns = common_columns();
    columns.push(Declared::new("Note", "nvarchar(max)", true));
    columns.push(Declared::new("Attachment", "varbinary(max)", true));
    columns
}

/// Where the long values are cut from.
pub(super) struct Values {
    text: String,
    /// No compression makes it shorter.
    noise: Vec<u8>,
}

impl Values {
    pub(super) fn new(too_long: bool) -> Self {
        let length = if too_long { TOO_LONG_TEXT } else { LONG_TEXT };
        let words = (0..).flat_map(|n| format!("{:x} ", scattered(n)).into_bytes());
        let noise = (0..).flat_map(|n| scattered(n).to_le_bytes());
        Self {
            text: words.take(length).map(char::from).collect(),
            noise: noise.take(LONG_BINARY + EVERY as usize).collect(),
        }
    }

    /// The rows of these numbers.
    pub(super) fn batch(&self, numbers: &[u64]) -> Option<RecordBatch> {
        let mut arrays = common_arrays(numbers);
        arrays.push(Arc::new(
            numbers
                .iter()
                .map(|n| match n % EVERY {
                    0 => Some(self.text.clone()),
                    of => (of % 20 != 1)
                        .then(|| format!("Zahlung für {}", scattered(*n) % 10_000_000_000)),
                })
                .collect::<StringArray>(),
        ) as ArrayRef);
        arrays.push(Arc::new(
            numbers
                .iter()
                .map(|n| {
                    // Begins elsewhere in each row, so that no two are equal.
                    let from = (n / EVERY) as usize % EVERY as usize;
                    match n % EVERY {
                        0 => self.noise.get(from..from + LONG_BINARY),
                        of if of % 10 == 1 => self.noise.get(from..from + 64),
                        _ => None,
                    }
                })
                .collect::<BinaryArray>(),
        ));
        let columns = columns().into_iter().zip(arrays);
        RecordBatch::try_from_iter_with_nullable(
            columns.map(|(declared, array)| (declared.name, array, declared.nullable)),
        )
        .ok()
    }
}
