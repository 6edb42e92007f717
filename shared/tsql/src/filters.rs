//! The cutoff is an exclusive bound, and a list stands in `IN (…)`.

use std::{collections::BTreeSet, ops::ControlFlow};

use soxauto_domain::catalog::{IpeFile, ParameterSource, Problem};
use sqlparser::ast::{BinaryOperator, Expr, Spanned, Visit, Visitor};

use crate::{parameters::name_of, partition::mirrored, query::Query};

const EXCLUSIVE: &str = "The cutoff is the first day after the period: compare with < @cutoff or >= @cutoff, or use closing_date for the last day";

/// Reports comparisons that include the cutoff, and lists outside of `IN (…)`.
pub(crate) fn check(query: &Query<'_>, file: &IpeFile, problems: &mut Vec<Problem>) {
    let Some(select) = &query.select else { return };
    let lower = |wanted: &dyn Fn(&soxauto_domain::catalog::Parameter) -> bool| -> BTreeSet<String> {
        file.parameters
            .iter()
            .filter(|(_, p)| wanted(p))
            .map(|(name, _)| name.to_lowercase())
            .collect()
    };
    let mut filters = Filters {
        query,
        problems,
        cutoffs: lower(&|p| p.from == Some(ParameterSource::Cutoff)),
        lists: lower(&|p| p.values.is_some()),
        listed: BTreeSet::new(),
    };
    let _ = select.visit(&mut filters);
}

struct Filters<'a, 'q> {
    query: &'a Query<'q>,
    problems: &'a mut Vec<Problem>,
    cutoffs: BTreeSet<String>,
    lists: BTreeSet<String>,
    /// Line and column of the list parameters that stand in `IN (…)`.
    listed: BTreeSet<(u64, u64)>,
}

impl Filters<'_, '_> {
    fn is_cutoff(&self, expr: &Expr) -> bool {
        name_of(expr).is_some_and(|name| self.cutoffs.contains(&name))
    }

    fn inclusive(&mut self, expr: &Expr, how: &str) {
        self.problems.push(self.query.problem(
            expr.span(),
            format!("the cutoff is compared with {how}"),
            EXCLUSIVE,
        ));
    }
}

impl Visitor for Filters<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op, right } => {
                // As if the cutoff stood on the right.
                let op = if self.is_cutoff(right) {
                    Some(op.clone())
                } else {
                    self.is_cutoff(left).then(|| mirrored(op))
                };
                if let Some(
                    op @ (BinaryOperator::Eq
                    | BinaryOperator::NotEq
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt),
                ) = op
                {
                    let side = if self.is_cutoff(right) { right } else { left };
                    self.inclusive(side, &op.to_string());
                }
            }
            Expr::Between { high, .. } if self.is_cutoff(high) => {
                self.inclusive(high, "BETWEEN, which includes it")
            }
            Expr::InList { list, .. } => {
                for element in list {
                    if self.is_cutoff(element) {
                        self.inclusive(element, "IN");
                    }
                    if let Expr::Identifier(name) = element {
                        self.listed
                            .insert((name.span.start.line, name.span.start.column));
                    }
                }
            }
            Expr::Identifier(name) => {
                let is_list = name
                    .value
                    .strip_prefix('@')
                    .is_some_and(|name| self.lists.contains(&name.to_lowercase()));
                if is_list
                    && !self
                        .listed
                        .contains(&(name.span.start.line, name.span.start.column))
                {
                    self.problems.push(self.query.problem(
                        name.span,
                        format!("{} is a list and stands outside of IN (…)", name.value),
                        format!("Write IN ({}): the list is expanded there", name.value),
                    ));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
