//! Checks of single columns: not null, accepted values, range, period.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use soxauto_content::Cells;
use soxauto_domain::{
    CheckKind, CheckOutcome, SqlType, catalog::Sample, plan::ColumnContract, value::parse_decimal,
};

use super::wanted::Wanted;
use crate::{
    canonical,
    error::ExtractError,
    view::{MICROS_PER_DAY, Reading as _, cells},
};

/// Examples that an outcome keeps.
const EXAMPLES: usize = 10;

/// One check of one column.
#[derive(Debug)]
pub(crate) struct ColumnCheck {
    column: String,
    masked: bool,
    kind: CheckKind,
    rule: Rule,
    expected: String,
    offending: u64,
    examples: Vec<String>,
    rows: u64,
}

#[derive(Debug)]
enum Rule {
    NotNull,
    Texts {
        accepted: HashSet<String>,
        padded: bool,
    },
    Numbers(HashSet<i128>),
    Bits(HashSet<bool>),
    Range {
        min: Option<i128>,
        max: Option<i128>,
    },
    Period {
        from: Option<i64>,
        before: Option<i64>,
    },
    /// The catalog's bound cannot be read as the column's type.
    Broken(String),
}

/// The checks that the contract declares, in the order of its columns.
pub(crate) fn declared(columns: &[ColumnContract]) -> Vec<ColumnCheck> {
    let mut checks = Vec::new();
    for column in columns {
        let mut add = |kind, rule, expected: String| {
            checks.push(ColumnCheck {
                column: column.name.clone(),
                masked: column.sample == Sample::Mask,
                kind,
                rule,
                expected,
                offending: 0,
                examples: Vec::new(),
                rows: 0,
            });
        };
        if !column.nullable {
            add(CheckKind::NotNull, Rule::NotNull, "no NULL".into());
        }
        if let Some(accepted) = &column.accepted {
            add(
                CheckKind::AcceptedValues,
                accepted_rule(column, accepted),
                format!("one of {}", accepted.join(", ")),
            );
        }
        if column.min.is_some() || column.max.is_some() {
            add(
                CheckKind::Range,
                range_rule(column),
                between(column.min.as_deref(), "from", column.max.as_deref(), "to"),
            );
        }
        if column.from.is_some() || column.before.is_some() {
            let micros = |date| i64::from(canonical::days_since_1970(date)) * MICROS_PER_DAY;
            let rule = if matches!(column.sql_type, SqlType::DateTimeOffset(_)) {
                // The bounds are days of the control's time zone, the extract holds UTC: hours at the edge would differ.
                Rule::Broken(
                    "the bounds are days without an offset; CAST the column to datetime2 in the control's time zone"
                        .into(),
                )
            } else {
                Rule::Period {
                    from: column.from.map(micros),
                    before: column.before.map(micros),
                }
            };
            let text = |date: Option<jiff::civil::Date>| date.map(|d| d.to_string());
            add(
                CheckKind::Period,
                rule,
                between(
                    text(column.from).as_deref(),
                    "from",
                    text(column.before).as_deref(),
                    "before",
                ),
            );
        }
    }
    checks
}

fn between(low: Option<&str>, low_word: &str, high: Option<&str>, high_word: &str) -> String {
    let parts: Vec<String> = [(low, low_word), (high, high_word)]
        .into_iter()
        .filter_map(|(bound, word)| bound.map(|bound| format!("{word} {bound}")))
        .collect();
    parts.join(" ")
}

