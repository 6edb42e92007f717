//! Key ranges: the extraction takes what is above one bound and up to the other, of the column that is declared.

use std::ops::ControlFlow;

use soxauto_domain::catalog::{Ipe, PartitionBound, Problem};
use sqlparser::{
    ast::{BinaryOperator, Expr, SelectItem, SetExpr, Spanned, Visit, Visitor},
    tokenizer::Span,
};

use crate::{parameters::name_of, query::Query};

/// Reports an extraction whose ranges would overlap, leave gaps, or be of another column.
pub(crate) fn ranges(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let (Some(partition), Some(select)) = (&ipe.file.partition, &query.select) else {
        return;
    };
    let column = selected(&select.body, &partition.column);
    for (bound, right) in [
        (PartitionBound::After, BinaryOperator::Gt),
        (PartitionBound::Upto, BinaryOperator::LtEq),
    ] {
        let Some(name) = parameter(ipe, bound) else {
            continue;
        };
        let found = comparisons(query, &name);
        report_others(query, &found, &name, &right, problems);
        let of_column = found
            .iter()
            .any(|c| c.operator == Some(right.clone()) && column.is_some() && c.with == column);
        if !of_column && !found.is_empty() {
            problems.push(query.problem(
                found[0].span,
                format!(
                    "@{name} is not compared with what is selected as {:?}",
                    partition.column
                ),
                format!(
                    "Write {} {right} @{name} in the WHERE of the query",
                    column.as_deref().unwrap_or(&partition.column)
                ),
            ));
        }
    }
}

/// Reports a high-water mark that is no upper bound.
pub(crate) fn mark(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    if let Some(name) = parameter(ipe, PartitionBound::HighWaterMark) {
        let found = comparisons(query, &name);
        report_others(query, &found, &name, &BinaryOperator::LtEq, problems);
    }
}

fn report_others(
    query: &Query<'_>,
    found: &[Comparison],
    name: &str,
    right: &BinaryOperator,
    problems: &mut Vec<Problem>,
) {
    for comparison in found.iter().filter(|c| c.operator.as_ref() != Some(right)) {
        let how = comparison
            .operator
            .as_ref()
            .map_or("in another way".to_owned(), |o| format!("with {o}"));
        problems.push(query.problem(
            comparison.span,
            format!("@{name} is used {how}"),
            format!("Compare a column with it: {right} @{name}"),
        ));
    }
}

fn parameter(ipe: &Ipe, bound: PartitionBound) -> Option<String> {
    let mut all = ipe.file.parameters.iter();
    all.find(|(_, p)| p.partition == Some(bound))
        .map(|(name, _)| name.to_lowercase())
}

/// One use of a parameter.
struct Comparison {
    /// As if the parameter stood on the right; `None` when it is not compared.
    operator: Option<BinaryOperator>,
    /// The other side without its casts, in small letters.
    with: Option<String>,
    span: Span,
}

fn comparisons(query: &Query<'_>, name: &str) -> Vec<Comparison> {
    let mut uses = Uses {
        name,
        found: Vec::new(),
        seen: 0,
    };
    if let Some(select) = &query.select {
        let _ = select.visit(&mut uses);
    }
    let Uses {
        mut found, seen, ..
    } = uses;
    for _ in found.len()..seen {
        found.push(Comparison {
            operator: None,
            with: None,
            span: Span::empty(),
        });
    }
    found
}

struct Uses<'n> {
    name: &'n str,
    found: Vec<Comparison>,
    /// All uses, compared or not.
    seen: usize,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let is_it = |e: &Expr| name_of(e).as_deref() == Some(self.name);
        match expr {
            Expr::BinaryOp { left, op, right } if is_it(left) != is_it(right) => {
                let (operator, other, it) = if is_it(right) {
                    (op.clone(), left, right)
                } else {
                    (mirrored(op), right, left)
                };
                self.found.push(Comparison {
                    operator: Some(operator),
                    with: Some(plain(other)),
                    span: it.span(),
                });
            }
            Expr::Identifier(_) if is_it(expr) => self.seen += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

pub(crate) fn mirrored(op: &BinaryOperator) -> BinaryOperator {
    match op {
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        other => other.clone(),
    }
}

/// The expression without parentheses and casts around it, as SQL Server compares names.
fn plain(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::Convert { expr: inner, .. } => plain(inner),
        other => other
            .to_string()
            .replace(['[', ']', '"'], "")
            .to_lowercase(),
    }
}

