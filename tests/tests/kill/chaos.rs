//! What is done to the calls while months run: deaths, failures, doubles and delays, chosen by a seed.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use soxauto_cloud::queue::{OutgoingMessage, Queue as _, SqsQueue};
use soxauto_domain::{IpeId, RunId};
use soxauto_e2e::{
    Laptop,
    proxy::{Call, Fault, Handle, Judge, Kill, Moment, Name, sooner},
};
use soxauto_local::Function;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{Month, operator::VISIBILITY};

/// What a process is doing.
#[derive(Debug, Clone)]
struct Work {
    run: RunId,
    ipe: Option<IpeId>,
    leased: bool,
}

/// Deaths under a lease cost a minute each: so many per report, and per run's finalizers.
#[derive(Debug)]
struct Budget {
    died: u32,
    may: u32,
}

struct State {
    rng: StdRng,
    is_calm: bool,
    /// Kills that are still wanted; then only new places are died at.
    left: usize,
    /// Cutoffs whose workers live.
    spared: Vec<&'static str>,
    /// Deaths at each place that was seen; those of an undisturbed run must all be died at.
    died_at: BTreeMap<(Name, Moment), u32>,
    wanted: Vec<(Name, Moment)>,
    at_work: BTreeMap<u32, Work>,
    budgets: BTreeMap<(RunId, Option<IpeId>), Budget>,
    /// Deaths of workers that nobody knows the report of.
    nameless: u32,
    failures: BTreeMap<&'static str, u32>,
    /// Requests that are refused so often that the SDK gives up.
    refused: BTreeMap<(u32, Name), u32>,
    doubles: u32,
}

/// The judge of a disturbed run.
#[derive(Clone)]
pub(crate) struct Chaos {
    state: Arc<Mutex<State>>,
    doubles: UnboundedSender<(Queue, String, Duration)>,
}

#[derive(Debug, Clone, Copy)]
enum Queue {
    Jobs,
    Receipts,
}

impl Chaos {
    pub(crate) fn new(
        seed: u64,
        points: impl Iterator<Item = Name>,
        laptop: &Laptop,
        months: &[Month],
        kills: usize,
    ) -> Self {
        let spared = months.iter().filter(|month| month.spares_workers);
        let outputs = laptop.stack.outputs();
        let jobs = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.jobs_queue_url);
        let receipts = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.receipts_queue_url);
        let (doubles, mut later) = unbounded_channel::<(Queue, String, Duration)>();
        tokio::spawn(async move {
            while let Some((queue, body, after)) = later.recv().await {
                let queue = match queue {
                    Queue::Jobs => jobs.clone(),
                    Queue::Receipts => receipts.clone(),
                };
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let id = "double".to_owned();
                    let _ = queue.send_batch(vec![OutgoingMessage { id, body }]).await;
                });
            }
        });
        // Only a failure or a rival leads to some calls, and who made one cannot always be found out: that is chance.
        let always = |name: &Name| {
            let by_chance = name.kind == "failure.json" || name.operation == "HeadObject";
            !by_chance && name.function != "other"
        };
        let wanted = points
            .filter(always)
            .flat_map(|name| [Moment::Before, Moment::After].map(|moment| (name.clone(), moment)));
        Self {
            state: Arc::new(Mutex::new(State {
                rng: StdRng::seed_from_u64(seed),
                is_calm: false,
                left: kills,
                spared: spared.map(|month| month.cutoff).collect(),
                died_at: BTreeMap::new(),
                wanted: wanted.collect(),
                at_work: BTreeMap::new(),
                budgets: BTreeMap::new(),
                nameless: 0,
                failures: BTreeMap::new(),
                refused: BTreeMap::new(),
                doubles: 0,
            })),
            doubles,
        }
    }

    pub(crate) fn calm(&self) {
        self.state.lock().unwrap().is_calm = true;
    }

    /// Places of an undisturbed run at which nobody has died so far.
    pub(crate) fn not_died_at(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let left = state
            .wanted
            .iter()
            .filter(|p| !state.died_at.contains_key(*p));
        left.map(|(name, moment)| format!("{moment} {name}"))
            .collect()
    }

    pub(crate) fn report(&self, kills: &[Kill]) -> String {
        let state = self.state.lock().unwrap();
        let of = |function| {
            kills
                .iter()
                .filter(|k| k.caller.function == function)
                .count()
        };
        let mut text = format!(
            "{} kills: {} of dispatchers, {} of workers, {} of finalizers; {} at random instants, the others at {} places:\n",
            kills.len(),
            of(Function::Dispatcher),
            of(Function::Worker),
            of(Function::Finalizer),
            kills.iter().filter(|k| k.at.is_none()).count(),
            state.died_at.len()
        );
        for ((name, moment), count) in &state.died_at {
            let _ = writeln!(text, "{count:6}  {moment} {name}");
        }
        let _ = write!(
            text,
            "failed calls: {:?}; doubled messages: {}",
            state.failures, state.doubles
        );
        text
    }
}

