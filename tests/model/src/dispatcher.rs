//! The dispatcher: plan, marker, messages, and the word that they were sent (`functions/dispatcher/src/start.rs`).

use soxauto_domain::IpeState;

use crate::{
    decisions::decide,
    protocol::{Action, Mutation, Protocol},
    world::{Marker, Message, World},
};

/// Where an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// The event waits for its delivery.
    Waiting,
    /// The latest run was looked up; its plan, or the next, is to be followed or written.
    Plan {
        /// The run that was found last.
        latest: Option<u8>,
    },
    /// The marker is to be found or made.
    Marker,
    /// The messages are to be sent.
    Send,
    /// The marker is to say that they were sent.
    Dispatched,
    /// The event is answered, or given up.
    Done,
}

/// The dispatcher's invocation for one start event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dispatcher {
    /// Whether the event asks for a new run although there is one.
    pub supersede: bool,
    /// Deliveries that are left.
    pub deliveries: u8,
    /// Where it is.
    pub at: At,
    /// The run that it follows.
    pub run: u8,
}

impl Dispatcher {
    /// An event that was not delivered yet.
    #[must_use]
    pub fn waiting(supersede: bool, deliveries: u8) -> Self {
        Self {
            supersede,
            deliveries,
            at: At::Waiting,
            run: 0,
        }
    }
}

pub(crate) fn actions(world: &World, actions: &mut Vec<Action>) {
    for (i, dispatcher) in world.dispatchers.iter().enumerate() {
        if dispatcher.at != At::Done {
            actions.push(Action::Dispatch(i));
        }
        if dispatcher.at == At::Send
            && world.faults.crashes > 0
            && world.runs[usize::from(dispatcher.run)].ipes.len() > 1
        {
            actions.push(Action::DispatchPartly(i));
        }
    }
}

/// The next step of the invocation `i`.
pub(crate) fn step(protocol: &Protocol, world: &mut World, i: usize) {
    let mut me = world.dispatchers[i];
    let event = u8::try_from(i).unwrap_or(u8::MAX);
    let run = usize::from(me.run);
    match me.at {
        At::Waiting => {
            me.deliveries -= 1;
            let planned = world.runs.iter().filter(|run| run.plan.is_some()).count();
            let latest = planned.checked_sub(1);
            me.at = At::Plan {
                latest: latest.and_then(|n| u8::try_from(n).ok()),
            };
        }
        At::Plan { latest } => {
            me.run = match latest {
                None => 0,
                Some(n) if !me.supersede || world.runs[usize::from(n)].plan == Some(event) => n,
                Some(n) => n + 1,
            };
            // Of two rivals one writes the plan and the other follows it.
            let plan = &mut world.runs[usize::from(me.run)].plan;
            plan.get_or_insert(event);
            me.at = At::Marker;
        }
        At::Marker => {
            let run = &mut world.runs[run];
            me.at = match run.marker {
                Some(marker) if marker.dispatched => At::Done,
                Some(_) => At::Send,
                // A run with a manifest was closed, and its marker taken away.
                None if !run.manifests.is_empty() => At::Done,
                None => {
                    run.marker = Some(Marker {
                        dispatched: false,
                        closing: None,
                    });
                    At::Send
                }
            };
            if protocol.has(Mutation::DispatchedFirst) && me.at == At::Send {
                run.marker = Some(Marker::sent());
            }
        }
        At::Send => {
            send(world, me.run, usize::MAX);
            me.at = At::Dispatched;
        }
        At::Dispatched => {
            // Only over the marker that was read; a rival has sent them too, or the run is closed already.
            if let Some(marker) = &mut world.runs[run].marker
                && marker.closing.is_none()
            {
                marker.dispatched = true;
            }
            me.at = At::Done;
        }
        At::Done => {}
    }
    world.dispatchers[i] = me;
}

/// Sends one message only, and dies.
pub(crate) fn step_partly(_: &Protocol, world: &mut World, i: usize) {
    let run = world.dispatchers[i].run;
    send(world, run, 1);
    world.faults.crashes -= 1;
    kill(world, i);
}

fn send(world: &mut World, run: u8, at_most: usize) {
    let planned = world.runs[usize::from(run)]
        .ipes
        .iter()
        .zip(0u8..)
        .filter(|(attempts, _)| decide(attempts).state == IpeState::Planned)
        .map(|(_, ipe)| Message {
            run,
            ipe,
            receives: 0,
        })
        .take(at_most)
        .collect::<Vec<_>>();
    world.jobs.extend(planned);
}

/// The invocation is over in the middle; the event comes again as long as it has deliveries.
pub(crate) fn kill(world: &mut World, i: usize) {
    let me = &mut world.dispatchers[i];
    me.at = if me.deliveries > 0 {
        At::Waiting
    } else {
        At::Done
    };
}
