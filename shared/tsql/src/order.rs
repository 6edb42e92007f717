//! Rows and numbers that depend on an order must name one.

use std::ops::ControlFlow;

use soxauto_domain::catalog::Problem;
use sqlparser::ast::{
    self, Expr, FunctionArguments, OrderByExpr, OrderByKind, Select, SetExpr, Spanned, Value,
    Visit, Visitor, WindowType,
};

use crate::query::Query;

/// Window functions whose value depends on the order of rows.
const ORDERED: &[&str] = &[
    "row_number",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
];

/// Reports TOP and FETCH without ORDER BY, window functions without an order, and STRING_AGG without one.
pub(crate) fn check(query: &Query<'_>, problems: &mut Vec<Problem>) {
    if let Some(select) = &query.select {
        let _ = select.visit(&mut Orders { query, problems });
    }
}

struct Orders<'a, 'q> {
    query: &'a Query<'q>,
    problems: &'a mut Vec<Problem>,
}

impl Visitor for Orders<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, part: &ast::Query) -> ControlFlow<()> {
        let ordered = match part.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(list)) => !is_no_order(list),
            _ => false,
        };
        let lone = matches!(*part.body, SetExpr::Select(_));
        let mut selects = Vec::new();
        branches(&part.body, &mut selects);
        for select in selects.into_iter().filter(|select| select.top.is_some()) {
            if !(lone && ordered) {
                self.problems.push(self.query.problem(
                    select.select_token.0.span,
                    "TOP without ORDER BY takes rows by chance",
                    "Order by columns that identify a row; in a union, put the SELECT with TOP into a derived table",
                ));
            }
        }
        if (part.fetch.is_some() || part.limit_clause.is_some()) && !ordered {
            self.problems.push(self.query.problem(
                part.body.span(),
                "OFFSET and FETCH without ORDER BY take rows by chance",
                "Order by columns that identify a row",
            ));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let name = function.name.to_string().to_lowercase();
        if let Some(WindowType::WindowSpec(window)) = &function.over
            && ORDERED.contains(&name.as_str())
            && is_no_order(&window.order_by)
        {
            self.problems.push(self.query.problem(
                function.name.span(),
                format!("{} without an order depends on chance", name.to_uppercase()),
                "Order by columns that identify a row within the partition",
            ));
        }
        let list_order =
            matches!(&function.args, FunctionArguments::List(list) if !list.clauses.is_empty());
        if name == "string_agg" && function.within_group.is_empty() && !list_order {
            self.problems.push(self.query.problem(
                function.name.span(),
                "STRING_AGG without an order depends on chance",
                "Add WITHIN GROUP (ORDER BY …)",
            ));
        }
        ControlFlow::Continue(())
    }
}

/// The SELECTs of a union; parenthesised ones are queries of their own.
fn branches<'t>(body: &'t SetExpr, found: &mut Vec<&'t Select>) {
    match body {
        SetExpr::Select(select) => found.push(select),
        SetExpr::SetOperation { left, right, .. } => {
            branches(left, found);
            branches(right, found);
        }
        _ => {}
    }
}

/// An order that orders nothing: none, a constant, or a subquery of constants such as `(SELECT NULL)`.
fn is_no_order(list: &[OrderByExpr]) -> bool {
    list.iter().all(|item| match &item.expr {
        Expr::Subquery(query) => {
            matches!(&*query.body, SetExpr::Select(select) if select.from.is_empty())
        }
        // A number is the position of a column.
        Expr::Value(value) => !matches!(value.value, Value::Number(..)),
        Expr::Identifier(name) => name.value.starts_with('@'),
        _ => false,
    })
}