impl State {
    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random::<f64>() < probability
    }

    /// Follows what each process is doing, by the calls that it makes.
    fn follow(&mut self, call: &Call) {
        let Some(caller) = &call.caller else { return };
        let name = call.name.to_string();
        match name.as_str() {
            "worker: GetObject IPE's lease" | "finalizer: GetObject run's lease" => {
                if let Some(run) = call.run.clone() {
                    let (ipe, leased) = (call.ipe.clone(), false);
                    self.at_work.insert(caller.pid, Work { run, ipe, leased });
                }
            }
            "worker: PutObject IPE's lease" | "finalizer: PutObject run's lease" => {
                if let Some(work) = self.at_work.get_mut(&caller.pid) {
                    work.leased = true;
                }
            }
            _ => {}
        }
    }

    /// The work is over once its lease is given back.
    fn followed(&mut self, call: &Call) {
        let ends = ["DeleteObject IPE's lease", "DeleteObject run's lease"];
        let name = call.name.to_string();
        if let Some(caller) = &call.caller
            && ends.iter().any(|end| name.ends_with(end))
        {
            self.at_work.remove(&caller.pid);
        }
    }

    /// Whether the process may die now; says yes to a rare place a little longer.
    fn may_die(&mut self, function: Function, pid: u32, is_new: bool) -> bool {
        let work = self.at_work.get(&pid).cloned();
        match (function, work) {
            (Function::Dispatcher, _) => true,
            (_, Some(work)) if work.leased => {
                let cutoff = work.run.cutoff().to_string();
                let few = match (&work.ipe, self.spared.contains(&cutoff.as_str())) {
                    (None, _) => 6,
                    (Some(_), true) => return false,
                    (Some(_), false) => [0, 1, 1, 1, 2, 2, 3][self.rng.random_range(0..7)],
                };
                let key = (work.run, work.ipe);
                let budget = self
                    .budgets
                    .entry(key)
                    .or_insert(Budget { died: 0, may: few });
                budget.died < budget.may + u32::from(is_new)
            }
            (Function::Worker, None) => self.nameless < 20,
            _ => true,
        }
    }

    fn dies(&mut self, pid: u32, at: Option<(Name, Moment)>) {
        self.left = self.left.saturating_sub(1);
        match self.at_work.remove(&pid) {
            Some(work) if work.leased => {
                let key = (work.run, work.ipe);
                if let Some(budget) = self.budgets.get_mut(&key) {
                    budget.died += 1;
                }
            }
            Some(_) => {}
            None => self.nameless += 1,
        }
        if let Some(at) = at {
            *self.died_at.entry(at).or_default() += 1;
        }
    }

    fn death(&mut self, call: &Call) -> Option<Moment> {
        let caller = call.caller.as_ref()?;
        let moments = if self.chance(0.5) {
            [Moment::Before, Moment::After]
        } else {
            [Moment::After, Moment::Before]
        };
        for moment in moments {
            let place = (call.name.clone(), moment);
            let is_new = !self.died_at.contains_key(&place);
            let usual = match caller.function {
                _ if self.left == 0 => 0.0,
                Function::Dispatcher | Function::Worker => 0.02,
                Function::Finalizer => 0.002,
            };
            if self.chance(if is_new { 0.5 } else { usual })
                && self.may_die(caller.function, caller.pid, is_new)
            {
                self.dies(caller.pid, Some(place));
                return Some(moment);
            }
        }
        None
    }

    fn failure(&mut self, call: &Call) -> Fault {
        let pid = call.caller.as_ref().map_or(0, |caller| caller.pid);
        let again = self.refused.get_mut(&(pid, call.name.clone()));
        let again = again.is_some_and(|left| std::mem::replace(left, left.saturating_sub(1)) > 0);
        if !again && !self.chance(0.015) {
            return Fault::None;
        }
        let is_s3 = call.service == "s3";
        let (busy, broken) = if is_s3 {
            ((503, "SlowDown"), (500, "InternalError"))
        } else {
            ((400, "ThrottlingException"), (500, "InternalFailure"))
        };
        let time = Duration::from_millis(self.rng.random_range(20..800));
        let kind = if again {
            0
        } else {
            self.rng.random_range(0..8)
        };
        if kind == 7 {
            self.refused.insert((pid, call.name.clone()), 3);
        }
        let (kind, fault) = match kind {
            7 => ("given up", Fault::Answer(Moment::Before, busy.0, busy.1)),
            0 => ("throttled", Fault::Answer(Moment::Before, busy.0, busy.1)),
            1 => ("failed", Fault::Answer(Moment::Before, broken.0, broken.1)),
            2 => (
                "failed after its effect",
                Fault::Answer(Moment::After, broken.0, broken.1),
            ),
            3 => ("cut", Fault::Drop(Moment::Before)),
            4 => ("cut after its effect", Fault::Drop(Moment::After)),
            5 => ("delayed", Fault::Delay(time)),
            _ => ("answered late", Fault::Late(time)),
        };
        *self.failures.entry(kind).or_default() += 1;
        fault
    }
}

