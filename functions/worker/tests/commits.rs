//! Attempts that are extracted and then die, or meet a rival: one receipt in the end, and nothing half-written counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::{Fault, FaultyLake, Lake, MemoryLake, Operation},
    lease::Leases,
    queue::MemoryQueue,
    secrets::{CachedSecret, MemorySecrets},
    telemetry::Telemetry,
};
use soxauto_domain::{
    BoundQuery, IpeState, PlannedIpe, Sha256, bind,
    catalog::Sample,
    facts::IpeFacts,
    layout::Layout,
    plan::{ColumnContract, PlannedCompleteness, PlannedNegative, PlannedWitness},
    receipt::{SourceIdentity, TlsRecord},
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, DescribedType, Driver, ExtractError, Limits, RowSink,
    Source,
};
use soxauto_runs::RunReader;
use soxauto_worker::{Context, context::Timing};

use support::{Delivery, RUN, is_done, plan_of, settings};

const ROWS: &str = "SELECT id FROM t";
const COUNT: &str = "SELECT COUNT(*) AS row_count FROM u";
const PERTURBED: &str = "SELECT id FROM t WHERE id <> 1";

/// A source of two rows, whose answers take a moment.
struct TwoRows;

#[async_trait]
impl Driver for TwoRows {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Source for TwoRows {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        Ok(SourceIdentity {
            server: "s".into(),
            database: "d".into(),
            login: "l".into(),
            version: "v".into(),
            server_time: "2024-05-01T07:00:00Z".into(),
            isolation: "read committed".into(),
            can_write: false,
            write_rights: vec![],
            tls: TlsRecord::Verified,
        })
    }

    async fn describe(&mut self, _: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        Ok(vec![DescribedColumn {
            name: "id".into(),
            sql_type: DescribedType::Known("int".parse().unwrap()),
            nullable: false,
        }])
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let (name, values): (&str, &[i32]) = match query.sql.as_str() {
            ROWS => ("id", &[1, 2]),
            COUNT => ("row_count", &[2]),
            PERTURBED => ("id", &[2]),
            other => panic!("{other}"),
        };
        sink.start(&[name])?;
        for value in values {
            sink.int(*value)?;
            sink.end_row()?;
        }
        sink.flush().await?;
        Ok(values.len() as u64)
    }
}

fn query(sql: &str) -> BoundQuery {
    bind::bind(sql, &BTreeMap::new()).unwrap()
}

fn ipe() -> PlannedIpe {
    let witness = BTreeMap::from([("id".to_owned(), "1".to_owned())]);
    PlannedIpe {
        id: "IPE_07".parse().unwrap(),
        title: "t".into(),
        description: "d".into(),
        accounts: vec![],
        database: "d".into(),
        extraction: query(ROWS),
        columns: vec![ColumnContract {
            name: "id".into(),
            sql_type: "int".parse().unwrap(),
            nullable: false,
            accepted: None,
            min: None,
            max: None,
            from: None,
            before: None,
            rounding: None,
            sample: Sample::Show,
        }],
        key: vec!["id".into()],
        allow_empty: false,
        max_row_variance_percent: None,
        completeness: PlannedCompleteness {
            query: query(COUNT),
            rows: "row_count".into(),
            totals: vec![],
        },
        witness: PlannedWitness::Match {
            values: witness.clone(),
        },
        negative: PlannedNegative {
            query: query(PERTURBED),
            parameter: "x".into(),
            change: "without 1".into(),
            values: witness,
        },
        partition: None,
        table: "t".into(),
        baseline: soxauto_domain::BaselineStatus::None,
        lineage: None,
    }
}

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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lake: Arc<dyn Lake> = Arc::new(evidence.clone());
        let secrets = MemorySecrets::default();
        secrets.put("source", "Server=localhost;User Id=reader;Password=x");
        let context = Context {
            settings: settings(),
            timing: Timing::default(),
            jobs: Arc::new(MemoryQueue::new("jobs", Duration::from_secs(60))),
            leases: Leases::new(Arc::new(state.clone()), Arc::clone(&clock)),
            reader: RunReader::new(Arc::clone(&lake), Layout::new("evidence")),
            secret: CachedSecret::new(Arc::new(secrets), "source"),
            driver: Arc::new(TwoRows),
            evidence: lake,
            clock,
            telemetry: Telemetry::for_tests(),
            software: support::software(),
        };
        let plan = plan_of(ipe());
        let bytes = Bytes::from(serde_json::to_vec(&plan).unwrap());
        let sha256 = Sha256::of(&bytes);
        let key = context.reader.layout().plan(&plan.run_id);
        evidence
            .inner()
            .create(&key, bytes, "application/json")
            .await
            .unwrap();
        let job = json!({"schema": "soxauto.job/1", "run_id": RUN, "ipe_id": "IPE_07",
            "plan": {"key": key, "sha256": sha256}});
        Self {
            context,
            evidence,
            state,
            job: job.to_string(),
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
        assert!(receipt.files.iter().any(|file| file.rows == Some(2)));
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
