//! The password changes while a worker holds the old one: in each order in which source and secret can change, what the
//! server is offered, how often, and what becomes of the delivery.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::{Lake, MemoryLake},
    lease::Leases,
    queue::{MemoryQueue, Queue as _},
    secrets::{CachedSecret, MemorySecrets, SecretError, SecretText, Secrets},
    telemetry::Telemetry,
};
use soxauto_domain::{
    BoundQuery, Code, Failure, IpeState, PlannedIpe, Sha256, facts::IpeFacts, layout::Layout,
    receipt::SourceIdentity,
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, Driver, ExtractError, Limits, RowSink, Source,
};
use soxauto_runs::RunReader;
use soxauto_worker::{Context, context::Timing};

use support::{
    Delivery, RUN, is_done_within,
    ledger::{Ledger, by_one_query, by_ranges},
    plan_of, settings,
};

const OLD: &str = "Server=localhost;User Id=reader;Password=old-Passw0rd";
const NEW: &str = "Server=localhost;User Id=reader;Password=new-Passw0rd";
const OTHER_USER: &str = "Server=localhost;User Id=reader_b;Password=other-Passw0rd";
const PATIENCE: Duration = Duration::from_millis(1_500);

/// A server that compares what it is offered, in front of a ledger.
#[derive(Clone)]
struct Guarded {
    ledger: Ledger,
    accepted: Arc<Mutex<Vec<&'static str>>>,
    offered: Arc<Mutex<Vec<&'static str>>>,
}

impl Guarded {
    fn accept(&self, accepted: &[&'static str]) {
        *self.accepted.lock().unwrap() = accepted.to_vec();
    }

    fn offered(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.offered.lock().unwrap())
    }

    fn log_in(&self, settings: &ConnectionSettings) -> Result<(), ExtractError> {
        let name = [OLD, NEW, OTHER_USER]
            .into_iter()
            .find(|known| ConnectionSettings::parse(known).unwrap() == *settings)
            .unwrap();
        self.offered.lock().unwrap().push(name);
        if self.accepted.lock().unwrap().contains(&name) {
            return Ok(());
        }
        Err(ExtractError::Server {
            during: "connect",
            number: 18_456,
            state: 1,
            severity: 14,
            line: 1,
            message: format!("Login failed for user '{}'.", settings.user()),
        })
    }
}

#[async_trait]
impl Driver for Guarded {
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        self.log_in(settings)?;
        Ok(Box::new(Session {
            inner: self.ledger.connect(settings, database, limits).await?,
            server: self.clone(),
            settings: settings.clone(),
            rows: false,
        }))
    }
}

/// A session that logs in a second time for its first rows, as the pair of drivers does.
struct Session {
    inner: Box<dyn Source>,
    server: Guarded,
    settings: ConnectionSettings,
    rows: bool,
}

#[async_trait]
impl Source for Session {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        self.inner.identity().await
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        self.inner.describe(query).await
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        if query.sql.starts_with("SELECT id") && !self.rows {
            self.server.log_in(&self.settings)?;
            self.rows = true;
        }
        self.inner.read(query, sink).await
    }
}

/// A store of secrets that can be away for some calls.
#[derive(Debug, Clone, Default)]
struct Vault {
    secrets: MemorySecrets,
    away: Arc<AtomicU32>,
}

#[async_trait]
impl Secrets for Vault {
    async fn get(&self, id: &str) -> Result<SecretText, SecretError> {
        let away = self
            .away
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        let value = self.secrets.get(id).await?;
        if away.is_ok() {
            return Err(SecretError::Unavailable {
                id: id.to_owned(),
                detail: "throttled".into(),
            });
        }
        Ok(value)
    }
}

struct World {
    context: Context,
    evidence: MemoryLake,
    state: MemoryLake,
    jobs: MemoryQueue,
    server: Guarded,
    vault: Vault,
    job: String,
}

