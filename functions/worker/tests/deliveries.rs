//! Deliveries that end before the source is asked: over the in-memory twins, with a driver that must not be called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use soxauto_cloud::{
    lake::{Fault, FaultyLake, Lake, MemoryLake, Operation},
    queue::{MemoryQueue, OutgoingMessage, Queue},
    secrets::{CachedSecret, MemorySecrets},
};
use soxauto_domain::{
    Failure, RunId, Sha256,
    layout::{Layout, state},
};
use soxauto_extract::{ConnectionSettings, Driver, ExtractError, Limits, Source};
use soxauto_runs::RunReader;
use soxauto_worker::{Context, context::Timing};

use support::{Delivery, RUN, context, is_done, plan_of};

struct Uncallable;

#[async_trait]
impl Driver for Uncallable {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        panic!("the source must not be asked")
    }
}

struct World {
    context: Context,
    evidence: MemoryLake,
    state: MemoryLake,
    jobs: MemoryQueue,
    dead: MemoryQueue,
}

impl World {
    fn new() -> Self {
        let evidence = MemoryLake::new("evidence");
        let state = MemoryLake::new("state");
        let dead = MemoryQueue::new("dead", Duration::from_secs(60));
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(60)).with_dead_letters(3, &dead);
        let context = context(evidence.clone(), state.clone(), &jobs, Uncallable);
        Self {
            context,
            evidence,
            state,
            jobs,
            dead,
        }
    }

    /// Stores a plan of one IPE and returns its digest.
    async fn plan(&self) -> Sha256 {
        let run: RunId = RUN.parse().unwrap();
        let catalog = soxauto_catalog::load().unwrap();
        let ipe = catalog.ipe(&"IPE_07".parse().unwrap()).unwrap();
        let plan = plan_of(ipe.resolve(&run.cutoff().period()).unwrap());
        let bytes = Bytes::from(serde_json::to_vec(&plan).unwrap());
        let sha256 = Sha256::of(&bytes);
        self.evidence
            .create(
                &Layout::new("evidence").plan(&run),
                bytes,
                "application/json",
            )
            .await
            .unwrap();
        sha256
    }

    /// Sends a message and delivers it once; says whether it was reported as failed.
    async fn deliver(&self, body: String) -> bool {
        self.jobs
            .send_batch(vec![OutgoingMessage {
                id: "m".into(),
                body,
            }])
            .await
            .unwrap();
        self.redeliver().await
    }

    async fn redeliver(&self) -> bool {
        let message = self
            .jobs
            .receive(1, Duration::ZERO)
            .await
            .unwrap()
            .pop()
            .expect("a message is visible");
        let delivery = Delivery {
            message_id: &message.message_id,
            receipt_handle: &message.receipt_handle,
            body: &message.body,
            receive_count: message.receive_count,
            request_id: "r-1",
        };
        let failed = !is_done(&self.context, delivery).await;
        if !failed {
            self.jobs.delete(&message.receipt_handle).await.unwrap();
        }
        failed
    }
}

fn job(sha256: Sha256) -> String {
    json!({"schema": "soxauto.job/1", "run_id": RUN, "ipe_id": "IPE_07",
        "plan": {"key": format!("evidence/{RUN}/plan.json"), "sha256": sha256}})
    .to_string()
}

#[tokio::test]
async fn a_message_that_is_no_job_reaches_the_dead_letter_queue_at_once() {
    let world = World::new();
    assert!(world.deliver("not json".into()).await);
    for _ in 0..2 {
        assert!(world.redeliver().await);
    }
    assert!(
        world
            .jobs
            .receive(1, Duration::ZERO)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.dead.depth().await.unwrap().visible, 1);
    assert!(
        world.evidence.list("").await.unwrap().is_empty(),
        "nothing is known of a run"
    );
}

#[tokio::test]
async fn a_plan_with_another_digest_is_refused_and_the_refusal_is_kept() {
    let world = World::new();
    world.plan().await;
    assert!(world.deliver(job(Sha256::of("another plan"))).await);
    let record = world
        .evidence
        .get(&format!("evidence/{RUN}/IPE_07/attempt-1/failure.json"))
        .await
        .unwrap();
    let failure: Failure = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!(
        (failure.code.as_str(), failure.is_final),
        ("PLAN_DIGEST_MISMATCH", false)
    );
    // The third delivery is the last: the IPE has failed.
    for _ in 0..2 {
        world.redeliver().await;
    }
    let record = world
        .evidence
        .get(&format!("evidence/{RUN}/IPE_07/attempt-3/failure.json"))
        .await
        .unwrap();
    let failure: Failure = serde_json::from_slice(&record.bytes).unwrap();
    assert!(failure.is_final);
}

