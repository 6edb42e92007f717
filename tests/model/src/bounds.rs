//! The sizes that are explored: small enough to be done in a minute, each with the faults that belong together.

use crate::{
    protocol::{Bounds, Start},
    world::Faults,
};

/// An exploration with its name and what it is about.
#[derive(Debug, Clone)]
pub struct Exploration {
    /// Its name, in docs/MODEL.md and in the tests.
    pub name: &'static str,
    /// What happens in it.
    pub about: &'static str,
    /// Its bounds.
    pub bounds: Bounds,
}

/// All explorations.
#[must_use]
pub fn all() -> Vec<Exploration> {
    let quiet = Bounds::quiet();
    let none = quiet.faults;
    let of = |name, about, bounds| Exploration {
        name,
        about,
        bounds,
    };
    vec![
        of(
            "dispatch",
            "two deliveries of one start event at once, two IPEs",
            Bounds {
                ipes: 2,
                events: vec![false, false],
                coarse_workers: true,
                coarse_finalizers: true,
                ..quiet.clone()
            },
        ),
        of(
            "dispatch and crash",
            "a dispatcher, a worker or a finalizer is killed at any step; the event comes again",
            Bounds {
                events: vec![false, false],
                coarse_workers: true,
                coarse_finalizers: true,
                faults: Faults { crashes: 1, ..none },
                ..quiet.clone()
            },
        ),
        of(
            "workers",
            "two workers, the message twice; a lease or a message ends although its worker lives",
            Bounds {
                start: Start::Sent,
                workers: 2,
                coarse_finalizers: true,
                faults: Faults {
                    duplicates: 1,
                    pauses: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "workers and crash",
            "two workers, any process is killed at any step, an attempt fails, another is rejected",
            Bounds {
                start: Start::Sent,
                workers: 2,
                coarse_finalizers: true,
                faults: Faults {
                    crashes: 1,
                    failures: 1,
                    rejections: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "rivals",
            "two attempts at one IPE pass, the first one late; two finalizers, one of them frozen or killed",
            Bounds {
                start: Start::Rival,
                finalizers: 2,
                coarse_workers: true,
                coarse_finalizers: true,
                faults: Faults {
                    crashes: 1,
                    pauses: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "finalizers",
            "two finalizers, one of them frozen, a notification lost",
            Bounds {
                start: Start::Extracted,
                finalizers: 2,
                faults: Faults {
                    pauses: 1,
                    lost_notices: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "finalizers and crash",
            "two finalizers, killed twice at any step, a notification lost",
            Bounds {
                start: Start::Extracted,
                finalizers: 2,
                faults: Faults {
                    crashes: 2,
                    lost_notices: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "chain",
            "two runs of one control are closed by two finalizers at once",
            Bounds {
                start: Start::Extracted,
                events: vec![false, true],
                finalizers: 2,
                ..quiet.clone()
            },
        ),
        of(
            "chain and crash",
            "the same by one finalizer at a time, killed twice at any step",
            Bounds {
                start: Start::Extracted,
                events: vec![false, true],
                faults: Faults { crashes: 2, ..none },
                ..quiet.clone()
            },
        ),
        of(
            "deadline",
            "the deadline passes at any moment, any process is killed at any step",
            Bounds {
                deadline: true,
                coarse_workers: true,
                faults: Faults { crashes: 1, ..none },
                ..quiet.clone()
            },
        ),
        of(
            "warehouse",
            "the warehouse refuses twice, around the deadline",
            Bounds {
                deadline: true,
                coarse_workers: true,
                faults: Faults {
                    refusals: 2,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "replay",
            "the only delivery fails or its worker is killed; the operator replays while the sweep runs; the deadline passes",
            Bounds {
                start: Start::Sent,
                deadline: true,
                max_receives: 1,
                coarse_workers: true,
                coarse_finalizers: true,
                faults: Faults {
                    crashes: 1,
                    failures: 1,
                    replays: 1,
                    ..none
                },
                ..quiet.clone()
            },
        ),
        of(
            "supersede",
            "a second run is started at any moment of the first",
            Bounds {
                events: vec![false, true],
                coarse_workers: true,
                coarse_finalizers: true,
                ..quiet
            },
        ),
    ]
}

/// The exploration of that name.
#[must_use]
pub fn named(name: &str) -> Option<Exploration> {
    all()
        .into_iter()
        .find(|exploration| exploration.name == name)
}
