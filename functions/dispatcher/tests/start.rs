//! Starting runs over the in-memory twins: one run per month, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use soxauto_cloud::{
    clock::FixedClock,
    lake::{Fault, FaultyLake, Lake, MemoryLake, Operation},
    queue::{MemoryQueue, Queue},
    telemetry::Telemetry,
};
use soxauto_dispatcher::{Context, context::Settings, handle};
use soxauto_domain::{
    BaselineStatus, Job, Plan, Sha256,
    catalog::{BaselineFile, Catalog},
    plan::{Software, Stage},
};
use soxauto_tsql::baseline;

struct World {
    evidence: MemoryLake,
    state: MemoryLake,
    jobs: MemoryQueue,
}

impl World {
    fn new() -> Self {
        Self {
            evidence: MemoryLake::new("evidence"),
            state: MemoryLake::new("state"),
            jobs: MemoryQueue::new("jobs", Duration::from_secs(60)),
        }
    }

    fn context(&self) -> Context {
        self.context_with(Arc::new(self.state.clone()))
    }

    fn context_with(&self, state: Arc<dyn Lake>) -> Context {
        self.context_of(Stage::Dev, soxauto_catalog::load().unwrap(), state)
    }

    fn context_of(&self, stage: Stage, catalog: Catalog, state: Arc<dyn Lake>) -> Context {
        let settings = Settings {
            stage,
            evidence_bucket: "evidence".into(),
            evidence_prefix: "evidence".into(),
            state_bucket: "state".into(),
            jobs_queue_url: "jobs".into(),
        };
        let clock = FixedClock("2024-05-01T07:00:00Z".parse().unwrap());
        Context::new(
            settings,
            Arc::new(self.evidence.clone()),
            state,
            Arc::new(self.jobs.clone()),
            Arc::new(clock),
            Telemetry::for_tests(),
            Software {
                name: "t".into(),
                version: "0".into(),
                binary_sha256: Sha256::of("binary"),
            },
            Ok(catalog),
        )
    }

    /// The plan of the month's first run.
    async fn plan(&self) -> Plan {
        let key = "evidence/C-PG-1/2024-05-01/r1/plan.json";
        serde_json::from_slice(&self.evidence.get(key).await.unwrap().bytes).unwrap()
    }

    async fn messages(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = Vec::new();
        loop {
            let batch = self.jobs.receive(10, Duration::ZERO).await.unwrap();
            if batch.is_empty() {
                jobs.sort_by(|a, b| a.ipe_id.cmp(&b.ipe_id));
                return jobs;
            }
            jobs.extend(
                batch
                    .iter()
                    .map(|message| serde_json::from_str::<Job>(&message.body).unwrap()),
            );
        }
    }
}

fn schedule(id: &str) -> Value {
    json!({"schema": "soxauto.start/1", "source": "schedule", "scheduled_time": "2024-05-01T07:00:00Z", "execution_id": id, "cutoff_date": null})
}

#[tokio::test]
async fn a_dry_run_names_what_it_saw_and_writes_nothing() {
    let world = World::new();
    let event = json!({"schema": "soxauto.check/1"});
    let said = handle(&world.context(), event.clone(), "r-1")
        .await
        .unwrap();
    assert_eq!(said["function"], "dispatcher");
    let checks = said["checks"].as_array().unwrap();
    assert!(checks.iter().all(|c| c["verdict"] == "ok"), "{said}");
    assert_eq!(
        checks[1]["seen"],
        "12 IPEs of C-PG-1 for the cutoff 2024-05-01"
    );
    assert!(world.evidence.list("").await.unwrap().is_empty());
    assert!(world.state.list("").await.unwrap().is_empty());
    assert!(world.messages().await.is_empty());
    // A catalog with problems, as a release could carry one.
    let broken = Context::new(
        world.context().settings,
        Arc::new(world.evidence.clone()),
        Arc::new(world.state.clone()),
        Arc::new(world.jobs.clone()),
        Arc::new(FixedClock("2024-05-01T07:00:00Z".parse().unwrap())),
        Telemetry::for_tests(),
        Software {
            name: "t".into(),
            version: "0".into(),
            binary_sha256: Sha256::of("binary"),
        },
        Err(vec![]),
    );
    let error = handle(&broken, event, "r-2").await.unwrap_err();
    assert_eq!(error.code().as_str(), "CATALOG_INVALID");
    assert!(
        error.to_string().contains("catalog: CATALOG_INVALID: "),
        "{error}"
    );
}