#[tokio::test]
async fn while_another_worker_holds_the_ipe_the_message_waits() {
    let world = World::new();
    let sha256 = world.plan().await;
    let key = state::ipe_lease(&RUN.parse().unwrap(), &"IPE_07".parse().unwrap());
    let lease = world
        .context
        .leases
        .acquire(&key, "rival", Duration::from_secs(60))
        .await
        .unwrap();
    assert!(world.deliver(job(sha256)).await);
    // It is neither lost nor seen as a failure, and not back before the rival's time is over.
    assert_eq!(world.jobs.depth().await.unwrap().in_flight, 1);
    assert_eq!(world.evidence.list("").await.unwrap().len(), 1);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_secret_that_is_missing_is_a_failure_with_its_code_and_leaves_no_lease() {
    let mut world = World::new();
    world.context.secret = CachedSecret::new(Arc::new(MemorySecrets::default()), "source");
    let sha256 = world.plan().await;
    assert!(world.deliver(job(sha256)).await);
    let record = world
        .evidence
        .get(&format!("evidence/{RUN}/IPE_07/attempt-1/failure.json"))
        .await
        .unwrap();
    let failure: Failure = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!(failure.code.as_str(), "SECRET_UNAVAILABLE");
    assert!(world.state.list("leases/").await.unwrap().is_empty());
}

/// A source that answers after a while, and then that the login is refused.
struct Slow(Duration);

#[async_trait]
impl Driver for Slow {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        tokio::time::sleep(self.0).await;
        Err(ExtractError::Server {
            during: "connect",
            number: 18_456,
            state: 1,
            severity: 14,
            line: 1,
            message: "Login failed.".into(),
        })
    }
}

impl World {
    /// A world in which the source is slow and everything else is fast.
    fn slow(source: Duration) -> Self {
        let mut world = Self::new();
        world.context.driver = Arc::new(Slow(source));
        world.context.timing = Timing {
            visibility: Duration::from_millis(400),
            lease: Duration::from_millis(300),
            beat: Duration::from_millis(50),
            reserve: Duration::from_secs(1),
            rotation: Duration::from_millis(400),
            ..Timing::default()
        };
        world
    }
}

#[tokio::test]
async fn while_the_worker_lives_its_message_stays_away_and_when_it_dies_it_comes_back() {
    let world = World::slow(Duration::from_secs(30));
    let sha256 = world.plan().await;
    let key = state::ipe_lease(&RUN.parse().unwrap(), &"IPE_07".parse().unwrap());
    {
        let delivery = world.deliver(job(sha256));
        tokio::pin!(delivery);
        // Several times as long as visibility and lease last.
        tokio::select! {
            _ = &mut delivery => panic!("the source is slow"),
            () = tokio::time::sleep(Duration::from_millis(1_500)) => {}
        }
        assert!(
            world
                .jobs
                .receive(1, Duration::ZERO)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            world
                .context
                .leases
                .acquire(&key, "rival", Duration::from_secs(1))
                .await
                .is_err()
        );
        // The worker dies here: its future is dropped.
    }
    let back = world
        .jobs
        .receive(1, Duration::from_millis(1_000))
        .await
        .unwrap();
    assert_eq!(
        back.len(),
        1,
        "the message is back soon after its last sign of life"
    );
    let lease = world
        .context
        .leases
        .acquire(&key, "rival", Duration::from_secs(1))
        .await;
    assert!(lease.is_ok(), "and the lease has ended before it");
}

#[tokio::test]
async fn a_worker_that_cannot_read_the_attempts_gives_its_lease_back() {
    let mut world = World::new();
    let sha256 = world.plan().await;
    let lake = FaultyLake::new(world.evidence.clone());
    lake.fail(Fault::new(Operation::List, 1));
    world.context.reader = RunReader::new(Arc::new(lake), Layout::new("evidence"));
    assert!(world.deliver(job(sha256)).await);
    assert!(world.state.list("leases/").await.unwrap().is_empty());
}

#[test]
fn a_killed_workers_lease_ends_before_its_message_is_back() {
    let timing = Timing::default();
    // Killed just before the visibility would have been extended, and just after the lease was renewed.
    let back = timing.visibility - timing.visibility / 4 - timing.beat;
    assert!(timing.lease + 2 * timing.beat < back);
    // One slow answer of the bucket does not end it.
    assert!(timing.lease >= 6 * timing.beat);
}
