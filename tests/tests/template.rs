//! The template: its roles, our rules for it, what a change replaces, and its life on the AWS emulator.
//!
//! The tests themselves are in `tests/template`, in Python, since they evaluate the template and read the code as text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use soxauto_local::{ensure_environment, find_project_root};
use tokio::process::Command;

#[tokio::test]
async fn the_template_is_what_it_should_be() {
    let root = find_project_root().unwrap();
    let cache = root.join(".soxauto/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let python = ensure_environment(&root, &cache, None, false, || ())
        .await
        .unwrap();
    let output = Command::new(python)
        .args(["-m", "unittest", "discover", "-s", "tests/template"])
        .current_dir(&root)
        .output()
        .await
        .unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(!report.contains("Ran 0 tests"), "{report}");
    // Only what compares with cfn-lint is left out here, and the manifest of a month, which the month's test gives.
    assert!(report.contains("OK (skipped=2)"), "{report}");
}
