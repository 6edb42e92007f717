//! What the worker's tests share: settings, a plan of one report, and a delivery of its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

pub(crate) mod ledger;

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use bytes::Bytes;
use jiff::Timestamp;
use lambda_runtime::{Context as LambdaContext, LambdaEvent};
use serde_json::json;
use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::Lake,
    lease::Leases,
    queue::MemoryQueue,
    secrets::{CachedSecret, MemorySecrets},
    telemetry::Telemetry,
};
use soxauto_domain::{
    Plan, PlannedIpe, RunId, Sha256,
    catalog::Sample,
    layout::Layout,
    plan::{ColumnContract, PlanSchema, PlannedControl, Software, Stage},
    receipt::{SourceIdentity, TlsRecord},
    start::{Trigger, TriggerSource},
};
use soxauto_extract::Driver;
use soxauto_runs::RunReader;
use soxauto_worker::{
    Context,
    context::{Settings, Timing},
    handle,
};

/// The run of every test.
pub(crate) const RUN: &str = "C-PG-1/2024-05-01/r1";

pub(crate) fn settings() -> Settings {
    Settings {
        stage: Stage::Dev,
        evidence_bucket: "evidence".into(),
        evidence_prefix: "evidence".into(),
        state_bucket: "state".into(),
        jobs_queue_url: "jobs".into(),
        source_secret: "source".into(),
        max_receives: 3,
        bulk_driver: soxauto_extract::BulkDriver::default(),
    }
}

/// A worker over these buckets, this queue and this source.
pub(crate) fn context(
    evidence: impl Lake + 'static,
    state: impl Lake + 'static,
    jobs: &MemoryQueue,
    driver: impl Driver + 'static,
) -> Context {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let evidence: Arc<dyn Lake> = Arc::new(evidence);
    let secrets = MemorySecrets::default();
    secrets.put("source", "Server=localhost;User Id=reader;Password=x");
    Context {
        settings: settings(),
        timing: Timing::default(),
        jobs: Arc::new(jobs.clone()),
        leases: Leases::new(Arc::new(state), Arc::clone(&clock)),
        reader: RunReader::new(Arc::clone(&evidence), Layout::new("evidence")),
        secret: CachedSecret::new(Arc::new(secrets), "source"),
        driver: Arc::new(driver),
        evidence,
        clock,
        telemetry: Telemetry::for_tests(),
        software: software(),
    }
}

/// Plans this report, in this bucket; the message for it.
pub(crate) async fn job(bucket: &dyn Lake, ipe: PlannedIpe) -> String {
    let plan = plan_of(ipe);
    let bytes = Bytes::from(serde_json::to_vec(&plan).unwrap());
    let sha256 = Sha256::of(&bytes);
    let key = Layout::new("evidence").plan(&plan.run_id);
    bucket
        .create(&key, bytes, "application/json")
        .await
        .unwrap();
    let ipe = &plan.ipes[0].id;
    json!({"schema": "soxauto.job/1", "run_id": RUN, "ipe_id": ipe, "plan": {"key": key, "sha256": sha256}}).to_string()
}

/// Who answers.
pub(crate) fn identity() -> SourceIdentity {
    SourceIdentity {
        server: "NAV01".into(),
        database: "d".into(),
        login: "l".into(),
        version: "v".into(),
        server_time: "2024-05-01T07:00:00Z".into(),
        isolation: "read committed".into(),
        can_write: false,
        write_rights: vec![],
        tls: TlsRecord::Verified,
    }
}

/// A column that is never NULL and has no rules besides.
pub(crate) fn column(name: &str, sql_type: &str) -> ColumnContract {
    ColumnContract {
        name: name.into(),
        sql_type: sql_type.parse().unwrap(),
        nullable: false,
        accepted: None,
        min: None,
        max: None,
        from: None,
        before: None,
        rounding: None,
        sample: Sample::Show,
    }
}

/// A plan of [`RUN`] with this report only.
pub(crate) fn plan_of(ipe: PlannedIpe) -> Plan {
    let run_id: RunId = RUN.parse().unwrap();
    Plan {
        schema: PlanSchema,
        supersedes: None,
        control: PlannedControl {
            id: run_id.control().clone(),
            title: "t".into(),
            time_zone: "Europe/Paris".into(),
            warehouse_schema: "reconciliation".into(),
        },
        period: run_id.cutoff().period(),
        run_id,
        created_at: "2024-05-01T07:00:00Z".parse().unwrap(),
        deadline: "2024-05-01T19:00:00Z".parse().unwrap(),
        trigger: Trigger {
            source: TriggerSource::Direct,
            id: "t".into(),
            scheduled_time: None,
            principal: None,
        },
        approval: None,
        stage: Stage::Dev,
        software: software(),
        catalog_sha256: Sha256::of("catalog"),
        ipes: vec![ipe],
    }
}

/// The program.
pub(crate) fn software() -> Software {
    Software {
        name: "t".into(),
        version: "0".into(),
        binary_sha256: Sha256::of("binary"),
    }
}

/// One delivery of a message.
pub(crate) struct Delivery<'d> {
    pub(crate) message_id: &'d str,
    pub(crate) receipt_handle: &'d str,
    pub(crate) body: &'d str,
    pub(crate) receive_count: u32,
    pub(crate) request_id: &'d str,
}

/// Hands the delivery to the function, which has a minute; says whether the message is done.
pub(crate) async fn is_done(context: &Context, delivery: Delivery<'_>) -> bool {
    is_done_within(context, delivery, 60_000, None).await
}

/// The same with so many milliseconds, and with the time at which the message was sent.
pub(crate) async fn is_done_within(
    context: &Context,
    delivery: Delivery<'_>,
    milliseconds: u64,
    sent_at: Option<Timestamp>,
) -> bool {
    let mut record = SqsMessage::default();
    record.message_id = Some(delivery.message_id.to_owned());
    record.receipt_handle = Some(delivery.receipt_handle.to_owned());
    record.body = Some(delivery.body.to_owned());
    record.attributes.insert(
        "ApproximateReceiveCount".into(),
        delivery.receive_count.to_string(),
    );
    record
        .attributes
        .extend(sent_at.map(|at| ("SentTimestamp".to_owned(), at.as_millisecond().to_string())));
    let mut event = SqsEvent::default();
    event.records = vec![record];
    let mut lambda = LambdaContext::default();
    lambda.request_id = delivery.request_id.to_owned();
    lambda.deadline = u64::try_from(context.clock.now().as_millisecond()).unwrap() + milliseconds;
    let event = serde_json::to_value(event).unwrap();
    let response = handle(context, LambdaEvent::new(event, lambda))
        .await
        .unwrap();
    response["batchItemFailures"].as_array().unwrap().is_empty()
}
