//! One report of a run: its buckets, its queue, its source and its workers, and how all that settles after a fault.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use soxauto_cloud::{
    clock::{Clock, SteppingClock, SystemClock},
    lake::{FaultyLake, Lake, MemoryLake, Moment},
    lease::Leases,
    queue::{MemoryQueue, OutgoingMessage, Queue as _, ReceivedMessage},
    secrets::{CachedSecret, MemorySecrets},
};
use soxauto_domain::{PlannedIpe, facts::IpeFacts, layout::Layout};
use soxauto_e2e::tripwire::{Tripwire, What};
use soxauto_extract::ConnectionSettings;
use soxauto_runs::RunReader;
use soxauto_worker::{Context, context::Timing};
use tracing::instrument::WithSubscriber as _;

use crate::{
    log::Log,
    ports::{Bucket, Jobs, Sql, Vault},
    source::Source,
    support::{self, Delivery, RUN, is_done_within},
};

/// Milliseconds that an invocation has, of which a quarter is kept free for its last words.
pub(crate) const LONG: u64 = 60_000;
/// Enough for two key ranges, on a machine that has much else to do; waited for to its end.
pub(crate) const SHORT: u64 = 8_000;
/// How long the queue holds a message whose visibility nobody changes: six times the function's timeout.
const HELD: Duration = Duration::from_secs(6 * 900);
/// Deliveries after which a test that does not settle is given up.
const MOST: u32 = 12;

/// One process: what it has cached dies with it.
pub(crate) struct Worker {
    context: Context,
    jobs: Arc<Jobs>,
    tripwire: Arc<Tripwire>,
}

/// Everything about the report.
pub(crate) struct World {
    pub(crate) tripwire: Arc<Tripwire>,
    pub(crate) source: Source,
    pub(crate) evidence: MemoryLake,
    pub(crate) state: MemoryLake,
    pub(crate) clock: SteppingClock,
    pub(crate) secrets: MemorySecrets,
    jobs: MemoryQueue,
    dead: MemoryQueue,
    ipe: PlannedIpe,
    job: String,
    worker: Arc<Worker>,
    /// Milliseconds of the first invocation.
    pub(crate) first_time: u64,
}

impl World {
    /// The report of a hundred entries is planned, and its message is in the queue.
    pub(crate) async fn new(ipe: PlannedIpe, entries: BTreeSet<i64>) -> Self {
        let clock = SteppingClock::new(SystemClock.now());
        let on_clock = |bucket| MemoryLake::with_clock(bucket, Arc::new(clock.clone()));
        let (evidence, state) = (on_clock("evidence"), on_clock("state"));
        let source = Source::start(ipe.clone(), entries).await;
        let secrets = MemorySecrets::default();
        secrets.put("source", &source.secret(false));
        let dead = MemoryQueue::new("dead", HELD);
        let jobs = MemoryQueue::new("jobs", HELD).with_dead_letters(3, &dead);
        let job = support::job(&evidence, ipe.clone()).await;
        let tripwire = Arc::new(Tripwire::default());
        let parts = (&evidence, &state, &jobs, &secrets);
        let worker = Worker::new(parts, &source, &clock, &ipe, Arc::clone(&tripwire));
        let world = Self {
            tripwire,
            source,
            evidence,
            state,
            clock,
            secrets,
            jobs,
            dead,
            ipe,
            job,
            worker: Arc::new(worker),
            first_time: LONG,
        };
        world.send().await;
        world
    }

    /// Another process, of which nobody wants anything.
    pub(crate) fn another(&self) -> Worker {
        self.process(Arc::default(), &self.clock)
    }

    fn process(&self, tripwire: Arc<Tripwire>, clock: &SteppingClock) -> Worker {
        let parts = (&self.evidence, &self.state, &self.jobs, &self.secrets);
        Worker::new(parts, &self.source, clock, &self.ipe, tripwire)
    }

    /// Sends the job.
    pub(crate) async fn send(&self) {
        let message = OutgoingMessage {
            id: "job".to_owned(),
            body: self.job.clone(),
        };
        self.jobs.send_batch(vec![message]).await.unwrap();
    }

    /// The secret is in the worker's memory already.
    pub(crate) async fn warm(&self) {
        self.worker.context.secret.get().await.unwrap();
    }

