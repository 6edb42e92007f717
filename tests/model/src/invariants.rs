//! What must hold in every world, and what must be there when everything has come to rest.

use soxauto_domain::IpeState;
use stateright::Property;

use crate::{
    decisions::{decide, run_state},
    dispatcher,
    protocol::Protocol,
    world::{Link, Manifest, Run, World},
};

/// An invariant with the name that documents and tests call it by.
pub type Invariant = (&'static str, fn(&Protocol, &World) -> bool);

/// The invariants, by the promise that they are about.
pub const INVARIANTS: &[Invariant] = &[
    ("nothing is overwritten", |_, world| !world.overwritten),
    ("a receipt names only what is durable", receipts_are_durable),
    (
        "a manifest names only what is durable",
        manifests_are_durable,
    ),
    ("one attempt counts", one_attempt_counts),
    ("the warehouse holds one attempt once", rows_are_there_once),
    (
        "what is published is in the warehouse",
        published_rows_are_there,
    ),
    (
        "a complete run has a receipt and a load of each IPE",
        complete_is_complete,
    ),
    ("the chain has one head and no fork", chain_is_a_line),
    ("the published row never goes back", |_, world| {
        !world.went_back
    }),
    ("no message is lost", no_message_is_lost),
    ("what rests is settled", what_rests_is_settled),
];

/// The invariants as properties of the checker.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    INVARIANTS
        .iter()
        .map(|(name, holds)| Property::always(name, *holds))
        .collect()
}

/// A receipt is written last: its files and parts are there, by the same writer.
fn receipts_are_durable(_: &Protocol, world: &World) -> bool {
    let folders = || world.runs.iter().flat_map(|run| run.ipes.iter().flatten());
    folders().all(|folder| {
        folder.receipt.is_none_or(|receipt| {
            folder.files == Some(receipt.by) && folder.parts == Some(receipt.by)
        })
    })
}

/// What a manifest lists is in the bucket as it lists it, and stays; its report is there before it is.
fn manifests_are_durable(_: &Protocol, world: &World) -> bool {
    world.runs.iter().all(|run| {
        run.manifests.iter().all(|manifest| {
            let report = (manifest.link.revision, manifest.link.by);
            let reported = run.reports.contains(&report);
            let kept = manifest.ipes.iter().zip(&run.ipes).all(|(then, now)| {
                then.iter()
                    .enumerate()
                    .all(|(i, folder)| now.get(i).is_some_and(|now| now.holds(folder)))
            });
            reported && kept
        })
    })
}

/// At most one attempt of an IPE has a load record, every manifest that calls the IPE passed names the same attempt, and
/// it is the one that the facts name.
fn one_attempt_counts(_: &Protocol, world: &World) -> bool {
    world.runs.iter().all(|run| {
        run.ipes.iter().enumerate().all(|(ipe, attempts)| {
            let loaded = attempts.iter().filter(|f| f.load.is_some()).count();
            let counted = run.counted[ipe];
            let named = run.manifests.iter().filter_map(|manifest| {
                let decided = decide(&manifest.ipes[ipe]);
                (decided.arrived == IpeState::Passed).then_some(decided.deciding)
            });
            loaded <= 1
                && named.into_iter().all(|attempt| attempt == counted)
                && (counted.is_none() || decide(attempts).deciding == counted)
        })
    })
}

/// Never the rows of two attempts, nor those of one twice, nor those of an attempt that is recorded differently.
fn rows_are_there_once(_: &Protocol, world: &World) -> bool {
    world.runs.iter().all(|run| {
        run.ipes.iter().zip(&run.rows).all(|(attempts, rows)| {
            let recorded = (1u8..)
                .zip(attempts)
                .find_map(|(number, folder)| folder.load.map(|_| number));
            rows.len() <= 1 && recorded.is_none_or(|attempt| *rows == [attempt])
        })
    })
}

/// Of a run that the views show, the warehouse holds exactly the attempts that its manifest names.
fn published_rows_are_there(_: &Protocol, world: &World) -> bool {
    world.runs.iter().all(|run| {
        let Some((revision, "complete")) = run.published else {
            return true;
        };
        let manifest = run.manifests.iter().find(|m| m.link.revision == revision);
        manifest.is_some_and(|manifest| {
            manifest.ipes.iter().zip(&run.rows).all(|(attempts, rows)| {
                decide(attempts).deciding == rows.first().copied() && rows.len() == 1
            })
        })
    })
}

