//! The columns that come out: the contract's for the extraction, the declared results for completeness, columns of the
//! contract for the witness.

use std::collections::BTreeSet;

use soxauto_domain::{
    catalog::{Ipe, Problem},
    plan::PlannedPartition,
};
use sqlparser::{
    ast::{Expr, SelectItem, SetExpr, Spanned},
    tokenizer::Span,
};

use crate::query::Query;

/// One column of a SELECT list.
struct Output {
    /// `None` when it has no name.
    name: Option<String>,
    span: Span,
}

/// Reports columns that are not the contract's, in its order, letter for letter.
pub(crate) fn extraction(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let Some(found) = outputs(query, problems) else {
        return;
    };
    let contract: Vec<&str> = ipe
        .file
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    if found.len() == contract.len() {
        for (position, (output, declared)) in found.iter().zip(&contract).enumerate() {
            if let Some(name) = &output.name
                && name != declared
            {
                problems.push(query.problem(
                    output.span,
                    format!(
                        "column {} is {name:?}, but the contract's is {declared:?}",
                        position + 1
                    ),
                    format!(
                        "Make the SELECT list and [[columns]] of {} agree in order and spelling",
                        ipe.path
                    ),
                ));
            }
        }
        return;
    }
    let names: BTreeSet<&str> = found
        .iter()
        .filter_map(|output| output.name.as_deref())
        .collect();
    let missing: Vec<&str> = contract
        .iter()
        .copied()
        .filter(|declared| !names.contains(declared))
        .collect();
    let extra: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !contract.contains(name))
        .collect();
    problems.push(query.problem(
        found.first().map_or(Span::empty(), |output| output.span),
        format!(
            "{} columns, but the contract has {}{}{}",
            found.len(),
            contract.len(),
            list("; not selected: ", &missing),
            list("; not declared: ", &extra)
        ),
        format!("Make the SELECT list and [[columns]] of {} agree", ipe.path),
    ));
}

/// Reports columns of the completeness query that are not declared, and declared ones that it does not return.
pub(crate) fn completeness(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let Some(found) = outputs(query, problems) else {
        return;
    };
    let proof = &ipe.file.completeness;
    let declared: Vec<&str> = std::iter::once(proof.rows.as_str())
        .chain(proof.totals.iter().map(|total| total.result.as_str()))
        .collect();
    for output in &found {
        if let Some(name) = output
            .name
            .as_deref()
            .filter(|name| !declared.contains(name))
        {
            problems.push(query.problem(
                output.span,
                format!(
                    "column {name:?} is not declared under [completeness] of {}",
                    ipe.path
                ),
                "Declare it as rows or as the result of a total, or do not select it",
            ));
        }
    }
    for name in declared {
        let times = found
            .iter()
            .filter(|output| output.name.as_deref() == Some(name))
            .count();
        if times != 1 {
            problems.push(query.problem(
                found.first().map_or(Span::empty(), |output| output.span),
                format!("column {name:?}, declared under [completeness] of {}, is selected {times} times", ipe.path),
                "Select it once, under this name",
            ));
        }
    }
}

/// Reports a bounds query that does not return exactly the lowest and the highest value.
pub(crate) fn bounds(query: &Query<'_>, problems: &mut Vec<Problem>) {
    let Some(found) = outputs(query, problems) else {
        return;
    };
    let names: Vec<Option<&str>> = found.iter().map(|output| output.name.as_deref()).collect();
    let (lowest, highest) = (PlannedPartition::LOWEST, PlannedPartition::HIGHEST);
    if names != [Some(lowest), Some(highest)] {
        problems.push(query.problem(
            found.first().map_or(Span::empty(), |output| output.span),
            format!("the bounds query does not return {lowest} and {highest}, in this order"),
            format!("Select MIN(…) AS {lowest}, MAX(…) AS {highest}"),
        ));
    }
}

