//! Control totals over the extracted rows: exact sums, smallest and largest values.

use arrow_array::RecordBatch;
use soxauto_domain::{
    catalog::{Total, TotalFunction},
    plan::ColumnContract,
    value::format_decimal,
};

use super::wanted::Wanted;
use crate::{
    canonical,
    error::ExtractError,
    view::{Reading as _, cells},
};

/// One total under way.
#[derive(Debug)]
pub(crate) struct Accumulator {
    total: Total,
    column: ColumnContract,
    state: State,
}

#[derive(Debug)]
enum State {
    Empty,
    Number(i128),
    Micros(i64),
    /// The sum left 128 bits: more than any decimal of SQL Server holds.
    Overflow,
    /// The column's type has no such total.
    Unsupported,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Computed {
    /// Canonical text; `None` when there were no values.
    Value(Option<String>),
    /// Could not be computed.
    Impossible(&'static str),
}

impl Accumulator {
    pub(crate) fn new(total: &Total, columns: &[ColumnContract]) -> Result<Self, ExtractError> {
        let column = columns
            .iter()
            .find(|c| c.name == total.column)
            .ok_or_else(|| {
                ExtractError::Internal(format!("total over unknown column {:?}", total.column))
            })?
            .clone();
        let possible = match total.function {
            TotalFunction::Sum => column.sql_type.is_exact_number(),
            TotalFunction::Min | TotalFunction::Max => {
                column.sql_type.is_exact_number() || column.sql_type.has_date()
            }
        };
        let state = if possible {
            State::Empty
        } else {
            State::Unsupported
        };
        Ok(Self {
            total: total.clone(),
            column,
            state,
        })
    }

    pub(crate) fn total(&self) -> &Total {
        &self.total
    }

    /// Adds a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let array = batch.column_by_name(&self.column.name).ok_or_else(|| {
            ExtractError::Internal(format!("no column {:?} in the batch", self.column.name))
        })?;
        let view = cells(array.as_ref())?;
        let number = self.column.sql_type.is_exact_number();
        for row in 0..batch.num_rows() {
            if number {
                if let Some(value) = view.number(row) {
                    self.number(value);
                }
            } else if let Some(value) = view.micros(row) {
                self.micros(value);
            }
        }
        Ok(())
    }

    fn number(&mut self, value: i128) {
        self.state = match (&self.state, self.total.function) {
            (State::Empty, _) => State::Number(value),
            (State::Number(so_far), TotalFunction::Sum) => so_far
                .checked_add(value)
                .map_or(State::Overflow, State::Number),
            (State::Number(so_far), TotalFunction::Min) => State::Number(value.min(*so_far)),
            (State::Number(so_far), TotalFunction::Max) => State::Number(value.max(*so_far)),
            (State::Overflow, _) => State::Overflow,
            _ => State::Unsupported,
        };
    }

    fn micros(&mut self, value: i64) {
        self.state = match (&self.state, self.total.function) {
            (State::Empty, _) => State::Micros(value),
            (State::Micros(so_far), TotalFunction::Min) => State::Micros(value.min(*so_far)),
            (State::Micros(so_far), TotalFunction::Max) => State::Micros(value.max(*so_far)),
            _ => State::Unsupported,
        };
    }

    /// The total in canonical text.
    pub(crate) fn computed(&self) -> Computed {
        match self.state {
            State::Empty => Computed::Value(None),
            State::Number(value) => Computed::Value(Some(format_decimal(
                value,
                self.column.sql_type.scale().unwrap_or(0),
            ))),
            State::Micros(micros) => Computed::Value(Some(self.instant(micros))),
            State::Overflow => Computed::Impossible("the sum has more digits than 128 bits hold"),
            State::Unsupported => Computed::Impossible("the column's type has no such exact total"),
        }
    }

    fn instant(&self, micros: i64) -> String {
        let ticks = micros * canonical::TICKS_PER_MICRO;
        if self.column.sql_type == soxauto_domain::SqlType::Date {
            canonical::date(ticks.div_euclid(canonical::TICKS_PER_DAY))
        } else {
            canonical::timestamp(ticks)
        }
    }

    /// Whether the source's answer is the same value. A sum over no rows is NULL or zero, as the query is written; but
    /// a source that summed nothing does not agree with amounts that were extracted, even if they cancel out.
    pub(crate) fn agrees(&self, source: Option<&str>) -> bool {
        let Computed::Value(extracted) = self.computed() else {
            return false;
        };
        let zero = |text: &str| self.total.function == TotalFunction::Sum && same_number(text, "0");
        match (source, extracted.as_deref()) {
            (None, None) => true,
            (Some(source), None) => zero(source),
            (None, Some(_)) => false,
            (Some(source), Some(extracted)) => self.same(source, extracted),
        }
    }

    /// Whether two canonical texts are the same value of this total.
    pub(crate) fn same(&self, a: &str, b: &str) -> bool {
        if self.column.sql_type.is_exact_number() {
            return same_number(a, b);
        }
        match (
            Wanted::parse(&self.column, Some(a)),
            Wanted::parse(&self.column, Some(b)),
        ) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
    }
}

/// Whether two plain decimal numbers are equal, whatever their zeros.
fn same_number(a: &str, b: &str) -> bool {
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Sign, digits before the point, digits after it; without zeros that say nothing.
fn plain(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    Some((
        negative && !(whole.is_empty() && fraction.is_empty()),
        whole,
        fraction,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_whatever_their_zeros() {
        assert!(same_number("1.50", "1.5") && same_number("-0.00", "0") && same_number("007", "7"));
        assert!(
            !same_number("1.5", "1.51")
                && !same_number("-1", "1")
                && !same_number("1e3", "1000")
                && !same_number("", "0")
        );
    }
}
