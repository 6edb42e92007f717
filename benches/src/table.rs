//! The tables of the benches. All have an entry number, a company, an amount and a posting date, which is what the plan declares
//! rules and totals of; what else they have is what makes each worth measuring.

mod ledger;
mod long;
mod numbers;
mod wide;

use arrow_array::RecordBatch;
use soxauto_tds::{Column, SqlError};

pub(crate) use numbers::COMPANIES;
use numbers::{DAY, DAYS, amount, posted};

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// 14 columns as NAV has them, about 250 bytes a row on the wire.
    Ledger,
    /// `nvarchar(max)` and `varbinary(max)`: every thousandth row has 65,535 characters and 1,000,000 bytes, which is as much
    /// as a warehouse's column takes.
    Long,
    /// The same with texts of 500,000 characters, 1 MB on the wire: no Redshift VARCHAR holds one, so the extraction is refused.
    TooLong,
    /// 200 columns of eight types.
    Wide,
}

/// A column as the server and the plan declare it.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) sql_type: &'static str,
    pub(crate) nullable: bool,
}

impl Declared {
    fn new(name: impl Into<String>, sql_type: &'static str, nullable: bool) -> Self {
        Self {
            name: name.into(),
            sql_type,
            nullable,
        }
    }
}

/// So many rows of a table; the same number gives the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Which columns.
    pub table: Table,
    /// Rows.
    pub rows: u64,
}

impl Content {
    pub(crate) fn declared(self) -> Vec<Declared> {
        match self.table {
            Table::Ledger => ledger::columns(),
            Table::Long | Table::TooLong => long::columns(),
            Table::Wide => wide::columns(),
        }
    }

    /// The columns as the server declares them.
    ///
    /// # Errors
    /// Never: the types are valid.
    pub fn columns(self) -> Result<Vec<Column>, SqlError> {
        self.declared()
            .into_iter()
            .map(|declared| {
                let column = Column::new(declared.name, declared.sql_type)?;
                Ok(if declared.nullable {
                    column
                } else {
                    column.not_null()
                })
            })
            .collect()
    }

    /// The rows, made while they are taken: any number needs the memory of one batch.
    #[must_use]
    pub fn batches(self) -> Box<dyn Iterator<Item = RecordBatch> + Send> {
        let size = match self.table {
            Table::Ledger => 10_000,
            Table::Long | Table::TooLong | Table::Wide => 2_000,
        };
        let numbers = (0..self.rows.div_ceil(size)).map(move |batch| {
            let last = self.rows.min((batch + 1) * size);
            (batch * size + 1..=last).collect::<Vec<u64>>()
        });
        match self.table {
            Table::Ledger => Box::new(numbers.filter_map(|numbers| ledger::batch(&numbers))),
            Table::Wide => Box::new(numbers.filter_map(|numbers| wide::batch(&numbers))),
            Table::Long | Table::TooLong => {
                let values = long::Values::new(self.table == Table::TooLong);
                Box::new(numbers.filter_map(move |numbers| values.batch(&numbers)))
            }
        }
    }

    /// The sum of `Amount`, in units of its last digit.
    #[must_use]
    pub fn amount(self) -> i128 {
        (1..=self.rows).map(amount).sum()
    }

    /// The latest `Posting Date`, in days since 1970.
    #[must_use]
    pub fn last_day(self) -> i64 {
        // Days go round.
        (1..=self.rows.min(DAYS))
            .map(|n| posted(n) / DAY)
            .max()
            .unwrap_or_default()
    }
}
