//! One state of everything that outlives a process (buckets, queues, warehouse), and the processes themselves.

use std::collections::BTreeSet;

use crate::{
    dispatcher::{self, Dispatcher},
    finalizer::Finalizer,
    protocol::{Bounds, Mutation, Start},
    worker::{self, Worker},
};

/// Names an invocation, or what it wrote: two objects are equal when the same invocation wrote them.
pub type Id = u8;

/// Objects of an attempt's folder, each with who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Folder {
    /// `query.sql`, `checks.json`, `log.jsonl` and so on: written together, before the parts are completed.
    pub files: Option<Id>,
    /// Completed Parquet parts.
    pub parts: Option<Id>,
    /// `receipt.json`.
    pub receipt: Option<Receipt>,
    /// `failure.json`.
    pub failure: Option<Failure>,
    /// `load.json`.
    pub load: Option<Id>,
}

/// `receipt.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt {
    /// Who wrote it; it names the files and parts of the same writer.
    pub by: Id,
    /// `passed`, else `rejected`.
    pub passed: bool,
}

/// `failure.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failure {
    /// Who wrote it.
    pub by: Id,
    /// Whether the queue has given the message up.
    pub is_final: bool,
}

impl Folder {
    /// Whether the bucket shows the folder at all.
    #[must_use]
    pub fn exists(&self) -> bool {
        *self != Self::default()
    }

    /// The names of its objects.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&'static str> {
        let there = [
            ("files", self.files.is_some()),
            ("parts", self.parts.is_some()),
            ("receipt.json", self.receipt.is_some()),
            ("failure.json", self.failure.is_some()),
            ("load.json", self.load.is_some()),
        ];
        there
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
            .collect()
    }

    /// Whether everything that `earlier` holds is here unchanged.
    #[must_use]
    pub fn holds(&self, earlier: &Self) -> bool {
        fn kept<T: PartialEq>(now: &Option<T>, then: &Option<T>) -> bool {
            then.is_none() || now == then
        }
        kept(&self.files, &earlier.files)
            && kept(&self.parts, &earlier.parts)
            && kept(&self.receipt, &earlier.receipt)
            && kept(&self.failure, &earlier.failure)
            && kept(&self.load, &earlier.load)
    }
}

/// The attempts at one IPE, from attempt 1.
pub type Attempts = Vec<Folder>;

/// A manifest by its place: run, revision, and what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link {
    /// Index of the run.
    pub run: u8,
    /// From 1.
    pub revision: u8,
    /// Who made it: two manifests with the same place differ in this.
    pub by: Id,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manifest {
    /// Its place.
    pub link: Link,
    /// The manifest before it in the chain.
    pub previous: Option<Link>,
    /// The run's state, by its name in JSON.
    pub state: &'static str,
    /// Its subjects: the folders as they were.
    pub ipes: Vec<Attempts>,
}

/// Who holds a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The invocation.
    pub by: Id,
    /// Whether its time is over.
    pub expired: bool,
    /// The attempt that the holder says it is at; 0 before it has said so.
    pub attempt: u8,
}

/// `open/<run>.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Marker {
    /// Whether every message was accepted by the queue.
    pub dispatched: bool,
    /// The finalizer that is closing the run.
    pub closing: Option<Id>,
}

impl Marker {
    /// The marker of a run whose messages are sent.
    #[must_use]
    pub fn sent() -> Self {
        Self {
            dispatched: true,
            closing: None,
        }
    }
}

/// What the buckets and the warehouse hold of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Run {
    /// The event whose plan it is; `None` before `plan.json`.
    pub plan: Option<u8>,
    /// One for each IPE.
    pub ipes: Vec<Attempts>,
    /// `manifest-<n>.dsse.json`, in order of their writing.
    pub manifests: Vec<Manifest>,
    /// Revisions with a `report-<n>.html`, and who made it.
    pub reports: Vec<(u8, Id)>,
    /// The marker.
    pub marker: Option<Marker>,
    /// The workers' leases.
    pub ipe_leases: Vec<Option<Lease>>,
    /// The finalizer's lease.
    pub run_lease: Option<Lease>,
    /// `copy/<run>/<IPE>.manifest`: the attempt whose parts are loaded.
    pub copy: Vec<Option<u8>>,
    /// The attempts whose rows the warehouse holds, for each IPE.
    pub rows: Vec<Vec<u8>>,
    /// `settled/<run>.json`: the hint which IPEs have ended, one bit each.
    pub hint: Option<u8>,
    /// The row in the table of runs: revision and state.
    pub published: Option<(u8, &'static str)>,
    /// The first attempt of each IPE that a manifest called passed.
    pub counted: Vec<Option<u8>>,
}

