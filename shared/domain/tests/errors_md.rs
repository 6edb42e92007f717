//! `docs/ERRORS.md` is the list of codes, generated: it never differs from what the program says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fmt::Write, fs, path::Path};

use soxauto_domain::{Code, Retry};

const HEAD: &str = "# Error codes

Every error carries one code of this closed list: in the log, in the failure record of an attempt, in the HTTP answer
and on the command line. The code says whether trying again can help, and what the operator can do.

| Retry | Meaning |
|---|---|
| here | The process tries again itself, with growing pauses, inside its deadline. If that does not help, the queue delivers the message again. |
| queue | The queue delivers the message again later. |
| none | Trying again changes nothing until somebody acts. The message goes to the dead-letter queue. |

This file is generated from `shared/domain/src/code.rs`; a test fails when the two differ. To write it again:
`SOXAUTO_WRITE_DOCS=1 cargo test -p soxauto-domain --test errors_md`.

| Code | Retry | What to do |
|---|---|---|
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    for code in Code::ALL {
        let retry = match code.retry() {
            Retry::Here => "here",
            Retry::Queue => "queue",
            Retry::Fatal => "none",
        };
        writeln!(
            text,
            "| `{code}` | {retry} | {} |",
            code.remedy().replace('|', "\\|")
        )
        .unwrap();
    }
    text
}

#[test]
fn the_committed_list_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ERRORS.md");
    let expected = document();
    if std::env::var_os("SOXAUTO_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "docs/ERRORS.md is not current: run `SOXAUTO_WRITE_DOCS=1 cargo test -p soxauto-domain --test errors_md`"
    );
}
