//! Rules of the contract: names, types, bounds and the key.

use std::collections::BTreeSet;

use super::{column, fits, names::is_column_name};
use crate::{
    catalog::{
        file::IpeFile,
        locate::{Locator, Step},
        model::{MAX_COLUMNS, TRACEABILITY_COLUMNS},
        problem::Problem,
    },
    sql_type::SqlType,
    value,
};

pub(super) fn check(file: &IpeFile, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    if file.columns.is_empty() || file.columns.len() > MAX_COLUMNS {
        problems.push(at.problem(
            &[Step::Key("columns")],
            format!("{} columns", file.columns.len()),
            format!("Declare 1 to {MAX_COLUMNS} columns"),
        ));
    }
    let mut names = BTreeSet::new();
    for (index, column) in file.columns.iter().enumerate() {
        let step = |key| [Step::Key("columns"), Step::Index(index), Step::Key(key)];
        if !is_column_name(&column.name)
            || TRACEABILITY_COLUMNS
                .iter()
                .any(|t| column.name.eq_ignore_ascii_case(t))
        {
            problems.push(at.problem(&step("name"), format!("{:?} cannot be a column name", column.name), "Use 1 to 127 characters without quotes or control characters, and not a traceability column's name"));
        }
        if !names.insert(column.name.to_lowercase()) {
            problems.push(at.problem(
                &step("name"),
                format!("column {:?} is declared twice", column.name),
                "Give every column a name of its own",
            ));
        }
        let sql_type = match column.sql_type.parse::<SqlType>() {
            Ok(sql_type) => sql_type,
            Err(e) => {
                problems.push(at.problem(
                    &step("type"),
                    e,
                    "Write a type such as nvarchar(20), decimal(38,20) or datetime",
                ));
                continue;
            }
        };
        for (key, bound) in [("min", &column.min), ("max", &column.max)] {
            let Some(bound) = bound else { continue };
            let fits = sql_type
                .scale()
                .is_some_and(|scale| value::parse_decimal(bound, scale).is_some());
            if !fits {
                problems.push(at.problem(
                    &step(key),
                    format!("{bound:?} is not a bound for {sql_type}"),
                    "Give plain digits, and only for exact numbers",
                ));
            }
        }
        if let (Some(min), Some(max), Some(scale)) = (&column.min, &column.max, sql_type.scale())
            && let (Some(low), Some(high)) = (
                value::parse_decimal(min, scale),
                value::parse_decimal(max, scale),
            )
            && low > high
        {
            problems.push(at.problem(
                &step("min"),
                format!("min {min} is above max {max}: no row could pass"),
                "Exchange or correct the bounds",
            ));
        }
        for (key, bound) in [("from", column.from), ("before", column.before)] {
            if bound.is_some() && !sql_type.has_date() {
                problems.push(at.problem(
                    &step(key),
                    format!("{sql_type} has no date"),
                    "Use from and before for dates only",
                ));
            }
        }
        if column.rounding.is_some()
            && !matches!(
                sql_type,
                SqlType::DateTime2(_) | SqlType::DateTimeOffset(_) | SqlType::Time(_)
            )
        {
            problems.push(at.problem(
                &step("rounding"),
                format!("{sql_type} has no digits below a microsecond"),
                "Remove rounding",
            ));
        }
        if let Some(accepted) = &column.accepted {
            if accepted.is_empty() {
                problems.push(at.problem(
                    &step("accepted"),
                    "the list is empty",
                    "Name the accepted values or remove the line",
                ));
            }
            if !sql_type.is_text() && !sql_type.is_exact_number() && sql_type != SqlType::Bit {
                problems.push(at.problem(
                    &step("accepted"),
                    format!("values of {sql_type} cannot be listed"),
                    "List values of texts, exact numbers and bits only",
                ));
            } else {
                for text in accepted {
                    if let Err(e) = fits(sql_type, text) {
                        problems.push(at.problem(
                            &step("accepted"),
                            e,
                            "Correct the value or the column's type",
                        ));
                    }
                }
            }
        }
    }
    if file.key.is_empty() {
        problems.push(at.problem(
            &[Step::Key("key")],
            "the key is empty",
            "Name the columns that identify a row",
        ));
    }
    for name in &file.key {
        match column(file, name) {
            None => problems.push(at.problem(
                &[Step::Key("key")],
                format!("{name:?} is not a column"),
                "Name columns of the contract",
            )),
            Some(column) if column.nullable => {
                problems.push(at.problem(
                    &[Step::Key("key")],
                    format!("key column {name:?} is nullable"),
                    "Declare it nullable = false; a key has no NULL",
                ));
            }
            Some(_) => {}
        }
    }
}
