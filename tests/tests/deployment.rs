//! A deployment's last gate: the events with which the template's checks try a new version, sent to the functions
//! themselves. Each must answer what its check expects, and change nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use soxauto_e2e::{Laptop, python};
use soxauto_local::Function;

/// `DRY_RUN` and `EXPECTED` of a check in template.yaml.
fn check(name: &str) -> (Value, Value) {
    let script = format!(
        "import json, pathlib\n\
         from soxauto_local.cfn_yaml import load_template\n\
         check = load_template(pathlib.Path('template.yaml'))['Resources']['{name}']['Properties']\n\
         variables = check['Environment']['Variables']\n\
         print(json.dumps([json.loads(variables[k]) for k in ('DRY_RUN', 'EXPECTED')]))"
    );
    let output = python()
        .args(["-c", &script])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_passes_its_own_check_and_nothing_happens() {
    let laptop = Laptop::start().await;
    for (name, function) in [
        ("DispatcherCheck", Function::Dispatcher),
        ("WorkerCheck", Function::Worker),
        ("FinalizerCheck", Function::Finalizer),
    ] {
        let (dry_run, expected) = check(name);
        let said = laptop.stack.invoke(function, &dry_run).await.unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&said[key], value, "{name}: {said}");
        }
    }
    assert!(laptop.evidence.list("").await.unwrap().is_empty());
    assert!(laptop.state.list("").await.unwrap().is_empty());
    laptop.stack.stop().await;
}