impl Judge for Chaos {
    fn judge(&self, call: &Call) -> Fault {
        let mut state = self.state.lock().unwrap();
        state.follow(call);
        if !state.is_calm {
            if let Some(moment) = state.death(call) {
                return Fault::Kill(moment);
            }
            let shortened = sooner(call, VISIBILITY);
            let failure = state.failure(call);
            if shortened.is_none() && failure != Fault::None {
                return failure;
            }
        }
        drop(state);
        // What takes minutes on AWS takes one here.
        sooner(call, VISIBILITY).map_or(Fault::None, Fault::Instead)
    }

    fn answered(&self, call: &Call, status: u16) {
        let mut state = self.state.lock().unwrap();
        state.followed(call);
        if status != 200 || state.is_calm {
            return;
        }
        let bodies = match call.name.to_string().as_str() {
            "dispatcher: SendMessageBatch jobs" => {
                let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
                let entries = body["Entries"].as_array().cloned().unwrap_or_default();
                let body = |entry: &Value| entry["MessageBody"].as_str().map(str::to_owned);
                entries
                    .iter()
                    .filter_map(body)
                    .map(|body| (Queue::Jobs, body))
                    .collect()
            }
            "worker: PutObject receipt.json" | "worker: PutObject failure.json" => {
                let body = json!({"Records": [{"s3": {"object": {"key": call.key}}}]});
                vec![(Queue::Receipts, body.to_string())]
            }
            _ => Vec::new(),
        };
        for (queue, body) in bodies {
            if state.chance(0.15) {
                let after = Duration::from_millis(state.rng.random_range(0..40_000));
                state.doubles += 1;
                let _ = self.doubles.send((queue, body, after));
            }
        }
    }
}

/// Kills processes that are at work, wherever they are.
pub(crate) async fn at_random_instants(chaos: Chaos, proxy: Handle) {
    loop {
        let (time, choice): (u64, usize) = {
            let mut state = chaos.state.lock().unwrap();
            (
                state.rng.random_range(200..1_500),
                state.rng.random_range(0..1_000),
            )
        };
        tokio::time::sleep(Duration::from_millis(time)).await;
        let mut seen = proxy.alive();
        seen.retain(|seen| seen.last.elapsed() < Duration::from_millis(500));
        if seen.is_empty() {
            continue;
        }
        let seen = seen.swap_remove(choice % seen.len());
        let (pid, function) = (seen.caller.pid, seen.caller.function);
        let dies = {
            let mut state = chaos.state.lock().unwrap();
            let dies = !state.is_calm && state.left > 0 && state.may_die(function, pid, false);
            if dies {
                state.dies(pid, None);
            }
            dies
        };
        if dies {
            let proxy = proxy.clone();
            let _ = tokio::task::spawn_blocking(move || proxy.kill(&seen)).await;
        }
    }
}
