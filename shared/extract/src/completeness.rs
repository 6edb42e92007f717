//! The independent answer: row count and control totals, asked of the source before and after the rows.

use soxauto_domain::{plan::PlannedCompleteness, segment::SourceAnswer};

use crate::{error::ExtractError, one_row::NamedValue};

const QUERY: &str = "completeness";

/// One answer of the completeness query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// The independent row count.
    pub(crate) rows: u64,
    /// In the order of the plan's totals; `None` is NULL.
    pub(crate) totals: Vec<Option<String>>,
}

impl Completeness {
    /// Reads the one row.
    ///
    /// # Errors
    /// [`ExtractError::ControlQuery`] names the column that is missing, there twice, or no count.
    pub(crate) fn read(
        planned: &PlannedCompleteness,
        row: &[NamedValue],
    ) -> Result<Self, ExtractError> {
        let find = |name: &str| -> Result<Option<&str>, ExtractError> {
            let mut named = row.iter().filter(|v| v.name.eq_ignore_ascii_case(name));
            let first = named.next().ok_or_else(|| {
                let names: Vec<&str> = row.iter().map(|v| v.name.as_str()).collect();
                wrong(format!(
                    "it must return a column {name:?}; it returns {names:?}"
                ))
            })?;
            if named.next().is_some() {
                return Err(wrong(format!("it returns the column {name:?} twice")));
            }
            Ok(first.value.as_deref())
        };
        let count = find(&planned.rows)?;
        let rows = count.and_then(|text| text.parse().ok()).ok_or_else(|| {
            wrong(format!(
                "column {:?} is no row count: {count:?}",
                planned.rows
            ))
        })?;
        let totals = planned
            .totals
            .iter()
            .map(|total| find(&total.result).map(|value| value.map(str::to_owned)))
            .collect::<Result<_, _>>()?;
        Ok(Self { rows, totals })
    }

    /// As a segment record keeps it.
    pub(crate) fn record(&self) -> SourceAnswer {
        SourceAnswer {
            rows: self.rows,
            totals: self.totals.clone(),
        }
    }

    /// As a segment record has kept it.
    pub(crate) fn recorded(answer: &SourceAnswer) -> Self {
        Self {
            rows: answer.rows,
            totals: answer.totals.clone(),
        }
    }

    /// Refuses when the second answer differs from this one: somebody posted meanwhile.
    ///
    /// # Errors
    /// [`ExtractError::Moved`] with both values of each difference.
    pub(crate) fn still(
        &self,
        after: &Self,
        planned: &PlannedCompleteness,
    ) -> Result<(), ExtractError> {
        let mut differences = Vec::new();
        if self.rows != after.rows {
            differences.push(format!(
                "{} was {}, is {}",
                planned.rows, self.rows, after.rows
            ));
        }
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".into());
        for ((total, before), after) in planned.totals.iter().zip(&self.totals).zip(&after.totals) {
            if before != after {
                differences.push(format!(
                    "{} was {}, is {}",
                    total.result,
                    show(before),
                    show(after)
                ));
            }
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(ExtractError::Moved { differences })
        }
    }
}

fn wrong(reason: String) -> ExtractError {
    ExtractError::ControlQuery {
        query: QUERY,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_plan::ipe;

    #[test]
    fn a_name_that_is_there_twice_says_nothing() {
        let planned = ipe().completeness;
        let value = |name: &str, value: &str| NamedValue {
            name: name.into(),
            value: Some(value.into()),
        };
        let mut row = vec![value(&planned.rows, "3")];
        row.extend(planned.totals.iter().map(|total| value(&total.result, "1")));
        assert_eq!(Completeness::read(&planned, &row).unwrap().rows, 3);
        // Without regard to case, as SQL Server compares names.
        row.push(value(&planned.rows.to_uppercase(), "4"));
        let error = Completeness::read(&planned, &row).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }
}
