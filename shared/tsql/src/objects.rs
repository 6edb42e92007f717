//! Tables are named so that one name means one table, whoever asks: database, schema and table, or schema and table of
//! the IPE's own database.

use std::{collections::BTreeSet, ops::ControlFlow};

use soxauto_domain::catalog::Problem;
use sqlparser::ast::{self, ObjectNamePart, Spanned, TableFactor, Visit, Visitor};

use crate::query::Query;

/// Reports linked servers, table variables and names without a schema.
pub(crate) fn check(query: &Query<'_>, problems: &mut Vec<Problem>) {
    if let Some(select) = &query.select {
        let _ = select.visit(&mut Objects {
            query,
            problems,
            common: BTreeSet::new(),
        });
    }
}

struct Objects<'a, 'q> {
    query: &'a Query<'q>,
    problems: &'a mut Vec<Problem>,
    /// Common table expressions, in small letters.
    common: BTreeSet<String>,
}

impl Visitor for Objects<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, part: &ast::Query) -> ControlFlow<()> {
        for table in part.with.iter().flat_map(|with| &with.cte_tables) {
            self.common.insert(table.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let parts: Vec<&str> = name
            .0
            .iter()
            .filter_map(ObjectNamePart::as_ident)
            .map(|part| part.value.as_str())
            .collect();
        let mut report = |reason: String, remedy: &str| {
            self.problems
                .push(self.query.problem(name.span(), reason, remedy))
        };
        match parts.as_slice() {
            [variable] if variable.starts_with('@') => report(
                format!("{variable} is a table variable"),
                "Use a common table expression",
            ),
            [table]
                if args.is_none()
                    && !table.starts_with('#')
                    && !self.common.contains(&table.to_lowercase()) =>
            {
                report(
                    format!("{table:?} has no schema: which table it is depends on the login"),
                    "Write schema and table, such as [dbo].[Customers]",
                );
            }
            [_, "", _] => report(
                format!("{name} has no schema: which table it is depends on the login"),
                "Write database, schema and table",
            ),
            [_, _, _, _, ..] => report(
                format!("{name} is on another server"),
                "Name at most database, schema and table: the evidence speaks of one server",
            ),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
