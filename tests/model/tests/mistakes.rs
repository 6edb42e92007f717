//! Each invariant can fail: with a mistake built into the protocol, the checker finds where it leads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use soxauto_model::{
    Bounds, Mutation, Protocol, Start, bounds, invariants::INVARIANTS, liveness, world::Faults,
};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// What liveness is called in the table below.
const REST: &str = "everything comes to rest";

/// A mistake, the invariant that it breaks, and bounds in which it does.
fn mistakes() -> Vec<(Mutation, &'static str, Bounds)> {
    let of = |name: &str| bounds::named(name).unwrap().bounds;
    let quiet = Bounds::quiet();
    let none = quiet.faults;
    let with = |faults: Faults| Bounds {
        faults,
        ..Bounds::quiet()
    };
    let extracted = |faults: Faults| Bounds {
        start: Start::Extracted,
        ..with(faults)
    };
    vec![
        (Mutation::PlainPut, "nothing is overwritten", of("workers")),
        (
            Mutation::ReceiptFirst,
            "a receipt names only what is durable",
            quiet.clone(),
        ),
        (
            Mutation::HeadFirst,
            "a manifest names only what is durable",
            extracted(none),
        ),
        (
            Mutation::LoadWithoutChoice,
            "one attempt counts",
            of("rivals"),
        ),
        (
            Mutation::LoadWithoutChoice,
            "what is published is in the warehouse",
            of("rivals"),
        ),
        (
            Mutation::LoadWithoutDelete,
            "the warehouse holds one attempt once",
            extracted(Faults { crashes: 1, ..none }),
        ),
        (
            Mutation::CompleteWithoutLoad,
            "a complete run has a receipt and a load of each IPE",
            Bounds {
                deadline: true,
                ..extracted(Faults {
                    refusals: 1,
                    ..none
                })
            },
        ),
        (
            Mutation::NoReservation,
            "the chain has one head and no fork",
            of("chain"),
        ),
        (
            Mutation::PublishUnguarded,
            "the published row never goes back",
            Bounds {
                deadline: true,
                finalizers: 2,
                coarse_workers: true,
                coarse_finalizers: true,
                start: Start::Sent,
                ..with(Faults { pauses: 1, ..none })
            },
        ),
        (
            Mutation::AcknowledgeFirst,
            "no message is lost",
            quiet.clone(),
        ),
        (
            Mutation::DispatchedFirst,
            "no message is lost",
            quiet.clone(),
        ),
        (
            Mutation::DeleteLetterFirst,
            "no message is lost",
            of("replay"),
        ),
        (
            Mutation::MarkerFirst,
            "what rests is settled",
            extracted(Faults {
                crashes: 1,
                lost_notices: 1,
                ..none
            }),
        ),
        (
            Mutation::MarkedRunsOnly,
            "what rests is settled",
            Bounds {
                deliveries: 1,
                ..of("deadline")
            },
        ),
        (
            Mutation::CloseUnmarked,
            "what rests is settled",
            of("deadline"),
        ),
        (
            Mutation::SharedMarker,
            "what rests is settled",
            of("rivals"),
        ),
        (
            Mutation::BelieveManifest,
            "what rests is settled",
            of("finalizers"),
        ),
        (
            Mutation::CloseOverWorker,
            "what rests is settled",
            Bounds {
                start: Start::Sent,
                workers: 2,
                coarse_finalizers: true,
                ..with(Faults {
                    crashes: 1,
                    duplicates: 1,
                    pauses: 1,
                    ..none
                })
            },
        ),
        (
            Mutation::NoWordForTheLost,
            REST,
            Bounds {
                max_receives: 1,
                ..with(Faults { crashes: 1, ..none })
            },
        ),
    ]
}

#[test]
fn each_mistake_is_found() {
    for (mutation, broken, bounds) in mistakes() {
        let protocol = Protocol {
            bounds,
            mutation: Some(mutation),
        };
        if broken == REST {
            let explored = liveness::explore(&protocol);
            assert!(
                explored.stuck.is_some(),
                "{mutation:?} does not break: {broken}"
            );
            continue;
        }
        let name = INVARIANTS
            .iter()
            .find(|(name, _)| *name == broken)
            .unwrap()
            .0;
        let checker = protocol
            .checker()
            .threads(2)
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([name])))
            .spawn_dfs()
            .join();
        let path = checker.discovery(name);
        assert!(path.is_some(), "{mutation:?} does not break: {broken}");
        eprintln!(
            "{mutation:?}: {broken}, after {} steps",
            path.unwrap().into_actions().len()
        );
    }
}

#[test]
fn each_invariant_is_broken_by_a_mistake() {
    let broken: BTreeSet<&str> = mistakes().iter().map(|(_, name, _)| *name).collect();
    let all: BTreeSet<&str> = INVARIANTS
        .iter()
        .map(|(name, _)| *name)
        .chain([REST])
        .collect();
    assert_eq!(broken, all);
}
