//! One column of a batch with its type known, and the bytes that stand for its cells.
//!
//! The bytes are equal for equal values of a column only: a tag for NULL, a length before what varies, numbers at full
//! width. All integers are big-endian, so that a hexadecimal dump can be read.

use arrow_array::{
    Array, ArrayAccessor, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array,
};
use arrow_schema::{DataType, TimeUnit};

/// Tag of a NULL.
const NULL: u8 = 0;
/// Tag of a value.
const VALUE: u8 = 1;

/// The cells of one column, for every type that an extract may have.
#[derive(Debug, Clone, Copy)]
pub enum Cells<'a> {
    /// `bit`.
    Boolean(&'a BooleanArray),
    /// `tinyint`.
    UInt8(&'a UInt8Array),
    /// `smallint`.
    Int16(&'a Int16Array),
    /// `int`.
    Int32(&'a Int32Array),
    /// `bigint`.
    Int64(&'a Int64Array),
    /// `real`.
    Float32(&'a Float32Array),
    /// `float`.
    Float64(&'a Float64Array),
    /// `decimal`, `money`.
    Decimal(&'a Decimal128Array),
    /// `date`, in days since 1970.
    Date(&'a Date32Array),
    /// `time`, in microseconds since midnight.
    Time(&'a Time64MicrosecondArray),
    /// `datetime` and its kin, in microseconds since 1970.
    Timestamp(&'a TimestampMicrosecondArray),
    /// Texts.
    Text(&'a StringArray),
    /// Binaries.
    Binary(&'a BinaryArray),
}

macro_rules! each {
    ($self:expr, $array:ident => $body:expr) => {
        match $self {
            Cells::Boolean($array) => $body,
            Cells::UInt8($array) => $body,
            Cells::Int16($array) => $body,
            Cells::Int32($array) => $body,
            Cells::Int64($array) => $body,
            Cells::Float32($array) => $body,
            Cells::Float64($array) => $body,
            Cells::Decimal($array) => $body,
            Cells::Date($array) => $body,
            Cells::Time($array) => $body,
            Cells::Timestamp($array) => $body,
            Cells::Text($array) => $body,
            Cells::Binary($array) => $body,
        }
    };
}

impl<'a> Cells<'a> {
    /// The cells of an array; `None` for a type that no extract has.
    #[must_use]
    pub fn new(array: &'a dyn Array) -> Option<Self> {
        let any = array.as_any();
        macro_rules! first {
            ($($variant:ident),*) => {
                $(if let Some(array) = any.downcast_ref() { return Some(Self::$variant(array)); })*
            };
        }
        first!(
            Text, Decimal, Timestamp, Int32, Int64, Date, Boolean, UInt8, Int16, Float32, Float64,
            Time, Binary
        );
        None
    }

    /// Whether the cell is NULL.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        each!(self, array => array.is_null(row))
    }

    /// How many cells are NULL.
    #[must_use]
    pub fn null_count(&self) -> usize {
        each!(self, array => array.null_count())
    }

    /// Appends the bytes that stand for a cell.
    #[inline]
    pub fn encode(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(a) => cell(*a, row, out, |v| [VALUE, u8::from(v)]),
            Self::UInt8(a) => cell(*a, row, out, |v| [VALUE, v]),
            Self::Int16(a) => cell(*a, row, out, |v| tagged::<2, 3>(v.to_be_bytes())),
            Self::Int32(a) => cell(*a, row, out, |v| tagged::<4, 5>(v.to_be_bytes())),
            Self::Int64(a) => cell(*a, row, out, |v| tagged::<8, 9>(v.to_be_bytes())),
            Self::Float32(a) => cell(*a, row, out, |v| tagged::<4, 5>(bits32(v).to_be_bytes())),
            Self::Float64(a) => cell(*a, row, out, |v| tagged::<8, 9>(bits64(v).to_be_bytes())),
            Self::Decimal(a) => cell(*a, row, out, |v| tagged::<16, 17>(v.to_be_bytes())),
            Self::Date(a) => cell(*a, row, out, |v| tagged::<4, 5>(v.to_be_bytes())),
            Self::Time(a) => cell(*a, row, out, |v| tagged::<8, 9>(v.to_be_bytes())),
            Self::Timestamp(a) => cell(*a, row, out, |v| tagged::<8, 9>(v.to_be_bytes())),
            Self::Text(a) if a.is_valid(row) => sized(a.value(row).as_bytes(), out),
            Self::Binary(a) if a.is_valid(row) => sized(a.value(row), out),
            Self::Text(_) | Self::Binary(_) => out.push(NULL),
        }
    }
}

/// A cell of fixed width: one look at what it is, one write.
#[inline]
fn cell<A: ArrayAccessor, const TAGGED: usize>(
    array: A,
    row: usize,
    out: &mut Vec<u8>,
    bytes: impl FnOnce(A::Item) -> [u8; TAGGED],
) {
    if array.is_null(row) {
        out.push(NULL);
    } else {
        out.extend_from_slice(&bytes(array.value(row)));
    }
}

/// The tag of a value, and its `N` bytes; `TAGGED` is one more.
#[inline]
fn tagged<const N: usize, const TAGGED: usize>(bytes: [u8; N]) -> [u8; TAGGED] {
    const { assert!(TAGGED == N + 1) };
    let mut tagged = [VALUE; TAGGED];
    tagged[1..].copy_from_slice(&bytes);
    tagged
}

#[inline]
fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    // Arrow's offsets are 32 bits: no cell is longer.
    out.extend_from_slice(&tagged::<4, 5>((bytes.len() as u32).to_be_bytes()));
    out.extend_from_slice(bytes);
}

/// The bits as they are, but one spelling of "not a number": libraries on the way may change its other bits.
fn bits32(value: f32) -> u32 {
    if value.is_nan() {
        0x7fc0_0000
    } else {
        value.to_bits()
    }
}

/// As [`bits32`].
fn bits64(value: f64) -> u64 {
    if value.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        value.to_bits()
    }
}

/// The name that the digest's header gives to a type; `None` for a type that no extract has.
///
/// It is the type as a Parquet file declares it, so that the file alone is enough to compute the digest.
#[must_use]
pub fn type_name(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::UInt8 => "uint8".into(),
        DataType::Int16 => "int16".into(),
        DataType::Int32 => "int32".into(),
        DataType::Int64 => "int64".into(),
        DataType::Float32 => "float32".into(),
        DataType::Float64 => "float64".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".into(),
        DataType::Time64(TimeUnit::Microsecond) => "time(us)".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp(us)".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp(us,utc)".into(),
        DataType::Utf8 => "text".into(),
        DataType::Binary => "binary".into(),
        _ => return None,
    })
}
