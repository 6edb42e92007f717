//! Rules of the partition: its column, its bounds, and where they are used.

use std::collections::BTreeMap;

use super::column;
use crate::{
    bind,
    catalog::{
        file::{IpeFile, PartitionBound},
        locate::{Locator, Step},
        model::Ipe,
        problem::Problem,
    },
    partition::integer_bounds,
    sql_type::SqlType,
};

/// Ranges with fewer rows would cost more in queries than they save in time.
const FEWEST_ROWS: u64 = 1_000;

/// What the TOML file alone can break.
pub(super) fn check(file: &IpeFile, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    let mut bounds: BTreeMap<PartitionBound, &String> = BTreeMap::new();
    for (name, parameter) in &file.parameters {
        let Some(bound) = parameter.partition else {
            continue;
        };
        let steps = [Step::Key("parameters"), Step::Key(name)];
        if file.partition.is_none() {
            problems.push(at.problem(
                &steps,
                format!("parameter {name} is a bound of a range, and there is no [partition]"),
                "Declare [partition], or give the parameter a value",
            ));
        }
        if let Some(other) = bounds.insert(bound, name) {
            problems.push(at.problem(
                &steps,
                format!("{other} is bound to {} already", bound.as_str()),
                "Keep one parameter for each bound",
            ));
        }
    }
    let Some(partition) = &file.partition else {
        return;
    };
    let step = |key| [Step::Key("partition"), Step::Key(key)];
    for bound in [PartitionBound::After, PartitionBound::Upto] {
        if !bounds.contains_key(&bound) {
            let name = bound.as_str();
            problems.push(at.problem(
                &[Step::Key("partition")],
                format!("no parameter is bound to {name}"),
                format!(
                    "Declare it under [parameters]: {name} = {{ type = \"int\", partition = \"{name}\" }}"
                ),
            ));
        }
    }
    if partition.rows_per_range < FEWEST_ROWS {
        problems.push(at.problem(
            &step("rows_per_range"),
            format!("ranges of {} rows are too small", partition.rows_per_range),
            format!("Give at least {FEWEST_ROWS}; some hundred thousand are usual"),
        ));
    }
    let Some(column) = column(file, &partition.column) else {
        problems.push(at.problem(
            &step("column"),
            format!("{:?} is not a column", partition.column),
            "Name a column of the contract",
        ));
        return;
    };
    if column.nullable {
        problems.push(at.problem(
            &step("column"),
            format!(
                "{} is nullable, and a row with NULL is in no range",
                column.name
            ),
            "Name a column with nullable = false",
        ));
    }
    let integers = |text: &str| text.parse::<SqlType>().ok().and_then(integer_bounds);
    let Some((lowest, highest)) = integers(&column.sql_type) else {
        problems.push(at.problem(
            &step("column"),
            format!("{} is {}, no integer", column.name, column.sql_type),
            "Name a column of type tinyint, smallint, int or bigint",
        ));
        return;
    };
    for name in bounds.values() {
        let declared = &file.parameters[*name].sql_type;
        // A range begins one below its first value: a tinyint has nothing below 0.
        let fits = integers(declared)
            .is_some_and(|(low, high)| low <= lowest && highest <= high && low < 0);
        if !fits {
            problems.push(at.problem(
                &[Step::Key("parameters"), Step::Key(name)],
                format!("{declared} does not hold every bound of {}", column.name),
                "Declare it as int or bigint, not narrower than the column",
            ));
        }
    }
}

/// What the queries can break: each bound has its place.
pub(super) fn texts(ipe: &Ipe, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    let file = &ipe.file;
    let uses = |sql: &str, name: &str| {
        bind::uses(sql).is_ok_and(|uses| uses.iter().any(|u| u.name.eq_ignore_ascii_case(name)))
    };
    for (name, parameter) in &file.parameters {
        let Some(bound) = parameter.partition else {
            continue;
        };
        let is_mark = bound == PartitionBound::HighWaterMark;
        let mut wrong = |reason: String, remedy: &str| {
            problems.push(at.problem(&[Step::Key("parameters"), Step::Key(name)], reason, remedy));
        };
        match (is_mark, uses(&ipe.sql, name)) {
            (true, true) => wrong(
                format!(
                    "the extraction query uses @{name}: its ranges end at the mark by themselves"
                ),
                "Use it in completeness and witness",
            ),
            (false, false) => wrong(
                format!("the extraction query does not use @{name}: every range would be all rows"),
                "Filter the column: above the parameter bound to after, up to the one bound to upto",
            ),
            _ => {}
        }
        let others = [
            ("completeness", Some(&ipe.completeness_sql), is_mark),
            ("witness", ipe.witness_sql.as_ref(), is_mark),
            ("bounds", ipe.partition_sql.as_ref(), false),
        ];
        for (query, sql, allowed) in others {
            if !allowed && sql.is_some_and(|sql| uses(sql, name)) {
                wrong(
                    format!("the {query} query uses @{name}, which is not known then"),
                    "Bounds of a range belong to the extraction, the high-water mark to completeness and witness",
                );
            }
        }
    }
}
