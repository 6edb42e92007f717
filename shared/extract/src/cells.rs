//! One column under construction: an Arrow builder and the limits of the contract that its values must keep.

use std::sync::Arc;

use arrow_array::{
    ArrayRef,
    builder::{
        BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
        Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
        Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt8Builder,
    },
};
use soxauto_domain::{
    SqlType,
    catalog::Sample,
    plan::ColumnContract,
    sql_type::{Length, REDSHIFT_VARCHAR_MAX},
};

use crate::{
    canonical::{self, TICKS_PER_DAY, TICKS_PER_MICRO},
    type_map,
};

/// The largest `VARBYTE` that the warehouse's tables declare, in bytes.
const REDSHIFT_VARBYTE_MAX: usize = 1_024_000;

/// Why a cell was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The driver pushed a cell of another type than the contract's.
    Type(&'static str),
    /// The value does not fit exactly: the value in canonical text, and why.
    Value(String, String),
}

/// A column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    pub(crate) masked: bool,
    round: bool,
    width: Option<u32>,
    precision_limit: u128,
    rows: usize,
    builder: Builder,
}

#[derive(Debug)]
enum Builder {
    /// The column is not needed: values are not even looked at.
    Skip,
    Boolean(BooleanBuilder),
    UInt8(UInt8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

/// What a cell adds to the size of a batch at least, in bytes; one of fixed width adds no more.
pub(crate) const FIXED: usize = 16;

type Taken = Result<usize, Refusal>;

impl Column {
    /// A column with room for so many rows at a time.
    pub(crate) fn new(contract: &ColumnContract, wanted: bool, rows: usize) -> Self {
        let sql_type = contract.sql_type;
        let builder = if wanted {
            builder(sql_type, rows, 0)
        } else {
            Builder::Skip
        };
        Self {
            name: contract.name.clone(),
            sql_type,
            masked: contract.sample == Sample::Mask,
            round: contract.rounding.is_some(),
            width: type_map::width(sql_type),
            precision_limit: match sql_type {
                SqlType::Decimal { precision, .. } => 10u128.pow(u32::from(precision.min(38))),
                SqlType::SmallMoney => 1 << 31,
                _ => 10u128.pow(19),
            },
            rows,
            builder,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self.builder, Builder::Skip)
    }

    /// The gathered values; the column is empty afterwards, with room for as many again: growing from nothing in every
    /// batch would copy most of the cells once more.
    pub(crate) fn finish(&mut self) -> Option<ArrayRef> {
        let bytes = match &self.builder {
            Builder::Skip => return None,
            Builder::Text(b) => b.values_slice().len(),
            Builder::Binary(b) => b.values_slice().len(),
            _ => 0,
        };
        let empty = builder(self.sql_type, self.rows, bytes);
        let mut gathered = std::mem::replace(&mut self.builder, empty);
        Some(match &mut gathered {
            Builder::Skip => return None,
            Builder::Boolean(b) => Arc::new(b.finish()),
            Builder::UInt8(b) => Arc::new(b.finish()),
            Builder::Int16(b) => Arc::new(b.finish()),
            Builder::Int32(b) => Arc::new(b.finish()),
            Builder::Int64(b) => Arc::new(b.finish()),
            Builder::Float32(b) => Arc::new(b.finish()),
            Builder::Float64(b) => Arc::new(b.finish()),
            Builder::Decimal(b, _) => Arc::new(b.finish()),
            Builder::Date(b) => Arc::new(b.finish()),
            Builder::Time(b) => Arc::new(b.finish()),
            Builder::Timestamp(b) => Arc::new(b.finish()),
            Builder::Text(b) => Arc::new(b.finish()),
            Builder::Binary(b) => Arc::new(b.finish()),
        })
    }

    pub(crate) fn null(&mut self) -> usize {
        match &mut self.builder {
            Builder::Skip => return 0,
            Builder::Boolean(b) => b.append_null(),
            Builder::UInt8(b) => b.append_null(),
            Builder::Int16(b) => b.append_null(),
            Builder::Int32(b) => b.append_null(),
            Builder::Int64(b) => b.append_null(),
            Builder::Float32(b) => b.append_null(),
            Builder::Float64(b) => b.append_null(),
            Builder::Decimal(b, _) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::Time(b) => b.append_null(),
            Builder::Timestamp(b) => b.append_null(),
            Builder::Text(b) => b.append_null(),
            Builder::Binary(b) => b.append_null(),
        }
        FIXED
    }

    pub(crate) fn bit(&mut self, value: bool) -> Taken {
        match &mut self.builder {
            Builder::Boolean(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("bit")),
        }
        Ok(FIXED)
    }

    pub(crate) fn tinyint(&mut self, value: u8) -> Taken {
        match &mut self.builder {
            Builder::UInt8(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("tinyint")),
        }
        Ok(FIXED)
    }

    pub(crate) fn smallint(&mut self, value: i16) -> Taken {
        match &mut self.builder {
            Builder::Int16(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("smallint")),
        }
        Ok(FIXED)
    }

    pub(crate) fn int(&mut self, value: i32) -> Taken {
        match &mut self.builder {
            Builder::Int32(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("int")),
        }
        Ok(FIXED)
    }

    pub(crate) fn bigint(&mut self, value: i64) -> Taken {
        match &mut self.builder {
            Builder::Int64(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("bigint")),
        }
        Ok(FIXED)
    }

    pub(crate) fn real(&mut self, value: f32) -> Taken {
        match &mut self.builder {
            Builder::Float32(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("real")),
        }
        Ok(FIXED)
    }

    pub(crate) fn float(&mut self, value: f64) -> Taken {
        match &mut self.builder {
            Builder::Float64(b) => b.append_value(value),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("float")),
        }
        Ok(FIXED)
    }

    pub(crate) fn decimal(&mut self, unscaled: i128, scale: u8) -> Taken {
        let (builder, declared) = match &mut self.builder {
            Builder::Decimal(b, declared) => (b, *declared),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("decimal")),
        };
        let refuse = |why: String| {
            Err(Refusal::Value(
                soxauto_domain::value::format_decimal(unscaled, scale),
                why,
            ))
        };
        let Some(value) = rescale(unscaled, scale, declared) else {
            return refuse(format!("it has more digits than {} holds", self.sql_type));
        };
        if value.unsigned_abs() >= self.precision_limit
            && !(self.sql_type == SqlType::SmallMoney && value == -(1 << 31))
        {
            return refuse(format!("it has more digits than {} holds", self.sql_type));
        }
        builder.append_value(value);
        Ok(FIXED)
    }

