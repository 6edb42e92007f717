//! Each file of `events/` is sent to its deployed function: they are what a reader tries first, so they must be true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use soxauto_domain::{RunId, RunState};
use soxauto_e2e::Laptop;
use soxauto_local::Function;

const DISPATCHER: Function = Function::Dispatcher;
const WORKER: Function = Function::Worker;
const FINALIZER: Function = Function::Finalizer;

/// What is sent, to whom, and one field of the answer: in this order, since the first start plans the month.
fn expected() -> Vec<(&'static str, Function, &'static str, Value)> {
    let run = json!("C-PG-1/2024-05-01/r1");
    let redriven = "/batchItemFailures/0/itemIdentifier";
    vec![
        // Nothing is planned yet, so a job is refused, in whatever message it comes.
        (
            "sqs-job",
            WORKER,
            redriven,
            json!("059f36b4-87a3-44ab-83d2-661975830a7d"),
        ),
        (
            "sqs-job-redriven",
            WORKER,
            redriven,
            json!("6f1e2d3c-4b5a-4c6d-8e7f-90a1b2c3d4e5"),
        ),
        ("schedule", DISPATCHER, "/run_id", run.clone()),
        ("eventbridge", DISPATCHER, "/run_id", run),
        // These ask for a part of the month, which is another run.
        ("direct", DISPATCHER, "/errorType", json!("RUN_CONFLICT")),
        ("function-url-run", DISPATCHER, "/statusCode", json!(409)),
        ("function-url-health", DISPATCHER, "/statusCode", json!(200)),
        ("function-url-config", DISPATCHER, "/statusCode", json!(200)),
        ("function-url-status", DISPATCHER, "/statusCode", json!(200)),
        (
            "function-url-bad-date",
            DISPATCHER,
            "/statusCode",
            json!(400),
        ),
        ("check", DISPATCHER, "/schema", json!("soxauto.check/1")),
        ("check", WORKER, "/schema", json!("soxauto.check/1")),
        ("check", FINALIZER, "/schema", json!("soxauto.check/1")),
        ("sqs-receipts", FINALIZER, "/batchItemFailures", json!([])),
        // A control misses nothing that was due before its first run.
        ("sweep", FINALIZER, "/month_missing", json!(false)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_answered_as_the_documents_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "env.local.json")
        .collect();
    let sent = expected()
        .iter()
        .map(|(name, ..)| format!("{name}.json"))
        .collect();
    assert_eq!(there, sent, "every file is sent");

    let laptop = Laptop::start().await;
    for (name, function, field, value) in expected() {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let event = serde_json::from_str(&text).unwrap();
        let answer = laptop.stack.invoke(function, &event).await.unwrap();
        assert_eq!(answer.pointer(field), Some(&value), "{name}: {answer}");
    }
    let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
    let facts = laptop.closed(&run, 1).await;
    assert_eq!(facts.state(false), RunState::Complete);
    laptop.stack.stop().await;
}
