//! Attempts that are extracted and then die, or meet a rival: one receipt in the end, and nothing half-written counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use soxauto_cloud::{
    lake::{Fault, FaultyLake, Lake, MemoryLake, Operation},
    queue::MemoryQueue,
};
use soxauto_domain::{IpeState, Sha256, facts::IpeFacts};
use soxauto_worker::Context;

use support::{
    Delivery, RUN, context, is_done, job,
    ledger::{Ledger, by_one_query},
};

/// Rows of the report.
const ROWS: u64 = 10;

struct World {
    context: Context,
    evidence: FaultyLake<MemoryLake>,
    state: MemoryLake,
    job: String,
}

impl World {
    async fn new() -> Self {
        let evidence = FaultyLake::new(MemoryLake::new("evidence"));
        let state = MemoryLake::new("state");
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(60));
        let ledger = Ledger::of(ROWS as i32, Duration::from_millis(2));
        let context = context(evidence.clone(), state.clone(), &jobs, ledger);
        let job = job(evidence.inner(), by_one_query()).await;
        Self {
            context,
            evidence,
            state,
            job,
        }
    }

    /// Delivers the job; says whether the message is done.
    async fn deliver(&self, request: &str, receive_count: u32) -> bool {
        let delivery = Delivery {
            message_id: "m",
            receipt_handle: "h",
            body: &self.job,
            receive_count,
            request_id: request,
        };
        is_done(&self.context, delivery).await
    }

    async fn facts(&self) -> IpeFacts {
        let run = RUN.parse().unwrap();
        let ipe = "IPE_07".parse().unwrap();
        self.context.reader.ipe(&run, &ipe).await.unwrap()
    }

    /// The receipt that counts tells the truth about its folder.
    async fn assert_one_true_receipt(&self, name: &str) {
        let facts = self.facts().await;
        assert_eq!(facts.state(), IpeState::Passed, "{name}");
        let receipts = facts.attempts.iter().filter(|a| a.receipt.is_some());
        assert_eq!(receipts.count(), 1, "{name}");
        let (attempt, receipt) = facts.deciding().unwrap();
        assert!(receipt.files.iter().any(|file| file.rows == Some(ROWS)));
        for file in &receipt.files {
            let key = format!(
                "evidence/{RUN}/IPE_07/attempt-{}/{}",
                attempt.number, file.path
            );
            let bytes = self.evidence.inner().get(&key).await.unwrap().bytes;
            assert_eq!(Sha256::of(&bytes), file.sha256, "{name} {}", file.path);
        }
        assert!(self.state.list("leases/").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_worker_that_dies_at_any_step_of_the_commit_is_followed_by_one_that_commits() {
    let steps = [
        (Operation::Create, "query.sql"),
        (Operation::Create, "parameters.json"),
        (Operation::Create, "sample.csv"),
        (Operation::Create, "checks.json"),
        (Operation::Create, "summary.json"),
        (Operation::Create, "log.jsonl"),
        (Operation::UploadComplete, "part-00000"),
        (Operation::Create, "receipt.json"),
    ];
    for (operation, key) in steps {
        for after in [false, true] {
            let world = World::new().await;
            let fault = Fault::new(operation, 1).on(key);
            world
                .evidence
                .fail(if after { fault.after() } else { fault });
            let name = format!("{key} after: {after}");
            assert!(!world.deliver("first", 1).await, "{name}");
            world.evidence.heal();
            assert!(world.deliver("second", 2).await, "{name}");
            world.assert_one_true_receipt(&name).await;
            // A late duplicate changes nothing.
            let before = world.evidence.inner().keys();
            assert!(world.deliver("third", 3).await);
            assert_eq!(world.evidence.inner().keys(), before, "{name}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_will_not_be_completed_is_aborted_at_once() {
    let world = World::new().await;
    world
        .evidence
        .fail(Fault::new(Operation::Create, 1).on("summary.json"));
    assert!(!world.deliver("first", 1).await);
    // Not only when it is dropped: a frozen function aborts nothing in the background.
    assert_eq!(world.evidence.calls(Operation::UploadAbort), 1);
}

#[tokio::test]
async fn of_two_workers_at_the_same_attempt_one_commits_and_the_other_keeps_silent() {
    for _ in 0..20 {
        let mut world = World::new().await;
        // Leases that have ended when they are taken: each worker believes that it is alone.
        world.context.timing.lease = Duration::ZERO;
        let (a, b) = tokio::join!(world.deliver("a", 1), world.deliver("b", 2));
        assert!(a || b, "one of them commits");
        let facts = world.facts().await;
        assert!(facts.attempts.iter().all(|a| a.failure.is_none()));
        // Whoever lost is delivered again, and finds the receipt.
        assert!(world.deliver("c", 3).await);
        world.assert_one_true_receipt("rivals").await;
    }
}
