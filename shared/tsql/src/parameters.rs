//! Where parameters are used: in a filter for the one that the negative changes, and at all for the period.

use std::{collections::BTreeSet, ops::ControlFlow};

use soxauto_domain::catalog::{Ipe, Problem};
use sqlparser::{
    ast::{
        Expr, Ident, JoinConstraint, JoinOperator, Select, SelectItem, TableFactor, TableWithJoins,
        Visit, Visitor,
    },
    tokenizer::{Span, Token},
};

use crate::query::Query;

/// The parameter's name in small letters without its at sign, if the expression is one, cast or not.
pub(crate) fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => name.value.strip_prefix('@').map(str::to_lowercase),
        Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::Convert { expr: inner, .. } => name_of(inner),
        _ => None,
    }
}

/// Reports assignments such as `SELECT @x = …`, which return no rows.
pub(crate) fn assignments(query: &Query<'_>, problems: &mut Vec<Problem>) {
    if let Some(select) = &query.select {
        let _ = select.visit(&mut Assignments { query, problems });
    }
}

struct Assignments<'a, 'q> {
    query: &'a Query<'q>,
    problems: &'a mut Vec<Problem>,
}

impl Visitor for Assignments<'_, '_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item
                && alias.value.starts_with('@')
                && alias.quote_style.is_none()
            {
                self.problems.push(self.query.problem(
                    alias.span,
                    format!("{} is assigned instead of selected", alias.value),
                    "Select the value under a column name",
                ));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Reports a query that ignores the period: no parameter derived from the cutoff occurs in it.
pub(crate) fn period(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let used = query.tokens.iter().any(|token| {
        matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.strip_prefix('@').is_some_and(|name| {
            ipe.file.parameters.iter().any(|(declared, p)| p.from.is_some() && declared.eq_ignore_ascii_case(name))
        }))
    });
    if !used {
        problems.push(query.problem(
            Span::empty(),
            "the query ignores the period: no parameter derived from the cutoff is used",
            "Filter by a parameter declared with from = \"cutoff\" or another derived date",
        ));
    }
}

/// Reports a negative whose parameter is in no filter of the extraction: changing it could not take a row away.
pub(crate) fn negative(query: &Query<'_>, ipe: &Ipe, problems: &mut Vec<Problem>) {
    let Some(select) = &query.select else { return };
    let mut filters = InFilters::default();
    let _ = select.visit(&mut filters);
    let wanted = ipe.file.negative.parameter.to_lowercase();
    // A parameter that is not used at all is reported with the catalog's file.
    let place = query.tokens.iter().find(|token| {
        matches!(&token.token, Token::Word(word) if word.value.strip_prefix('@').is_some_and(|name| name.to_lowercase() == wanted))
    });
    if let Some(place) = place
        && !filters.names.contains(&wanted)
    {
        problems.push(query.problem(
            place.span,
            format!("@{wanted}, which the negative changes, is in no filter"),
            "Use it in WHERE, HAVING or ON, or let the negative change a parameter that is",
        ));
    }
}

/// The parameters in WHERE, HAVING and ON, at any depth.
#[derive(Default)]
struct InFilters {
    names: BTreeSet<String>,
}

impl InFilters {
    fn take(&mut self, filter: &Expr) {
        let _ = filter.visit(&mut Names(&mut self.names));
    }

    fn take_joins(&mut self, table: &TableWithJoins) {
        for join in &table.joins {
            if let Some(JoinConstraint::On(on)) = constraint(&join.join_operator) {
                self.take(on);
            }
        }
    }
}

impl Visitor for InFilters {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for filter in select.selection.iter().chain(&select.having) {
            self.take(filter);
        }
        for table in &select.from {
            self.take_joins(table);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::NestedJoin {
            table_with_joins, ..
        } = factor
        {
            self.take_joins(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

struct Names<'a>(&'a mut BTreeSet<String>);

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<()> {
        self.0
            .extend(ident.value.strip_prefix('@').map(str::to_lowercase));
        ControlFlow::Continue(())
    }
}

fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::CrossJoin(c) => Some(c),
        _ => None,
    }
}
