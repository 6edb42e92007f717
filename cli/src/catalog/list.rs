//! `soxauto catalog list`: the IPEs at a glance.

use std::io::Write;

use serde::Serialize;
use soxauto_domain::catalog::Catalog;

use super::{CatalogError, Style};
use crate::table;

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row<'c> {
    control: &'c str,
    id: &'c str,
    title: &'c str,
    accounts: &'c [String],
    columns: usize,
    key: &'c [String],
    table: String,
}

/// Prints the IPEs of all controls.
pub(super) fn run(
    catalogs: &[Catalog],
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CatalogError> {
    let rows: Vec<Row<'_>> = catalogs
        .iter()
        .flat_map(|catalog| {
            catalog.ipes.iter().map(move |ipe| Row {
                control: catalog.control_id.as_str(),
                id: ipe.id.as_str(),
                title: &ipe.file.title,
                accounts: &ipe.file.accounts,
                columns: ipe.file.columns.len(),
                key: &ipe.file.key,
                table: format!("{}.{}", catalog.control.warehouse_schema, ipe.file.table),
            })
        })
        .collect();
    if style == Style::Json {
        serde_json::to_writer_pretty(&mut *out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            [
                row.id.to_owned(),
                row.title.to_owned(),
                row.accounts.join(" "),
                row.columns.to_string(),
                row.key.join(", "),
                row.table.clone(),
            ]
        })
        .collect();
    if style == Style::Table {
        return Ok(table::print(
            ["IPE", "TITLE", "ACCOUNTS", "COLUMNS", "KEY", "TABLE"],
            &cells,
            table::width(),
            out,
        )?);
    }
    for row in cells {
        writeln!(out, "{}", row.join("\t"))?;
    }
    Ok(())
}
