//! The catalog: what somebody proposes in a change, before anybody has read it.
//!
//! The input is a list of files: a line `=== name` begins one. `control.toml` is a valid one unless the input has its own.

use std::collections::BTreeMap;

use soxauto_domain::{Cutoff, catalog};
use soxauto_finalizer::sql;
use soxauto_tsql::baseline;

const CONTROL: &str = include_str!("../../../catalog/c-pg-1/control.toml");

/// Reads the bytes as a control's folder and does with it whatever check, dispatcher and finalizer do.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let files = files(text);
    let inspection = catalog::inspect(&files);
    let _ = soxauto_tsql::check_ipes(&inspection.ipes);
    for ipe in &inspection.ipes {
        let _ = baseline::status(ipe);
    }
    let Ok(catalog) = catalog::read(&files) else {
        return;
    };
    let cutoff: Cutoff = "2024-05-01".parse().unwrap();
    let run = soxauto_domain::RunId::new(catalog.control_id.clone(), cutoff, 1);
    let schema = &catalog.control.warehouse_schema;
    for ipe in &catalog.ipes {
        let Ok(planned) = ipe.resolve(&cutoff.period()) else {
            continue;
        };
        let table = sql::table(schema, &planned.table);
        let mut statements = sql::create_ipe(schema, &planned);
        statements.push(sql::select_totals(
            &table,
            &planned.completeness.totals,
            &run,
        ));
        for statement in statements {
            assert!(is_quoted_well(&statement), "{statement}");
        }
    }
}

/// The files of the input.
fn files(text: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("control.toml".to_owned(), CONTROL.to_owned())]);
    for part in text.split("\n=== ") {
        let part = part.strip_prefix("=== ").unwrap_or(part);
        if let Some((name, text)) = part.split_once('\n') {
            files.insert(name.trim().to_owned(), text.to_owned());
        }
    }
    files
}

/// Whether the statement is one: outside of quotes there is no semicolon and no comment, and every quote is closed.
fn is_quoted_well(statement: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    let mut before = ' ';
    for c in statement.chars() {
        match quote {
            // Redshift reads a backslash in a text as an escape.
            Some('\'') if escaped => escaped = false,
            Some('\'') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ';' || (before, c) == ('-', '-') || (before, c) == ('/', '*') => {
                return false;
            }
            None => {}
        }
        before = c;
    }
    quote.is_none()
}
