//! The model: its bounds, the faults that may be built into it, and the actions that lead from world to world.

use stateright::{Model, Property};

use crate::{
    dispatcher, environment, finalizer,
    finalizer::Cause,
    invariants,
    worker::{self, Outcome},
    world::{Faults, Message, World},
};

/// Where an exploration begins: each of these can be reached from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The start events wait.
    Event,
    /// Every message was sent.
    Sent,
    /// Every IPE of every run has passed, and the finalizer was told.
    Extracted,
    /// The same by the second attempt; the worker of the first was frozen before its receipt, and lives.
    Rival,
}

/// How much of everything there is.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// IPEs of each run.
    pub ipes: u8,
    /// Workers at the same time.
    pub workers: u8,
    /// Finalizers at the same time.
    pub finalizers: u8,
    /// Start events: `true` for one that supersedes.
    pub events: Vec<bool>,
    /// Deliveries of a start event whose dispatcher died.
    pub deliveries: u8,
    /// Receives of a message until the queue gives it up.
    pub max_receives: u8,
    /// Where it begins.
    pub start: Start,
    /// Whether the runs' deadline may pass.
    pub deadline: bool,
    /// Manifests of a run after which finalizers are called only when no worker is at it and no message on its way: each
    /// look at a run past its deadline may find another file.
    pub revisions: u8,
    /// Whether a worker's steps between waiting points are one.
    pub coarse_workers: bool,
    /// Whether a finalizer's steps between waiting points are one.
    pub coarse_finalizers: bool,
    /// Faults that may happen.
    pub faults: Faults,
}

impl Bounds {
    /// One IPE, one worker, one finalizer, one event, and no fault.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            ipes: 1,
            workers: 1,
            finalizers: 1,
            events: vec![false],
            deliveries: 2,
            max_receives: 2,
            start: Start::Event,
            deadline: false,
            revisions: 2,
            coarse_workers: false,
            coarse_finalizers: false,
            faults: Faults {
                crashes: 0,
                pauses: 0,
                duplicates: 0,
                lost_notices: 0,
                failures: 0,
                rejections: 0,
                refusals: 0,
                replays: 0,
            },
        }
    }
}

/// A mistake that the code does not make, built into the model to see that the checker finds what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Evidence is written unconditionally.
    PlainPut,
    /// The receipt is written before the uploads are completed.
    ReceiptFirst,
    /// The message is acknowledged before the work is done.
    AcknowledgeFirst,
    /// The marker says that every message was sent before they are.
    DispatchedFirst,
    /// The dead letter is deleted before its message is sent again.
    DeleteLetterFirst,
    /// A load does not take away what an earlier one of the run has left.
    LoadWithoutDelete,
    /// Which attempt is loaded is decided anew by each finalizer.
    LoadWithoutChoice,
    /// A run is closed when every IPE has a receipt, loaded or not.
    CompleteWithoutLoad,
    /// The manifest is written without reserving its place.
    NoReservation,
    /// The head moves before the manifest is written.
    HeadFirst,
    /// The row in the table of runs is written whatever revision is there.
    PublishUnguarded,
    /// The marker is deleted before the run is published.
    MarkerFirst,
    /// A run without a marker is closed without one.
    CloseUnmarked,
    /// A finalizer deletes the run's marker whoever has written it.
    SharedMarker,
    /// A manifest that says the same is believed to be in the chain.
    BelieveManifest,
    /// A run is closed for good although a worker is at it.
    CloseOverWorker,
    /// The sweep looks at marked runs only.
    MarkedRunsOnly,
    /// Nobody speaks for a worker that was lost in the last delivery.
    NoWordForTheLost,
}

/// A process that may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The dispatcher's invocation for an event.
    Dispatcher(usize),
    /// A worker.
    Worker(usize),
    /// A finalizer.
    Finalizer(usize),
    /// The operator's tool.
    Operator,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A dispatcher does its next step.
    Dispatch(usize),
    /// A dispatcher dies while it sends its messages: the queue has taken only the first.
    DispatchPartly(usize),
    /// The queue hands a message to a free worker.
    Receive(Message),
    /// A worker does its next step.
    Work(usize),
    /// A worker's extraction ends.
    Extract(usize, Outcome),
    /// A worker's heartbeat sees that its lease was taken.
    WorkerLoses(usize),
    /// A free finalizer is called for a run.
    Call(u8, Cause),
    /// A finalizer does its next step.
    Finalize(usize),
    /// The warehouse refuses a finalizer's statement.
    Refuse(usize),
    /// A finalizer's heartbeat sees that its lease was taken.
    FinalizerLoses(usize),
    /// The warehouse ends a transaction.
    Commit(usize),
    /// A process is killed.
    Kill(Process),
    /// A worker's lease on an IPE is over.
    IpeLeaseEnds(u8, u8),
    /// A finalizer's lease is over.
    RunLeaseEnds(u8),
    /// The message of a dead worker is visible again.
    OrphanReturns(usize),
    /// The message of a living worker is visible again.
    MessageReturns(usize),
    /// The queue delivers a message twice.
    Duplicate(Message),
    /// A notification never comes.
    LoseNotice(u8, u8),
    /// The deadline passes.
    Deadline,
    /// The operator sends a dead letter again.
    Replay(Message),
    /// The operator deletes the dead letter that was sent again.
    DeleteLetter,
}

/// The protocol of a run, within bounds, possibly with a mistake.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// How much of everything.
    pub bounds: Bounds,
    /// The mistake, if any.
    pub mutation: Option<Mutation>,
}

impl Protocol {
    /// The protocol as the code has it.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            mutation: None,
        }
    }

    /// Whether the mistake is built in.
    #[must_use]
    pub fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        dispatcher::actions(world, actions);
        worker::actions(world, actions);
        finalizer::actions(self, world, actions);
        environment::actions(self, world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Dispatch(i) => dispatcher::step(self, &mut next, i),
            Action::DispatchPartly(i) => dispatcher::step_partly(self, &mut next, i),
            Action::Receive(message) => worker::receive(self, &mut next, message),
            Action::Work(i) => worker::step(self, &mut next, i),
            Action::Extract(i, outcome) => worker::extract(&mut next, i, outcome),
            Action::WorkerLoses(i) => worker::lose(self, &mut next, i),
            Action::Call(run, cause) => finalizer::call(&mut next, run, cause),
            Action::Finalize(i) => finalizer::step(self, &mut next, i),
            Action::Refuse(i) => finalizer::refuse(&mut next, i),
            Action::FinalizerLoses(i) => finalizer::lose(&mut next, i),
            other => environment::step(self, &mut next, other),
        }
        let next = next.canonical();
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::all()
    }
}