#[tokio::test]
async fn the_month_is_planned_once_and_every_ipe_gets_one_message() {
    let world = World::new();
    let first = handle(&world.context(), schedule("e-1"), "r-1")
        .await
        .unwrap();
    assert_eq!(first["run_id"], "C-PG-1/2024-05-01/r1");
    assert_eq!(first["created"], true);
    // The same event again, and another delivery of the schedule.
    for id in ["e-1", "e-2"] {
        let again = handle(&world.context(), schedule(id), "r-2").await.unwrap();
        assert_eq!(
            (&again["run_id"], &again["created"], &again["enqueued"]),
            (&first["run_id"], &json!(false), &json!(0))
        );
    }
    let jobs = world.messages().await;
    assert_eq!(jobs.len(), soxauto_catalog::load().unwrap().ipes.len());
    // Every message names the plan that is stored, by its digest.
    let stored = world.evidence.get(&jobs[0].plan.key).await.unwrap().bytes;
    assert!(
        jobs.iter()
            .all(|job| job.plan.sha256 == Sha256::of(&stored))
    );
    let plan: Plan = serde_json::from_slice(&stored).unwrap();
    assert_eq!(plan.period.start.to_string(), "2024-04-01");
}

#[tokio::test]
async fn a_crash_between_plan_and_messages_is_healed_by_the_retry() {
    for operation in [Operation::Create, Operation::Replace] {
        let world = World::new();
        // The marker cannot be written, or not be updated after the messages were sent.
        let state = FaultyLake::new(world.state.clone());
        state.fail(Fault::new(operation, 1));
        let error = handle(&world.context_with(Arc::new(state)), schedule("e-1"), "r-1")
            .await
            .unwrap_err();
        assert_eq!(error.code().as_str(), "STORAGE_FAILED");
        let again = handle(&world.context(), schedule("e-1"), "r-1")
            .await
            .unwrap();
        assert_eq!(again["run_id"], "C-PG-1/2024-05-01/r1");
        let mut ids: Vec<String> = world
            .messages()
            .await
            .iter()
            .map(|job| job.ipe_id.to_string())
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), soxauto_catalog::load().unwrap().ipes.len());
    }
}

