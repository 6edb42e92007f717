//! What happens to the processes: they are killed, their time ends, queues repeat and lose, the operator replays.

use soxauto_domain::IpeState;

use crate::{
    decisions::decide,
    dispatcher,
    protocol::{Action, Mutation, Process, Protocol},
    world::{Message, World},
};

pub(crate) fn actions(protocol: &Protocol, world: &World, actions: &mut Vec<Action>) {
    let faults = world.faults;
    for i in 0..world.transactions.len() {
        actions.push(Action::Commit(i));
    }
    for i in 0..world.orphans.len() {
        actions.push(Action::OrphanReturns(i));
    }
    leases(world, actions);
    if faults.crashes > 0 {
        kills(world, actions);
    }
    if faults.pauses > 0 {
        for (i, worker) in world.workers.iter().enumerate() {
            if worker.is_some_and(|me| me.keeps_message) {
                actions.push(Action::MessageReturns(i));
            }
        }
    }
    if faults.duplicates > 0 {
        actions.extend(world.jobs.first().map(|m| Action::Duplicate(*m)));
    }
    for (run, ipes) in (0u8..).zip(&world.notices) {
        // What the storage service tells about a closed run is the only word of it: it has to come at least once.
        let marked = world.runs[usize::from(run)].marker.is_some();
        for (ipe, notices) in (0u8..).zip(ipes) {
            if faults.lost_notices > 0 && *notices > 0 && marked {
                actions.push(Action::LoseNotice(run, ipe));
            }
        }
    }
    if protocol.bounds.deadline && !world.late {
        actions.push(Action::Deadline);
    }
    if world.replaying.is_some() {
        actions.push(Action::DeleteLetter);
    } else if faults.replays > 0 {
        for letter in &world.dead {
            if may_replay(world, *letter) {
                actions.push(Action::Replay(*letter));
            }
        }
    }
}

/// A lease ends by itself when its holder is dead, and by a pause when it lives.
fn leases(world: &World, actions: &mut Vec<Action>) {
    let worker = |id| world.workers.iter().flatten().any(|w| w.id == id);
    let finalizer = |id| world.finalizers.iter().flatten().any(|f| f.id == id);
    let paused = world.faults.pauses > 0;
    for (run, known) in (0u8..).zip(&world.runs) {
        for (ipe, lease) in (0u8..).zip(&known.ipe_leases) {
            if lease.is_some_and(|l| !l.expired && (paused || !worker(l.by))) {
                actions.push(Action::IpeLeaseEnds(run, ipe));
            }
        }
        if known
            .run_lease
            .is_some_and(|l| !l.expired && (paused || !finalizer(l.by)))
        {
            actions.push(Action::RunLeaseEnds(run));
        }
    }
}

fn kills(world: &World, actions: &mut Vec<Action>) {
    for (i, dispatcher) in world.dispatchers.iter().enumerate() {
        if !matches!(
            dispatcher.at,
            dispatcher::At::Waiting | dispatcher::At::Done
        ) {
            actions.push(Action::Kill(Process::Dispatcher(i)));
        }
    }
    for (i, worker) in world.workers.iter().enumerate() {
        if worker.is_some() {
            actions.push(Action::Kill(Process::Worker(i)));
        }
    }
    for (i, finalizer) in world.finalizers.iter().enumerate() {
        if finalizer.is_some() {
            actions.push(Action::Kill(Process::Finalizer(i)));
        }
    }
    if world.replaying.is_some() {
        actions.push(Action::Kill(Process::Operator));
    }
}

/// `soxauto replay` refuses what has ended well and what a worker holds.
fn may_replay(world: &World, letter: Message) -> bool {
    let run = &world.runs[usize::from(letter.run)];
    let ended = matches!(
        decide(&run.ipes[usize::from(letter.ipe)]).state,
        IpeState::Passed | IpeState::Rejected
    );
    let held = run.ipe_leases[usize::from(letter.ipe)].is_some_and(|lease| !lease.expired);
    !ended && !held
}

pub(crate) fn step(protocol: &Protocol, world: &mut World, action: Action) {
    let max_receives = protocol.bounds.max_receives;
    match action {
        Action::Commit(i) => commit(protocol, world, i),
        Action::Kill(process) => {
            world.faults.crashes -= 1;
            kill(world, process);
        }
        Action::IpeLeaseEnds(run, ipe) => {
            let lease = &mut world.runs[usize::from(run)].ipe_leases[usize::from(ipe)];
            if let Some(lease) = lease {
                lease.expired = true;
                if world.workers.iter().flatten().any(|w| w.id == lease.by) {
                    world.faults.pauses -= 1;
                }
            }
        }
        Action::RunLeaseEnds(run) => {
            if let Some(lease) = &mut world.runs[usize::from(run)].run_lease {
                lease.expired = true;
                if world.finalizers.iter().flatten().any(|f| f.id == lease.by) {
                    world.faults.pauses -= 1;
                }
            }
        }
        Action::OrphanReturns(i) => {
            let message = world.orphans.remove(i);
            world.back_to_queue(message, max_receives);
        }
        Action::MessageReturns(i) => {
            if let Some(me) = &mut world.workers[i] {
                me.keeps_message = false;
                let message = me.message;
                world.faults.pauses -= 1;
                world.back_to_queue(message, max_receives);
            }
        }
        Action::Duplicate(message) => {
            world.faults.duplicates -= 1;
            world.jobs.push(message);
        }
        Action::LoseNotice(run, ipe) => {
            world.faults.lost_notices -= 1;
            world.notices[usize::from(run)][usize::from(ipe)] = 0;
        }
        Action::Deadline => world.late = true,
        Action::Replay(letter) => {
            world.faults.replays -= 1;
            if protocol.has(Mutation::DeleteLetterFirst) {
                forget(world, letter);
            } else {
                send_again(world, letter);
            }
            world.replaying = Some(letter);
        }
        Action::DeleteLetter => {
            if let Some(letter) = world.replaying.take() {
                if protocol.has(Mutation::DeleteLetterFirst) {
                    send_again(world, letter);
                } else {
                    forget(world, letter);
                }
            }
        }
        _ => {}
    }
}

fn send_again(world: &mut World, letter: Message) {
    world.jobs.push(Message {
        receives: 0,
        ..letter
    });
}

fn forget(world: &mut World, letter: Message) {
    if let Some(at) = world.dead.iter().position(|m| *m == letter) {
        world.dead.remove(at);
    }
}

/// The warehouse ends a transaction: what the run had is deleted, the attempt's rows are copied. A lock makes such
/// transactions one after the other.
fn commit(protocol: &Protocol, world: &mut World, i: usize) {
    let transaction = world.transactions.remove(i);
    let run = &mut world.runs[usize::from(transaction.run)];
    let rows = &mut run.rows[usize::from(transaction.ipe)];
    if !protocol.has(Mutation::LoadWithoutDelete) {
        rows.clear();
    }
    rows.push(transaction.attempt);
}

fn kill(world: &mut World, process: Process) {
    match process {
        Process::Dispatcher(i) => dispatcher::kill(world, i),
        Process::Worker(i) => {
            if let Some(me) = world.workers[i].take()
                && me.keeps_message
            {
                world.orphans.push(me.message);
            }
        }
        Process::Finalizer(i) => {
            if let Some(me) = world.finalizers[i].take()
                && let Some(ipe) = me.news
            {
                world.notify(me.run, ipe);
            }
        }
        Process::Operator => world.replaying = None,
    }
}