fn accepted_rule(column: &ColumnContract, accepted: &[String]) -> Rule {
    let mut texts = HashSet::new();
    let mut numbers = HashSet::new();
    let mut bits = HashSet::new();
    for value in accepted {
        match Wanted::parse(column, Some(value)) {
            Ok(Wanted::Text(text) | Wanted::Padded(text)) => drop(texts.insert(text)),
            Ok(Wanted::Number(number)) => drop(numbers.insert(number)),
            Ok(Wanted::Bit(bit)) => drop(bits.insert(bit)),
            Ok(_) => {
                return Rule::Broken(format!("values of {} cannot be listed", column.sql_type));
            }
            Err(why) => return Rule::Broken(why),
        }
    }
    match column.sql_type {
        SqlType::Bit => Rule::Bits(bits),
        t if t.is_exact_number() => Rule::Numbers(numbers),
        t => Rule::Texts {
            accepted: texts,
            padded: matches!(t, SqlType::Char(_) | SqlType::NChar(_)),
        },
    }
}

fn range_rule(column: &ColumnContract) -> Rule {
    let Some(scale) = column.sql_type.scale() else {
        return Rule::Broken(format!("{} is no exact number", column.sql_type));
    };
    let mut bounds = [None, None];
    for (bound, text) in bounds.iter_mut().zip([&column.min, &column.max]) {
        if let Some(text) = text {
            let Some(number) = parse_decimal(text, scale) else {
                return Rule::Broken(format!("{text:?} is not a number of {}", column.sql_type));
            };
            *bound = Some(number);
        }
    }
    Rule::Range {
        min: bounds[0],
        max: bounds[1],
    }
}

impl ColumnCheck {
    /// Looks at a batch.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let array = batch.column_by_name(&self.column).ok_or_else(|| {
            ExtractError::Internal(format!("no column {:?} in the batch", self.column))
        })?;
        let view = cells(array.as_ref())?;
        // The common case costs nothing per row.
        let nothing_to_find = matches!(self.rule, Rule::NotNull) && view.null_count() == 0;
        if !nothing_to_find {
            for row in 0..batch.num_rows() {
                if self.offends(&view, row) {
                    self.note(&view, row);
                }
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn offends(&self, view: &Cells<'_>, row: usize) -> bool {
        if view.is_null(row) {
            return matches!(self.rule, Rule::NotNull);
        }
        match &self.rule {
            Rule::NotNull => false,
            Rule::Texts { accepted, padded } => match view {
                Cells::Text(texts) => {
                    let text = texts.value(row);
                    !accepted.contains(if *padded {
                        text.trim_end_matches(' ')
                    } else {
                        text
                    })
                }
                _ => true,
            },
            Rule::Numbers(accepted) => view.number(row).is_none_or(|n| !accepted.contains(&n)),
            Rule::Bits(accepted) => match view {
                Cells::Boolean(bits) => !accepted.contains(&bits.value(row)),
                _ => true,
            },
            Rule::Range { min, max } => view
                .number(row)
                .is_none_or(|n| min.is_some_and(|m| n < m) || max.is_some_and(|m| n > m)),
            Rule::Period { from, before } => view
                .micros(row)
                .is_none_or(|at| from.is_some_and(|f| at < f) || before.is_some_and(|b| at >= b)),
            Rule::Broken(_) => true,
        }
    }

    fn note(&mut self, view: &Cells<'_>, row: usize) {
        self.offending += 1;
        if self.examples.len() < EXAMPLES {
            let value = match view.canonical(row) {
                None => "NULL".to_owned(),
                Some(_) if self.masked => "not shown".to_owned(),
                Some(text) => canonical::shorten(&text).trim_matches('"').to_owned(),
            };
            self.examples
                .push(format!("row {}: {value}", self.rows + row as u64 + 1));
        }
    }

    /// The outcome.
    pub(crate) fn outcome(self) -> CheckOutcome {
        let broken = match &self.rule {
            Rule::Broken(why) => Some(why.clone()),
            _ => None,
        };
        let holds = self.offending == 0 && broken.is_none();
        let measured = broken.map_or_else(
            || format!("{} of {} rows offend", self.offending, self.rows),
            |why| format!("not evaluated: {why}"),
        );
        let mut outcome = CheckOutcome::new(
            self.kind,
            Some(&self.column),
            holds,
            self.expected,
            measured,
        );
        outcome.examples = self.examples;
        outcome
    }
}
