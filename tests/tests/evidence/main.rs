//! Evidence of a real control, verified from the outside, then tampered with in every way that we know of.
//!
//! One stack makes the evidence once: a month that failed and was replayed, a month, and a month that was run again. Then
//! everything is done to copies of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod by_hand;
mod consistent_liars;
mod control;
mod forge;
mod history;
mod liars;
mod object_lock;
mod tampering;

use std::sync::Arc;

use soxauto_e2e::soxauto;
use soxauto_verify::{DiskFolder, LakeFolder, Request, Status, verify};

use control::Control;

#[tokio::test(flavor = "multi_thread")]
async fn evidence_holds_and_tampering_is_named() {
    let control = Control::make().await;
    everything_holds(&control).await;
    the_command_says_so(&control);
    by_hand::the_documents_recipe_agrees(&control);
    object_lock::what_is_written_stays(&control).await;
    tampering::each_kind_is_named(&control).await;
    control.laptop.stack.stop().await;
}

/// On disk and in the bucket alike, the whole control and a single run.
async fn everything_holds(control: &Control) {
    let disk = DiskFolder::new(&control.evidence).unwrap();
    let whole = Request {
        heads: vec![control.head],
        deep: true,
        ..control.request()
    };
    let found = verify(&disk, &whole, &()).await;
    let shown = serde_json::to_string_pretty(&found).unwrap();
    assert!(found.holds, "{shown}");
    assert_eq!(found.runs.len(), 4);
    assert_eq!(found.chains[0].manifests, 5);
    // Nothing that could be looked at was left out.
    let mut silent: Vec<&str> = found
        .runs
        .last()
        .unwrap()
        .checks
        .iter()
        .filter(|c| matches!(c.status, Status::NotPerformed | Status::Partly))
        .map(|c| c.check.as_str())
        .collect();
    silent.sort_unstable();
    assert_eq!(silent, NOT_PERFORMED, "{shown}");

    let outputs = control.laptop.stack.outputs();
    let lake = LakeFolder::new(
        Arc::clone(&control.laptop.evidence),
        &outputs.evidence_prefix,
    );
    let bucket = verify(&lake, &whole, &()).await;
    let same = |v: &soxauto_verify::Verification| {
        v.runs
            .iter()
            .flat_map(|r| r.checks.clone())
            .map(|c| (c.check, c.status, c.held))
            .collect::<Vec<_>>()
    };
    assert!(bucket.holds);
    assert_eq!(same(&bucket), same(&found));

    // A single run's chain leads out of the folder: only a trusted digest lets it end there.
    let last = DiskFolder::new(&control.evidence.join(control::LAST)).unwrap();
    let alone = verify(&last, &control.request(), &()).await;
    assert_eq!(alone.failed(), ["chain"]);
    let trusted = Request {
        trusted: vec![control.before_head],
        ..control.request()
    };
    assert!(verify(&last, &trusted, &()).await.holds);
}

/// What an honest run cannot have performed: the perturbed query's rows are not kept, no maximum of movement is declared
/// in the catalog, and nobody asked for a review.
const NOT_PERFORMED: &[&str] = &["data_negative", "data_row_variance", "review"];

fn the_command_says_so(control: &Control) {
    let key = control.key_file.display().to_string();
    let evidence = control.evidence.display().to_string();
    let head = control.head.to_string();
    let good = soxauto(&["verify", &evidence, "--public-key", &key, "--head", &head]);
    let text = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{text}");
    assert!(
        text.contains("VERIFIED") && text.contains("C-PG-1/2024-05-01/r2"),
        "{text}"
    );
    assert!(!text.contains("FAILED"), "{text}");
    let wrong = soxauto(&[
        "verify",
        &evidence,
        "--public-key",
        &key,
        "--head",
        &control.before_head.to_string(),
        "--format",
        "json",
    ]);
    assert_eq!(wrong.status.code(), Some(5));
    let json: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(json["holds"], false);

    // A key is never believed because it lies there.
    let inside = control.evidence.join("signing-key.pem");
    std::fs::copy(&control.key_file, &inside).unwrap();
    let inside_text = inside.display().to_string();
    let pin = control.key.sha256().to_string();
    let other = "0".repeat(64);
    for (arguments, code) in [
        (vec![], 1),
        (vec!["--public-key", inside_text.as_str()], 1),
        (vec!["--key-sha256", pin.as_str()], 0),
        (vec!["--key-sha256", other.as_str()], 1),
        (
            vec!["--public-key", key.as_str(), "--key-sha256", other.as_str()],
            1,
        ),
        (
            vec!["--public-key", key.as_str(), "--key-sha256", pin.as_str()],
            0,
        ),
    ] {
        let mut all = vec!["verify", evidence.as_str()];
        all.extend(&arguments);
        let output = soxauto(&all);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    }
    std::fs::remove_file(inside).unwrap();
}