impl World {
    /// A worker that holds the old value, which the server accepts.
    async fn warm(ipe: PlannedIpe) -> Self {
        let evidence = MemoryLake::new("evidence");
        let state = MemoryLake::new("state");
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(60));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lake: Arc<dyn Lake> = Arc::new(evidence.clone());
        let vault = Vault::default();
        vault.secrets.put("source", OLD);
        let server = Guarded {
            ledger: Ledger::of(100, Duration::ZERO),
            accepted: Arc::new(Mutex::new(vec![OLD])),
            offered: Arc::default(),
        };
        let context = Context {
            settings: settings(),
            timing: Timing {
                rotation: PATIENCE,
                ..Timing::default()
            },
            jobs: Arc::new(jobs.clone()),
            leases: Leases::new(Arc::new(state.clone()), Arc::clone(&clock)),
            reader: RunReader::new(Arc::clone(&lake), Layout::new("evidence")),
            secret: CachedSecret::new(Arc::new(vault.clone()), "source"),
            driver: Arc::new(server.clone()),
            evidence: lake,
            clock,
            telemetry: Telemetry::for_tests(),
            software: support::software(),
        };
        context.secret.get().await.unwrap();
        let plan = plan_of(ipe);
        let bytes = Bytes::from(serde_json::to_vec(&plan).unwrap());
        let sha256 = Sha256::of(&bytes);
        let key = context.reader.layout().plan(&plan.run_id);
        evidence
            .create(&key, bytes, "application/json")
            .await
            .unwrap();
        let job = json!({"schema": "soxauto.job/1", "run_id": RUN, "ipe_id": "IPE_07",
            "plan": {"key": key, "sha256": sha256}});
        Self {
            context,
            evidence,
            state,
            jobs,
            server,
            vault,
            job: job.to_string(),
        }
    }

    fn put(&self, value: &str) {
        self.vault.secrets.put("source", value);
    }

    async fn deliver(&self, receive_count: u32) -> bool {
        self.deliver_within(receive_count, 60_000).await
    }

    async fn deliver_within(&self, receive_count: u32, milliseconds: u64) -> bool {
        let delivery = Delivery {
            message_id: "m",
            receipt_handle: "h",
            body: &self.job,
            receive_count,
            request_id: &format!("r-{receive_count}"),
        };
        let sent_at = Some(Timestamp::now());
        is_done_within(&self.context, delivery, milliseconds, sent_at).await
    }

    async fn facts(&self) -> IpeFacts {
        let (run, ipe) = (RUN.parse().unwrap(), "IPE_07".parse().unwrap());
        self.context.reader.ipe(&run, &ipe).await.unwrap()
    }

    /// The only attempt that there is has passed; its journal names these events of a rotation.
    async fn passed_at_first(&self, events: &[&str]) {
        let facts = self.facts().await;
        assert_eq!(facts.state(), IpeState::Passed, "{facts:?}");
        assert_eq!(facts.attempts.len(), 1, "{facts:?}");
        let journal = self.journal(1).await;
        let told: Vec<&str> = journal
            .iter()
            .map(String::as_str)
            .filter(|event| event.starts_with("secret_"))
            .collect();
        assert_eq!(told, events);
        assert!(self.state.list("leases/").await.unwrap().is_empty());
        self.nothing_stored_holds_a_password().await;
    }

    async fn journal(&self, attempt: u32) -> Vec<String> {
        let key = format!("evidence/{RUN}/IPE_07/attempt-{attempt}/log.jsonl");
        let bytes = self.evidence.get(&key).await.unwrap().bytes;
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let event = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        };
        text.lines().map(event).collect()
    }

    async fn nothing_stored_holds_a_password(&self) {
        for lake in [&self.evidence, &self.state] {
            for key in lake.keys() {
                let bytes = lake.get(&key).await.unwrap().bytes;
                let found = bytes.windows(8).any(|part| part == b"Passw0rd");
                assert!(!found, "{key}");
            }
        }
    }

    async fn failure(&self, attempt: u32) -> Failure {
        let key = format!("evidence/{RUN}/IPE_07/attempt-{attempt}/failure.json");
        serde_json::from_slice(&self.evidence.get(&key).await.unwrap().bytes).unwrap()
    }

    /// Does this when so much time is over.
    fn later(&self, milliseconds: u64, then: impl FnOnce(&Guarded, &Vault) + Send + 'static) {
        let (server, vault) = (self.server.clone(), self.vault.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            then(&server, &vault);
        });
    }
}

