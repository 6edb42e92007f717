//! The result of a run, as a table for people and one JSON object for machines.

use std::path::PathBuf;

use serde::Serialize;
use soxauto_domain::{
    IpeId, IpeState, RunId, RunState,
    facts::{IpeFacts, RunFacts},
    manifest::Predicate,
};

/// What `soxauto local run` ends with.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// The run.
    pub(crate) run_id: RunId,
    /// Its state by the manifest.
    pub(crate) state: RunState,
    /// From the schedule's event to the last word of the finalizer.
    pub(crate) seconds: f64,
    /// In the order of the plan.
    pub(crate) ipes: Vec<IpeOutcome>,
    /// The exported manifest.
    pub(crate) manifest: PathBuf,
    /// The exported run folder.
    pub(crate) evidence_dir: PathBuf,
    /// The DuckDB file with the loaded tables.
    pub(crate) warehouse: PathBuf,
}

/// One IPE of an [`Outcome`].
#[derive(Debug, Serialize)]
pub(crate) struct IpeOutcome {
    id: IpeId,
    state: IpeState,
    rows: Option<u64>,
    loaded_rows: Option<u64>,
    seconds: Option<f64>,
    checks: ChecksOutcome,
    reason: Option<String>,
}

/// How many checks hold.
#[derive(Debug, Serialize)]
pub(crate) struct ChecksOutcome {
    passed: usize,
    total: usize,
}

/// The IPEs as the manifest has them, with the seconds of their receipts.
pub(crate) fn ipes(predicate: &Predicate, facts: &RunFacts) -> Vec<IpeOutcome> {
    predicate
        .ipes
        .iter()
        .map(|ipe| IpeOutcome {
            id: ipe.id.clone(),
            state: ipe.state,
            rows: ipe.counts.map(|counts| counts.decoded),
            loaded_rows: ipe.counts.and_then(|counts| counts.warehouse),
            seconds: facts
                .ipe(&ipe.id)
                .and_then(IpeFacts::deciding)
                .map(|(_, receipt)| {
                    (receipt
                        .finished_at
                        .duration_since(receipt.started_at)
                        .as_millis() as f64)
                        / 1000.0
                }),
            checks: ChecksOutcome {
                passed: ipe.checks.iter().filter(|check| check.passed()).count(),
                total: ipe.checks.len(),
            },
            reason: ipe.reason.clone(),
        })
        .collect()
}

impl Outcome {
    /// The table, and where the results are.
    pub(crate) fn table(&self) -> String {
        let dash = || "-".to_owned();
        let mut rows =
            vec![["IPE", "STATE", "ROWS", "SECONDS", "CHECKS", "LOADED"].map(str::to_owned)];
        rows.extend(self.ipes.iter().map(|ipe| {
            [
                ipe.id.to_string(),
                ipe.state.as_str().to_owned(),
                ipe.rows.map_or_else(dash, |n| n.to_string()),
                ipe.seconds.map_or_else(dash, |s| format!("{s:.2}")),
                format!("{}/{}", ipe.checks.passed, ipe.checks.total),
                ipe.loaded_rows.map_or_else(dash, |n| n.to_string()),
            ]
        }));
        let widths: Vec<usize> = (0..6)
            .map(|c| {
                rows.iter()
                    .map(|row| row[c].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &rows {
            // Names to the left, figures to the right.
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(c, (cell, width))| {
                    if c < 2 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        for ipe in &self.ipes {
            if let Some(reason) = &ipe.reason {
                text.push_str(&format!("\n{}: {reason}\n", ipe.id));
            }
        }
        text.push_str(&format!(
            "\n{} is {} after {:.1} s\n",
            self.run_id,
            self.state.as_str(),
            self.seconds
        ));
        for (name, path) in [
            ("manifest", &self.manifest),
            ("evidence", &self.evidence_dir),
            ("warehouse", &self.warehouse),
        ] {
            text.push_str(&format!("{name:<10} {}\n", path.display()));
        }
        text
    }
}
