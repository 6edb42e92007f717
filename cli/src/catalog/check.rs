//! `soxauto catalog check`: everything that can be known of the catalog without a server.

use std::io::Write;

use serde::Serialize;
use soxauto_domain::catalog::{self, Problem};

use super::{CatalogError, Style, source::Folder};
use crate::table;

/// What was checked and found, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    ipes: usize,
    queries: usize,
    problems: Vec<Problem>,
}

/// Prints the problems of all folders; true when there are none.
pub(super) fn run(
    folders: &[Folder],
    style: Style,
    out: &mut dyn Write,
) -> Result<bool, CatalogError> {
    let mut report = Report {
        ok: false,
        ipes: 0,
        queries: 0,
        problems: Vec::new(),
    };
    for folder in folders {
        let inspection = catalog::inspect(&folder.files);
        report.ipes += inspection.ipes.len();
        report.queries += inspection
            .ipes
            .iter()
            .map(|ipe| 2 + usize::from(ipe.witness_sql.is_some()))
            .sum::<usize>();
        let mut problems = inspection.problems;
        problems.extend(soxauto_tsql::check_ipes(&inspection.ipes));
        problems.sort();
        problems.dedup();
        report
            .problems
            .extend(problems.into_iter().map(|problem| Problem {
                file: format!("{}{}", folder.prefix, problem.file),
                ..problem
            }));
    }
    // Nothing examined is not a pass.
    report.ok = report.problems.is_empty() && report.ipes > 0;
    print(&report, style, out)?;
    Ok(report.ok)
}

fn print(report: &Report, style: Style, out: &mut dyn Write) -> Result<(), CatalogError> {
    match style {
        Style::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)?;
            return Ok(());
        }
        Style::Table if !report.problems.is_empty() => {
            let rows: Vec<[String; 3]> = report
                .problems
                .iter()
                .map(|p| {
                    [
                        format!("{}:{}", p.file, p.line),
                        p.reason.clone(),
                        p.remedy.clone(),
                    ]
                })
                .collect();
            table::print(
                ["PLACE", "PROBLEM", "WHAT TO DO"],
                &rows,
                table::width(),
                out,
            )?;
            writeln!(out)?;
        }
        Style::Table => {}
        Style::Lines => {
            for problem in &report.problems {
                writeln!(out, "{problem}")?;
            }
        }
    }
    let problems = match report.problems.len() {
        0 => "no problem".to_owned(),
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    writeln!(
        out,
        "{} IPEs, {} queries: {problems}",
        report.ipes, report.queries
    )?;
    Ok(())
}