/// One message of the jobs queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    /// The run.
    pub run: u8,
    /// The IPE.
    pub ipe: u8,
    /// How often it was delivered.
    pub receives: u8,
}

/// A transaction that the warehouse has been given: delete the run's rows, copy the attempt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transaction {
    /// The run.
    pub run: u8,
    /// The IPE.
    pub ipe: u8,
    /// The attempt, from 1.
    pub attempt: u8,
    /// Who waits for it.
    pub by: Id,
}

/// `chain/<control>/head.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Head {
    /// The last manifest.
    pub head: Option<Link>,
    /// The manifest that is being appended.
    pub reserved: Option<Link>,
}

/// Faults that may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Faults {
    /// Processes killed.
    pub crashes: u8,
    /// Leases and messages that end although their holder lives: it was frozen, or its clock is behind.
    pub pauses: u8,
    /// Messages of the jobs queue delivered twice.
    pub duplicates: u8,
    /// Notifications of receipts that never come.
    pub lost_notices: u8,
    /// Attempts that end in a technical failure.
    pub failures: u8,
    /// Attempts whose checks say no.
    pub rejections: u8,
    /// Statements that the warehouse refuses.
    pub refusals: u8,
    /// Replays by the operator.
    pub replays: u8,
}

/// A state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct World {
    /// The control's runs of the month, r1 first.
    pub runs: Vec<Run>,
    /// The jobs queue: what can be received.
    pub jobs: Vec<Message>,
    /// Messages in flight whose worker is dead.
    pub orphans: Vec<Message>,
    /// The jobs dead-letter queue.
    pub dead: Vec<Message>,
    /// Notifications about each IPE of each run in the receipts queue; two are as good as more.
    pub notices: Vec<Vec<u8>>,
    /// The chain's head.
    pub head: Head,
    /// `chain/<control>/staged/…`.
    pub staged: Vec<Manifest>,
    /// Transactions that the warehouse has not ended.
    pub transactions: Vec<Transaction>,
    /// The dispatcher's invocations, one for each start event.
    pub dispatchers: Vec<Dispatcher>,
    /// The worker's invocations.
    pub workers: Vec<Option<Worker>>,
    /// The finalizer's invocations.
    pub finalizers: Vec<Option<Finalizer>>,
    /// The dead letter that the operator has sent again and not yet deleted.
    pub replaying: Option<Message>,
    /// Whether the runs' deadline is over.
    pub late: bool,
    /// Faults that may still happen.
    pub faults: Faults,
    /// Whether an object of the evidence bucket was ever replaced by another.
    pub overwritten: bool,
    /// Attempts in whose folders a worker left a file that had lost its lease, and was not yet told so by its heartbeat.
    pub strays: Vec<(u8, u8, u8)>,
    /// Whether the row of a run was ever replaced by one about an earlier revision.
    pub went_back: bool,
}

