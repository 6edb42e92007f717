//! Arrow record batches as rows: each column's array is found once per batch, each value once per row.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type,
};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray, LargeStringArray,
    PrimitiveArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_schema::{DataType, TimeUnit};

use crate::calendar::{DAYS_TO_1970, TICKS_PER_DAY};
use crate::cell::Cell;
use crate::encode::EncodeError;
use crate::types::{Column, SqlType};

/// The array behind one column.
enum Values<'a> {
    Null,
    Bit(&'a BooleanArray),
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>),
    Date(&'a PrimitiveArray<Date32Type>),
    TimeMicros(&'a PrimitiveArray<Time64MicrosecondType>),
    TimeNanos(&'a PrimitiveArray<Time64NanosecondType>),
    Seconds(&'a PrimitiveArray<TimestampSecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Bytes(&'a BinaryArray),
    LargeBytes(&'a LargeBinaryArray),
    BytesView(&'a BinaryViewArray),
}

/// One column of a batch, checked against its declared type.
pub(crate) struct ColumnReader<'a> {
    array: &'a dyn Array,
    values: Values<'a>,
}

/// Readers for all columns of a batch.
pub(crate) fn readers<'a>(
    columns: &[Column],
    batch: &'a RecordBatch,
) -> Result<Vec<ColumnReader<'a>>, EncodeError> {
    if columns.len() != batch.num_columns() {
        return Err(EncodeError::Kind {
            column: "*".to_owned(),
            declared: format!("{} columns", columns.len()),
            given: format!("{} columns", batch.num_columns()),
        });
    }
    columns
        .iter()
        .zip(batch.columns())
        .map(|(column, array)| {
            let array = array.as_ref();
            let values = values(column, array).ok_or_else(|| EncodeError::Kind {
                column: column.name.clone(),
                declared: column.ty.to_string(),
                given: format!("Arrow {}", array.data_type()),
            })?;
            Ok(ColumnReader { array, values })
        })
        .collect()
}

fn values<'a>(column: &Column, array: &'a dyn Array) -> Option<Values<'a>> {
    let scale = match column.ty {
        SqlType::Decimal { scale, .. } | SqlType::Numeric { scale, .. } => scale,
        _ => 4,
    };
    Some(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Bit(array.as_boolean()),
        DataType::Int8 => Values::I8(array.as_primitive()),
        DataType::Int16 => Values::I16(array.as_primitive()),
        DataType::Int32 => Values::I32(array.as_primitive()),
        DataType::Int64 => Values::I64(array.as_primitive()),
        DataType::UInt8 => Values::U8(array.as_primitive()),
        DataType::UInt16 => Values::U16(array.as_primitive()),
        DataType::UInt32 => Values::U32(array.as_primitive()),
        DataType::Float32 => Values::F32(array.as_primitive()),
        DataType::Float64 => Values::F64(array.as_primitive()),
        DataType::Decimal128(_, found) if i16::from(*found) == i16::from(scale) => {
            Values::Decimal(array.as_primitive())
        }
        DataType::Date32 => Values::Date(array.as_primitive()),
        DataType::Time64(TimeUnit::Microsecond) => Values::TimeMicros(array.as_primitive()),
        DataType::Time64(TimeUnit::Nanosecond) => Values::TimeNanos(array.as_primitive()),
        DataType::Timestamp(TimeUnit::Second, _) => Values::Seconds(array.as_primitive()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Values::Millis(array.as_primitive()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Values::Micros(array.as_primitive()),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Values::Nanos(array.as_primitive()),
        DataType::Utf8 => Values::Text(array.as_string()),
        DataType::LargeUtf8 => Values::LargeText(array.as_string()),
        DataType::Utf8View => Values::TextView(array.as_string_view()),
        DataType::Binary => Values::Bytes(array.as_binary()),
        DataType::LargeBinary => Values::LargeBytes(array.as_binary()),
        DataType::BinaryView => Values::BytesView(array.as_binary_view()),
        _ => return None,
    })
}

impl ColumnReader<'_> {
    /// Whether the value of this row is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.array.is_null(row)
    }

    /// The value of this row.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        if self.is_null(row) {
            return Cell::Null;
        }
        match &self.values {
            Values::Null => Cell::Null,
            Values::Bit(array) => Cell::Bit(array.value(row)),
            Values::I8(array) => Cell::Int(array.value(row).into()),
            Values::I16(array) => Cell::Int(array.value(row).into()),
            Values::I32(array) => Cell::Int(array.value(row).into()),
            Values::I64(array) => Cell::Int(array.value(row)),
            Values::U8(array) => Cell::Int(array.value(row).into()),
            Values::U16(array) => Cell::Int(array.value(row).into()),
            Values::U32(array) => Cell::Int(array.value(row).into()),
            Values::F32(array) => Cell::Real(array.value(row)),
            Values::F64(array) => Cell::Float(array.value(row)),
            Values::Decimal(array) => Cell::Decimal(array.value(row)),
            Values::Date(array) => Cell::Date(i64::from(array.value(row)) + DAYS_TO_1970),
            Values::TimeMicros(array) => Cell::Time(unsigned(array.value(row)).saturating_mul(10)),
            Values::TimeNanos(array) => Cell::Time(unsigned(array.value(row)) / 100),
            Values::Seconds(array) => timestamp(array, row, 10_000_000, 1),
            Values::Millis(array) => timestamp(array, row, 10_000, 1),
            Values::Micros(array) => timestamp(array, row, 10, 1),
            Values::Nanos(array) => timestamp(array, row, 1, 100),
            Values::Text(array) => Cell::Text(Cow::Borrowed(array.value(row))),
            Values::LargeText(array) => Cell::Text(Cow::Borrowed(array.value(row))),
            Values::TextView(array) => Cell::Text(Cow::Borrowed(array.value(row))),
            Values::Bytes(array) => Cell::Bytes(Cow::Borrowed(array.value(row))),
            Values::LargeBytes(array) => Cell::Bytes(Cow::Borrowed(array.value(row))),
            Values::BytesView(array) => Cell::Bytes(Cow::Borrowed(array.value(row))),
        }
    }
}

/// A negative time of day becomes one that no type holds.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn timestamp<T: ArrowTimestampType>(
    array: &PrimitiveArray<T>,
    row: usize,
    multiply: i128,
    divide: i128,
) -> Cell<'static> {
    let ticks = (i128::from(array.value(row)) * multiply).div_euclid(divide);
    let day = i128::from(TICKS_PER_DAY);
    Cell::DateTime {
        days: i64::try_from(ticks.div_euclid(day)).unwrap_or(i64::MIN / 2) + DAYS_TO_1970,
        ticks: u64::try_from(ticks.rem_euclid(day)).unwrap_or(0),
    }
}
