//! The fault matrix, read from `tests/faults.toml`: each step, what can happen there, and what the user sees at the end.
//!
//! One table: the tests inject each cell's fault and ask for its outcome, and `docs/SEMANTICS.md` shows it.

use std::{fmt::Write as _, sync::OnceLock};

use serde::Deserialize;

const TEXT: &str = include_str!("../faults.toml");

/// The tables, in order: `function` of their steps, and their titles.
pub const TABLES: [(&str, &str); 9] = [
    ("dispatcher", "Dispatcher"),
    ("worker", "Worker"),
    (
        "worker, over several invocations",
        "Worker, over several invocations",
    ),
    (
        "worker, of a report that fails",
        "Worker, of a report that fails",
    ),
    ("finalizer", "Finalizer"),
    (
        "finalizer, hearing of two reports",
        "Finalizer, hearing of two reports",
    ),
    (
        "finalizer, in place of a lost worker",
        "Finalizer, in place of a lost worker",
    ),
    (
        "finalizer, clearing what the dead left",
        "Finalizer, clearing what the dead left",
    ),
    (
        "finalizer, of a month that nobody ran",
        "Finalizer, of a month that nobody ran",
    ),
];

/// The matrix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// What can happen, in the order of the columns.
    pub fault: Vec<Fault>,
    /// The steps, in order.
    pub step: Vec<Step>,
}

/// Something that can happen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name in cells.
    pub name: String,
    /// What it is.
    pub means: String,
}

/// A step of a function.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// One of [`TABLES`].
    pub function: String,
    /// What is called: an operation of AWS as the proxy names it, or `source: …` for a statement.
    pub call: String,
    /// Which of several such calls of one piece of work, from 1.
    #[serde(default = "one")]
    pub nth: u32,
    /// What the step is for.
    pub what: String,
    /// What may happen there.
    pub cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What happens.
    pub fault: String,
    /// What the invocations answer, in order.
    pub invocations: String,
    /// Of a worker's step: the attempts that are on record, in order, with the codes of those that failed; without it, one
    /// that passed.
    pub attempts: Option<String>,
    /// State of the IPE.
    #[serde(default = "passed")]
    pub ipe: String,
    /// State of the run.
    #[serde(default = "complete")]
    pub run: String,
    /// Exit code of `soxauto status --run`.
    #[serde(default)]
    pub exit: i32,
    /// What `soxauto status` says is to be done; empty for nothing.
    #[serde(default)]
    pub says: String,
}

fn one() -> u32 {
    1
}

fn passed() -> String {
    "passed".to_owned()
}

fn complete() -> String {
    "complete".to_owned()
}

/// The matrix of this repository.
///
/// # Panics
/// When the file is broken.
pub fn matrix() -> &'static Matrix {
    static MATRIX: OnceLock<Matrix> = OnceLock::new();
    MATRIX.get_or_init(|| {
        let matrix: Matrix = toml::from_str(TEXT).unwrap();
        for step in &matrix.step {
            let is_shown = TABLES.iter().any(|(name, _)| *name == step.function);
            assert!(is_shown, "{} is no table", step.function);
            for cell in &step.cells {
                let known = matrix.fault.iter().any(|fault| fault.name == cell.fault);
                assert!(known, "{}: {} is no fault", step.call, cell.fault);
            }
        }
        matrix
    })
}

impl Matrix {
    /// The steps of a function.
    pub fn of<'m>(&'m self, function: &'m str) -> impl Iterator<Item = &'m Step> {
        self.step
            .iter()
            .filter(move |step| step.function == function)
    }

    /// Every cell of a function with its step.
    pub fn cells<'m>(&'m self, function: &'m str) -> impl Iterator<Item = (&'m Step, &'m Cell)> {
        self.of(function)
            .flat_map(|step| step.cells.iter().map(move |cell| (step, cell)))
    }

    /// The tables of `docs/SEMANTICS.md`.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut text = String::from("### What can happen\n\n| Fault | What happens |\n|---|---|\n");
        for fault in &self.fault {
            let _ = writeln!(text, "| {} | {} |", fault.name, fault.means);
        }
        for (function, title) in TABLES {
            let cells = self.cells(function).count();
            let is_worker = function.starts_with("worker");
            let attempts = if is_worker {
                ("Attempts on record | ", "---|")
            } else {
                ("", "")
            };
            let _ = writeln!(text, "\n### {title}: {cells} cells\n");
            let _ = writeln!(
                text,
                "| Step | Fault | Its invocations | {}IPE | Run | Exit | `soxauto status` says |",
                attempts.0
            );
            let _ = writeln!(text, "|---|---|---|{}---|---|---:|---|", attempts.1);
            for step in self.of(function) {
                for (i, cell) in step.cells.iter().enumerate() {
                    let name = match (i, step.nth) {
                        (0, 1) => format!("{} (`{}`)", step.what, step.call),
                        (0, n) => format!("{} (`{}`, call {n})", step.what, step.call),
                        _ => String::new(),
                    };
                    let attempts = match is_worker {
                        true => format!(" | {}", cell.attempts.as_deref().unwrap_or("passed")),
                        false => String::new(),
                    };
                    // Of what is no run, nobody can ask for the status.
                    let exit = match cell.run.as_str() {
                        "missing" => String::new(),
                        _ => cell.exit.to_string(),
                    };
                    let _ = writeln!(
                        text,
                        "| {name} | {} | {}{attempts} | {} | {} | {exit} | {} |",
                        cell.fault, cell.invocations, cell.ipe, cell.run, cell.says
                    );
                }
            }
        }
        text
    }
}