/// What is selected under the name, if it is one SELECT that does so.
fn selected(body: &SetExpr, name: &str) -> Option<String> {
    let SetExpr::Select(select) = body else {
        return None;
    };
    select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if alias.value == name => Some(plain(expr)),
        SelectItem::UnnamedExpr(expr @ Expr::Identifier(found)) if found.value == name => {
            Some(plain(expr))
        }
        SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(parts))
            if parts.last().is_some_and(|last| last.value == name) =>
        {
            Some(plain(expr))
        }
        _ => None,
    })
}
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use soxauto_domain::catalog::inspect;

    use crate::check_ipes;

    /// The problems of the compiled-in IPE_07 with one replacement in one of its texts.
    fn problems(file: &str, from: &str, to: &str) -> Vec<String> {
        let mut files: BTreeMap<String, String> = soxauto_catalog::files();
        files.retain(|name, _| name.starts_with("IPE_07.") || name == "control.toml");
        let text = files.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *text = text.replace(from, to);
        let found = check_ipes(&inspect(&files).ipes);
        found
            .iter()
            .map(|p| format!("{}: {}", p.file, p.reason))
            .collect()
    }

    #[test]
    fn ranges_that_overlap_leave_gaps_or_are_of_another_column_are_refused() {
        const MAIN: &str = "IPE_07.sql";
        assert_eq!(
            problems(
                MAIN,
                "e.[Entry No_] > @after",
                "CAST(E.\"entry no_\" AS bigint) > (@after)"
            ),
            [""; 0]
        );
        assert_eq!(
            problems(MAIN, "e.[Entry No_] > @after", "@after < e.[Entry No_]"),
            [""; 0]
        );
        for (from, to, reason) in [
            (
                "e.[Entry No_] > @after",
                "e.[Entry No_] >= @after",
                "@after is used with >=",
            ),
            (
                "e.[Entry No_] <= @upto",
                "e.[Entry No_] < @upto",
                "@upto is used with <",
            ),
            (
                "e.[Entry No_] > @after",
                "e.[Entry No_] BETWEEN @after AND 7",
                "@after is used in another way",
            ),
            (
                "e.[Entry No_] > @after",
                "e.[Entry No_] + @after > 0",
                "@after is used with +",
            ),
            (
                "e.[Entry No_] > @after",
                "e.[Transaction No_] > @after",
                "@after is not compared with what is selected as \"entry_no\"",
            ),
        ] {
            let found = problems(MAIN, from, to);
            assert!(found.iter().any(|p| p.contains(reason)), "{to}: {found:#?}");
        }
        let found = problems(
            "IPE_07.completeness.sql",
            "<= @high_water_mark",
            "< @high_water_mark",
        );
        assert!(
            found[0].contains("@high_water_mark is used with <"),
            "{found:#?}"
        );
    }

    #[test]
    fn the_bounds_query_returns_the_lowest_and_the_highest_value_of_the_period() {
        const BOUNDS: &str = "IPE_07.partition.sql";
        assert_eq!(problems(BOUNDS, "AS lowest", "AS lowest"), [""; 0]);
        let found = problems(BOUNDS, "AS highest", "AS high");
        assert!(
            found[0].contains("does not return lowest and highest"),
            "{found:#?}"
        );
        let found = problems(BOUNDS, "< @cutoff", "< '2024-05-01'");
        assert!(
            found.iter().any(|p| p.contains("ignores the period")),
            "{found:#?}"
        );
    }
}