#[tokio::test]
async fn what_is_refused_enqueues_nothing_and_writes_nothing() {
    let world = World::new();
    for (event, code) in [
        (json!({"cutoff_date": "2024-05-02"}), "CUTOFF_INVALID"),
        (json!({"cutoff_date": "2024-06-01"}), "CUTOFF_IN_FUTURE"),
        (json!({"ipes": ["IPE_99"]}), "IPE_UNKNOWN"),
        (json!({"ipes": []}), "IPE_UNKNOWN"),
        (json!({"cutof_date": null}), "START_EVENT_INVALID"),
    ] {
        let error = handle(&world.context(), event.clone(), "r-1")
            .await
            .unwrap_err();
        assert_eq!(error.code().as_str(), code, "{event}");
    }
    assert!(world.messages().await.is_empty());
    assert!(world.evidence.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_run_is_started_on_purpose_only() {
    let world = World::new();
    handle(
        &world.context(),
        json!({"ipes": ["IPE_07", "CR_04"]}),
        "r-1",
    )
    .await
    .unwrap();
    let conflict = handle(&world.context(), json!({"ipes": ["IPE_07"]}), "r-2")
        .await
        .unwrap_err();
    assert_eq!(conflict.code().as_str(), "RUN_CONFLICT");
    let event = json!({"ipes": ["IPE_07"], "supersede": true});
    let second = handle(&world.context(), event.clone(), "r-3")
        .await
        .unwrap();
    assert_eq!(second["run_id"], "C-PG-1/2024-05-01/r2");
    // The same request delivered twice is one run.
    let again = handle(&world.context(), event, "r-3").await.unwrap();
    assert_eq!(
        (&again["run_id"], &again["created"]),
        (&second["run_id"], &json!(false))
    );
    let plan: Plan = serde_json::from_slice(
        &world
            .evidence
            .get("evidence/C-PG-1/2024-05-01/r2/plan.json")
            .await
            .unwrap()
            .bytes,
    )
    .unwrap();
    assert_eq!(plan.supersedes.unwrap().to_string(), "C-PG-1/2024-05-01/r1");
}

#[tokio::test]
async fn a_run_of_some_ipes_is_not_taken_for_the_month() {
    let world = World::new();
    let part = json!({"ipes": ["IPE_07"], "cutoff_date": "2024-05-01"});
    handle(&world.context(), part.clone(), "r-1").await.unwrap();
    // The schedule wants them all: eleven would be missing without a word.
    let conflict = handle(&world.context(), schedule("e-1"), "r-2")
        .await
        .unwrap_err();
    assert_eq!(conflict.code().as_str(), "RUN_CONFLICT");
    // A run that holds them all is the month's run, whoever started it.
    let all = json!({"cutoff_date": "2024-05-01", "supersede": true});
    let second = handle(&world.context(), all, "r-3").await.unwrap();
    let followed = handle(&world.context(), schedule("e-1"), "r-4")
        .await
        .unwrap();
    assert_eq!(
        (&followed["run_id"], &followed["created"]),
        (&second["run_id"], &json!(false))
    );
}

/// The catalog with every query approved, and then one of them changed by `spoil`.
fn approved_but(spoil: impl FnOnce(&mut Catalog)) -> Catalog {
    let mut catalog = soxauto_catalog::load().unwrap();
    for ipe in &mut catalog.ipes {
        ipe.baseline = Some(BaselineFile {
            schema: Default::default(),
            ipe: ipe.id.clone(),
            sha256: baseline::digest(&ipe.texts()),
            approved_by: "Ada Reviewer".into(),
            approved_at: "2024-01-15T10:00:00Z".parse().unwrap(),
            ticket: "SOX-12".into(),
            texts: ipe.texts(),
        });
    }
    spoil(&mut catalog);
    catalog
}

#[tokio::test]
async fn prod_runs_approved_queries_only() {
    let run = async |stage, catalog: &Catalog, event: Value| {
        let world = World::new();
        let context = world.context_of(stage, catalog.clone(), Arc::new(world.state.clone()));
        let outcome = handle(&context, event, "r-1").await;
        (world, outcome)
    };
    let approved = approved_but(|_| {});
    let (world, outcome) = run(Stage::Prod, &approved, schedule("e-1")).await;
    outcome.unwrap();
    let plan = world.plan().await;
    assert!(plan.ipes.iter().all(|ipe| matches!(
        &ipe.baseline,
        BaselineStatus::Unchanged { approved_by, ticket, .. } if approved_by == "Ada Reviewer" && ticket == "SOX-12"
    )));

    let changed = approved_but(|catalog| {
        catalog.ipes[3].sql = catalog.ipes[3].sql.replace("< @cutoff", "<= @cutoff");
        catalog.ipes[4].baseline = None;
        catalog.ipes[5]
            .sql
            .push_str("\n-- a comment is no change\n");
    });
    let (world, outcome) = run(Stage::Prod, &changed, schedule("e-1")).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.code().as_str(), "QUERY_UNAPPROVED");
    assert_eq!(
        error.to_string(),
        "no approved baseline for IPE_07 (changed since baseline), IPE_08 (no approved baseline)"
    );
    assert!(world.messages().await.is_empty());
    assert!(world.evidence.list("").await.unwrap().is_empty());
    // What is not asked for is not looked at.
    let part = json!({"ipes": ["IPE_10"], "cutoff_date": "2024-05-01"});
    run(Stage::Prod, &changed, part).await.1.unwrap();

    // Elsewhere it runs, and the plan says so.
    let (world, outcome) = run(Stage::Staging, &changed, schedule("e-1")).await;
    outcome.unwrap();
    let plan = world.plan().await;
    assert!(matches!(
        plan.ipes[3].baseline,
        BaselineStatus::Changed { .. }
    ));
    assert_eq!(plan.ipes[4].baseline, BaselineStatus::None);
    assert!(plan.ipes[5].baseline.is_approved() && plan.approval.is_none());
}

#[tokio::test]
async fn an_approval_given_with_the_start_is_pinned_in_the_plan() {
    let none = approved_but(|catalog| catalog.ipes[3].baseline = None);
    let approval =
        json!({"by": "Ada Reviewer", "ticket": "SOX-13", "reason": "the month closes tomorrow"});
    let event = |approval: Value| json!({"cutoff_date": "2024-05-01", "approval": approval});
    let world = World::new();
    let context = || world.context_of(Stage::Prod, none.clone(), Arc::new(world.state.clone()));
    for bad in [
        json!({"by": "Ada Reviewer", "ticket": "SOX-13"}),
        json!({"by": " ", "ticket": "SOX-13", "reason": "x"}),
        json!({"by": "Ada", "ticket": "SOX-13", "reason": "x".repeat(501)}),
        json!("yes"),
    ] {
        let error = handle(&context(), event(bad.clone()), "r-1")
            .await
            .unwrap_err();
        assert_eq!(error.code().as_str(), "START_EVENT_INVALID", "{bad}");
    }
    handle(&context(), event(approval.clone()), "r-1")
        .await
        .unwrap();
    let plan = world.plan().await;
    assert_eq!(serde_json::to_value(&plan.approval).unwrap(), approval);
    // The approval lets the query run; it does not make it approved.
    assert_eq!(plan.ipes[3].baseline, BaselineStatus::None);
}

#[tokio::test]
async fn the_function_url_answers_with_a_status() {
    let world = World::new();
    let request = |method: &str, path: &str, body: &str| {
        json!({"version": "2.0", "rawPath": path, "body": body, "isBase64Encoded": false,
            "requestContext": {"requestId": "http-1", "http": {"method": method, "path": path},
                "authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/operator"}}}})
    };
    let call = async |method: &str, path: &str, body: &str| {
        let answer = handle(&world.context(), request(method, path, body), "r")
            .await
            .unwrap();
        let parsed: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), parsed)
    };
    assert_eq!(call("GET", "/health", "").await.0, 200);
    let (status, started) = call(
        "POST",
        "/",
        "{\"cutoff_date\": \"2024-05-01\", \"ipes\": [\"IPE_07\"]}",
    )
    .await;
    assert_eq!(
        (status, &started["run_id"]),
        (202, &json!("C-PG-1/2024-05-01/r1"))
    );
    let (status, run) = call("GET", started["links"]["status"].as_str().unwrap(), "").await;
    assert_eq!(
        (status, &run["state"], &run["ipes"][0]["state"]),
        (200, &json!("open"), &json!("planned"))
    );
    let (status, config) = call("GET", "/config", "").await;
    assert_eq!((status, &config["stage"]), (200, &json!("dev")));
    assert_eq!(
        call("POST", "/", "{\"cutoff_date\": \"May\"}").await.1["error"]["code"],
        "CUTOFF_INVALID"
    );
    assert_eq!(call("POST", "/", "not json").await.0, 400);
    assert_eq!(
        call(
            "POST",
            "/",
            "{\"ipes\": [\"IPE_08\"], \"cutoff_date\": \"2024-05-01\"}"
        )
        .await
        .0,
        409
    );
    assert_eq!(call("GET", "/runs/C-PG-1/2024-04-01/r1", "").await.0, 404);
    assert_eq!(call("GET", "/runs/../../plan.json", "").await.0, 404);
    assert_eq!(call("DELETE", "/", "").await.0, 404);
}
