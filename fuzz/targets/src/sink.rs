//! A sink that takes any cell: what a driver decodes is reached, whatever columns the bytes declare.

use async_trait::async_trait;
use soxauto_extract::{ExtractError, Flow, RowSink};

/// Takes everything, and counts it.
#[derive(Debug, Default)]
pub(crate) struct Anything {
    cells: u64,
    rows: u64,
}

impl Anything {
    fn took(&mut self) -> Result<(), ExtractError> {
        self.cells += 1;
        Ok(())
    }
}

#[async_trait]
impl RowSink for Anything {
    fn start(&mut self, _: &[&str]) -> Result<(), ExtractError> {
        Ok(())
    }
    fn null(&mut self) -> Result<(), ExtractError> {
        self.took()
    }
    fn bit(&mut self, _: bool) -> Result<(), ExtractError> {
        self.took()
    }
    fn tinyint(&mut self, _: u8) -> Result<(), ExtractError> {
        self.took()
    }
    fn smallint(&mut self, _: i16) -> Result<(), ExtractError> {
        self.took()
    }
    fn int(&mut self, _: i32) -> Result<(), ExtractError> {
        self.took()
    }
    fn bigint(&mut self, _: i64) -> Result<(), ExtractError> {
        self.took()
    }
    fn real(&mut self, _: f32) -> Result<(), ExtractError> {
        self.took()
    }
    fn float(&mut self, _: f64) -> Result<(), ExtractError> {
        self.took()
    }
    fn decimal(&mut self, _: i128, _: u8) -> Result<(), ExtractError> {
        self.took()
    }
    fn money(&mut self, _: f64) -> Result<(), ExtractError> {
        self.took()
    }
    fn date(&mut self, _: i32) -> Result<(), ExtractError> {
        self.took()
    }
    fn time(&mut self, _: i64) -> Result<(), ExtractError> {
        self.took()
    }
    fn timestamp(&mut self, _: i64) -> Result<(), ExtractError> {
        self.took()
    }
    fn datetime(&mut self, _: i32, _: u32) -> Result<(), ExtractError> {
        self.took()
    }
    fn text(&mut self, value: &str) -> Result<(), ExtractError> {
        assert!(value.len() <= crate::MOST_BYTES);
        self.took()
    }
    fn binary(&mut self, _: &[u8]) -> Result<(), ExtractError> {
        self.took()
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<(), ExtractError> {
        self.took()
    }
    fn undecodable(&self, reason: &str) -> ExtractError {
        ExtractError::Internal(reason.to_owned())
    }
    fn end_row(&mut self) -> Result<Flow, ExtractError> {
        self.rows += 1;
        Ok(if self.rows.is_multiple_of(100) {
            Flow::Full
        } else {
            Flow::Continue
        })
    }
    async fn flush(&mut self) -> Result<(), ExtractError> {
        Ok(())
    }
}
