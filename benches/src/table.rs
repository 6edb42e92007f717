//! The table: 14 columns as NAV has them, six texts, three amounts with 20 decimals, two times, about 250 bytes a row on the wire.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use soxauto_tds::{Column, SqlError};

/// Names, declared types, and whether NULL is allowed.
pub(crate) const COLUMNS: [(&str, &str, bool); 14] = [
    ("Entry No_", "int", false),
    ("Transaction No_", "bigint", false),
    ("Company", "nvarchar(10)", false),
    ("Customer No_", "nvarchar(20)", false),
    ("Document No_", "nvarchar(35)", false),
    ("Description", "nvarchar(100)", true),
    ("Currency Code", "nvarchar(10)", false),
    ("Source Code", "nvarchar(20)", false),
    ("Amount", "decimal(38,20)", false),
    ("Amount (LCY)", "decimal(38,20)", false),
    ("Remaining Amount", "decimal(38,20)", false),
    ("Posting Date", "datetime", false),
    ("Created At", "datetime2(7)", true),
    ("Open", "bit", false),
];

/// The companies that occur.
pub(crate) const COMPANIES: [&str; 8] = [
    "EC_NG", "JD_GH", "EC_IC", "HF_SN", "EC_KE", "JD_UG", "JD_DZ", "EC_MA",
];

const BATCH: u64 = 10_000;
/// 2020-01-01 in microseconds since 1970.
const FIRST_DAY: i64 = 1_577_836_800_000_000;
const DAY: i64 = 86_400_000_000;

/// So many rows of the ledger; the same number gives the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    /// Rows.
    pub rows: u64,
}

impl Ledger {
    /// The columns as the server declares them.
    ///
    /// # Errors
    /// Never: the types are valid.
    pub fn columns() -> Result<Vec<Column>, SqlError> {
        COLUMNS
            .iter()
            .map(|(name, declared, nullable)| {
                let column = Column::new(*name, declared)?;
                Ok(if *nullable { column } else { column.not_null() })
            })
            .collect()
    }

    /// The rows.
    ///
    /// # Panics
    /// Never: the arrays have the schema's types and equal lengths.
    pub fn batches(self) -> impl Iterator<Item = RecordBatch> + Send {
        let schema = schema();
        (0..self.rows.div_ceil(BATCH)).filter_map(move |batch| {
            let numbers = (batch * BATCH..self.rows.min((batch + 1) * BATCH)).map(|n| n + 1);
            RecordBatch::try_new(Arc::clone(&schema), arrays(&numbers.collect::<Vec<_>>())).ok()
        })
    }

    /// The sum of `Amount`, in units of its last digit.
    #[must_use]
    pub fn amount(self) -> i128 {
        (1..=self.rows).map(amount).sum()
    }

    /// The latest `Posting Date`, in days since 1970.
    #[must_use]
    pub fn last_day(self) -> i64 {
        let day = |n| posted(n) / DAY;
        // Days go round.
        (1..=self.rows.min(DAYS)).map(day).max().unwrap_or_default()
    }
}

const DAYS: u64 = 1500;

fn posted(n: u64) -> i64 {
    FIRST_DAY + (n % DAYS) as i64 * DAY
}

/// Two digits of cents, as amounts in ledgers have, in a type that has room for twenty.
fn amount(n: u64) -> i128 {
    let cents = i128::from(scattered(n) % 20_000_000) - 9_999_000;
    cents * 10_i128.pow(18)
}

/// A number that looks like chance and is not (the finalizer of `SplitMix64`).
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn schema() -> SchemaRef {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields = COLUMNS.iter().map(|(name, declared, nullable)| {
        let data_type = match *declared {
            "int" => DataType::Int32,
            "bigint" => DataType::Int64,
            "bit" => DataType::Boolean,
            "decimal(38,20)" => DataType::Decimal128(38, 20),
            "datetime" | "datetime2(7)" => micros.clone(),
            _ => DataType::Utf8,
        };
        Field::new(*name, data_type, *nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn arrays(numbers: &[u64]) -> Vec<ArrayRef> {
    let text = |make: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            numbers.iter().map(|n| make(*n)),
        ))
    };
    let decimal = |make: &dyn Fn(u64) -> i128| -> ArrayRef {
        let values = numbers.iter().map(|n| make(*n));
        Arc::new(
            Decimal128Array::from_iter_values(values).with_data_type(DataType::Decimal128(38, 20)),
        )
    };
    let currencies = ["NGN", "GHS", "XOF", "XOF", "KES", "UGX", "DZD", "MAD"];
    let of = |n: u64| (scattered(n) % 8) as usize;
    vec![
        Arc::new(Int32Array::from_iter_values(
            numbers.iter().map(|n| *n as i32),
        )),
        Arc::new(Int64Array::from_iter_values(
            numbers.iter().map(|n| 4_000_000_000 + (*n / 3) as i64),
        )),
        text(&|n| COMPANIES[of(n)].to_owned()),
        text(&|n| format!("C{:08}", scattered(n) % 400_000)),
        text(&|n| format!("VI-{}-{:09}", 2020 + n % 5, n)),
        Arc::new(
            numbers
                .iter()
                .map(|n| {
                    let word = ["Commande", "Zahlung für", "Refund of order"][(n % 3) as usize];
                    (n % 20 != 0).then(|| format!("{word} {:010}", scattered(*n) % 10_000_000_000))
                })
                .collect::<StringArray>(),
        ),
        text(&|n| currencies[of(n)].to_owned()),
        text(&|n| ["SALES", "CASHRECJNL", "GENJNL"][(n % 3) as usize].to_owned()),
        decimal(&amount),
        decimal(&|n| amount(n) * 3 / 2),
        decimal(&|n| if n % 4 == 0 { amount(n) } else { 0 }),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            numbers.iter().map(|n| posted(*n)),
        )),
        Arc::new(
            numbers
                .iter()
                .map(|n| {
                    let within = (scattered(*n) % DAY as u64) as i64;
                    (n % 10 != 0).then_some(posted(*n) + within)
                })
                .collect::<TimestampMicrosecondArray>(),
        ),
        Arc::new(
            numbers
                .iter()
                .map(|n| Some(n % 4 == 0))
                .collect::<BooleanArray>(),
        ),
    ]
}
