//! `sample.csv`: the first rows for a reader's eye, personal data masked. Not evidence: the Parquet files are.

use arrow_array::RecordBatch;
use soxauto_domain::{catalog::Sample as SampleRule, plan::ColumnContract};

use crate::{error::ExtractError, view::View};

/// Rows of the sample, if they are not very wide.
pub const SAMPLE_ROWS: u64 = 1_000;

/// Bytes after which no further row is begun: wide rows must not make the sample large.
const SAMPLE_BYTES: usize = 4 * 1024 * 1024;

/// A CSV under construction: RFC 4180, UTF-8, CRLF. NULL is an empty field, an empty text is `""`.
pub(crate) struct Sample {
    csv: Vec<u8>,
    masked: Vec<bool>,
    rows: u64,
}

impl Sample {
    pub(crate) fn new(columns: &[ColumnContract]) -> Self {
        let mut csv = Vec::new();
        for column in columns {
            field(&column.name, &mut csv);
            csv.push(b',');
        }
        csv.extend_from_slice(b"_row_number\r\n");
        Self {
            csv,
            masked: columns
                .iter()
                .map(|c| c.sample == SampleRule::Mask)
                .collect(),
            rows: 0,
        }
    }

    /// Takes what is still wanted of a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let wanted = (SAMPLE_ROWS - self.rows).min(batch.num_rows() as u64) as usize;
        if wanted == 0 || self.csv.len() >= SAMPLE_BYTES {
            return Ok(());
        }
        let views = batch
            .columns()
            .iter()
            .map(|array| View::new(array.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..wanted {
            if self.csv.len() >= SAMPLE_BYTES {
                break;
            }
            for (view, masked) in views.iter().zip(&self.masked) {
                match view.canonical(row) {
                    None => {}
                    Some(_) if *masked => self.csv.extend_from_slice(b"***"),
                    Some(text) => field(&text, &mut self.csv),
                }
                self.csv.push(b',');
            }
            self.rows += 1;
            self.csv
                .extend_from_slice(format!("{}\r\n", self.rows).as_bytes());
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.csv
    }
}

fn field(text: &str, out: &mut Vec<u8>) {
    let quote = text.is_empty()
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.contains(['"', ',', '\r', '\n']);
    if !quote {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;
    use crate::test_plan::column;

    #[test]
    fn wide_rows_do_not_make_a_large_sample() {
        let wide = "x".repeat(60_000);
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            wide.as_str(),
            500,
        )));
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        let mut sample = Sample::new(&[column("t", "nvarchar(max)")]);
        for _ in 0..2 {
            sample.observe(&batch).unwrap();
        }
        let csv = sample.finish();
        assert!(csv.len() <= SAMPLE_BYTES + 70_000, "{}", csv.len());
        // It ends with a whole row, and says which.
        let text = String::from_utf8(csv).unwrap();
        let rows = text.lines().count() - 1;
        assert!(rows > 1 && text.ends_with(&format!(",{rows}\r\n")));
    }
}