/// *Complete* is only said of what is proven.
fn complete_is_complete(_: &Protocol, world: &World) -> bool {
    let manifests = || world.runs.iter().flat_map(|run| &run.manifests);
    manifests().filter(|m| m.state == "complete").all(|m| {
        m.ipes.iter().all(|attempts| {
            decide(attempts).deciding.is_some_and(|number| {
                let folder = attempts[usize::from(number) - 1];
                folder.receipt.is_some_and(|r| r.passed) && folder.load.is_some()
            })
        })
    })
}

/// Each manifest but the first names another one as the one before it, no two the same, all lead to the head; revisions of
/// a run are numbered without a gap, and what the head names is there.
fn chain_is_a_line(_: &Protocol, world: &World) -> bool {
    let manifests: Vec<_> = world.runs.iter().flat_map(|run| &run.manifests).collect();
    let find = |link: Link| manifests.iter().find(|m| m.link == link);
    // Backwards from the last one: the reserved manifest may be written already.
    let mut at = match world.head.reserved.and_then(find) {
        Some(written) => Some(written.link),
        None => world.head.head,
    };
    let mut seen = 0;
    while let Some(link) = at {
        let Some(manifest) = find(link) else {
            return false;
        };
        seen += 1;
        if seen > manifests.len() {
            return false;
        }
        at = manifest.previous;
    }
    seen == manifests.len()
        && world.runs.iter().all(|run| {
            (1u8..)
                .zip(&run.manifests)
                .all(|(n, manifest)| manifest.link.revision == n)
        })
}

/// An IPE of a dispatched run that has not ended has its message somewhere: in the queue, with a worker, or among the dead.
fn no_message_is_lost(_: &Protocol, world: &World) -> bool {
    (0u8..).zip(&world.runs).all(|(r, run)| {
        let dispatched = run.marker.is_some_and(|marker| marker.dispatched);
        !dispatched
            || (0u8..).zip(&run.ipes).all(|(n, attempts)| {
                let mine = |run: u8, ipe: u8| (run, ipe) == (r, n);
                decide(attempts).state != IpeState::Planned
                    || world.jobs.iter().any(|m| mine(m.run, m.ipe))
                    || world.dead.iter().any(|m| mine(m.run, m.ipe))
                    || world.orphans.iter().any(|m| mine(m.run, m.ipe))
                    || world
                        .workers
                        .iter()
                        .flatten()
                        .any(|w| w.keeps_message && mine(w.message.run, w.message.ipe))
            })
    })
}

/// Where nothing can happen any more, everything is in order.
fn what_rests_is_settled(protocol: &Protocol, world: &World) -> bool {
    let resting = stateright::Model::next_states(protocol, world).is_empty();
    !resting || is_settled(world)
}

/// Every run that was planned is closed, its last manifest says what its folder holds and is published, no message and no
/// notification is on its way, no lease is held, and no marker, reservation or transaction is left.
#[must_use]
pub fn is_settled(world: &World) -> bool {
    let quiet = world.jobs.is_empty()
        && world.orphans.is_empty()
        && world.transactions.is_empty()
        && world.notices.iter().flatten().all(|n| *n == 0)
        && world.head.reserved.is_none()
        && world.replaying.is_none()
        && world.workers.iter().all(Option::is_none)
        && world.finalizers.iter().all(Option::is_none)
        && world
            .dispatchers
            .iter()
            .all(|d| d.at == dispatcher::At::Done);
    quiet
        && world
            .runs
            .iter()
            .zip(0u8..)
            .filter(|(run, _)| run.plan.is_some())
            .all(|(run, index)| is_closed(run, index, world))
}

fn is_closed(run: &Run, index: u8, world: &World) -> bool {
    let Some(last) = run.manifests.last() else {
        return false;
    };
    run.marker.is_none()
        && run.hint.is_none()
        && run.run_lease.is_none_or(|lease| lease.expired)
        && run.ipe_leases.iter().flatten().all(|lease| lease.expired)
        && names_everything(last, run, index, world)
        && last.state == run_state(&run.ipes, world.late).as_str()
        && run.published == Some((last.link.revision, last.state))
}

/// The manifest names every file of the folder, but for what a worker left that had lost its lease.
fn names_everything(last: &Manifest, run: &Run, index: u8, world: &World) -> bool {
    (0u8..).zip(&run.ipes).all(|(ipe, attempts)| {
        (1u8..).zip(attempts).all(|(number, folder)| {
            let named = last.ipes[usize::from(ipe)].get(usize::from(number) - 1);
            let named = named.copied().unwrap_or_default();
            let stray = world.strays.contains(&(index, ipe, number));
            named == *folder || stray && folder.receipt == named.receipt
        })
    })
}
