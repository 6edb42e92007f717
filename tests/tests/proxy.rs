//! The proxy before the deployed functions: it knows their calls by name, and what it does to them is really done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use soxauto_domain::{RunId, RunState};
use soxauto_e2e::{
    Laptop,
    proxy::{Call, Fault, Moment},
};

/// Calls of a run that passes: each is a place where a process may die.
const CALLS: [&str; 12] = [
    "dispatcher: PutObject plan.json",
    "dispatcher: PutObject marker",
    "dispatcher: SendMessageBatch jobs",
    "worker: ChangeMessageVisibility jobs",
    "worker: PutObject IPE's lease",
    "worker: PutObject data part",
    "worker: PutObject receipt.json",
    "finalizer: BatchExecuteStatement load",
    "finalizer: Sign",
    "finalizer: PutObject manifest",
    "finalizer: PutObject chain head",
    "finalizer: DeleteObject marker",
];

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_known_by_name_and_their_processes_can_be_killed() {
    let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
    let proxy = laptop.proxy();
    let (plans, batches, samples) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let first = |count: &AtomicU32| count.fetch_add(1, Ordering::SeqCst) == 0;
    proxy.judge(move |call: &Call| match call.name.to_string().as_str() {
        "dispatcher: PutObject plan.json" if first(&plans) => Fault::Kill(Moment::After),
        "dispatcher: SendMessageBatch jobs" if first(&batches) => Fault::Kill(Moment::Before),
        "worker: PutObject sample.csv" if first(&samples) => {
            Fault::Answer(Moment::Before, 503, "SlowDown")
        }
        "worker: PutObject data part" => Fault::Delay(Duration::from_millis(50)),
        _ => Fault::None,
    });
    laptop
        .stack
        .fire_month_schedule(Some("2024-05-01"), &["CR_04".to_owned()])
        .await
        .unwrap();
    let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
    let facts = laptop.closed(&run, 1).await;
    assert_eq!(facts.state(false), RunState::Complete);
    assert_eq!(facts.ipes[0].attempts.len(), 1);

    let counts = proxy.counts();
    let shown: Vec<String> = counts.iter().map(|(n, c)| format!("{c:5} {n}")).collect();
    let shown = shown.join("\n");
    for call in CALLS {
        assert!(
            counts.keys().any(|name| name.to_string() == call),
            "{call} in\n{shown}"
        );
    }
    assert_eq!(proxy.count_of("other: "), 0, "{shown}");
    // Twice each: the killed process's and the next one's; the refused one and the one that the SDK sends again.
    assert_eq!(proxy.count_of("SendMessageBatch jobs"), 2, "{shown}");
    assert_eq!(proxy.count_of("PutObject sample.csv"), 2, "{shown}");
    let killed: Vec<String> = proxy
        .kills()
        .iter()
        .map(|kill| {
            let (name, moment) = kill.at.clone().unwrap();
            format!("{moment} {name}")
        })
        .collect();
    assert_eq!(
        killed,
        [
            "after dispatcher: PutObject plan.json",
            "before dispatcher: SendMessageBatch jobs"
        ]
    );
    laptop.stack.stop().await;
}
