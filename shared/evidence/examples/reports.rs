//! Writes a report of every kind into a folder, for the tests that look at them in a browser.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../tests/report/fixtures.rs"]
mod fixtures;

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to write to");
    std::fs::create_dir_all(&folder).unwrap();
    for case in fixtures::all() {
        let path = format!("{folder}/{}.html", case.name);
        std::fs::write(
            &path,
            soxauto_evidence::report::render(&case.report()).unwrap(),
        )
        .unwrap();
        println!("{path}");
    }
}
