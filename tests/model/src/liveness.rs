//! Everything comes to rest in the end: from every world that can be reached, a settled one can be reached.
//!
//! Faults are bounded, and what may happen again and again (a sweep, a delivery) happens in the end. Under that fairness
//! "can be reached from everywhere" is "is reached". The checker's own *eventually* does not see cycles, and a sweep that
//! finds nothing to do is one.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use stateright::Model as _;

use crate::{
    invariants::is_settled,
    protocol::{Action, Protocol},
    world::World,
};

/// What an exploration found.
#[derive(Debug)]
pub struct Explored {
    /// Worlds that can be reached.
    pub worlds: usize,
    /// Settled worlds among them.
    pub settled: usize,
    /// The way to a world from which no settled one can be reached, if there is such a world.
    pub stuck: Option<(Vec<Action>, World)>,
}

/// Explores every world and looks for one that cannot settle.
#[must_use]
pub fn explore(protocol: &Protocol) -> Explored {
    let mut known: HashMap<u64, u32> = HashMap::new();
    // Of each world: who led to it first, and every world that leads to it.
    let mut parents: Vec<u32> = Vec::new();
    let mut before: Vec<Vec<u32>> = Vec::new();
    let mut settled: Vec<u32> = Vec::new();
    let mut waiting = Vec::new();
    for world in protocol.init_states() {
        known.insert(fingerprint(&world), 0);
        parents.push(0);
        before.push(Vec::new());
        waiting.push((0, world));
    }
    while let Some((index, world)) = waiting.pop() {
        if is_settled(&world) {
            settled.push(index);
        }
        for next in protocol.next_states(&world) {
            let fresh = u32::try_from(parents.len()).unwrap_or(u32::MAX);
            let to = *known.entry(fingerprint(&next)).or_insert(fresh);
            if to == fresh {
                parents.push(index);
                before.push(Vec::new());
                waiting.push((to, next));
            }
            before[to as usize].push(index);
        }
    }
    let mut settles = vec![false; parents.len()];
    let mut back = settled.clone();
    while let Some(index) = back.pop() {
        if !std::mem::replace(&mut settles[index as usize], true) {
            back.extend(&before[index as usize]);
        }
    }
    let stuck = settles.iter().position(|settles| !settles);
    Explored {
        worlds: parents.len(),
        settled: settled.len(),
        stuck: stuck.map(|index| way(protocol, &parents, &known, index)),
    }
}

/// The actions from the beginning to the world with this index.
fn way(
    protocol: &Protocol,
    parents: &[u32],
    known: &HashMap<u64, u32>,
    index: usize,
) -> (Vec<Action>, World) {
    let mut indices = vec![index];
    while let Some(first) = indices.last().copied().filter(|first| *first != 0) {
        indices.push(parents[first] as usize);
    }
    let mut world = World::new(&protocol.bounds);
    let mut actions = Vec::new();
    for index in indices.into_iter().rev().skip(1) {
        let steps = protocol.next_steps(&world);
        let found = steps.into_iter().find(|(_, next)| {
            known.get(&fingerprint(next)) == Some(&u32::try_from(index).unwrap_or(u32::MAX))
        });
        if let Some((action, next)) = found {
            actions.push(action);
            world = next;
        }
    }
    (actions, world)
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
