//! What a run costs in calls grows with its IPEs and not faster, in whatever portions its receipts are heard of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::time::Instant;

use soxauto_cloud::warehouse::Asked;
use soxauto_domain::{RunState, layout::state};
use support::{R1, REQUESTS, World, many, notification, run};

/// Requests so far: to S3, and to the warehouse.
fn requests(world: &World) -> (u32, usize) {
    let of = |operation| world.evidence.calls(operation) + world.state.calls(operation);
    let warehouse = world
        .warehouse
        .asked()
        .iter()
        .filter(|asked| matches!(asked, Asked::Transaction { .. } | Asked::Rows(_)))
        .count();
    (REQUESTS.into_iter().map(of).sum(), warehouse)
}

/// Receipts of a run of `count` IPEs come in, `portion` with each call; returns the requests.
async fn cost(count: usize, portion: usize) -> (u32, usize) {
    let world = World::new();
    let planned = many(count);
    let ids: Vec<String> = planned.iter().map(|ipe| ipe.id.to_string()).collect();
    world.plan_of(R1, planned).await;
    let mut all = (0, 0);
    for ids in ids.chunks(portion) {
        for id in ids {
            world.passed(R1, id, 1).await;
        }
        world.loads(ids.len());
        let bodies: Vec<String> = ids
            .iter()
            .map(|id| notification(&format!("evidence/{R1}/{id}/attempt-1/receipt.json")))
            .collect();
        let before = requests(&world);
        assert!(world.deliver(&bodies).await.is_empty());
        let after = requests(&world);
        all = (all.0 + after.0 - before.0, all.1 + after.1 - before.1);
    }
    let manifest = world.manifest(R1, 1).await.predicate;
    assert_eq!(manifest.state, RunState::Complete);
    assert_eq!(manifest.ipes.len(), count);
    assert_eq!(world.manifests(R1), [1]);
    // Nothing is left behind.
    let kept = world.state.inner().keys();
    for key in [
        state::open_run(&run(R1)),
        state::settled(&run(R1)),
        state::run_lease(&run(R1)),
    ] {
        assert!(!kept.contains(&key), "{key}");
    }
    // Each message once more, after the end: it costs the same in every run, and changes nothing.
    let before = requests(&world);
    let key = format!("evidence/{R1}/{}/attempt-1/receipt.json", ids[0]);
    assert!(world.deliver(&[notification(&key)]).await.is_empty());
    let again = requests(&world);
    assert!(
        again.0 - before.0 <= 14 && again.1 == before.1,
        "{}",
        again.0 - before.0
    );
    assert_eq!(world.manifests(R1), [1]);
    all
}

#[tokio::test]
async fn requests_grow_with_the_number_of_ipes() {
    for (portion, s3, warehouse) in [(1, 17, 4), (10, 9, 3)] {
        let mut told = Vec::new();
        for count in [25, 50, 100, 200] {
            let started = Instant::now();
            let (lake, loads) = cost(count, portion).await;
            told.push(format!(
                "{count} IPEs, {portion} at a time: {lake} to S3, {loads} to the warehouse, {:?}",
                started.elapsed()
            ));
            // What the run costs as a whole is shared by few IPEs here.
            assert!(lake as usize <= s3 * count + 60, "{told:#?}");
            assert!(loads <= warehouse * count + 4, "{told:#?}");
        }
        println!("{told:#?}");
    }
}
