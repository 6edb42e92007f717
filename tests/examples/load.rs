//! What many reports, many runs and many rows cost: calls, seconds and memory of the real functions. `scripts/load` runs it
//! and `docs/LOAD.md` has what it found.
//!
//! Each function is the program that cargo built beside this one, deployed to a laptop stack behind the counting proxy. The
//! memory is `VmHWM`, the most that a process ever had, as the kernel counts it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use soxauto_benches::{Content, Sending, Table, backend, ipe, secret, start};
use soxauto_cloud::queue::{OutgoingMessage, Queue as _, SqsQueue};
use soxauto_domain::{Job, Plan, RunId, Sha256, layout::state, message::PlanPointer};
use soxauto_e2e::{
    Laptop,
    load::{Calls, Place, catalog, dispatch, until_closed},
    proxy::function_name,
};
use soxauto_runs::OpenRun;

/// The benchmark's ledger, however many rows of it.
const LEDGER: Content = Content {
    table: Table::Ledger,
    rows: 0,
};
const PATIENCE: Duration = Duration::from_secs(3600);
/// Cutoffs for which the sample has data: the last ones first.
const MONTHS: [&str; 17] = [
    "2024-06-01",
    "2024-05-01",
    "2024-04-01",
    "2024-03-01",
    "2024-02-01",
    "2024-01-01",
    "2023-12-01",
    "2023-11-01",
    "2023-10-01",
    "2023-09-01",
    "2023-08-01",
    "2023-07-01",
    "2023-06-01",
    "2023-05-01",
    "2023-04-01",
    "2023-03-01",
    "2023-02-01",
];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, rest @ ..] = arguments.as_slice()
        && mode == "dispatch"
    {
        println!("{}", dispatched(rest).await);
        return;
    }
    let [out, sizes, runs, rows] = arguments.as_slice() else {
        panic!("usage: load OUT IPES,IPES,… RUNS ROWS | load dispatch …");
    };
    let sizes: Vec<usize> = sizes.split(',').map(|n| n.parse().unwrap()).collect();
    let mut found = BTreeMap::new();
    let rows: u64 = rows.parse().unwrap();
    if rows > 0 {
        found.insert("rows", of_rows(rows).await);
        keep(out, &found);
    }
    let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
    let mut sized = Vec::new();
    for (ipes, cutoff) in sizes.into_iter().zip(MONTHS) {
        sized.push(of_ipes(&laptop, ipes, cutoff).await);
        found.insert("ipes", json!(sized));
        keep(out, &found);
    }
    found.insert("at_once", at_once(&laptop, runs.parse().unwrap()).await);
    keep(out, &found);
    laptop.stack.stop().await;
}

fn keep(out: &str, found: &BTreeMap<&str, Value>) {
    let text = serde_json::to_string_pretty(found).unwrap();
    fs::write(out, format!("{text}\n")).unwrap();
    eprintln!("{text}");
}

/// The dispatcher's work, in a process that does nothing else.
async fn dispatched(arguments: &[String]) -> Value {
    let [ipes, cutoff, id, endpoint, evidence, state, jobs] = arguments else {
        panic!("dispatch IPES CUTOFF ID ENDPOINT EVIDENCE STATE JOBS");
    };
    let place = Place {
        endpoint: endpoint.clone(),
        evidence: evidence.clone(),
        state: state.clone(),
        jobs: jobs.clone(),
    };
    let catalog = catalog(ipes.parse().unwrap());
    let started = Instant::now();
    let run = dispatch(&place, catalog, cutoff.parse().unwrap(), id).await;
    json!({
        "run": run.run_id,
        "enqueued": run.enqueued,
        "seconds": started.elapsed().as_secs_f64(),
        "peak_kib": peak_kib("self"),
    })
}

/// Starts a run by such a process.
fn begin(place: &Place, ipes: usize, cutoff: &str, id: &str) -> Value {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["dispatch", &ipes.to_string(), cutoff, id])
        .args([&place.endpoint, &place.evidence, &place.state, &place.jobs])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One run of so many reports.
async fn of_ipes(laptop: &Laptop, ipes: usize, cutoff: &str) -> Value {
    laptop.proxy().forget();
    let before = cpu_seconds(laptop);
    let started = Instant::now();
    let place = Place::of(laptop);
    let id = cutoff.to_owned();
    let month = id.clone();
    let dispatched = tokio::task::spawn_blocking(move || begin(&place, ipes, &month, &id))
        .await
        .unwrap();
    assert_eq!(dispatched["enqueued"], ipes);
    let run: RunId = dispatched["run"].as_str().unwrap().parse().unwrap();
    until_closed(laptop, &run, PATIENCE).await;
    let seconds = started.elapsed().as_secs_f64();
    laptop.until_idle().await;
    let counts = laptop.proxy().counts();
    let by = |function: &str| {
        let own = counts.iter().filter(|(name, _)| name.function == function);
        let own = own.map(|(name, count)| (name.clone(), *count)).collect();
        let calls = Calls::of(&own);
        json!({"s3": calls.s3, "sqs": calls.sqs, "redshift": calls.redshift, "keys": calls.keys})
    };
    let after = cpu_seconds(laptop);
    let spent: BTreeMap<&str, f64> = after
        .iter()
        .map(|(function, seconds)| (*function, seconds - before.get(function).unwrap_or(&0.0)))
        .collect();
    json!({
        "ipes": ipes,
        "state": closed_state(laptop, &run).await,
        "seconds": seconds,
        "dispatcher": dispatched,
        "calls": {"dispatcher": by("other"), "worker": by("worker"), "finalizer": by("finalizer")},
        "cpu_seconds": spent,
        "peak_kib": peaks(laptop),
    })
}

