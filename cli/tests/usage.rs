//! The tool as a user meets it first: help that teaches, and exit codes that tell wrong usage from failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

fn soxauto(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soxauto"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let help = soxauto(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    // However wide the terminal is.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.status.success());
    for word in [
        "local",
        "catalog",
        "run",
        "status",
        "replay",
        "verify",
        "2 rejected",
        "3 incomplete",
        "4 open",
        "5 evidence",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn a_cutoff_that_is_no_first_of_a_month_is_refused_before_anything_starts() {
    let refused = soxauto(&["local", "run", "--cutoff", "2024-05-31"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("first day of a month") && text.contains("2024-05-01"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_verified_at_all_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, "no key").unwrap();
    let key = key.display().to_string();
    for (arguments, says) in [
        (vec!["verify", place.as_str()], "--public-key"),
        (
            vec!["verify", place.as_str(), "--public-key", key.as_str()],
            "not an ECDSA",
        ),
        (
            vec!["verify", "/nowhere", "--public-key", key.as_str()],
            "/nowhere",
        ),
    ] {
        let output = soxauto(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
}

#[test]
fn the_compiled_in_catalog_passes_its_checks() {
    let check = soxauto(&["catalog", "check"]);
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
}

#[test]
fn a_replay_says_of_which_run_and_of_what() {
    for wrong in [
        &["replay", "--all"][..],
        &["replay", "--run", "C-PG-1/2024-05-01/r1"],
        &["replay", "--run", "2024-05-01", "--all"],
        &[
            "replay",
            "--run",
            "C-PG-1/2024-05-01/r1",
            "--all",
            "--ipe",
            "IPE_07",
        ],
        &["status", "--region", "eu-west-1"],
    ] {
        assert_eq!(soxauto(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
