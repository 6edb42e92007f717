//! Deliveries that end before the source is asked: over the in-memory twins, with a driver that must not be called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use bytes::Bytes;
use lambda_runtime::{Context as LambdaContext, LambdaEvent};
use serde_json::json;
use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::{Lake, MemoryLake},
    lease::Leases,
    queue::{MemoryQueue, OutgoingMessage, Queue},
    secrets::{CachedSecret, MemorySecrets},
    telemetry::Telemetry,
};
use soxauto_domain::{
    Failure, Plan, RunId, Sha256,
    layout::{Layout, state},
    plan::{PlanSchema, PlannedControl, Software, Stage},
    start::{Trigger, TriggerSource},
};
use soxauto_extract::{ConnectionSettings, Driver, ExtractError, Limits, Source};
use soxauto_runs::RunReader;
use soxauto_worker::{
    Context,
    context::{Settings, Timing},
    handle,
};

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

const RUN: &str = "C-PG-1/2024-05-01/r1";

impl World {
    fn new() -> Self {
        let evidence = MemoryLake::new("evidence");
        let state = MemoryLake::new("state");
        let dead = MemoryQueue::new("dead", Duration::from_secs(60));
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(60)).with_dead_letters(3, &dead);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lake: Arc<dyn Lake> = Arc::new(evidence.clone());
        let context = Context {
            settings: Settings {
                stage: Stage::Dev,
                evidence_bucket: "evidence".into(),
                evidence_prefix: "evidence".into(),
                state_bucket: "state".into(),
                jobs_queue_url: "jobs".into(),
                source_secret: "source".into(),
                max_receives: 3,
            },
            timing: Timing::default(),
            jobs: Arc::new(jobs.clone()),
            leases: Leases::new(Arc::new(state.clone()), Arc::clone(&clock)),
            reader: RunReader::new(Arc::clone(&lake), Layout::new("evidence")),
            secret: CachedSecret::new(Arc::new(MemorySecrets::default()), "source"),
            driver: Arc::new(Uncallable),
            evidence: lake,
            clock,
            telemetry: Telemetry::for_tests(),
        };
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
        let period = run.cutoff().period();
        let plan = Plan {
            schema: PlanSchema,
            run_id: run.clone(),
            supersedes: None,
            control: PlannedControl {
                id: run.control().clone(),
                title: "t".into(),
                time_zone: "Europe/Paris".into(),
                warehouse_schema: "reconciliation".into(),
            },
            period,
            created_at: "2024-05-01T07:00:00Z".parse().unwrap(),
            deadline: "2024-05-01T19:00:00Z".parse().unwrap(),
            trigger: Trigger {
                source: TriggerSource::Direct,
                id: "t".into(),
                scheduled_time: None,
                principal: None,
            },
            stage: Stage::Dev,
            software: Software {
                name: "t".into(),
                version: "0".into(),
            },
            catalog_sha256: catalog.sha256,
            ipes: vec![
                catalog
                    .ipe(&"IPE_07".parse().unwrap())
                    .unwrap()
                    .resolve(&period)
                    .unwrap(),
            ],
        };
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
        let mut record = SqsMessage::default();
        record.message_id = Some(message.message_id.clone());
        record.receipt_handle = Some(message.receipt_handle.clone());
        record.body = Some(message.body.clone());
        record.attributes.insert(
            "ApproximateReceiveCount".into(),
            message.receive_count.to_string(),
        );
        let mut event = SqsEvent::default();
        event.records = vec![record];
        let mut lambda = LambdaContext::default();
        lambda.deadline = u64::try_from(SystemClock.now().as_millisecond()).unwrap() + 60_000;
        let response = handle(&self.context, LambdaEvent::new(event, lambda))
            .await
            .unwrap();
        let failed = !response.batch_item_failures.is_empty();
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
    let world = World::new();
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
