//! Static reading of the catalog's T-SQL: what can be known of a query before a server sees it.
//!
//! A query of the catalog must be one SELECT that only reads, that gives the same rows whenever and by whomever it is
//! run, whose columns are the contract's, and whose completeness query is not the same question asked twice.
//! [`check`] reports every breach with file, line, reason and remedy.
//!
//! Not known without a server: whether tables and columns exist, and which types come out. The worker asks the
//! server for that (`sp_describe_first_result_set`) before it extracts.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod baseline;
mod bridge;
mod filters;
mod independence;
mod objects;
mod order;
mod outputs;
mod parameters;
mod partition;
mod query;
mod words;

use std::thread;

use soxauto_domain::catalog::{Catalog, Ipe, Problem};

use query::Query;

/// Stack for reading one IPE. A parser descends as the text nests; [`query`] bounds the nesting, this holds it.
const STACK_BYTES: usize = 256 << 20;

/// Examines every query of a valid catalog. Problems are sorted by file and line.
#[must_use]
pub fn check(catalog: &Catalog) -> Vec<Problem> {
    check_ipes(&catalog.ipes)
}

/// Examines the queries of these IPEs; the rest of the catalog may be wrong.
#[must_use]
pub fn check_ipes(ipes: &[Ipe]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = ipes.iter().flat_map(check_apart).collect();
    problems.sort();
    problems.dedup();
    problems
}

/// Runs [`check_ipe`] on a stack of its own, so that no text can bring the process down.
fn check_apart(ipe: &Ipe) -> Vec<Problem> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name(format!("tsql-{}", ipe.id))
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || check_ipe(ipe))
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| {
                vec![Problem {
                    file: ipe.path.clone(),
                    line: 1,
                    reason: "the queries could not be examined".to_owned(),
                    remedy: "Simplify them; if they are plain T-SQL, report it as a defect of this program".to_owned(),
                }]
            })
    })
}

fn check_ipe(ipe: &Ipe) -> Vec<Problem> {
    let mut problems = baseline::check(ipe);
    let extraction = Query::read(&ipe.file.query, &ipe.sql, &mut problems);
    let completeness = Query::read(
        &ipe.file.completeness.query,
        &ipe.completeness_sql,
        &mut problems,
    );
    let witness = match (&ipe.file.witness.query, &ipe.witness_sql) {
        (Some(name), Some(sql)) => Query::read(name, sql, &mut problems),
        _ => None,
    };
    let bounds = match (&ipe.file.partition, &ipe.partition_sql) {
        (Some(partition), Some(sql)) => Query::read(&partition.query, sql, &mut problems),
        _ => None,
    };
    for query in [&extraction, &completeness, &witness, &bounds]
        .into_iter()
        .flatten()
    {
        words::check(query, &mut problems);
        order::check(query, &mut problems);
        objects::check(query, &mut problems);
        filters::check(query, &ipe.file, &mut problems);
        parameters::assignments(query, &mut problems);
    }
    if let Some(query) = &extraction {
        outputs::extraction(query, ipe, &mut problems);
        parameters::period(query, ipe, &mut problems);
        parameters::negative(query, ipe, &mut problems);
    }
    if let Some(query) = &completeness {
        outputs::completeness(query, ipe, &mut problems);
        parameters::period(query, ipe, &mut problems);
    }
    if let Some(query) = &bounds {
        outputs::bounds(query, &mut problems);
        parameters::period(query, ipe, &mut problems);
    }
    if let Some(query) = &extraction {
        partition::ranges(query, ipe, &mut problems);
    }
    for query in [&completeness, &witness].into_iter().flatten() {
        partition::mark(query, ipe, &mut problems);
    }
    if let Some(query) = &witness {
        outputs::witness(query, ipe, &mut problems);
    }
    if let (Some(extraction), Some(completeness)) = (&extraction, &completeness) {
        independence::check(extraction, completeness, &mut problems);
    }
    problems
}

#[cfg(test)]
mod tests;
