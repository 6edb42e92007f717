//! `soxauto catalog diff`: what has changed since each query was approved, token by token.

use std::io::Write;

use clap::builder::styling::{AnsiColor, Style as Paint};
use serde::Serialize;
use similar::{Algorithm, ChangeTag, capture_diff_slices, group_diff_ops};
use soxauto_domain::{
    BaselineStatus, IpeId,
    catalog::{Catalog, Ipe, Texts},
};
use soxauto_tsql::baseline::{self, Part, Piece};

use super::{CatalogError, Style, chosen};

/// Tokens shown on both sides of a change.
const CONTEXT: usize = 6;

/// The comparison, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Report<'c> {
    same: bool,
    ipes: Vec<Compared<'c>>,
}

/// One IPE against its baseline.
#[derive(Debug, Serialize)]
struct Compared<'c> {
    ipe: &'c IpeId,
    baseline: BaselineStatus,
    changes: Vec<Change>,
}

/// One place that differs.
#[derive(Debug, Serialize)]
struct Change {
    /// `declarations`, `extraction`, `completeness`, `witness` or `partition`.
    part: &'static str,
    /// Line of today's file; absent for declarations, which are compared in an order of their own.
    line: Option<u64>,
    /// Line of the approved file.
    baseline_line: Option<u64>,
    /// The text there, in runs of what stayed, went and came.
    runs: Vec<Run>,
}

/// Neighbouring tokens with the same fate.
#[derive(Debug, Serialize)]
struct Run {
    change: &'static str,
    text: String,
}

/// Prints what differs; true when nothing does and everything is approved.
pub(super) fn run(
    catalogs: &[Catalog],
    only: Option<&IpeId>,
    style: Style,
    colour: bool,
    out: &mut dyn Write,
) -> Result<bool, CatalogError> {
    let ipes: Vec<Compared<'_>> = chosen(catalogs, only)?
        .into_iter()
        .map(|(_, ipe)| compare(ipe))
        .collect();
    let report = Report {
        same: ipes.iter().all(|ipe| ipe.baseline.is_approved()),
        ipes,
    };
    if style == Style::Json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        for ipe in &report.ipes {
            print(ipe, colour, out)?;
        }
    }
    Ok(report.same)
}

fn compare(ipe: &Ipe) -> Compared<'_> {
    let status = baseline::status(ipe);
    let changes = match (&status, &ipe.baseline) {
        (BaselineStatus::Changed { .. }, Some(baseline)) => changes(&baseline.texts, &ipe.texts()),
        _ => Vec::new(),
    };
    Compared {
        ipe: &ipe.id,
        baseline: status,
        changes,
    }
}

fn changes(approved: &Texts, today: &Texts) -> Vec<Change> {
    let (old, new) = (baseline::pieces(approved), baseline::pieces(today));
    let of = |parts: &[(Part, Vec<Piece>)], part| {
        parts
            .iter()
            .find(|(p, _)| *p == part)
            .map(|(_, pieces)| pieces.clone())
            .unwrap_or_default()
    };
    [
        Part::Declarations,
        Part::Extraction,
        Part::Completeness,
        Part::Witness,
        Part::Partition,
    ]
    .into_iter()
    .flat_map(|part| part_changes(part, &of(&old, part), &of(&new, part)))
    .collect()
}

fn part_changes(part: Part, old: &[Piece], new: &[Piece]) -> Vec<Change> {
    let words =
        |pieces: &[Piece]| -> Vec<String> { pieces.iter().map(|p| p.text.clone()).collect() };
    let (old_words, new_words) = (words(old), words(new));
    let ops = capture_diff_slices(Algorithm::Myers, &old_words, &new_words);
    // Declarations tell what they are by themselves.
    let context = if part == Part::Declarations {
        0
    } else {
        CONTEXT
    };
    let mut found = Vec::new();
    for group in group_diff_ops(ops, context) {
        let mut runs: Vec<Run> = Vec::new();
        let (mut line, mut baseline_line) = (None, None);
        for op in &group {
            for change in op.iter_changes(&old_words, &new_words) {
                let (piece, fate) = match (change.tag(), change.old_index(), change.new_index()) {
                    (ChangeTag::Delete, Some(at), _) => (&old[at], "removed"),
                    (ChangeTag::Insert, _, Some(at)) => (&new[at], "added"),
                    (ChangeTag::Equal, _, Some(at)) => (&new[at], "same"),
                    _ => continue,
                };
                // The line of the first token that differs, in each text.
                match fate {
                    "removed" => baseline_line = baseline_line.or(Some(piece.line)),
                    "added" => line = line.or(Some(piece.line)),
                    _ => {}
                }
                push(&mut runs, piece, fate, part == Part::Declarations);
            }
        }
        let known = |line: Option<u64>| line.filter(|line| *line > 0);
        found.push(Change {
            part: part.as_str(),
            line: known(line),
            baseline_line: known(baseline_line),
            runs,
        });
    }
    found
}

/// Adds the piece to the last run if it shares its fate; declarations stay apart.
fn push(runs: &mut Vec<Run>, piece: &Piece, fate: &'static str, apart: bool) {
    match runs.last_mut().filter(|run| run.change == fate && !apart) {
        Some(run) => {
            if piece.spaced {
                run.text.push(' ');
            }
            run.text.push_str(&piece.text);
        }
        None => runs.push(Run {
            change: fate,
            text: piece.text.clone(),
        }),
    }
}

fn print(compared: &Compared<'_>, colour: bool, out: &mut dyn Write) -> Result<(), CatalogError> {
    let by = match &compared.baseline {
        BaselineStatus::Unchanged {
            approved_by,
            approved_at,
            ticket,
            ..
        }
        | BaselineStatus::Changed {
            approved_by,
            approved_at,
            ticket,
            ..
        } => format!(" (approved by {approved_by}, {approved_at}, {ticket})"),
        BaselineStatus::None => String::new(),
    };
    writeln!(
        out,
        "{}: {}{by}",
        compared.ipe,
        compared.baseline.statement()
    )?;
    for change in &compared.changes {
        let place = match (change.line, change.baseline_line) {
            (Some(line), Some(was)) => format!(", line {line} (approved: line {was})"),
            (Some(line), None) => format!(", line {line}"),
            (None, Some(was)) => format!(", gone from line {was} of the approved text"),
            (None, None) => String::new(),
        };
        writeln!(out, "  {}{place}", change.part)?;
        let runs: Vec<String> = change.runs.iter().map(|run| painted(run, colour)).collect();
        writeln!(out, "    {}", runs.join(" "))?;
    }
    Ok(())
}

/// `[-gone-]` and `{+come+}`, as `git diff --word-diff` writes it; on a terminal in red and green as well.
fn painted(run: &Run, colour: bool) -> String {
    let (text, paint) = match run.change {
        "removed" => (format!("[-{}-]", run.text), AnsiColor::Red),
        "added" => (format!("{{+{}+}}", run.text), AnsiColor::Green),
        _ => return run.text.clone(),
    };
    if !colour {
        return text;
    }
    let paint = Paint::new().fg_color(Some(paint.into()));
    format!("{paint}{text}{paint:#}")
}
