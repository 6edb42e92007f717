//! `sample.csv`: the first rows for a reader's eye, personal data masked. Not evidence: the Parquet files are.

use arrow_array::RecordBatch;
use soxauto_domain::{catalog::Sample as SampleRule, plan::ColumnContract};

use crate::{
    error::ExtractError,
    view::{Reading as _, cells},
};

/// Rows of the sample, if they are not very wide.
pub const SAMPLE_ROWS: u64 = 1_000;

/// Bytes after which no further row is begun: wide rows must not make the sample large.
const SAMPLE_BYTES: usize = 4 * 1024 * 1024;

/// What a spreadsheet takes for the beginning of a formula, the full-width signs among it.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A CSV under construction: RFC 4180, UTF-8, CRLF. NULL is an empty field, an empty text is `""`.
///
/// A reviewer opens it in a spreadsheet, which would run a text such as `=HYPERLINK(…)` as a formula: a text that
/// begins like one gets an apostrophe before it. Numbers keep their sign.
pub(crate) struct Sample {
    csv: Vec<u8>,
    columns: Vec<Shown>,
    rows: u64,
}

/// How the values of a column are written.
#[derive(Clone, Copy)]
enum Shown {
    Masked,
    Text,
    AsIs,
}

impl Sample {
    pub(crate) fn new(columns: &[ColumnContract]) -> Self {
        let mut csv = Vec::new();
        for column in columns {
            text_field(&column.name, &mut csv);
            csv.push(b',');
        }
        csv.extend_from_slice(b"_row_number\r\n");
        Self {
            csv,
            columns: columns
                .iter()
                .map(|column| match column.sample {
                    SampleRule::Mask => Shown::Masked,
                    SampleRule::Show if column.sql_type.is_text() => Shown::Text,
                    SampleRule::Show => Shown::AsIs,
                })
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
            .map(|array| cells(array.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..wanted {
            if self.csv.len() >= SAMPLE_BYTES {
                break;
            }
            for (view, shown) in views.iter().zip(&self.columns) {
                match (view.canonical(row), shown) {
                    (None, _) => {}
                    (Some(_), Shown::Masked) => self.csv.extend_from_slice(b"***"),
                    (Some(text), Shown::Text) => text_field(&text, &mut self.csv),
                    (Some(text), Shown::AsIs) => field(&text, &mut self.csv),
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

fn text_field(text: &str, out: &mut Vec<u8>) {
    if text.starts_with(FORMULA) {
        field(&format!("'{text}"), out);
    } else {
        field(text, out);
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

    use arrow_array::{ArrayRef, Int32Array, StringArray};

    use super::*;
    use crate::test_plan::column;

    #[test]
    fn a_text_is_never_a_formula_and_a_masked_one_is_never_shown() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("=1+2"),
            Some("+33 1 23"),
            Some("-5"),
            Some("@SUM(A1)"),
            Some("\t=1"),
            Some("\r=1"),
            Some("＝1"),
            Some("=HYPERLINK(\"http://x\",\"y\")"),
            Some("a=b"),
            Some(""),
            None,
        ]));
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(-11..0));
        let batch = RecordBatch::try_from_iter([
            ("=t", Arc::clone(&texts)),
            ("n", numbers),
            ("secret", texts),
        ])
        .unwrap();
        let masked = ColumnContract {
            sample: SampleRule::Mask,
            ..column("secret", "nvarchar(100)")
        };
        let mut sample = Sample::new(&[column("=t", "nvarchar(100)"), column("n", "int"), masked]);
        sample.observe(&batch).unwrap();
        assert_eq!(
            String::from_utf8(sample.finish()).unwrap(),
            "'=t,n,secret,_row_number\r\n\
             '=1+2,-11,***,1\r\n\
             '+33 1 23,-10,***,2\r\n\
             '-5,-9,***,3\r\n\
             '@SUM(A1),-8,***,4\r\n\
             '\t=1,-7,***,5\r\n\
             \"'\r=1\",-6,***,6\r\n\
             '＝1,-5,***,7\r\n\
             \"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",-4,***,8\r\n\
             a=b,-3,***,9\r\n\
             \"\",-2,***,10\r\n\
             ,-1,,11\r\n"
        );
    }

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
