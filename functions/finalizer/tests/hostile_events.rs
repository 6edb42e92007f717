//! Notifications that name what is not ours: keys of others, strange spellings, and more of them than there is time for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use serde_json::json;
use soxauto_cloud::lake::{Fault, FaultKind, Operation};
use support::{R1, REQUESTS, World, notification};

#[tokio::test]
async fn keys_that_are_not_ours_change_nothing() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    let before = (world.evidence.inner().keys(), world.state.inner().keys());
    let receipt = "IPE_07/attempt-1/receipt.json";
    let bodies: Vec<String> = [
        format!("other/{R1}/{receipt}"),
        format!("evidence/../evidence/{R1}/{receipt}"),
        format!("evidence//{R1}/{receipt}"),
        format!("evidence/{R1}'; DROP TABLE x--/{receipt}"),
        format!("evidence/{R1}/IPE_07/attempt-0/receipt.json"),
        format!("evidence/{R1}/IPE_07/attempt-99999999999/receipt.json"),
        format!("evidence/{R1}/%2E%2E/attempt-1/receipt.json"),
        "evidence/C-PG-1/2024-05-01/r0/IPE_07/attempt-1/receipt.json".into(),
        "%FF%FE%00".into(),
        "x".repeat(1024),
    ]
    .iter()
    .map(|key| notification(key))
    .collect();
    assert!(world.deliver(&bodies).await.is_empty());
    // Spelt as they should be: a run that nobody planned, an IPE that no plan holds, an attempt that is not there.
    let bodies: Vec<String> = [
        format!("evidence/C-PG-1/2024-05-01/r7/{receipt}"),
        format!("evidence/C-XX-9/2031-01-01/r1/{receipt}"),
        format!("evidence%2F{R1}%2FIPE_99%2Fattempt-1%2Freceipt.json"),
        format!("evidence/{R1}/IPE_07/attempt-3/failure.json"),
    ]
    .iter()
    .map(|key| notification(key))
    .collect();
    assert!(world.deliver(&bodies).await.is_empty());
    let after = (world.evidence.inner().keys(), world.state.inner().keys());
    assert_eq!(after.0, before.0);
    let news: Vec<_> = after
        .1
        .iter()
        .filter(|key| !before.1.contains(key))
        .collect();
    assert_eq!(news, ["settled/C-PG-1/2024-05-01/r1.json"]);
    assert!(world.warehouse.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_names_many_runs_ends_in_time_and_does_what_it_can() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    let records: Vec<_> = (1..2_000)
        .map(|n| {
            let key = format!("evidence/C-PG-1/2024-05-01/r{n}/IPE_07/attempt-1/receipt.json");
            json!({"s3": {"object": {"key": key}}})
        })
        .collect();
    let body = json!({ "Records": records }).to_string();
    assert!(world.deliver(&[body]).await.is_empty());
    assert_eq!(world.manifests(R1), [1]);
    // A run that nobody planned costs one request.
    assert!(world.evidence.calls(Operation::Get) < 2_100);
    assert!(world.state.calls(Operation::Create) < 20);
}

/// Milliseconds of a run's finalizer per IPE when each request to S3 takes 20 ms and the warehouse no time.
async fn waited(count: usize, portion: usize) -> u128 {
    let world = World::new();
    let ids: Vec<String> = (0..count).map(|n| format!("IPE_{n:04}")).collect();
    world.plan_of(R1, support::many(count)).await;
    for id in &ids {
        world.passed(R1, id, 1).await;
    }
    world.loads(count);
    for operation in REQUESTS {
        let slow = Fault::new(operation, 0).kind(FaultKind::Delay(20));
        world.evidence.fail(slow.clone());
        world.state.fail(slow);
    }
    let started = tokio::time::Instant::now();
    for ids in ids.chunks(portion) {
        let bodies: Vec<String> = ids
            .iter()
            .map(|id| notification(&format!("evidence/{R1}/{id}/attempt-1/receipt.json")))
            .collect();
        assert!(world.deliver(&bodies).await.is_empty());
    }
    assert_eq!(world.manifests(R1), [1]);
    started.elapsed().as_millis() / count as u128
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_waits_little_for_each_ipe() {
    let each = waited(100, 10).await;
    println!(
        "{each} ms for each IPE, 10 at a time; {} ms one at a time",
        waited(40, 1).await
    );
    assert!(each <= 50, "{each} ms");
}
