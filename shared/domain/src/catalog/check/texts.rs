//! Rules between the texts and the parameters: declared, used, and perturbed where it counts.

use std::collections::BTreeSet;

use crate::{
    bind::{self, BindError},
    catalog::{
        locate::{Locator, Step},
        model::Ipe,
        problem::Problem,
    },
};

/// Looks for the parameters of every text, so that undeclared and unused parameters are found before a run.
pub(super) fn check(ipe: &Ipe, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    let mut used = BTreeSet::new();
    let mut readable = true;
    let file = &ipe.file;
    let texts = [
        Some((&file.query, &ipe.sql)),
        Some((&file.completeness.query, &ipe.completeness_sql)),
        file.witness.query.as_ref().zip(ipe.witness_sql.as_ref()),
        file.partition
            .as_ref()
            .map(|partition| &partition.query)
            .zip(ipe.partition_sql.as_ref()),
    ];
    for (name, sql) in texts.into_iter().flatten() {
        match bind::uses(sql) {
            Err(e) => {
                readable = false;
                let line = if let BindError::Unterminated(line) = e {
                    line
                } else {
                    1
                };
                problems.push(Problem {
                    file: name.clone(),
                    line,
                    reason: "a string, quoted name or comment does not end".into(),
                    remedy: "Close it".into(),
                });
            }
            Ok(uses) => {
                for one in uses {
                    match file
                        .parameters
                        .keys()
                        .find(|p| p.eq_ignore_ascii_case(&one.name))
                    {
                        Some(parameter) => {
                            used.insert(parameter.clone());
                        }
                        None => problems.push(Problem {
                            file: name.clone(),
                            line: one.line,
                            reason: format!("@{} is not declared", one.name),
                            remedy: format!("Declare it under [parameters] of {}", ipe.path),
                        }),
                    }
                }
            }
        }
    }
    if !readable {
        return;
    }
    for name in file.parameters.keys().filter(|name| !used.contains(*name)) {
        problems.push(at.problem(
            &[Step::Key("parameters"), Step::Key(name)],
            format!("parameter {name} is used by no query"),
            "Use it or remove it",
        ));
    }
    let in_main = bind::uses(&ipe.sql).is_ok_and(|uses| {
        uses.iter()
            .any(|u| u.name.eq_ignore_ascii_case(&file.negative.parameter))
    });
    if !in_main && file.parameters.contains_key(&file.negative.parameter) {
        problems.push(at.problem(
            &[Step::Key("negative"), Step::Key("parameter")],
            "the extraction query does not use the parameter",
            "Perturb a filter of the extraction query",
        ));
    }
}
