//! Reads and forgets: what reading costs before anything is done with the rows.

use async_trait::async_trait;
use soxauto_extract::{ExtractError, Flow, RowSink};

/// Counts rows.
#[derive(Debug, Default)]
pub struct Discard {
    /// Rows so far.
    pub rows: u64,
}

macro_rules! forget {
    ($($method:ident($($value:ident: $kind:ty),*)),* $(,)?) => {
        $(fn $method(&mut self, $($value: $kind),*) -> Result<(), ExtractError> {
            $(let _ = std::hint::black_box($value);)*
            Ok(())
        })*
    };
}

#[async_trait]
impl RowSink for Discard {
    forget! {
        start(names: &[&str]),
        null(),
        bit(value: bool),
        tinyint(value: u8),
        smallint(value: i16),
        int(value: i32),
        bigint(value: i64),
        real(value: f32),
        float(value: f64),
        decimal(unscaled: i128, scale: u8),
        money(value: f64),
        date(days: i32),
        time(ticks: i64),
        timestamp(ticks: i64),
        datetime(days: i32, three_hundredths: u32),
        text(value: &str),
        binary(value: &[u8]),
        uuid(value: [u8; 16]),
    }

    fn undecodable(&self, reason: &str) -> ExtractError {
        ExtractError::Internal(reason.to_owned())
    }

    fn end_row(&mut self) -> Result<Flow, ExtractError> {
        self.rows += 1;
        Ok(Flow::Continue)
    }

    async fn flush(&mut self) -> Result<(), ExtractError> {
        Ok(())
    }
}
