//! Rules of what proves an extract: control totals, witness and negative.

use std::collections::{BTreeMap, BTreeSet};

use super::{column, fits};
use crate::{
    catalog::{
        file::{IpeFile, Sample, TotalFunction},
        locate::{Locator, Step},
        problem::Problem,
    },
    sql_type::SqlType,
    value,
};

fn check_matching(
    file: &IpeFile,
    matching: &BTreeMap<String, String>,
    steps: &[Step<'_>],
    at: &Locator<'_>,
    problems: &mut Vec<Problem>,
) {
    if matching.is_empty() {
        problems.push(at.problem(
            steps,
            "match is empty: every row would match",
            "Name the columns and values that identify the rows",
        ));
    }
    for (name, text) in matching {
        let steps = [steps, &[Step::Key(name)]].concat();
        let Some(column) = column(file, name) else {
            problems.push(at.problem(
                &steps,
                format!("{name:?} is not a column"),
                "Name columns of the contract",
            ));
            continue;
        };
        if column.sample == Sample::Mask {
            problems.push(at.problem(
                &steps,
                format!("{name} is masked, and this value would be in plan and evidence"),
                "Match on columns that hold no personal data",
            ));
        }
        if let Ok(sql_type) = column.sql_type.parse::<SqlType>()
            && let Err(e) = fits(sql_type, text)
        {
            problems.push(at.problem(&steps, e, "Correct the value: no row could match it"));
        }
    }
}

pub(super) fn check(file: &IpeFile, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    let mut results = BTreeSet::from([file.completeness.rows.to_lowercase()]);
    for (index, total) in file.completeness.totals.iter().enumerate() {
        let step = |key| {
            [
                Step::Key("completeness"),
                Step::Key("totals"),
                Step::Index(index),
                Step::Key(key),
            ]
        };
        if !results.insert(total.result.to_lowercase()) {
            problems.push(at.problem(
                &step("result"),
                format!("result {:?} is used twice", total.result),
                "Give each total a result column of its own",
            ));
        }
        let Some(column) = column(file, &total.column) else {
            problems.push(at.problem(
                &step("column"),
                format!("{:?} is not a column", total.column),
                "Name a column of the contract",
            ));
            continue;
        };
        if column.sample == Sample::Mask && total.function != TotalFunction::Sum {
            problems.push(at.problem(
                &step("function"),
                format!(
                    "{} is masked, and its {} is the value of one row",
                    total.column,
                    total.function.as_str()
                ),
                "Use sum, or a column that holds no personal data",
            ));
        }
        let Ok(sql_type) = column.sql_type.parse::<SqlType>() else {
            continue;
        };
        let possible = match total.function {
            TotalFunction::Sum => sql_type.is_exact_number(),
            TotalFunction::Min | TotalFunction::Max => {
                sql_type.is_exact_number() || sql_type.has_date()
            }
        };
        if !possible {
            problems.push(at.problem(
                &step("function"),
                format!("{} of {sql_type} is not exact", total.function.as_str()),
                "Use sum for exact numbers, min and max for exact numbers and dates",
            ));
        }
    }
    let witness = [Step::Key("witness")];
    match (&file.witness.query, &file.witness.matching) {
        (Some(_), None) => {}
        (None, Some(matching)) => check_matching(
            file,
            matching,
            &[Step::Key("witness"), Step::Key("match")],
            at,
            problems,
        ),
        _ => problems.push(at.problem(
            &witness,
            "the witness needs exactly one of query and match",
            "Keep one of them",
        )),
    }
    let negative = &file.negative;
    check_matching(
        file,
        &negative.matching,
        &[Step::Key("negative"), Step::Key("match")],
        at,
        problems,
    );
    let steps = [Step::Key("negative"), Step::Key("parameter")];
    let Some(parameter) = file.parameters.get(&negative.parameter) else {
        problems.push(at.problem(
            &steps,
            format!("{:?} is not a parameter", negative.parameter),
            "Name one under [parameters]",
        ));
        return;
    };
    match (
        &negative.remove,
        &negative.replace,
        &parameter.values,
        &parameter.value,
    ) {
        (Some(value), None, Some(list), _) => {
            if !list.contains(value) {
                problems.push(at.problem(
                    &[Step::Key("negative"), Step::Key("remove")],
                    format!("{value:?} is not in the list"),
                    "Take out a value that is in it",
                ));
            }
            if list.len() < 2 {
                problems.push(at.problem(
                    &steps,
                    "taking out the only value leaves an empty list",
                    "Use replace with a value that occurs nowhere",
                ));
            }
        }
        (None, Some(value), Some(_), _) | (None, Some(value), None, Some(_)) => {
            if let Ok(sql_type) = parameter.sql_type.parse::<SqlType>()
                && let Err(e) = value::parse_parameter(sql_type, value)
            {
                problems.push(at.problem(
                    &[Step::Key("negative"), Step::Key("replace")],
                    e,
                    "Correct the value",
                ));
            }
            if parameter.value.as_ref() == Some(value) {
                problems.push(at.problem(
                    &[Step::Key("negative"), Step::Key("replace")],
                    "the value is the one already bound",
                    "Give another value",
                ));
            }
        }
        (_, _, None, None) => problems.push(at.problem(
            &steps,
            "a parameter derived from the cutoff cannot be perturbed",
            "Name a parameter with value or values",
        )),
        _ => problems.push(at.problem(
            &steps,
            "give remove for a list, or replace",
            "Keep exactly one that suits the parameter",
        )),
    }
}