/// Many runs at the same time, twelve reports each.
async fn at_once(laptop: &Laptop, runs: usize) -> Value {
    let started = Instant::now();
    let mut open = Vec::new();
    for number in 0..runs {
        let place = Place::of(laptop);
        let cutoff = MONTHS[number % MONTHS.len()];
        let id = format!("at-once-{number}");
        let begun = tokio::task::spawn_blocking(move || begin(&place, 12, cutoff, &id))
            .await
            .unwrap();
        let run: RunId = begun["run"].as_str().unwrap().parse().unwrap();
        open.push(run);
    }
    let mut states = BTreeMap::<String, usize>::new();
    for run in &open {
        until_closed(laptop, run, PATIENCE).await;
        *states.entry(closed_state(laptop, run).await).or_default() += 1;
    }
    json!({
        "runs": runs,
        "ipes_each": 12,
        "states": states,
        "seconds": started.elapsed().as_secs_f64(),
        "peak_kib": peaks(laptop),
    })
}

/// The state that the run's last manifest says; every report that it counts as passed is in the warehouse.
async fn closed_state(laptop: &Laptop, run: &RunId) -> String {
    let (manifest, _) = laptop.manifest(run, 1).await;
    for ipe in &manifest.predicate.ipes {
        let counts = ipe.counts.unwrap();
        assert_eq!(counts.warehouse, Some(counts.decoded), "{run} {}", ipe.id);
    }
    manifest.predicate.state.as_str().to_owned()
}

/// One report of so many rows, a million rows sent again and again: its keys repeat, which its check must say, and all
/// else must hold.
async fn of_rows(rows: u64) -> Value {
    let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
    let content = Content {
        rows: rows.min(1_000_000),
        ..LEDGER
    };
    let sending = Sending::Prepared {
        times: rows / content.rows,
        bytes_per_second: None,
    };
    let server = start(backend(content, sending).unwrap()).await.unwrap();
    let secret = secret(server.addr().port(), server.ca_pem(), true);
    laptop.put_secret(&secret).await;
    let started = Instant::now();
    let run = plan_of_rows(&laptop).await;
    until_closed(&laptop, &run, PATIENCE).await;
    let facts = laptop.reader.facts(&run).await.unwrap().unwrap();
    let (_, receipt) = facts.ipes[0].deciding().unwrap();
    let failed: Vec<String> = receipt
        .checks
        .iter()
        .filter(|check| !check.passed())
        .map(soxauto_domain::CheckOutcome::id)
        .collect();
    let bytes: u64 = receipt.files.iter().map(|file| file.size).sum();
    let found = json!({
        "rows": receipt.counts.decoded,
        "bytes": bytes,
        "failed_checks": failed,
        "seconds": started.elapsed().as_secs_f64(),
        "peak_kib": peaks(&laptop),
    });
    server.stop().await;
    laptop.stack.stop().await;
    found
}

/// Plan, marker and message of a run of the benchmark's ledger: as the dispatcher would, for a report that no catalog has.
async fn plan_of_rows(laptop: &Laptop) -> RunId {
    let place = Place::of(laptop);
    let seed: Plan = serde_json::from_str(include_str!("../../fuzz/corpus/plan.json")).unwrap();
    let now = Timestamp::now();
    let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
    let plan = Plan {
        run_id: run.clone(),
        period: run.cutoff().period(),
        created_at: now,
        deadline: now + Duration::from_secs(12 * 3600),
        ipes: vec![ipe(LEDGER).unwrap()],
        ..seed
    };
    let bytes = serde_json::to_vec_pretty(&plan).unwrap();
    let pointer = PlanPointer {
        key: laptop.reader.layout().plan(&run),
        sha256: Sha256::of(&bytes),
    };
    let json = "application/json";
    laptop
        .evidence
        .create(&pointer.key, bytes.into(), json)
        .await
        .unwrap();
    let marker = OpenRun {
        run_id: run.clone(),
        plan: pointer.clone(),
        deadline: plan.deadline,
        dispatched_at: Some(plan.created_at),
        closing: None,
        told_revision: None,
    };
    let marker = serde_json::to_vec(&marker).unwrap();
    laptop
        .state
        .create(&state::open_run(&run), marker.into(), json)
        .await
        .unwrap();
    let job = Job::new(run.clone(), plan.ipes[0].id.clone(), pointer);
    let jobs = SqsQueue::new(laptop.clients.sqs.clone(), &place.jobs);
    let message = OutgoingMessage {
        id: "ledger".to_owned(),
        body: serde_json::to_string(&job).unwrap(),
    };
    jobs.send_batch(vec![message]).await.unwrap();
    run
}

/// The most memory of a process, in KiB.
fn peak_kib(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or_default()
}

/// The most memory that a living process of each function ever had.
fn peaks(laptop: &Laptop) -> BTreeMap<&'static str, u64> {
    let mut peaks = BTreeMap::new();
    for seen in laptop.proxy().alive() {
        let peak = peaks
            .entry(function_name(seen.caller.function))
            .or_default();
        *peak = peak_kib(&seen.caller.pid.to_string()).max(*peak);
    }
    peaks
}

/// Processor time of the living processes of each function.
fn cpu_seconds(laptop: &Laptop) -> BTreeMap<&'static str, f64> {
    let mut spent = BTreeMap::new();
    for seen in laptop.proxy().alive() {
        let stat = fs::read_to_string(format!("/proc/{}/stat", seen.caller.pid));
        let stat = stat.unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: f64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum();
        *spent
            .entry(function_name(seen.caller.function))
            .or_default() += ticks / 100.0;
    }
    spent
}
