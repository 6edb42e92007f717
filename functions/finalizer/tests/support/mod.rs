//! A finalizer over in-memory buckets and a scripted warehouse, and the runs it is given.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::ToSpan as _;
use lambda_runtime::{Context as LambdaContext, LambdaEvent};
use serde::Serialize;
use serde_json::{Value, json};
use soxauto_cloud::{
    clock::{Clock, SteppingClock},
    lake::{FaultyLake, Lake, MemoryLake, Operation},
    lease::Leases,
    queue::MemoryQueue,
    signer::{LocalSigner, Signer as _},
    telemetry::Telemetry,
    warehouse::{
        Asked, Compute, ScriptedWarehouse, TransactionResult, WarehouseError, WarehouseTarget,
    },
};
use soxauto_domain::{
    CheckKind, CheckOutcome, Code, Failure, IpeId, IpeState, Plan, PlannedIpe, Receipt, Retry,
    RunId, Sha256,
    catalog::Catalog,
    layout::{self, Attempt, Layout, Object, state},
    manifest::{ManifestLink, Statement},
    message::PlanPointer,
    plan::{PlanSchema, PlannedControl, Software, Stage},
    receipt::{
        Counts, FailureSchema, FileRecord, QueryRecord, ReceiptSchema, SourceIdentity, TlsRecord,
        WorkerRecord,
    },
    start::{Trigger, TriggerSource},
};
use soxauto_evidence::{ChainHead, envelope};
use soxauto_finalizer::{
    Context, FinalizerError,
    context::{Settings, Timing},
    handle,
    plans::Plans,
};
use soxauto_runs::{OpenRun, RunReader};

/// The operations that are requests to S3.
pub(crate) const REQUESTS: [Operation; 9] = [
    Operation::Get,
    Operation::Download,
    Operation::Head,
    Operation::Create,
    Operation::Replace,
    Operation::Delete,
    Operation::DeleteIf,
    Operation::List,
    Operation::ListFolders,
];

/// A run.
pub(crate) const R1: &str = "C-PG-1/2024-05-01/r1";
/// The run that supersedes it.
pub(crate) const R2: &str = "C-PG-1/2024-05-01/r2";
/// Runs are closed twelve hours after their plan.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// The clock at the start, and when plans are made.
const START: &str = "2024-05-01T07:00:00Z";

pub(crate) fn run(text: &str) -> RunId {
    RunId::parse_chained(text).unwrap()
}

pub(crate) fn ipe(text: &str) -> IpeId {
    text.parse().unwrap()
}

/// The body of a message about one object.
pub(crate) fn notification(key: &str) -> String {
    json!({"Records": [{"s3": {"object": {"key": key}}}]}).to_string()
}

pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) evidence: FaultyLake<MemoryLake>,
    pub(crate) state: FaultyLake<MemoryLake>,
    pub(crate) warehouse: ScriptedWarehouse,
    pub(crate) clock: SteppingClock,
    signer: LocalSigner,
    layout: Layout,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(FaultyLake::new)
    }

    /// Over buckets that are made in this way.
    pub(crate) fn over(bucket: impl Fn(MemoryLake) -> FaultyLake<MemoryLake>) -> Self {
        let evidence = bucket(MemoryLake::new("evidence"));
        let state = bucket(MemoryLake::new("state"));
        let warehouse = ScriptedWarehouse::default();
        let clock = SteppingClock::new(START.parse().unwrap());
        let signer = LocalSigner::new([7; 32]);
        let layout = Layout::new("evidence");
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let evidence_lake: Arc<dyn Lake> = Arc::new(evidence.clone());
        let state_lake: Arc<dyn Lake> = Arc::new(state.clone());
        let context = Context {
            settings: Settings {
                stage: Stage::Dev,
                control: "C-PG-1".parse().unwrap(),
                evidence_bucket: "evidence".into(),
                evidence_prefix: "evidence".into(),
                state_bucket: "state".into(),
                receipts_queue_url: "receipts".into(),
                jobs_dead_letters_url: "dead-jobs".into(),
                signing_key: "key".into(),
                copy_role: None,
                warehouse: WarehouseTarget {
                    compute: Compute::Workgroup("w".into()),
                    database: "d".into(),
                    secret_arn: None,
                },
            },
            timing: Timing {
                wait: Duration::from_millis(5),
                ..Timing::default()
            },
            receipts: Arc::new(MemoryQueue::new("receipts", Duration::from_secs(60))),
            dead_jobs: Arc::new(MemoryQueue::new("dead-jobs", Duration::from_secs(60))),
            leases: Leases::new(Arc::clone(&state_lake), Arc::clone(&shared)),
            reader: RunReader::new(Arc::clone(&evidence_lake), layout.clone()),
            signer: Arc::new(signer.clone()),
            warehouse: Arc::new(warehouse.clone()),
            evidence: evidence_lake,
            state: state_lake,
            clock: shared,
            plans: Plans::default(),
            telemetry: Telemetry::for_tests(),
            catalog: catalog(),
            software: software(),
        };
        Self {
            context,
            evidence,
            state,
            warehouse,
            clock,
            signer,
            layout,
        }
    }

    pub(crate) fn soon(&self) -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    // What the dispatcher and the workers leave -----------------------------------------------------------------------

    async fn put(&self, key: &str, document: &impl Serialize) -> Sha256 {
        let bytes = Bytes::from(serde_json::to_vec(document).unwrap());
        let sha256 = Sha256::of(&bytes);
        self.evidence
            .inner()
            .create(key, bytes, "application/json")
            .await
            .unwrap();
        sha256
    }

    /// Plan and marker of a run.
    pub(crate) async fn plan(&self, name: &str, ipes: &[&str]) {
        let period = run(name).cutoff().period();
        let catalog = &self.context.catalog;
        let planned = ipes
            .iter()
            .map(|id| catalog.ipe(&ipe(id)).unwrap().resolve(&period).unwrap())
            .collect();
        self.plan_of(name, planned).await;
    }

    /// Plan and marker of a run of these IPEs.
    pub(crate) async fn plan_of(&self, name: &str, ipes: Vec<PlannedIpe>) {
        let run = run(name);
        let period = run.cutoff().period();
        let created_at = START.parse().unwrap();
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
            created_at,
            deadline: created_at.saturating_add(12.hours()).unwrap(),
            trigger: Trigger {
                source: TriggerSource::Direct,
                id: "t".into(),
                scheduled_time: None,
                principal: None,
            },
            approval: None,
            stage: Stage::Dev,
            software: software(),
            catalog_sha256: self.context.catalog.sha256,
            ipes,
        };
        let key = self.layout.plan(&run);
        let marker = OpenRun {
            plan: PlanPointer {
                sha256: self.put(&key, &plan).await,
                key,
            },
            deadline: plan.deadline,
            dispatched_at: Some(created_at),
            closing: None,
            told_revision: None,
            run_id: run,
        };
        let bytes = Bytes::from(serde_json::to_vec(&marker).unwrap());
        self.state
            .inner()
            .create(&state::open_run(&marker.run_id), bytes, "application/json")
            .await
            .unwrap();
    }

    /// An attempt of three rows that passed.
    pub(crate) async fn passed(&self, name: &str, id: &str, number: u32) {
        self.passed_with(name, id, number, 3).await;
    }

    /// An attempt that passed.
    pub(crate) async fn passed_with(&self, name: &str, id: &str, number: u32, rows: u64) {
        let good = CheckOutcome::new(CheckKind::KeyUnique, None, true, "0", "0");
        self.receipt(name, id, number, rows, IpeState::Passed, good)
            .await;
    }

    /// An attempt that a check rejected.
    pub(crate) async fn rejected(&self, name: &str, id: &str, number: u32) {
        let bad = CheckOutcome::new(CheckKind::KeyUnique, None, false, "0 duplicates", "2");
        self.receipt(name, id, number, 3, IpeState::Rejected, bad)
            .await;
    }

    async fn receipt(
        &self,
        name: &str,
        id: &str,
        number: u32,
        rows: u64,
        state: IpeState,
        check: CheckOutcome,
    ) {
        let attempt = Attempt {
            run_id: run(name),
            ipe_id: ipe(id),
            number,
        };
        let mut files = vec![("query.sql", None)];
        if rows > 0 {
            files.push(("data/part-00000.parquet", Some(rows)));
        }
        let mut records = Vec::new();
        for (path, rows) in files {
            let bytes = Bytes::from(format!("{id} {number} {path}"));
            records.push(FileRecord {
                path: path.into(),
                size: bytes.len() as u64,
                sha256: Sha256::of(&bytes),
                rows,
            });
            self.evidence
                .inner()
                .create(&self.layout.file(&attempt, path), bytes, "x")
                .await
                .unwrap();
        }
        let plans = &self.context.plans;
        let plan = plans.of(&self.context.reader, &attempt.run_id).await;
        let plan = plan.unwrap().unwrap();
        let wanted = BTreeSet::from([attempt.ipe_id.clone()]);
        let plan = plan.only(&wanted);
        let planned = &plan.document.ipes[0];
        let now = self.clock.now();
        let receipt = Receipt {
            schema: ReceiptSchema,
            run_id: attempt.run_id.clone(),
            ipe_id: attempt.ipe_id.clone(),
            attempt: number,
            plan_sha256: plan.sha256,
            state,
            started_at: now,
            finished_at: now,
            extracted_at: now,
            source: SourceIdentity {
                server: "s".into(),
                database: "d".into(),
                login: "l".into(),
                version: "v".into(),
                server_time: START.into(),
                isolation: "read committed".into(),
                can_write: false,
                write_rights: vec![],
                tls: TlsRecord::Verified,
            },
            query: QueryRecord {
                sha256: planned.extraction.sha256,
                parameters: planned.extraction.parameters.clone(),
                decoder: None,
            },
            counts: Counts {
                source: rows,
                decoded: rows,
                parquet: rows,
            },
            content_sha256: Sha256::of(id),
            control_totals: vec![],
            checks: vec![check],
            witness: vec![],
            partition: None,
            files: records,
            software: software(),
            worker: worker(),
        };
        self.put(&self.layout.file(&attempt, layout::RECEIPT), &receipt)
            .await;
    }

    /// An attempt after which the queue gives up.
    pub(crate) async fn failed(&self, name: &str, id: &str, number: u32) {
        let attempt = Attempt {
            run_id: run(name),
            ipe_id: ipe(id),
            number,
        };
        let failure = Failure {
            schema: FailureSchema,
            run_id: attempt.run_id.clone(),
            ipe_id: attempt.ipe_id.clone(),
            attempt: number,
            code: Code::LoginRefused,
            message: "login failed".into(),
            remedy: "r".into(),
            retry: Retry::Fatal,
            is_final: true,
            started_at: self.clock.now(),
            failed_at: self.clock.now(),
            software: software(),
            worker: worker(),
        };
        self.put(&self.layout.file(&attempt, layout::FAILURE), &failure)
            .await;
    }

    // What the warehouse answers --------------------------------------------------------------------------------------

    /// The next loads tie out, with three rows each.
    pub(crate) fn loads(&self, count: usize) {
        for _ in 0..count {
            self.load_of(3);
        }
    }

    /// The next load ties out, with that many rows.
    pub(crate) fn load_of(&self, rows: u64) {
        let rows = rows.to_string();
        let names: Vec<String> = (0..6).map(|i| format!("total_{i}")).collect();
        let mut row = vec![("loaded_rows", rows.as_str())];
        row.extend(names.iter().map(|name| (name.as_str(), "1")));
        self.warehouse.answer_row(&row);
    }

    /// The next load does not tie out.
    pub(crate) fn fails_to_tie_out(&self) {
        self.warehouse.answer_transaction(Ok(TransactionResult {
            statement_id: "ddl".into(),
            statements: vec![],
        }));
        self.warehouse
            .answer_transaction(Err(WarehouseError::Statement {
                statement_id: "load".into(),
                index: Some(2),
                sql: "SELECT".into(),
                message: "invalid input syntax: \"tie-out failed: the warehouse holds rows 2\""
                    .into(),
            }));
    }

    // What happens ----------------------------------------------------------------------------------------------------

    /// Invokes the function.
    pub(crate) async fn invoke(&self, payload: Value) -> Result<Value, FinalizerError> {
        let mut lambda = LambdaContext::default();
        lambda.deadline = u64::try_from(self.clock.now().as_millisecond()).unwrap() + 60_000;
        handle(&self.context, LambdaEvent::new(payload, lambda)).await
    }

    /// Delivers messages; the identifiers (`m-0`, `m-1`, …) of those that come again.
    pub(crate) async fn deliver(&self, bodies: &[String]) -> Vec<String> {
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(i, body)| {
                json!({"messageId": format!("m-{i}"), "receiptHandle": format!("h-{i}"), "body": body,
                    "attributes": {"ApproximateReceiveCount": "1"}})
            })
            .collect();
        let answer = self.invoke(json!({ "Records": records })).await.unwrap();
        answer["batchItemFailures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["itemIdentifier"].as_str().unwrap().to_owned())
            .collect()
    }

    /// One message for each run.
    pub(crate) async fn notify(&self, runs: &[&str]) -> Vec<String> {
        let bodies: Vec<String> = runs
            .iter()
            .map(|run| notification(&format!("evidence/{run}/IPE_07/attempt-1/receipt.json")))
            .collect();
        self.deliver(&bodies).await
    }

    /// The sweep.
    pub(crate) async fn sweep(&self) -> Result<Value, FinalizerError> {
        self.invoke(json!({"schema": "soxauto.sweep/1"})).await
    }

    // What is there then ----------------------------------------------------------------------------------------------

    pub(crate) fn is_marked(&self, name: &str) -> bool {
        self.state
            .inner()
            .keys()
            .contains(&state::open_run(&run(name)))
    }

    pub(crate) fn loaded(&self, name: &str, id: &str, number: u32) -> bool {
        let key = format!("evidence/{name}/{id}/attempt-{number}/load.json");
        self.evidence.inner().keys().contains(&key)
    }

    pub(crate) fn manifests(&self, name: &str) -> Vec<u32> {
        let run = run(name);
        let mut found: Vec<u32> = self
            .evidence
            .inner()
            .keys()
            .iter()
            .filter_map(|key| match self.layout.parse(key)? {
                Object::Manifest(of, revision) if of == run => Some(revision),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// A manifest whose signature holds.
    pub(crate) async fn manifest(&self, name: &str, revision: u32) -> Statement {
        let key = self.layout.manifest(&run(name), revision);
        let bytes = self.evidence.inner().get(&key).await.unwrap().bytes;
        envelope::verify(&bytes, &self.signer.public_key_pem().await.unwrap()).unwrap()
    }

    /// The failure record of an attempt.
    pub(crate) async fn failure(&self, name: &str, id: &str, number: u32) -> Option<Failure> {
        let attempt = Attempt {
            run_id: run(name),
            ipe_id: ipe(id),
            number,
        };
        let key = self.layout.file(&attempt, layout::FAILURE);
        let object = self.evidence.inner().get(&key).await.ok()?;
        Some(serde_json::from_slice(&object.bytes).unwrap())
    }

    pub(crate) async fn link(&self, name: &str, revision: u32) -> ManifestLink {
        let run_id = run(name);
        let key = self.layout.manifest(&run_id, revision);
        let bytes = self.evidence.inner().get(&key).await.unwrap().bytes;
        ManifestLink {
            run_id,
            revision,
            sha256: Sha256::of(&bytes),
        }
    }

    /// The chain's head; nothing may be reserved or staged.
    pub(crate) async fn head(&self) -> ManifestLink {
        let key = state::chain_head(&"C-PG-1".parse().unwrap());
        let bytes = self.state.inner().get(&key).await.unwrap().bytes;
        let head: ChainHead = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(head.reserved, None);
        head.head.unwrap()
    }

    /// The subjects are the files of the folder that were there, with the digests of their bytes.
    pub(crate) async fn assert_subjects(&self, name: &str, manifest: &Statement) {
        let folder = self.layout.run_folder(&run(name));
        let revision = manifest.predicate.revision;
        let mut expected = Vec::new();
        for key in self.evidence.inner().keys() {
            let Some(file) = key.strip_prefix(&folder) else {
                continue;
            };
            match self.layout.parse(&key) {
                Some(Object::Manifest(..) | Object::Review(..)) => {}
                Some(Object::Report(_, later)) if later > revision => {}
                _ => {
                    let bytes = self.evidence.inner().get(&key).await.unwrap().bytes;
                    expected.push((file.to_owned(), Sha256::of(&bytes), bytes.len() as u64));
                }
            }
        }
        expected.sort();
        let found: Vec<_> = manifest
            .subject
            .iter()
            .map(|s| (s.name.clone(), s.digest.sha256, s.annotations.size))
            .collect();
        assert_eq!(found, expected);
    }

    /// The statements that published runs.
    pub(crate) fn published(&self) -> Vec<String> {
        self.statements()
            .into_iter()
            .filter(|sql| sql.starts_with("INSERT INTO"))
            .collect()
    }

    /// Every statement sent.
    pub(crate) fn sql(&self) -> String {
        self.statements().join(";\n")
    }

    fn statements(&self) -> Vec<String> {
        self.warehouse
            .asked()
            .into_iter()
            .flat_map(|asked| match asked {
                Asked::Transaction { statements, .. } => statements,
                Asked::Query(statement) => vec![statement],
                Asked::Rows(_) => vec![],
            })
            .map(|statement| statement.sql)
            .collect()
    }
}

/// The catalog, which takes a while to be read.
fn catalog() -> Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG
        .get_or_init(|| soxauto_catalog::load().unwrap())
        .clone()
}

/// As many IPEs as are wanted, each with a table of its own.
pub(crate) fn many(count: usize) -> Vec<PlannedIpe> {
    let catalog = catalog();
    let period = run(R1).cutoff().period();
    let one = catalog.ipes[0].resolve(&period).unwrap();
    (0..count)
        .map(|n| PlannedIpe {
            id: format!("IPE_{n:04}").parse().unwrap(),
            table: format!("pg01_validated_ipe_{n:04}"),
            ..one.clone()
        })
        .collect()
}

fn software() -> Software {
    Software {
        name: "t".into(),
        version: "0".into(),
        binary_sha256: Sha256::of("binary"),
    }
}

fn worker() -> WorkerRecord {
    WorkerRecord {
        request_id: "r".into(),
        function: "worker:1".into(),
        receive_count: 1,
        replayed_by: None,
    }
}

/// Counts the telemetry events of a thread.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Vec<String>>>);

impl Counted {
    /// Listens until the guard is dropped.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    /// Events of that name.
    pub(crate) fn of(&self, name: &str) -> usize {
        let wanted = format!("\"event\":\"{name}\"");
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(&wanted)).count()
    }
}

impl tracing::Subscriber for Counted {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(Option<String>);
        impl tracing::field::Visit for Line {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                if field.name() == "line" {
                    self.0 = Some(value.to_owned());
                }
            }
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "line" && self.0.is_none() {
                    self.0 = Some(format!("{value:?}"));
                }
            }
        }
        let mut line = Line(None);
        event.record(&mut line);
        self.0.lock().unwrap().extend(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