    /// A message that is visible.
    pub(crate) async fn receive(&self) -> Option<ReceivedMessage> {
        let mut received = self.jobs.receive(1, Duration::ZERO).await.unwrap();
        received.pop()
    }

    /// Delivers what the queue has until it has nothing more. What the invocations answered. Whoever stands still at the call
    /// in question is killed there, or, if `thaws`, goes on when another worker has done the whole job.
    pub(crate) async fn settle(&mut self, thaws: bool) -> Vec<String> {
        let mut answers = Vec::new();
        for number in 0..MOST {
            let Some(message) = self.receive().await else {
                return answers;
            };
            let worker = Arc::clone(&self.worker);
            let time = match number {
                _ if self.source.is_slow() => SHORT,
                0 => self.first_time,
                _ => LONG,
            };
            let (answer, others) = {
                let mut invocation = Box::pin(self.invoke(&worker, &message, time));
                tokio::select! {
                    answer = &mut invocation => (Some(answer), Vec::new()),
                    () = worker.tripwire.standing() => match thaws {
                        true => {
                            let others = Box::pin(self.overtake(&worker, &message)).await;
                            worker.tripwire.go_on();
                            (Some(invocation.await), others)
                        }
                        false => (None, Vec::new()),
                    },
                }
            };
            if answer.is_none() {
                self.worker = Arc::new(self.process(Arc::clone(&self.tripwire), &self.clock));
            }
            let answer = answer.unwrap_or_else(|| "died".to_owned());
            self.put_back(&worker, &message, &answer).await;
            answers.push(answer);
            answers.extend(others);
        }
        answers.push("it never settles".to_owned());
        answers
    }

    /// Somebody's lease is over and its message is back: another worker does the job.
    async fn overtake(&self, frozen: &Worker, message: &ReceivedMessage) -> Vec<String> {
        self.comes_back(frozen, message).await;
        let mut answers = Vec::new();
        while let Some(again) = self.receive().await {
            let other = self.another();
            let answer = self.invoke(&other, &again, LONG).await;
            self.put_back(&other, &again, &answer).await;
            answers.push(answer);
        }
        answers
    }

    /// A second delivery of the message comes while the first is worked on, to a worker whose clock is ahead by so much.
    pub(crate) async fn deliver_twice_at_once(&mut self, ahead: Duration) -> Vec<String> {
        let Some(message) = self.receive().await else {
            return vec!["nothing to do".to_owned()];
        };
        let worker = Arc::clone(&self.worker);
        let among_the_rows = What::StandsStill(Moment::Before);
        self.tripwire.arm("source: rows", 1, among_the_rows);
        let mut answers = vec![String::new()];
        {
            let mut invocation = Box::pin(self.invoke(&worker, &message, LONG));
            tokio::select! {
                answer = &mut invocation => return vec![answer],
                () = worker.tripwire.standing() => {}
            }
            let clock = SteppingClock::new(self.clock.now());
            clock.advance(ahead);
            let other = self.process(Arc::default(), &clock);
            let answer = Box::pin(self.invoke(&other, &message, LONG)).await;
            if answer == "passed" {
                self.put_back(&other, &message, &answer).await;
            }
            answers.push(answer);
            worker.tripwire.go_on();
            answers[0] = invocation.await;
            self.put_back(&worker, &message, &answers[0]).await;
        }
        answers.extend(self.settle(false).await);
        answers
    }

    /// One invocation; what came of it.
    pub(crate) async fn invoke(
        &self,
        worker: &Worker,
        message: &ReceivedMessage,
        milliseconds: u64,
    ) -> String {
        worker.jobs.has_sent.store(false, Ordering::SeqCst);
        let log = Log::default();
        let delivery = Delivery {
            message_id: &message.message_id,
            receipt_handle: &message.receipt_handle,
            body: &message.body,
            receive_count: message.receive_count,
            request_id: &message.receipt_handle,
        };
        let done = Box::pin(is_done_within(
            &worker.context,
            delivery,
            milliseconds,
            None,
        ));
        if !done.with_subscriber(log.clone()).await {
            return log.code();
        }
        let facts = self.facts().await;
        let receipts = facts.attempts.iter().filter_map(|a| a.receipt.as_ref());
        let mine = receipts.map(|r| &r.document);
        match mine
            .clone()
            .find(|r| r.worker.request_id == message.receipt_handle)
        {
            Some(receipt) => receipt.state.as_str().to_owned(),
            None if worker.jobs.has_sent.load(Ordering::SeqCst) => "handed over".to_owned(),
            None => "found".to_owned(),
        }
    }

