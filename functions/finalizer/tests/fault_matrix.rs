//! The finalizer's cells of the fault matrix (`tests/faults.toml`): exactly that fault at that step, exactly that outcome.
//!
//! Over the in-memory twins, so that a process that dies is one whose work is dropped at that instant. That real processes
//! may be killed at the same places is shown by `tests/tests/kill`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use soxauto_cloud::{
    lake::{Fault, FaultKind, Moment, Operation},
    retry::Deadline,
    signer::{Signer, SignerError},
    warehouse::{Rows, Statement, TransactionResult, Warehouse, WarehouseError},
};
use soxauto_domain::{RunState, layout::state};
use soxauto_e2e::faults::{Cell, Step, matrix};
use soxauto_finalizer::run;
use support::{R1, World, run};

/// Longer than anything that is tried again; the clock of the tests is paused.
const FOREVER: u64 = 7_200_000;

#[tokio::test(start_paused = true)]
async fn each_cell_ends_as_the_matrix_says() {
    let mut wrong = Vec::new();
    for (step, cell) in matrix().cells("finalizer") {
        let place = format!("finalizer: {} {}: {}", step.call, step.nth, cell.fault);
        wrong.extend(
            inflict(step, cell)
                .await
                .into_iter()
                .map(|what| format!("{place}: {what}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

async fn inflict(step: &Step, cell: &Cell) -> Vec<String> {
    let mut world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(4);
    let inflicted = arm(&mut world, step, cell).await;
    let mut answers = Vec::new();
    // The message is delivered until the run is closed; between two deliveries a dead finalizer's lease ends.
    for _ in 0..4 {
        let answer = call(&world).await;
        let closed = answer == cell.run;
        answers.push(answer);
        if closed {
            break;
        }
        world.clock.advance(Duration::from_secs(61));
    }
    let mut wrong = Vec::new();
    let answers = answers.join(", ");
    if answers != cell.invocations {
        wrong.push(format!("{answers}, not {}", cell.invocations));
    }
    if !inflicted(&world) {
        wrong.push("was not inflicted".to_owned());
    }
    // A while later, after a sweep, nothing of it is left.
    world.evidence.heal();
    world.state.heal();
    world.clock.advance(Duration::from_secs(180));
    world.sweep().await.unwrap();
    let facts = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    let state = facts.ipes[0].arrived();
    if state.as_str() != cell.ipe || facts.state(true).as_str() != cell.run {
        wrong.push(format!(
            "{} in {}",
            state.as_str(),
            facts.state(true).as_str()
        ));
    }
    if world.manifests(R1) != [1] {
        wrong.push(format!("manifests {:?}", world.manifests(R1)));
    }
    if world.manifest(R1, 1).await.predicate.state != RunState::Complete {
        wrong.push("its manifest does not say complete".to_owned());
    }
    if !world
        .published()
        .last()
        .is_some_and(|sql| sql.contains("'complete'"))
    {
        wrong.push("it is not published".to_owned());
    }
    let left = world.state.inner().keys();
    let left: Vec<_> = left
        .into_iter()
        .filter(|key| !key.ends_with("/head.json") && !key.starts_with("copy/"))
        .collect();
    if !left.is_empty() {
        wrong.push(format!("left behind: {left:?}"));
    }
    let exit = i32::from(facts.state(true) != RunState::Complete);
    if exit != cell.exit || !cell.says.is_empty() {
        wrong.push("a run that is complete has nothing to say".to_owned());
    }
    wrong
}

/// One invocation about the run: the state that it reached, the code of its error, or that it died.
async fn call(world: &World) -> String {
    let of = run(R1);
    let advance = run::advance(&world.context, &of, &[], world.soon());
    match tokio::time::timeout(Duration::from_secs(3_600), advance).await {
        Err(_) => "died".to_owned(),
        Ok(Ok(None)) => "held".to_owned(),
        Ok(Ok(Some(state))) => state.as_str().to_owned(),
        Ok(Err(error)) => error.code().as_str().to_owned(),
    }
}

type Inflicted = Box<dyn Fn(&World) -> bool>;

/// Plans the fault of a cell; what is returned says later whether it happened.
async fn arm(world: &mut World, step: &Step, cell: &Cell) -> Inflicted {
    if cell.fault == "rival" {
        // Another finalizer holds the run and gives no further sign of life.
        let key = state::run_lease(&run(R1));
        let minute = Duration::from_secs(60);
        let leases = &world.context.leases;
        leases.acquire(&key, "a rival", minute).await.unwrap();
        return Box::new(|_| true);
    }
    if cell.fault == "sent twice" {
        return Box::new(|_| true);
    }
    let what = what(&cell.fault);
    let tripped = Arc::new(Tripwire {
        call: step.call.clone(),
        spare: AtomicU32::new(step.nth - 1),
        what: Mutex::new(Some(what)),
    });
    let (operation, thing) = step.call.split_once(' ').unwrap_or((&step.call, ""));
    let lake = match (operation, thing) {
        ("BatchExecuteStatement" | "GetStatementResult", _) => {
            world.context.warehouse = Arc::new(Tripped(
                Arc::clone(&tripped),
                Arc::clone(&world.context.warehouse),
            ));
            None
        }
        ("Sign", _) => {
            world.context.signer = Arc::new(Tripped(
                Arc::clone(&tripped),
                Arc::clone(&world.context.signer),
            ));
            None
        }
        ("GetObject", "run's lease") => Some((Operation::Get, "finalizer.json", false)),
        ("PutObject", "run's lease") => Some((Operation::Create, "finalizer.json", false)),
        ("DeleteObject", "run's lease") => Some((Operation::DeleteIf, "finalizer.json", false)),
        ("GetObject", "plan.json") => Some((Operation::Get, "plan.json", true)),
        ("ListObjectsV2", "run's folder") => Some((Operation::List, "/r1/", true)),
        ("GetObject", "receipt.json") => Some((Operation::Get, "receipt.json", true)),
        ("PutObject", "COPY list") => Some((Operation::Create, "copy/", false)),
        ("PutObject", "load.json") => Some((Operation::Create, "load.json", true)),
        ("GetObject", "chain head") => Some((Operation::Get, "head.json", false)),
        ("PutObject", "chain head") if step.nth == 1 => {
            Some((Operation::Create, "head.json", false))
        }
        ("PutObject", "chain head") => Some((Operation::Replace, "head.json", false)),
        ("PutObject", "staged manifest") => Some((Operation::Create, "/staged/", false)),
        ("GetObject", "staged manifest") => Some((Operation::Get, "/staged/", false)),
        ("DeleteObject", "staged manifest") => Some((Operation::Delete, "/staged/", false)),
        ("PutObject", "report") => Some((Operation::Create, "report-1.html", true)),
        ("PutObject", "manifest") => Some((Operation::Create, "manifest-1", true)),
        ("DeleteObject", "settled reports") => Some((Operation::Delete, "settled/", false)),
        ("DeleteObject", "marker") => Some((Operation::DeleteIf, "open/", false)),
        _ => panic!("{} is no step of the finalizer", step.call),
    };
    let Some((operation, key, is_evidence)) = lake else {
        return Box::new(move |_| tripped.what.lock().unwrap().is_none());
    };
    // The first write of the head creates it; those after it replace it.
    let nth = match operation {
        Operation::Replace => step.nth - 1,
        _ => step.nth,
    };
    let (moment, kind) = what;
    let fault = Fault {
        moment,
        kind,
        ..Fault::new(operation, nth).on(key)
    };
    let lake = if is_evidence {
        &world.evidence
    } else {
        &world.state
    };
    lake.fail(fault);
    Box::new(move |world| {
        let lake = if is_evidence {
            &world.evidence
        } else {
            &world.state
        };
        lake.calls(operation) >= nth
    })
}

/// The fault as the twins know it.
fn what(fault: &str) -> (Moment, FaultKind) {
    match fault {
        "killed" | "killed before" => (Moment::Before, FaultKind::Delay(FOREVER)),
        "killed after" => (Moment::After, FaultKind::Delay(FOREVER)),
        "refused" => (Moment::Before, FaultKind::Unavailable),
        "answers lost" => (Moment::After, FaultKind::Unavailable),
        other => panic!("{other} is no fault of the finalizer"),
    }
}

/// What the lake's twin does on demand, for the ports that have no such twin.
#[derive(Debug)]
struct Tripwire {
    call: String,
    spare: AtomicU32,
    what: Mutex<Option<(Moment, FaultKind)>>,
}

impl Tripwire {
    fn meet(&self, call: &str) -> Option<(Moment, FaultKind)> {
        if call != self.call || self.spare.fetch_sub(1, Ordering::SeqCst) > 0 {
            return None;
        }
        self.spare.store(0, Ordering::SeqCst);
        self.what.lock().unwrap().take()
    }

    async fn pass<T, E>(
        &self,
        call: &str,
        failure: E,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some((moment, kind)) = self.meet(call) else {
            return work.await;
        };
        let done = match moment {
            Moment::Before => None,
            Moment::After => Some(work.await?),
        };
        if let FaultKind::Delay(milliseconds) = kind {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        drop(done);
        Err(failure)
    }
}

#[derive(Debug)]
struct Tripped<P: ?Sized>(Arc<Tripwire>, Arc<P>);

#[async_trait]
impl Warehouse for Tripped<dyn Warehouse> {
    async fn transaction(
        &self,
        statements: &[Statement],
        token: &str,
        deadline: Deadline,
    ) -> Result<TransactionResult, WarehouseError> {
        let has = |start: &str| statements.iter().any(|s| s.sql.starts_with(start));
        let call = match (has("LOCK"), has("INSERT")) {
            (_, true) => "BatchExecuteStatement publication",
            (true, false) => "BatchExecuteStatement load",
            (false, false) => "BatchExecuteStatement tables",
        };
        let failure = WarehouseError::Denied("injected".into());
        let work = self.1.transaction(statements, token, deadline);
        self.0.pass(call, failure, work).await
    }

    async fn rows(&self, statement_id: &str) -> Result<Rows, WarehouseError> {
        let failure = WarehouseError::Unavailable("injected".into());
        self.0
            .pass("GetStatementResult", failure, self.1.rows(statement_id))
            .await
    }

    async fn query(
        &self,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<Rows, WarehouseError> {
        self.1.query(statement, deadline).await
    }
}

#[async_trait]
impl Signer for Tripped<dyn Signer> {
    fn key_id(&self) -> &str {
        self.1.key_id()
    }

    async fn public_key_pem(&self) -> Result<String, SignerError> {
        self.1.public_key_pem().await
    }

    async fn sign_digest(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignerError> {
        let failure = SignerError::Unavailable {
            key_id: self.1.key_id().to_owned(),
            detail: "injected".to_owned(),
        };
        self.0
            .pass("Sign", failure, self.1.sign_digest(sha256))
            .await
    }
}