#[tokio::test]
async fn a_warm_worker_fetches_the_secret_again_when_the_old_one_is_refused() {
    let world = World::warm(by_one_query()).await;
    world.put(NEW);
    world.server.accept(&[NEW]);
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, NEW, NEW]);
    assert_eq!(world.vault.secrets.fetches(), 2, "once, and once again");
    world.passed_at_first(&["secret_changed"]).await;
}

#[tokio::test]
async fn between_source_and_secret_the_delivery_waits_and_offers_the_old_value_once() {
    let world = World::warm(by_one_query()).await;
    world.server.accept(&[NEW]);
    world.later(500, |_, vault| vault.secrets.put("source", NEW));
    let began = Instant::now();
    assert!(world.deliver(1).await);
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(world.server.offered(), [OLD, NEW, NEW]);
    world
        .passed_at_first(&["secret_awaited", "secret_changed"])
        .await;
}

#[tokio::test]
async fn a_store_of_secrets_that_is_away_meanwhile_is_asked_again() {
    let world = World::warm(by_one_query()).await;
    world.put(NEW);
    world.server.accept(&[NEW]);
    world.vault.away.store(4, Ordering::Relaxed);
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, NEW, NEW]);
    world
        .passed_at_first(&["secret_awaited", "secret_changed"])
        .await;
}

#[tokio::test]
async fn a_worker_that_comes_when_the_secret_is_ahead_of_the_source_needs_a_second_delivery() {
    let world = World::warm(by_one_query()).await;
    world.put(NEW);
    world.context.secret.invalidate().await;
    assert!(!world.deliver(1).await);
    assert_eq!(world.server.offered(), [NEW], "not offered again and again");
    let failure = world.failure(1).await;
    assert_eq!(
        (failure.code, failure.is_final),
        (Code::LoginRefused, false)
    );
    world.server.accept(&[NEW]);
    assert!(world.deliver(2).await);
    assert_eq!(world.facts().await.state(), IpeState::Passed);
    world.nothing_stored_holds_a_password().await;
}

#[tokio::test]
async fn a_warm_worker_does_not_notice_a_secret_that_is_ahead_of_the_source() {
    let world = World::warm(by_one_query()).await;
    world.put(NEW);
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, OLD]);
    world.passed_at_first(&[]).await;
}

#[tokio::test]
async fn two_logins_in_turn_refuse_nobody_until_the_old_one_is_disabled() {
    let world = World::warm(by_one_query()).await;
    world.put(OTHER_USER);
    world.server.accept(&[OTHER_USER]);
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, OTHER_USER, OTHER_USER]);
    world.passed_at_first(&["secret_changed"]).await;
}

#[tokio::test]
async fn a_login_refused_in_the_middle_begins_the_extraction_anew() {
    let world = World::warm(by_one_query()).await;
    // The first session is open; the second, on which rows are read, comes too late.
    let accepted = Arc::clone(&world.server.accepted);
    world.put(NEW);
    let offered = Arc::clone(&world.server.offered);
    tokio::spawn(async move {
        while offered.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
        *accepted.lock().unwrap() = vec![NEW];
    });
    world
        .server
        .ledger
        .change(|s| s.per_control_query = Duration::from_millis(100));
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, OLD, NEW, NEW]);
    world.passed_at_first(&["secret_changed"]).await;
}