    pub(crate) fn date(&mut self, days: i32) -> Taken {
        match &mut self.builder {
            Builder::Date(b) => b.append_value(days),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("date")),
        }
        Ok(FIXED)
    }

    pub(crate) fn time(&mut self, ticks: i64) -> Taken {
        let round = self.round;
        match &mut self.builder {
            Builder::Time(b) => {
                let micros = micros(ticks, round)
                    .filter(|micros| *micros < TICKS_PER_DAY / TICKS_PER_MICRO)
                    .ok_or_else(|| below_micro(canonical::time(ticks), round))?;
                b.append_value(micros);
            }
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("time")),
        }
        Ok(FIXED)
    }

    pub(crate) fn timestamp(&mut self, ticks: i64) -> Taken {
        // The last microsecond of the year 9999, which is the end of SQL Server's and of most readers' range.
        const LAST: i64 = 253_402_300_799_999_999;
        let round = self.round;
        match &mut self.builder {
            Builder::Timestamp(b) => {
                let micros = micros(ticks, round)
                    .filter(|micros| *micros <= LAST)
                    .ok_or_else(|| below_micro(canonical::timestamp(ticks), round))?;
                b.append_value(micros);
            }
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("datetime2")),
        }
        Ok(FIXED)
    }

    /// `datetime` counts 1/300 s: its exact instant is taken to the nearest microsecond. No two values of it meet in
    /// one microsecond, so nothing is lost, and rounding need not be declared.
    pub(crate) fn datetime(&mut self, days: i32, three_hundredths: u32) -> Taken {
        match &mut self.builder {
            Builder::Timestamp(b) => b.append_value(
                i64::from(days) * (TICKS_PER_DAY / TICKS_PER_MICRO)
                    + canonical::three_hundredths_to_micros(three_hundredths),
            ),
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("datetime")),
        }
        Ok(FIXED)
    }

    pub(crate) fn text(&mut self, value: &str) -> Taken {
        let builder = match &mut self.builder {
            Builder::Text(b) if self.sql_type != SqlType::UniqueIdentifier => b,
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("a text")),
        };
        if let Some(width) = self.width
            && value.len() > width as usize
            && units(self.sql_type, value) > width as usize
        {
            let why = format!("the text is longer than {} holds", self.sql_type);
            return Err(Refusal::Value(canonical::shorten(value), why));
        }
        if value.len() > REDSHIFT_VARCHAR_MAX as usize {
            let why = format!(
                "the text has {} bytes in UTF-8; a Redshift VARCHAR holds {REDSHIFT_VARCHAR_MAX}",
                value.len()
            );
            return Err(Refusal::Value(canonical::shorten(value), why));
        }
        builder.append_value(value);
        Ok(FIXED + value.len())
    }

    pub(crate) fn uuid(&mut self, value: [u8; 16]) -> Taken {
        match &mut self.builder {
            Builder::Text(b) if self.sql_type == SqlType::UniqueIdentifier => {
                b.append_value(canonical::uuid(value));
            }
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("uniqueidentifier")),
        }
        Ok(FIXED + 36)
    }

    pub(crate) fn binary(&mut self, value: &[u8]) -> Taken {
        let builder = match &mut self.builder {
            Builder::Binary(b) => b,
            Builder::Skip => return Ok(0),
            _ => return Err(Refusal::Type("a binary")),
        };
        let most = self
            .width
            .map_or(REDSHIFT_VARBYTE_MAX, |width| width as usize);
        if value.len() > most {
            let head = value.get(..20).unwrap_or(value);
            let why = format!("it has {} bytes; at most {most} fit", value.len());
            return Err(Refusal::Value(format!("0x{}…", hex::encode(head)), why));
        }
        builder.append_value(value);
        Ok(FIXED + value.len())
    }
}

