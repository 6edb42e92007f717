//! A value on its way to the wire: what Arrow carries, and what Arrow cannot.

use std::borrow::Cow;

use uuid::Uuid;

/// One value of one row. Which variants a column takes depends on its declared type; another is refused when the row is
/// written.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// NULL of any type.
    Null,
    /// `bit`.
    Bit(bool),
    /// `tinyint`, `smallint`, `int`, `bigint`.
    Int(i64),
    /// `real`.
    Real(f32),
    /// `float`.
    Float(f64),
    /// `decimal`, `numeric`: the value times 10 to the declared scale. Also `money`, times 10,000.
    Decimal(i128),
    /// `date`: days since 0001-01-01.
    Date(i64),
    /// `time`: ticks of 100 ns since midnight.
    Time(u64),
    /// `datetime2`, `datetime`, `smalldatetime` (rounded to what those can hold); `datetimeoffset` in UTC.
    DateTime {
        /// Days since 0001-01-01.
        days: i64,
        /// Ticks of 100 ns since midnight.
        ticks: u64,
    },
    /// `datetimeoffset`.
    DateTimeOffset {
        /// Days since 0001-01-01, in UTC.
        days: i64,
        /// Ticks of 100 ns since midnight, in UTC.
        ticks: u64,
        /// Minutes east of UTC.
        offset: i16,
    },
    /// Text of any kind, and `xml`; a `uniqueidentifier` in its usual form.
    Text(Cow<'a, str>),
    /// `nchar`, `nvarchar`, `xml`: code units as they are, paired or not.
    Utf16(Cow<'a, [u16]>),
    /// `binary`, `varbinary`, `rowversion`, CLR types; also `char` and `varchar`, in the column's code page.
    Bytes(Cow<'a, [u8]>),
    /// `uniqueidentifier`.
    Guid(Uuid),
    /// `sql_variant` that holds an `int`.
    VariantInt(i32),
    /// The bytes of the value exactly as they are to be sent, its length prefix included: for malformed values.
    Raw(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Cell<'static> {
        Cell::Text(Cow::Owned(text.into()))
    }

    /// A cell of bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Cell<'static> {
        Cell::Bytes(Cow::Owned(bytes.into()))
    }
}
