//! Every order of the protocol's steps, within the bounds of docs/MODEL.md, keeps the promises; and the document says how
//! many worlds were looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fmt::Write as _, path::Path, time::Instant};

use soxauto_model::{Protocol, bounds, invariants::INVARIANTS, liveness};
use stateright::{Checker as _, Model as _};

#[test]
fn every_order_of_the_steps_keeps_the_promises() {
    let mut table = String::from(
        "| exploration | what happens in it | worlds | at rest |\n|---|---|---:|---:|\n",
    );
    let only = std::env::var("SOXAUTO_EXPLORE").ok();
    for exploration in bounds::all() {
        if only.as_deref().is_some_and(|only| only != exploration.name) {
            continue;
        }
        let started = Instant::now();
        let protocol = Protocol::new(exploration.bounds);
        let checker = protocol.clone().checker().threads(2).spawn_dfs().join();
        let found: Vec<String> = checker
            .discoveries()
            .into_iter()
            .map(|(name, path)| {
                let world = path.last_state().clone();
                format!("{name}\n{:#?}\n{world:#?}", path.into_actions())
            })
            .collect();
        assert!(
            found.is_empty(),
            "{}: {}",
            exploration.name,
            found.join("\n")
        );
        let checked = started.elapsed();
        let explored = liveness::explore(&protocol);
        if let Some((actions, world)) = explored.stuck {
            panic!(
                "{}: never comes to rest\n{actions:#?}\n{world:#?}",
                exploration.name
            );
        }
        assert_eq!(
            explored.worlds,
            checker.unique_state_count(),
            "both saw the same"
        );
        eprintln!(
            "{}: {} worlds, {checked:?} and {:?}",
            exploration.name,
            explored.worlds,
            started.elapsed() - checked
        );
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            exploration.name,
            exploration.about,
            thousands(explored.worlds),
            thousands(explored.settled)
        );
    }
    if only.is_none() {
        document("explorations", &table);
    }
}

#[test]
fn the_document_lists_the_invariants() {
    let lines: String = INVARIANTS
        .iter()
        .map(|(name, _)| format!("- {name}\n"))
        .collect();
    document(
        "invariants",
        &format!("{lines}- everything comes to rest\n"),
    );
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|g| std::str::from_utf8(g).unwrap())
        .collect();
    groups.join(",")
}

/// Compares what stands between two marks of docs/MODEL.md, or writes it with `SOXAUTO_WRITE_DOCS=1`.
fn document(part: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/MODEL.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {part} -->\n"),
        format!("<!-- end of {part} -->"),
    );
    let from = text.find(&begin).unwrap() + begin.len();
    let to = text.find(&end).unwrap();
    if std::env::var_os("SOXAUTO_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert_eq!(
        &text[from..to],
        wanted,
        "docs/MODEL.md; SOXAUTO_WRITE_DOCS=1 writes it"
    );
}