/// An empty builder of the type, with room for `rows`, and for `bytes` of texts and binaries.
fn builder(sql_type: SqlType, rows: usize, bytes: usize) -> Builder {
    let data_type = type_map::arrow_type(sql_type);
    match sql_type {
        SqlType::Bit => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
        SqlType::TinyInt => Builder::UInt8(UInt8Builder::with_capacity(rows)),
        SqlType::SmallInt => Builder::Int16(Int16Builder::with_capacity(rows)),
        SqlType::Int => Builder::Int32(Int32Builder::with_capacity(rows)),
        SqlType::BigInt => Builder::Int64(Int64Builder::with_capacity(rows)),
        SqlType::Real => Builder::Float32(Float32Builder::with_capacity(rows)),
        SqlType::Float => Builder::Float64(Float64Builder::with_capacity(rows)),
        SqlType::Decimal { .. } | SqlType::Money | SqlType::SmallMoney => Builder::Decimal(
            Decimal128Builder::with_capacity(rows).with_data_type(data_type),
            sql_type.scale().unwrap_or(0),
        ),
        SqlType::Date => Builder::Date(Date32Builder::with_capacity(rows)),
        SqlType::Time(_) => Builder::Time(Time64MicrosecondBuilder::with_capacity(rows)),
        SqlType::DateTime
        | SqlType::SmallDateTime
        | SqlType::DateTime2(_)
        | SqlType::DateTimeOffset(_) => Builder::Timestamp(
            TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type),
        ),
        SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::NChar(_)
        | SqlType::NVarChar(_)
        | SqlType::UniqueIdentifier
        | SqlType::Xml => Builder::Text(StringBuilder::with_capacity(rows, bytes)),
        SqlType::Binary(_) | SqlType::VarBinary(_) | SqlType::RowVersion => {
            Builder::Binary(BinaryBuilder::with_capacity(rows, bytes))
        }
    }
}

/// UTF-16 units of the n-types; characters of a code page, each of which takes at least one byte of it.
fn units(sql_type: SqlType, value: &str) -> usize {
    match sql_type {
        SqlType::Char(_) | SqlType::VarChar(Length::Bounded(_)) => value.chars().count(),
        _ => value.encode_utf16().count(),
    }
}

/// Whole microseconds, rounded half up when the catalog says so.
fn micros(ticks: i64, round: bool) -> Option<i64> {
    let whole = ticks.div_euclid(TICKS_PER_MICRO);
    match ticks.rem_euclid(TICKS_PER_MICRO) {
        0 => Some(whole),
        rest if round => Some(whole + i64::from(rest >= 5)),
        _ => None,
    }
}

fn below_micro(value: String, round: bool) -> Refusal {
    let why = if round {
        "rounded to the microsecond it leaves the type's range; CAST it in the query"
    } else {
        "it has digits below a microsecond; declare rounding = \"round\" for the column, or CAST it in the query"
    };
    Refusal::Value(value, why.to_owned())
}

/// The same number at another scale, if it is exact.
fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if from == to {
        return Some(unscaled);
    }
    let factor = 10i128.checked_pow(u32::from(from.abs_diff(to)))?;
    if from < to {
        return unscaled.checked_mul(factor);
    }
    (unscaled % factor == 0).then_some(unscaled / factor)
}
