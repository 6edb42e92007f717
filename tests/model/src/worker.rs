//! The worker: lease, facts, extraction, files, parts, receipt (`functions/worker/src/job.rs`, `attempt.rs`).

use soxauto_domain::IpeState;

use crate::{
    decisions::decide,
    protocol::{Action, Mutation, Protocol},
    world::{Created, Failure, Id, Lease, Message, Receipt, World, create},
};

/// Where an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// The IPE's lease is to be taken.
    Acquire,
    /// The IPE's records are to be read, under the lease.
    Read,
    /// The extraction goes on; its uploads are invisible.
    Extracting,
    /// The evidence files are to be written.
    Files,
    /// The uploads are to be completed.
    Parts,
    /// The receipt is to be written.
    Receipt,
    /// The failure is to be recorded.
    Failure,
    /// The lease is to be given back.
    Release,
    /// The queue is to be told.
    Answer,
}

/// How an extraction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Every check holds.
    Passed,
    /// A check says no.
    Rejected,
    /// A technical failure.
    Failed,
}

/// An invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    /// Who it is.
    pub id: Id,
    /// Its message.
    pub message: Message,
    /// Whether the queue still keeps the message for it.
    pub keeps_message: bool,
    /// Where it is.
    pub at: At,
    /// Its attempt, from 1.
    pub number: u8,
    /// Whether its receipt says *passed*.
    pub passed: bool,
    /// Whether the message is done.
    pub done: bool,
}

pub(crate) fn actions(world: &World, actions: &mut Vec<Action>) {
    if world.workers.contains(&None) {
        let mut offered = None;
        for message in &world.jobs {
            if offered != Some(message) {
                actions.push(Action::Receive(*message));
            }
            offered = Some(message);
        }
    }
    for (i, worker) in world.workers.iter().enumerate() {
        let Some(me) = worker else { continue };
        if me.at == At::Extracting {
            actions.push(Action::Extract(i, Outcome::Passed));
            if world.faults.rejections > 0 {
                actions.push(Action::Extract(i, Outcome::Rejected));
            }
            if world.faults.failures > 0 {
                actions.push(Action::Extract(i, Outcome::Failed));
            }
        } else {
            actions.push(Action::Work(i));
        }
        let beats = matches!(me.at, At::Extracting | At::Files | At::Parts | At::Receipt);
        if beats && !holds(world, me) {
            actions.push(Action::WorkerLoses(i));
        }
    }
}

/// A free worker gets a message.
pub(crate) fn receive(protocol: &Protocol, world: &mut World, message: Message) {
    let Some(at) = world.jobs.iter().position(|m| *m == message) else {
        return;
    };
    world.jobs.remove(at);
    let worker = Worker {
        id: world.fresh(),
        message: Message {
            receives: message.receives + 1,
            ..message
        },
        keeps_message: !protocol.has(Mutation::AcknowledgeFirst),
        at: At::Acquire,
        number: 0,
        passed: false,
        done: false,
    };
    if let Some(free) = world.workers.iter_mut().find(|slot| slot.is_none()) {
        *free = Some(worker);
    }
}

/// The next step of the worker `i`, or all of them until it waits.
pub(crate) fn step(protocol: &Protocol, world: &mut World, i: usize) {
    single(protocol, world, i);
    while protocol.bounds.coarse_workers
        && world.workers[i].is_some_and(|me| me.at != At::Extracting)
    {
        single(protocol, world, i);
    }
}