#[tokio::test]
async fn a_session_that_is_ended_with_the_old_password_comes_back_with_the_new_one() {
    let world = World::warm(by_one_query()).await;
    world.server.ledger.change(|s| {
        s.failing = 1;
        s.per_query = Duration::from_millis(200);
    });
    world.later(100, |server, vault| {
        server.accept(&[NEW]);
        vault.secrets.put("source", NEW);
    });
    assert!(world.deliver(1).await);
    assert_eq!(world.server.offered(), [OLD, OLD, OLD, NEW, NEW]);
    world.passed_at_first(&["secret_changed"]).await;
}

#[tokio::test]
async fn a_password_that_is_wrong_for_good_fails_after_three_refused_logins() {
    let world = World::warm(by_one_query()).await;
    world.server.accept(&[]);
    let began = Instant::now();
    for receive_count in 1..=3 {
        assert!(!world.deliver(receive_count).await);
        let failure = world.failure(receive_count).await;
        assert_eq!(failure.code, Code::LoginRefused);
        assert_eq!(failure.is_final, receive_count == 3);
    }
    assert!(began.elapsed() >= 3 * PATIENCE, "{:?}", began.elapsed());
    assert!(began.elapsed() < 4 * PATIENCE, "{:?}", began.elapsed());
    // Six and more would be as many as lock an account.
    assert_eq!(world.server.offered(), [OLD; 3]);
    world.nothing_stored_holds_a_password().await;
}

#[tokio::test]
async fn values_that_change_and_change_end_the_delivery() {
    let world = World::warm(by_one_query()).await;
    world.server.accept(&[]);
    let vault = world.vault.clone();
    let turning = tokio::spawn(async move {
        for turn in 0u64.. {
            vault
                .secrets
                .put("source", [NEW, OTHER_USER][turn as usize % 2]);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    assert!(!world.deliver(1).await);
    turning.abort();
    let offered = world.server.offered();
    assert!((2..=5).contains(&offered.len()), "{offered:?}");
}

#[tokio::test]
async fn while_it_waits_the_lease_is_held_and_the_deadline_is_kept() {
    let mut world = World::warm(by_one_query()).await;
    world.context.timing.rotation = Duration::from_secs(30);
    world.context.timing.reserve = Duration::from_millis(200);
    world.server.accept(&[]);
    let began = Instant::now();
    let key =
        soxauto_domain::layout::state::ipe_lease(&RUN.parse().unwrap(), &"IPE_07".parse().unwrap());
    let held = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        world
            .context
            .leases
            .acquire(&key, "rival", Duration::from_secs(1))
            .await
            .is_err()
    };
    let (done, held) = tokio::join!(world.deliver_within(1, 2_000), held);
    assert!(!done && held);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn ranges_that_are_done_outlive_a_refused_login() {
    let world = World::warm(by_ranges()).await;
    world
        .server
        .ledger
        .change(|s| s.per_row = Duration::from_millis(20));
    // A first invocation does some of the ranges and passes the rest on.
    assert!(world.deliver_within(1, 1_200).await);
    assert_eq!(world.jobs.depth().await.unwrap().visible, 1);
    let done = world.server.ledger.change(|s| s.read.len());
    assert!(done > 0);
    // The next one finds the old password refused for longer than it waits, and the one behind it the new secret.
    world.server.accept(&[NEW]);
    assert!(!world.deliver(1).await);
    assert_eq!(world.facts().await.attempts.len(), 1);
    world.put(NEW);
    world.server.ledger.change(|s| s.per_row = Duration::ZERO);
    assert!(world.deliver(2).await);
    let facts = world.facts().await;
    assert_eq!(facts.state(), IpeState::Passed, "{facts:?}");
    assert_eq!(facts.attempts.len(), 1, "the attempt went on");
    let read = world.server.ledger.change(|s| s.read.clone());
    let mut once = read.clone();
    once.dedup();
    assert_eq!(read, once, "no range was read twice");
    world.nothing_stored_holds_a_password().await;
}
