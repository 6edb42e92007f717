//! Every planted defect is caught by the check meant for it, on its own report, and by no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use soxauto_domain::{IpeState, Receipt, RunState};
use soxauto_e2e::{month, python};
use soxauto_evidence::envelope;

/// What the sample's generator says of its defects: name, report, check.
fn defects() -> Vec<(String, String, String)> {
    let output = python()
        .args(["-m", "soxauto_local.nav_sample", "--list-defects"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |defect: &Value, name: &str| defect[name].as_str().unwrap().to_owned();
    list.iter()
        .map(|d| (text(d, "name"), text(d, "ipe"), text(d, "check")))
        .collect()
}

/// The failed checks of a report, without their subjects.
fn failed_checks(evidence: &Path, ipe: &str) -> Vec<String> {
    let bytes = fs::read(evidence.join(ipe).join("attempt-1/receipt.json")).unwrap();
    let receipt: Receipt = serde_json::from_slice(&bytes).unwrap();
    receipt
        .checks
        .iter()
        .filter(|check| !check.passed())
        .map(|check| check.check.as_str().to_owned())
        .collect()
}

#[test]
fn each_defect_is_caught_by_its_own_check() {
    // The first month also makes the Python environment, which knows the defects.
    let out = tempfile::tempdir().unwrap();
    let (code, result) = month(out.path(), &["--ipe", "CR_05"]);
    assert_eq!(
        (code, &result["state"]),
        (0, &Value::from("complete")),
        "{result:#}"
    );

    // Two defects of the same report are planted in different months' samples.
    let mut samples: Vec<BTreeMap<String, (String, String)>> = Vec::new();
    let all = defects();
    assert!(all.len() >= 8, "{all:?}");
    for (name, ipe, check) in &all {
        match samples.iter_mut().find(|sample| !sample.contains_key(ipe)) {
            Some(sample) => drop(sample.insert(ipe.clone(), (name.clone(), check.clone()))),
            None => samples.push(BTreeMap::from([(
                ipe.clone(),
                (name.clone(), check.clone()),
            )])),
        }
    }
    for sample in samples {
        let out = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for (name, _) in sample.values() {
            arguments.extend(["--defect", name.as_str()]);
        }
        let (code, result) = month(out.path(), &arguments);
        assert_eq!(
            (code, &result["state"]),
            (2, &Value::from("rejected")),
            "{result:#}"
        );
        let evidence = Path::new(result["evidence_dir"].as_str().unwrap());
        for ipe in result["ipes"].as_array().unwrap() {
            let id = ipe["id"].as_str().unwrap();
            let failed = failed_checks(evidence, id);
            match sample.get(id) {
                None => assert_eq!(
                    (ipe["state"].as_str(), failed.len()),
                    (Some("passed"), 0),
                    "{ipe}"
                ),
                Some((name, check)) => {
                    assert_eq!(ipe["state"], "rejected", "{name}: {ipe}");
                    assert!(
                        ipe["loaded_rows"].is_null(),
                        "{name}: what is rejected is not loaded: {ipe}"
                    );
                    assert!(
                        ipe["reason"].as_str().unwrap().contains(check.as_str()),
                        "{name}: {ipe}"
                    );
                    // A missing row is missing in the totals, too; every other defect fails one kind of check alone.
                    let family = |kind: &str| kind.split('_').next().unwrap().to_owned();
                    assert!(
                        failed.iter().all(|kind| family(kind) == family(check)),
                        "{name}: {failed:?}"
                    );
                }
            }
        }
        let pem = fs::read_to_string(out.path().join("signing-key.pem")).unwrap();
        let statement = envelope::verify(
            &fs::read(result["manifest"].as_str().unwrap()).unwrap(),
            &pem,
        )
        .unwrap();
        assert_eq!(statement.predicate.state, RunState::Rejected);
        let rejected = statement
            .predicate
            .ipes
            .iter()
            .filter(|ipe| ipe.state == IpeState::Rejected)
            .count();
        assert_eq!(rejected, sample.len());
    }
}
