//! Looks through what a run of the suite has left behind: `leaks FOLDER-OR-FILE…` ends with 1 when a password of the tests
//! or of the laptop, a canary or a private key is in any of it, or when something could not be looked into.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{path::Path, process::ExitCode};

use soxauto_e2e::leaks::{Places, Scanner, known};

/// Files that may hold a secret, each with its reason. Nothing else may.
const ALLOWED: [(&str, &str); 1] = [(
    "up.json",
    "`local up --format json` hands out the laptop's connection string: it guards generated data on 127.0.0.1",
)];

fn main() -> ExitCode {
    let mut places = Places::default();
    for argument in std::env::args().skip(1) {
        let path = Path::new(&argument);
        if path.is_dir() {
            places.folder(path);
        } else if path.is_file() {
            places.file(path);
        } else {
            println!("{argument}: there is no such file or folder");
            return ExitCode::FAILURE;
        }
    }
    let looked_at = places.count("");
    if looked_at == 0 {
        println!("nothing to look at");
        return ExitCode::FAILURE;
    }
    let mut found = places.findings(&Scanner::new(&known()));
    found.retain(|finding| {
        let allowed = |(file, _): &(&str, &str)| Path::new(&finding.place).ends_with(file);
        !ALLOWED.iter().any(allowed)
    });
    for finding in &found {
        println!("{}: {:?}", finding.place, finding.what);
    }
    println!("{looked_at} names and files, {} findings", found.len());
    if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
