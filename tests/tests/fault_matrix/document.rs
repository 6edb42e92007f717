//! `docs/SEMANTICS.md` shows the matrix as the tests know it.

use std::{collections::BTreeSet, path::Path};

use soxauto_e2e::faults::matrix;

const BEGIN: &str = "<!-- matrix: from tests/faults.toml; SOXAUTO_WRITE_DOCS=1 cargo test --workspace --test fault_matrix the_document -->\n";
const END: &str = "<!-- end of the matrix -->\n";

#[test]
fn the_document_shows_the_matrix() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SEMANTICS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the matrix's place");
    let (shown, after) = rest.split_once(END).expect("the matrix's end");
    let tables = format!("\n{}\n", matrix().tables());
    if std::env::var("SOXAUTO_WRITE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(path, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        return;
    }
    assert!(
        shown == tables,
        "docs/SEMANTICS.md and tests/faults.toml differ: write it with SOXAUTO_WRITE_DOCS=1"
    );
}

#[test]
fn each_cell_is_there_once_and_says_something() {
    let mut seen = BTreeSet::new();
    for step in &matrix().step {
        for cell in &step.cells {
            let place = (&step.function, &step.call, step.nth, &cell.fault);
            assert!(seen.insert(place), "{place:?} is there twice");
            assert!(!cell.invocations.is_empty(), "{place:?}");
        }
    }
    // A fault that happens nowhere is one that somebody forgot.
    for fault in &matrix().fault {
        let mut cells = matrix().step.iter().flat_map(|step| &step.cells);
        assert!(cells.any(|cell| cell.fault == fault.name), "{}", fault.name);
    }
}

/// A cell that nobody has thought of is absent by a rule of the document, not by oversight.
#[test]
fn each_step_has_the_faults_of_its_kind() {
    for step in &matrix().step {
        let has = |name: &str| step.cells.iter().any(|cell| cell.fault == name);
        let reads = ["Get", "HeadObject", "List"];
        if step.call.starts_with("source: ") || step.call == "message" || step.call == "clock" {
            continue;
        }
        let place = format!("{} {}", step.function, step.call);
        assert!(has("refused"), "{place}");
        if reads.iter().any(|read| step.call.starts_with(read)) {
            assert!(has("killed"), "{place}");
        } else {
            assert!(
                has("killed before")
                    && has("killed after")
                    && (has("answer lost") || has("answers lost")),
                "{place}"
            );
        }
    }
}