/// Reports columns of the witness query that the contract does not have.
pub(crate) fn witness(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let Some(found) = outputs(query, problems) else {
        return;
    };
    let mut seen = BTreeSet::new();
    for output in &found {
        let Some(name) = output.name.as_deref() else {
            continue;
        };
        if !ipe.file.columns.iter().any(|column| column.name == name) {
            problems.push(query.problem(output.span, format!("column {name:?} is not in the contract of {}", ipe.path), "Select columns of the contract only, spelt as there: the witness is looked for by them"));
        }
        if !seen.insert(name) {
            problems.push(query.problem(
                output.span,
                format!("column {name:?} is selected twice"),
                "Select it once",
            ));
        }
    }
}

fn list(before: &str, names: &[&str]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("{before}{}", names.join(", "))
    }
}

/// The columns of the result, named by its first SELECT; `None` when they cannot be known, which is reported.
fn outputs(query: &Query<'_>, problems: &mut Vec<Problem>) -> Option<Vec<Output>> {
    let select = query.select.as_ref()?;
    if select.for_clause.is_some() {
        problems.push(query.problem(
            select.body.span(),
            "FOR XML, JSON or BROWSE changes the form of the result",
            "Return plain rows",
        ));
        return None;
    }
    let mut lists = Vec::new();
    let known = collect(&select.body, &mut lists);
    if !known {
        problems.push(query.problem(
            select.body.span(),
            "the result is not that of a SELECT list",
            "Write SELECT with a list of columns",
        ));
        return None;
    }
    let mut outputs: Vec<Vec<Output>> = Vec::new();
    for list in lists {
        outputs.push(
            list.iter()
                .map(|item| output(query, item, outputs.is_empty(), problems))
                .collect(),
        );
    }
    // With a star the rest would only be a consequence.
    if outputs.iter().flatten().any(|output| output.span == STAR) {
        return None;
    }
    let mut branches = outputs.into_iter();
    let first = branches.next()?;
    for (number, branch) in branches.enumerate() {
        if branch.len() != first.len() {
            problems.push(query.problem(
                branch.first().map_or(Span::empty(), |output| output.span),
                format!(
                    "SELECT {} of the union has {} columns, the first has {}",
                    number + 2,
                    branch.len(),
                    first.len()
                ),
                "Give every SELECT of the union the same columns",
            ));
        }
    }
    Some(first)
}

/// Marks a column that stands for an unknown number of them.
const STAR: Span = Span {
    start: sqlparser::tokenizer::Location {
        line: 0,
        column: u64::MAX,
    },
    end: sqlparser::tokenizer::Location { line: 0, column: 0 },
};

/// The SELECT lists of a union, from left to right; false when a part is no SELECT.
fn collect<'t>(body: &'t SetExpr, lists: &mut Vec<&'t [SelectItem]>) -> bool {
    match body {
        SetExpr::Select(select) => {
            lists.push(&select.projection);
            true
        }
        SetExpr::Query(query) => collect(&query.body, lists),
        SetExpr::SetOperation { left, right, .. } => collect(left, lists) && collect(right, lists),
        _ => false,
    }
}

/// One item; problems of names are those of the first SELECT, which names the result.
fn output(
    query: &Query<'_>,
    item: &SelectItem,
    names_count: bool,
    problems: &mut Vec<Problem>,
) -> Output {
    let name = match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) if !name.value.starts_with('@') => {
            Some(name.value.clone())
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|name| name.value.clone())
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
            problems.push(query.problem(
                item.span(),
                "SELECT * leaves open which columns come out",
                "List the columns",
            ));
            return Output {
                name: None,
                span: STAR,
            };
        }
        _ => None,
    };
    if name.is_none() && names_count {
        problems.push(query.problem(
            item.span(),
            format!("column {item} has no name"),
            "Give it a name with AS",
        ));
    }
    Output {
        name,
        span: item.span(),
    }
}
