//! Rules of the parameters: names, types and values.

use std::collections::BTreeSet;

use crate::{
    catalog::{
        file::IpeFile,
        locate::{Locator, Step},
        problem::Problem,
    },
    sql_type::SqlType,
    value,
};

pub(super) fn check(file: &IpeFile, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    let mut names = BTreeSet::new();
    for (name, parameter) in &file.parameters {
        let steps = [Step::Key("parameters"), Step::Key(name)];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            || name.len() > 100
        {
            problems.push(at.problem(
                &steps,
                format!("{name:?} cannot be a parameter name"),
                "Use letters, digits and _, beginning with a letter, without the at sign",
            ));
        }
        if !names.insert(name.to_lowercase()) {
            problems.push(at.problem(&steps, format!("parameter {name} is declared twice: SQL Server does not tell capital letters apart"), "Keep one of them"));
        }
        if let Some(list) = expands_into(file, name) {
            problems.push(at.problem(
                &steps,
                format!(
                    "@{name} is also the name of a value of the list @{list} once it is expanded"
                ),
                "Give the parameter another name",
            ));
        }
        let given = [
            parameter.from.is_some(),
            parameter.value.is_some(),
            parameter.values.is_some(),
            parameter.partition.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            problems.push(at.problem(
                &steps,
                format!("parameter {name} needs exactly one of from, value, values and partition"),
                "Keep one of them",
            ));
            continue;
        }
        match parameter.sql_type.parse::<SqlType>() {
            Err(e) => {
                problems.push(at.problem(&steps, e, "Write a type such as date or nvarchar(20)"))
            }
            Ok(sql_type) => {
                if parameter.from.is_some() && !sql_type.has_date() {
                    problems.push(at.problem(
                        &steps,
                        format!("{sql_type} cannot hold a date"),
                        "Declare the parameter as date or datetime",
                    ));
                }
                for text in parameter
                    .value
                    .iter()
                    .chain(parameter.values.iter().flatten())
                {
                    if let Err(e) = value::parse_parameter(sql_type, text) {
                        problems.push(at.problem(&steps, e, "Correct the value or the type"));
                    }
                }
                let mut seen = BTreeSet::new();
                if parameter.values.iter().flatten().any(|v| !seen.insert(v)) {
                    problems.push(at.problem(
                        &steps,
                        format!("parameter {name} lists a value twice"),
                        "List each value once",
                    ));
                }
                if parameter.values.as_ref().is_some_and(Vec::is_empty) {
                    problems.push(at.problem(
                        &steps,
                        format!("parameter {name} is an empty list"),
                        "Name at least one value",
                    ));
                }
            }
        }
    }
}

/// The list whose expansion makes a parameter of this name: `accounts` makes `accounts_0`, `accounts_1`, ….
fn expands_into<'f>(file: &'f IpeFile, name: &str) -> Option<&'f String> {
    let (stem, number) = name.rsplit_once('_')?;
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    file.parameters
        .iter()
        .find(|(list, parameter)| {
            numbered && parameter.values.is_some() && list.eq_ignore_ascii_case(stem)
        })
        .map(|(list, _)| list)
}