    /// As Lambda does: what is done is deleted. What is not comes back when its time is over.
    pub(crate) async fn put_back(&self, worker: &Worker, message: &ReceivedMessage, answer: &str) {
        let is_done = ["passed", "rejected", "found", "handed over"].contains(&answer);
        if is_done {
            self.jobs.delete(&message.receipt_handle).await.unwrap();
        } else {
            self.comes_back(worker, message).await;
        }
    }

    async fn comes_back(&self, worker: &Worker, message: &ReceivedMessage) {
        let stays_away = worker.jobs.stays_away.lock().unwrap().take();
        self.clock.advance(stays_away.unwrap_or(HELD));
        let handle = &message.receipt_handle;
        // A delivery that is over has nothing to bring back.
        let _ = self.jobs.change_visibility(handle, Duration::ZERO).await;
    }

    /// The message once more, long after all is over; what came of it.
    pub(crate) async fn deliver_late(&self) -> String {
        let message = ReceivedMessage {
            message_id: "late".to_owned(),
            receipt_handle: "late".to_owned(),
            body: self.job.clone(),
            receive_count: 2,
        };
        self.clock.advance(Duration::from_secs(86_400));
        self.invoke(&self.another(), &message, LONG).await
    }

    /// What is on record.
    pub(crate) async fn facts(&self) -> IpeFacts {
        let reader = RunReader::new(Arc::new(self.evidence.clone()), Layout::new("evidence"));
        reader
            .ipe(&RUN.parse().unwrap(), &self.ipe.id)
            .await
            .unwrap()
    }

    /// How many messages the queue has given up.
    pub(crate) async fn dead_letters(&self) -> u64 {
        self.dead.depth().await.unwrap().visible
    }

    /// Keys of leases that are still held by the clock.
    pub(crate) async fn held(&self) -> Vec<String> {
        let leases = Leases::new(Arc::new(self.state.clone()), Arc::new(self.clock.clone()));
        let mut held = Vec::new();
        for key in self.state.keys() {
            let lease = leases.read(&key).await.unwrap().unwrap();
            if lease.expires_at > self.clock.now() {
                held.push(key);
            }
        }
        held
    }
}

impl Worker {
    fn new(
        (evidence, state, queue, secrets): (&MemoryLake, &MemoryLake, &MemoryQueue, &MemorySecrets),
        source: &Source,
        clock: &SteppingClock,
        ipe: &PlannedIpe,
        tripwire: Arc<Tripwire>,
    ) -> Self {
        let jobs = Arc::new(Jobs {
            queue: queue.clone(),
            has_sent: AtomicBool::new(false),
            tripwire: Arc::clone(&tripwire),
            stays_away: Mutex::new(None),
        });
        let driver = Sql {
            tripwire: Arc::clone(&tripwire),
            ipe: ipe.clone(),
            patience: Duration::from_secs(1),
            nowhere: ConnectionSettings::parse(&source.nowhere()).unwrap(),
        };
        let watched = |lake: &MemoryLake| {
            FaultyLake::watched(lake.clone(), Arc::new(Bucket(Arc::clone(&tripwire))))
        };
        let leases: Arc<dyn Lake> = Arc::new(watched(state));
        let vault = Vault(secrets.clone(), Arc::clone(&tripwire));
        let context = Context {
            timing: Timing {
                // One sign of life, at the beginning, so that calls have their numbers.
                beat: Duration::from_secs(3_600),
                pause: Duration::from_millis(50),
                rotation: Duration::from_secs(2),
                ..Timing::default()
            },
            jobs: Arc::clone(&jobs) as _,
            leases: Leases::new(leases, Arc::new(clock.clone())),
            secret: CachedSecret::new(Arc::new(vault), "source"),
            clock: Arc::new(clock.clone()),
            ..support::context(watched(evidence), state.clone(), queue, driver)
        };
        Self {
            context,
            jobs,
            tripwire,
        }
    }
}
