//! The table of checks in `docs/EVIDENCE.md` is generated: it never differs from what the verifier looks at.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fmt::Write, fs, path::Path};

use soxauto_verify::{Check, Group};

const BEGIN: &str = "<!-- checks: written by `SOXAUTO_WRITE_DOCS=1 cargo test -p soxauto-verify --test evidence_md` -->\n";
const END: &str = "<!-- end of checks -->\n";

fn table() -> String {
    let mut text = String::from("\n| Check | About | Holds when |\n|---|---|---|\n");
    for check in Check::ALL {
        let about = match check.group() {
            Group::Folder => "folder",
            Group::Chain => "chain",
            Group::Manifests => "manifests",
            Group::Files => "files",
            Group::Records => "records",
            Group::Data => "data",
        };
        writeln!(text, "| `{check}` | {about} | {} |", check.meaning()).unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_documented_checks_are_those_of_the_verifier() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/EVIDENCE.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
    let (found, after) = rest.split_once(END).expect("the mark after the table");
    if std::env::var_os("SOXAUTO_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert!(
        found == table(),
        "docs/EVIDENCE.md is not current: run `SOXAUTO_WRITE_DOCS=1 cargo test -p soxauto-verify --test evidence_md`"
    );
}

#[test]
fn each_check_has_one_name() {
    let mut names: Vec<&str> = Check::ALL.iter().map(|c| c.as_str()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
