//! `docs/SEMANTICS.md` shows the matrix as the tests know it.

use std::path::Path;

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
