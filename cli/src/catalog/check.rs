//! `soxauto catalog check`: everything that can be known of the catalog without a server.

use std::io::Write;

use serde::Serialize;
use soxauto_domain::{
    BaselineStatus, IpeId,
    catalog::{self, Problem},
};
use soxauto_tsql::baseline;

use super::{CatalogError, Style, source::Folder};
use crate::table;

/// What was checked and found, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    ipes: usize,
    queries: usize,
    problems: Vec<Problem>,
    /// IPEs whose queries are not as they were approved: prod refuses them.
    unapproved: Vec<Unapproved>,
    /// IPEs whose columns' sources are not written down.
    without_lineage: Vec<IpeId>,
}

/// An IPE without an approved baseline.
#[derive(Debug, Serialize)]
struct Unapproved {
    ipe: IpeId,
    baseline: BaselineStatus,
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
        unapproved: Vec::new(),
        without_lineage: Vec::new(),
    };
    for folder in folders {
        let inspection = catalog::inspect(&folder.files);
        report.ipes += inspection.ipes.len();
        report.queries += inspection
            .ipes
            .iter()
            .map(|ipe| 2 + usize::from(ipe.witness_sql.is_some()))
            .sum::<usize>();
        for ipe in &inspection.ipes {
            let baseline = baseline::status(ipe);
            if !baseline.is_approved() {
                report.unapproved.push(Unapproved {
                    ipe: ipe.id.clone(),
                    baseline,
                });
            }
            if ipe.lineage.is_none() {
                report.without_lineage.push(ipe.id.clone());
            }
        }
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
    for unapproved in &report.unapproved {
        writeln!(
            out,
            "{}: {}. See `soxauto catalog diff`; prod refuses it until it is approved",
            unapproved.ipe,
            unapproved.baseline.statement()
        )?;
    }
    if !report.without_lineage.is_empty() {
        let ids: Vec<&str> = report.without_lineage.iter().map(IpeId::as_str).collect();
        writeln!(out, "{}: no lineage. Run `scripts/lineage`", ids.join(", "))?;
    }
    Ok(())
}
