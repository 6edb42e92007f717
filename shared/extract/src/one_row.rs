//! The sink for queries that answer with one row: completeness and witness.

use async_trait::async_trait;
use soxauto_domain::value::format_decimal;

use crate::{
    canonical,
    error::{ExtractError, RowsFound},
    money,
    source::{Flow, RowSink},
};

/// A named value of a single row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedValue {
    /// Column.
    pub name: String,
    /// Canonical text; `None` is NULL.
    pub value: Option<String>,
}

/// The longest text that a control query may answer with, in bytes.
const LONGEST: usize = 65_535;

/// Gathers one row and refuses a second.
#[derive(Debug, Default)]
pub struct OneRow {
    names: Vec<String>,
    values: Vec<Option<String>>,
    complete: bool,
}

impl OneRow {
    /// The row.
    ///
    /// # Errors
    /// [`ExtractError::NotOneRow`] when there was none.
    pub fn take(self) -> Result<Vec<NamedValue>, ExtractError> {
        if !self.complete {
            return Err(ExtractError::NotOneRow {
                query: "single-row",
                found: RowsFound::None,
            });
        }
        let values = self.names.into_iter().zip(self.values);
        Ok(values
            .map(|(name, value)| NamedValue { name, value })
            .collect())
    }

    fn push(&mut self, value: Option<String>) -> Result<(), ExtractError> {
        if self.complete {
            return Err(ExtractError::NotOneRow {
                query: "single-row",
                found: RowsFound::Many,
            });
        }
        self.values.push(value);
        Ok(())
    }
}

#[async_trait]
impl RowSink for OneRow {
    fn start(&mut self, names: &[&str]) -> Result<(), ExtractError> {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    fn null(&mut self) -> Result<(), ExtractError> {
        self.push(None)
    }

    fn bit(&mut self, value: bool) -> Result<(), ExtractError> {
        self.push(Some(u8::from(value).to_string()))
    }

    fn tinyint(&mut self, value: u8) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn smallint(&mut self, value: i16) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn int(&mut self, value: i32) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn bigint(&mut self, value: i64) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn real(&mut self, value: f32) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn float(&mut self, value: f64) -> Result<(), ExtractError> {
        self.push(Some(value.to_string()))
    }

    fn decimal(&mut self, unscaled: i128, scale: u8) -> Result<(), ExtractError> {
        self.push(Some(format_decimal(unscaled, scale)))
    }

    fn money(&mut self, value: f64) -> Result<(), ExtractError> {
        let Some(unscaled) = money::exact(value) else {
            return Err(self.undecodable(money::INEXACT));
        };
        self.decimal(i128::from(unscaled), 4)
    }

    fn date(&mut self, days: i32) -> Result<(), ExtractError> {
        self.push(Some(canonical::date(i64::from(days))))
    }

    fn time(&mut self, ticks: i64) -> Result<(), ExtractError> {
        self.push(Some(canonical::time(ticks)))
    }

    fn timestamp(&mut self, ticks: i64) -> Result<(), ExtractError> {
        self.push(Some(canonical::timestamp(ticks)))
    }

    fn datetime(&mut self, days: i32, three_hundredths: u32) -> Result<(), ExtractError> {
        let micros = canonical::three_hundredths_to_micros(three_hundredths);
        self.timestamp(
            i64::from(days) * canonical::TICKS_PER_DAY + micros * canonical::TICKS_PER_MICRO,
        )
    }

    fn text(&mut self, value: &str) -> Result<(), ExtractError> {
        if value.len() > LONGEST {
            return Err(self.undecodable("the text is longer than 65,535 bytes"));
        }
        self.push(Some(value.to_owned()))
    }

    fn binary(&mut self, value: &[u8]) -> Result<(), ExtractError> {
        if value.len() > LONGEST {
            return Err(self.undecodable("the value is longer than 65,535 bytes"));
        }
        self.push(Some(hex::encode(value)))
    }

    fn uuid(&mut self, value: [u8; 16]) -> Result<(), ExtractError> {
        self.push(Some(canonical::uuid(value)))
    }

    fn undecodable(&self, reason: &str) -> ExtractError {
        ExtractError::Value {
            column: self
                .names
                .get(self.values.len())
                .cloned()
                .unwrap_or_default(),
            row: 1,
            value: "not shown".into(),
            reason: reason.to_owned(),
        }
    }

    fn end_row(&mut self) -> Result<Flow, ExtractError> {
        if self.complete {
            return Err(ExtractError::NotOneRow {
                query: "single-row",
                found: RowsFound::Many,
            });
        }
        if self.values.len() != self.names.len() {
            return Err(ExtractError::Internal(
                "a row ended before its last column".into(),
            ));
        }
        self.complete = true;
        Ok(Flow::Continue)
    }

    async fn flush(&mut self) -> Result<(), ExtractError> {
        Ok(())
    }
}