impl World {
    /// The world before anything has happened.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        let ipes = usize::from(bounds.ipes);
        let run = Run {
            ipes: vec![Attempts::new(); ipes],
            ipe_leases: vec![None; ipes],
            copy: vec![None; ipes],
            rows: vec![Vec::new(); ipes],
            counted: vec![None; ipes],
            ..Run::default()
        };
        let runs = 1 + bounds.events.iter().filter(|supersede| **supersede).count();
        let world = Self {
            runs: vec![run; runs],
            jobs: Vec::new(),
            orphans: Vec::new(),
            dead: Vec::new(),
            notices: vec![vec![0; ipes]; runs],
            head: Head::default(),
            staged: Vec::new(),
            transactions: Vec::new(),
            dispatchers: bounds
                .events
                .iter()
                .map(|supersede| Dispatcher::waiting(*supersede, bounds.deliveries))
                .collect(),
            workers: vec![None; usize::from(bounds.workers)],
            finalizers: vec![None; usize::from(bounds.finalizers)],
            replaying: None,
            late: false,
            faults: bounds.faults,
            overwritten: false,
            strays: Vec::new(),
            went_back: false,
        };
        match bounds.start {
            Start::Event => world,
            Start::Sent => world.sent(),
            Start::Extracted => world.sent().extracted(),
            Start::Rival => world.sent().extracted().rival(),
        }
    }

    /// The dispatcher is done.
    fn sent(mut self) -> Self {
        for dispatcher in &mut self.dispatchers {
            dispatcher.at = dispatcher::At::Done;
        }
        for (r, run) in (0u8..).zip(&mut self.runs) {
            run.plan = Some(r);
            run.marker = Some(Marker::sent());
            let ipes = (0u8..).zip(&run.ipes);
            self.jobs.extend(ipes.map(|(ipe, _)| Message {
                run: r,
                ipe,
                receives: 0,
            }));
        }
        self
    }

    /// Every IPE has passed.
    fn extracted(mut self) -> Self {
        for attempts in self.runs.iter_mut().flat_map(|run| &mut run.ipes) {
            attempts.push(Folder {
                files: Some(0),
                parts: Some(0),
                receipt: Some(Receipt {
                    by: 0,
                    passed: true,
                }),
                ..Folder::default()
            });
        }
        self.jobs.clear();
        self.notices.iter_mut().for_each(|ipes| ipes.fill(1));
        self
    }

    /// A frozen worker is about to write the receipt of an attempt before the one that passed.
    fn rival(mut self) -> Self {
        let worker = Worker {
            id: 1,
            message: Message {
                run: 0,
                ipe: 0,
                receives: 1,
            },
            keeps_message: false,
            at: worker::At::Receipt,
            number: 1,
            passed: true,
            done: false,
        };
        let first = Folder {
            files: Some(worker.id),
            parts: Some(worker.id),
            ..Folder::default()
        };
        self.runs[0].ipes[0].insert(0, first);
        self.workers[0] = Some(worker);
        self
    }

    /// An identity that nobody has and nothing in the world remembers.
    #[must_use]
    pub fn fresh(&self) -> Id {
        let mut used = 0u64;
        let mut see = |id: Id| used |= 1 << id;
        for run in &self.runs {
            for folder in run.ipes.iter().flatten() {
                let (receipt, failure) = (folder.receipt, folder.failure);
                let writers = [
                    folder.files,
                    folder.parts,
                    receipt.map(|r| r.by),
                    failure.map(|f| f.by),
                    folder.load,
                ];
                writers.into_iter().flatten().for_each(&mut see);
            }
            run.manifests.iter().for_each(|m| see(m.link.by));
            run.ipe_leases.iter().flatten().for_each(|l| see(l.by));
            run.run_lease.iter().for_each(|l| see(l.by));
            run.marker
                .and_then(|m| m.closing)
                .iter()
                .for_each(|id| see(*id));
        }
        self.transactions.iter().for_each(|t| see(t.by));
        self.staged.iter().for_each(|m| see(m.link.by));
        self.workers.iter().flatten().for_each(|w| see(w.id));
        for finalizer in self.finalizers.iter().flatten() {
            see(finalizer.id);
            finalizer.made.iter().for_each(|m| see(m.link.by));
            finalizer.head.reserved.iter().for_each(|l| see(l.by));
            let marker = finalizer.marker.and_then(|m| m.closing);
            marker.iter().for_each(|id| see(*id));
        }
        self.head.reserved.iter().for_each(|l| see(l.by));
        Id::try_from((!used).trailing_zeros()).unwrap_or(Id::MAX)
    }

    /// Puts what has no order in order, so that equal worlds are one state.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.jobs.sort_unstable();
        self.orphans.sort_unstable();
        self.dead.sort_unstable();
        self.staged.sort_unstable();
        self.strays.sort_unstable();
        self.transactions.sort_unstable();
        self.workers.sort_unstable();
        self.finalizers.sort_unstable();
        self
    }

    /// The queue has a message back: it may be delivered again, or is given up.
    pub(crate) fn back_to_queue(&mut self, message: Message, max_receives: u8) {
        if message.receives >= max_receives {
            self.dead.push(message);
        } else {
            self.jobs.push(message);
        }
    }

    /// The storage service tells that a receipt or a failure record was written.
    pub(crate) fn notify(&mut self, run: u8, ipe: u8) {
        let notices = &mut self.notices[usize::from(run)][usize::from(ipe)];
        *notices = (*notices + 1).min(2);
    }

    /// The folder of an attempt, to be written to.
    pub(crate) fn folder(&mut self, run: u8, ipe: u8, number: u8) -> &mut Folder {
        let attempts = &mut self.runs[usize::from(run)].ipes[usize::from(ipe)];
        let number = usize::from(number);
        if attempts.len() < number {
            attempts.resize(number, Folder::default());
        }
        &mut attempts[number - 1]
    }
}

/// What became of a create-only write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is there, with what was to be written.
    Ours,
    /// Another one is there.
    Taken,
}

/// Writes an object that must not exist yet, as `Lake::create` does; `overwritten` is told when a mutated model replaces one.
pub(crate) fn create<T: PartialEq>(
    place: &mut Option<T>,
    value: T,
    mutation: Option<Mutation>,
    overwritten: &mut bool,
) -> Created {
    match place {
        Some(there) if *there == value => Created::Ours,
        Some(_) if mutation != Some(Mutation::PlainPut) => Created::Taken,
        Some(_) => {
            *overwritten = true;
            *place = Some(value);
            Created::Ours
        }
        None => {
            *place = Some(value);
            Created::Ours
        }
    }
}
