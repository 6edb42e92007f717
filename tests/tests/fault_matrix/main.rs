//! Every cell of the fault matrix that is about the dispatcher, on one deployed stack: exactly that fault at that step of one
//! run, and exactly that outcome. The worker's and the finalizer's cells are in `functions/*/tests/fault_matrix`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dispatcher;
mod document;
mod inflict;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use soxauto_domain::{IpeId, RunId};
use soxauto_e2e::{Laptop, faults::Cell};

use inflict::Inflictor;

/// Ledger rows: enough for the reports below to pass in every month.
const ROWS: u64 = 20_000;
/// Seconds after which a message is back that nobody holds; longer than a lease.
const VISIBILITY: u64 = 66;

/// The stack and everything that misbehaves in it.
struct World {
    laptop: Laptop,
    inflictor: Arc<Inflictor>,
    began: Instant,
}

impl World {
    async fn start() -> Self {
        let laptop = Laptop::behind_proxy(|options| {
            options.rows = ROWS;
            options.worker_concurrency = 12;
        })
        .await;
        laptop.shorten_queues(VISIBILITY).await;
        let inflictor = Arc::new(Inflictor::default());
        laptop
            .proxy()
            .judge(inflict::Shared(Arc::clone(&inflictor)));
        Self {
            laptop,
            inflictor,
            began: Instant::now(),
        }
    }

    fn tell(&self, what: &str) {
        eprintln!("{:4} s  {what}", self.began.elapsed().as_secs());
    }

    /// The start event of a run: the same again finds the same run.
    fn event(run: &RunId, ipes: &[IpeId]) -> serde_json::Value {
        json!({
            "id": run, "detail-type": "Start", "source": "finance",
            "detail": {"cutoff_date": run.cutoff(), "ipes": ipes, "supersede": run.number() > 1}
        })
    }

    /// Waits until the run has a manifest, its marker is gone and it says `state`.
    async fn until(&self, run: &RunId, state: &str, limit: Duration) -> Result<(), String> {
        let started = Instant::now();
        let mut swept = Instant::now();
        loop {
            // The sweep comes every quarter of an hour; here it is quicker.
            if swept.elapsed() > Duration::from_secs(8) {
                swept = Instant::now();
                self.laptop.stack.fire_sweep_schedule().await.unwrap();
            }
            let facts = self.laptop.reader.facts(run).await.unwrap();
            if let Some(last) = facts.and_then(|facts| facts.manifests.last().copied()) {
                let (manifest, _) = self.laptop.manifest(run, last).await;
                if manifest.predicate.state.as_str() == state {
                    return Ok(());
                }
            }
            if started.elapsed() > limit {
                return Err(format!("{run} is not {state}"));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What `soxauto status` said: of a run of each state, and of every run of which it has something to say.
#[derive(Default)]
struct Status {
    by_run: BTreeMap<RunId, (i32, serde_json::Value)>,
    states: BTreeSet<String>,
}

impl Status {
    /// Holds it against a cell.
    async fn hold(
        &mut self,
        world: &World,
        (run, ipe): (&RunId, &IpeId),
        cell: &Cell,
        place: &str,
    ) -> Vec<String> {
        let is_known = self.by_run.contains_key(run);
        let is_new = self.states.insert(cell.run.clone());
        if !is_known && (is_new || !cell.says.is_empty()) {
            let name = run.to_string();
            let said = world.laptop.operate(&["status", "--run", &name]).await;
            self.by_run.insert(run.clone(), said);
        }
        let Some((code, status)) = self.by_run.get(run) else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        if *code != cell.exit {
            wrong.push(format!(
                "{place}: status exits with {code}, not {}",
                cell.exit
            ));
        }
        let next = status["next"].as_array().cloned().unwrap_or_default();
        let about = |advice: &&serde_json::Value| {
            advice["run_id"] == json!(run) && advice["ipe_id"] == json!(ipe)
        };
        let says: Vec<String> = next
            .iter()
            .filter(about)
            .map(|advice| format!("{} {}", advice["problem"], advice["remedy"]))
            .collect();
        let says = says.join(" ");
        if says.is_empty() != cell.says.is_empty() || !says.contains(&cell.says) {
            wrong.push(format!(
                "{place}: status says {says:?}, not {:?}",
                cell.says
            ));
        }
        wrong
    }
}

fn id(text: &str) -> IpeId {
    text.parse().unwrap()
}

fn run(cutoff: &str, number: u32) -> RunId {
    format!("C-PG-1/{cutoff}/r{number}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_dispatcher_ends_as_the_matrix_says() {
    let world = World::start().await;
    let mut wrong = dispatcher::inflict_all(&world).await;
    wrong.extend(dispatcher::missed(&world));
    world.tell("the dispatcher's cells are done");
    assert!(
        wrong.is_empty(),
        "{} findings:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    world.laptop.stack.stop().await;
}
