//! The finalizer's cells of the fault matrix (`tests/faults.toml`): exactly that fault at that step, exactly that outcome.
//!
//! Over the in-memory twins, so that a process that dies is one whose work is dropped at that instant. That real processes
//! may be killed at the same places is shown by `tests/tests/kill`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ports;
mod situations;
#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use soxauto_cloud::lake::Lake as _;
use soxauto_domain::RunState;
use soxauto_domain::layout::state;
use soxauto_e2e::{
    faults::{Cell, Step, matrix},
    tripwire,
};

use situations::{Situation, Tripped};
use support::{R1, World, ipe, run};

/// Invocations after which a round that does not end is given up.
const MOST: usize = 5;

#[tokio::test(start_paused = true)]
async fn each_cell_ends_as_the_matrix_says() {
    let mut wrong = Vec::new();
    for situation in Situation::ALL {
        for (step, cell) in matrix().cells(situation.name()) {
            let name = situation.name();
            let place = format!("{name}: {} {}: {}", step.call, step.nth, cell.fault);
            let found = inflict(situation, step, cell).await;
            wrong.extend(found.into_iter().map(|what| format!("{place}: {what}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} findings:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A call that nobody has thought of has no step: here it is missed.
#[tokio::test(start_paused = true)]
async fn each_call_of_an_undisturbed_finalizer_is_a_step() {
    let steps = |name| matrix().of(name).map(|step| step.call.clone());
    // What a situation has in common with another is tried there.
    let all = Situation::ALL.into_iter();
    let known: BTreeSet<String> = all.flat_map(|s| steps(s.name())).collect();
    let mut missed = Vec::new();
    for situation in Situation::ALL {
        let tripped = situation.world().await;
        let answers = settle(situation, &tripped).await;
        assert_eq!(answers, situation.undisturbed(), "{situation:?}");
        let calls: BTreeSet<String> = tripped.tripwire.calls().into_iter().collect();
        missed.extend(
            calls
                .difference(&known)
                .map(|call| format!("{situation:?}: {call}")),
        );
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

async fn inflict(situation: Situation, step: &Step, cell: &Cell) -> Vec<String> {
    let tripped = situation.world().await;
    let is_call = arm(&tripped, step, cell).await;
    let answers = settle(situation, &tripped).await;
    let mut wrong = Vec::new();
    if answers != cell.invocations {
        wrong.push(format!(
            "invocations: {answers:?}, not {:?}",
            cell.invocations
        ));
    }
    if is_call && !tripped.tripwire.has_happened() {
        wrong.push("was not inflicted".to_owned());
    }
    wrong.extend(verdict(situation, &tripped.world, cell).await);
    wrong
}

/// Invocations until all is done; between two of them a dead finalizer's lease ends.
async fn settle(situation: Situation, tripped: &Tripped) -> String {
    let mut answers = Vec::new();
    for round in 0..situation.rounds() {
        for _ in 0..MOST {
            let answer = tokio::select! {
                answer = situation.call(&tripped.world, round) => answer,
                () = tripped.tripwire.standing() => "died".to_owned(),
            };
            let is_done = situation.is_done(&answer, round);
            answers.push(answer);
            if is_done {
                break;
            }
            tripped.world.clock.advance(Duration::from_secs(61));
            // Whatever a dead sweep held of the dead letters is back.
            tokio::time::advance(Duration::from_secs(61)).await;
        }
    }
    answers.join(", ")
}

/// Plans the fault of a cell; says whether it is one of a call.
async fn arm(tripped: &Tripped, step: &Step, cell: &Cell) -> bool {
    let Tripped { world, tripwire } = tripped;
    let is_choice = step.call.ends_with(" chosen attempt");
    match (cell.fault.as_str(), step.call.as_str()) {
        ("rival", "PutObject run's lease") => {
            // Another finalizer holds the run and gives no further sign of life.
            let key = state::run_lease(&run(R1));
            let minute = Duration::from_secs(60);
            let leases = &world.context.leases;
            leases.acquire(&key, "a rival", minute).await.unwrap();
            return false;
        }
        ("rival", _) if is_choice => {
            chosen_by_a_rival(world).await;
            return false;
        }
        // Only who was second reads it.
        (_, "GetObject chosen attempt") => chosen_by_a_rival(world).await,
        _ => {}
    }
    let what = tripwire::of_call(&cell.fault);
    let what = what.unwrap_or_else(|| panic!("{} is no fault of the finalizer", cell.fault));
    tripwire.arm(&step.call, step.nth, what);
    true
}

/// A second attempt has passed, and another finalizer has said that it is the one that is loaded.
async fn chosen_by_a_rival(world: &World) {
    world.passed(R1, "IPE_07", 2).await;
    let key = state::load_choice(&run(R1), &ipe("IPE_07"));
    let choice = Bytes::from(r#"{"schema":"soxauto.load_choice/1","attempt":2}"#);
    let created = world.state.inner().create(&key, choice, "application/json");
    created.await.unwrap();
}

/// What is not as it is to be a while later, after a sweep.
async fn verdict(situation: Situation, world: &World, cell: &Cell) -> Vec<String> {
    let mut wrong = Vec::new();
    world.clock.advance(Duration::from_secs(180));
    world.sweep().await.unwrap();
    let name = situation.run();
    if world.manifests(name) != [1] {
        wrong.push(format!("manifests {:?}", world.manifests(name)));
        return wrong;
    }
    let manifest = world.manifest(name, 1).await.predicate;
    let said = (situation.state(), cell.run.as_str());
    if (manifest.state, manifest.state.as_str()) != said {
        wrong.push(format!("its manifest says {}", manifest.state.as_str()));
    }
    // A month that nobody ran has neither reports nor anything that `status` could be asked about.
    if situation != Situation::Missing {
        wrong.extend(of_the_run(world, cell).await);
        let exit = match manifest.state {
            RunState::Complete => 0,
            _ => 3,
        };
        if exit != cell.exit {
            wrong.push(format!("exit: {exit}, not {}", cell.exit));
        }
    }
    let left = world.state.inner().keys();
    let stays = |key: &String| key.ends_with("/head.json") || key.starts_with("copy/");
    let left: Vec<_> = left.into_iter().filter(|key| !stays(key)).collect();
    if !left.is_empty() {
        wrong.push(format!("left behind: {left:?}"));
    }
    wrong
}

async fn of_the_run(world: &World, cell: &Cell) -> Vec<String> {
    let mut wrong = Vec::new();
    let facts = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    let state = facts.ipes[0].arrived();
    if state.as_str() != cell.ipe {
        wrong.push(format!("the IPE is {}", state.as_str()));
    }
    let reason = facts.ipes[0].reason().unwrap_or_default();
    if reason.is_empty() != cell.says.is_empty() || !reason.contains(&cell.says) {
        wrong.push(format!("status says {reason:?}"));
    }
    // One attempt is loaded, and the warehouse shows the run as it is.
    let loads = facts.ipes[0].attempts.iter().filter(|a| a.load.is_some());
    if loads.count() != usize::from(cell.ipe == "passed") {
        wrong.push("not one attempt is loaded".to_owned());
    }
    let published = world.published();
    let shown = format!("'{}'", cell.run);
    if !published.last().is_some_and(|sql| sql.contains(&shown)) {
        wrong.push("it is not published".to_owned());
    }
    wrong
}
