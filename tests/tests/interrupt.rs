//! ctrl-C in the middle of a month leaves no process behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use soxauto_e2e::programs;

/// The processes whose environment or command line names `marker`.
fn processes(marker: &str) -> BTreeSet<String> {
    let named = |pid: &str, file: &str| {
        fs::read(format!("/proc/{pid}/{file}"))
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(marker))
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
        .filter(|pid| named(pid, "cmdline") || named(pid, "environ"))
        .collect()
}

#[test]
fn ctrl_c_ends_everything() {
    let marker = format!("soxauto-interrupt-{}", std::process::id());
    let out = std::env::temp_dir().join(&marker);
    let mut run = Command::new(programs().join("soxauto"))
        .args(["local", "run", "--rows", "20000", "--out"])
        .arg(&out)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env_remove("CARGO")
        // Children inherit it: by it they are found.
        .env("USER", &marker)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // In the middle: the stack is up, and the first report has passed.
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().contains("passed")),
        "the run goes on"
    );
    assert!(
        processes(&marker).len() > 3,
        "the tool, the emulator, the engine and functions run"
    );
    let interrupted = Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    // What it still writes must not block it.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{:?}", rest.join());
    let started = Instant::now();
    while !processes(&marker).is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "left behind: {:?}",
            processes(&marker)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = fs::remove_dir_all(out);
}