fn single(protocol: &Protocol, world: &mut World, i: usize) {
    let Some(mut me) = world.workers[i] else {
        return;
    };
    let Message { run, ipe, receives } = me.message;
    let (r, n) = (usize::from(run), usize::from(ipe));
    let mutation = protocol.mutation;
    let mut overwritten = world.overwritten;
    match me.at {
        At::Acquire => {
            let lease = &mut world.runs[r].ipe_leases[n];
            me.at = match lease {
                Some(held) if !held.expired => At::Answer,
                _ => {
                    *lease = Some(Lease {
                        by: me.id,
                        expired: false,
                        attempt: 0,
                    });
                    At::Read
                }
            };
        }
        At::Read => {
            let decided = decide(&world.runs[r].ipes[n]);
            me.done = matches!(decided.state, IpeState::Passed | IpeState::Rejected);
            me.number = decided.next_attempt;
            // The first beat comes at once.
            if holds(world, &me)
                && let Some(lease) = &mut world.runs[r].ipe_leases[n]
            {
                lease.attempt = me.number;
            }
            me.at = if me.done { At::Release } else { At::Extracting };
        }
        At::Extracting => {}
        At::Files => {
            stray(world, &me);
            let files = &mut world.folder(run, ipe, me.number).files;
            me.at = match create(files, me.id, mutation, &mut overwritten) {
                Created::Ours if protocol.has(Mutation::ReceiptFirst) => At::Receipt,
                Created::Ours => At::Parts,
                Created::Taken => At::Release,
            };
        }
        At::Parts => {
            stray(world, &me);
            let parts = &mut world.folder(run, ipe, me.number).parts;
            me.at = match create(parts, me.id, mutation, &mut overwritten) {
                Created::Ours if protocol.has(Mutation::ReceiptFirst) => At::Release,
                Created::Ours => At::Receipt,
                Created::Taken => At::Release,
            };
        }
        At::Receipt => {
            let receipt = Receipt {
                by: me.id,
                passed: me.passed,
            };
            let place = &mut world.folder(run, ipe, me.number).receipt;
            me.done = create(place, receipt, mutation, &mut overwritten) == Created::Ours;
            if me.done {
                world.notify(run, ipe);
            }
            me.at = if me.done && protocol.has(Mutation::ReceiptFirst) {
                At::Parts
            } else {
                At::Release
            };
        }
        At::Failure => {
            let failure = Failure {
                by: me.id,
                is_final: receives >= protocol.bounds.max_receives,
            };
            let place = &mut world.folder(run, ipe, me.number).failure;
            if create(place, failure, mutation, &mut overwritten) == Created::Ours {
                world.notify(run, ipe);
            }
            me.at = At::Release;
        }
        At::Release => {
            if holds(world, &me) {
                world.runs[r].ipe_leases[n] = None;
            }
            me.at = At::Answer;
        }
        At::Answer => {
            answer(protocol, world, i);
            return;
        }
    }
    world.overwritten = overwritten;
    world.workers[i] = Some(me);
}

/// The extraction ends.
pub(crate) fn extract(world: &mut World, i: usize, outcome: Outcome) {
    let Some(me) = &mut world.workers[i] else {
        return;
    };
    me.passed = outcome == Outcome::Passed;
    me.at = match outcome {
        Outcome::Passed => At::Files,
        Outcome::Rejected => {
            world.faults.rejections -= 1;
            At::Files
        }
        Outcome::Failed => {
            world.faults.failures -= 1;
            At::Failure
        }
    };
}

/// The heartbeat ends the work: somebody else has the lease. Nothing is recorded, nothing released.
pub(crate) fn lose(protocol: &Protocol, world: &mut World, i: usize) {
    answer(protocol, world, i);
}

/// The invocation ends: the message is deleted, or goes back to the queue.
fn answer(protocol: &Protocol, world: &mut World, i: usize) {
    if let Some(me) = world.workers[i].take()
        && me.keeps_message
        && !me.done
    {
        world.back_to_queue(me.message, protocol.bounds.max_receives);
    }
}

/// A worker without a lease leaves something that nobody may look at any more.
fn stray(world: &mut World, me: &Worker) {
    let place = (me.message.run, me.message.ipe, me.number);
    if !holds(world, me) && !world.strays.contains(&place) {
        world.strays.push(place);
    }
}

/// Whether the lease is still this worker's, its time over or not: the object's tag decides, not the clock.
fn holds(world: &World, me: &Worker) -> bool {
    let lease = world.runs[usize::from(me.message.run)].ipe_leases[usize::from(me.message.ipe)];
    lease.is_some_and(|lease| lease.by == me.id)
}
