//! The dispatcher's cells: each has a run of one report; whoever sent the start sends it again when it fails.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use soxauto_domain::RunId;
use soxauto_e2e::faults::{Cell, Step, matrix};
use soxauto_local::Function;

use soxauto_e2e::CUTOFFS;

use crate::{World, id, run};

/// Inflicts all and returns what is not as the matrix says.
pub(crate) async fn inflict_all(world: &World) -> Vec<String> {
    let cells: Vec<(&Step, &Cell)> = matrix().cells("dispatcher").collect();
    let mut wrong = Vec::new();
    let mut runs = Vec::new();
    // A month is run again when there are more cells than months.
    for (round, cells) in cells.chunks(CUTOFFS.len()).enumerate() {
        let number = u32::try_from(round).unwrap() + 1;
        for ((step, cell), cutoff) in cells.iter().zip(CUTOFFS) {
            let run = run(cutoff, number);
            let place = format!("dispatcher: {} {}: {}", step.call, step.nth, cell.fault);
            let answers = invoke(world, &run, step, cell).await;
            if answers != cell.invocations {
                wrong.push(format!("{place}: {answers:?}, not {:?}", cell.invocations));
            }
            let left = world.inflictor.outstanding_of("dispatcher");
            if !left.is_empty() {
                wrong.push(format!("{place}: not inflicted: {left:?}"));
                world.inflictor.disarm_of("dispatcher");
            }
            runs.push((run, place, *cell));
        }
    }
    world.tell("the dispatcher's faults are inflicted");
    for (run, place, cell) in &runs {
        if let Err(e) = world.until(run, &cell.run, Duration::from_secs(240)).await {
            wrong.push(format!("{place}: {e}"));
        }
    }
    let mut status = crate::Status::default();
    for (run, place, cell) in &runs {
        let Some(facts) = world.laptop.reader.facts(run).await.unwrap() else {
            wrong.push(format!("{place}: no plan"));
            continue;
        };
        let ipe = &facts.ipes[0];
        if ipe.state().as_str() != cell.ipe || ipe.attempts.len() != 1 {
            let attempts = ipe.attempts.len();
            wrong.push(format!(
                "{place}: {} after {attempts} attempts",
                ipe.state().as_str()
            ));
        }
        wrong.extend(status.hold(world, (run, &ipe.id), cell, place).await);
    }
    wrong
}

/// A call that only a start makes that finds its run.
const OF_A_REPEATED_START: &str = "GetObject plan.json";
/// Calls that only faults lead to: whoever goes on with a start that died looks how far the run is, and who loses a
/// conditional write looks at what is there.
const OF_A_FAULT: [&str; 5] = [
    "dispatcher: GetObject load.json",
    "dispatcher: GetObject receipt.json",
    "dispatcher: HeadObject marker",
    "dispatcher: HeadObject plan.json",
    "dispatcher: ListObjectsV2 run's folder",
];

/// A call that nobody has thought of has no step.
pub(crate) fn missed(world: &World) -> Vec<String> {
    let known: BTreeSet<String> = matrix()
        .of("dispatcher")
        .map(|step| format!("dispatcher: {}", step.call))
        .collect();
    let counts = world.laptop.proxy().counts();
    let calls = counts.into_keys().map(|name| name.to_string());
    let missed = calls
        .filter(|call| call.starts_with("dispatcher: "))
        .filter(|call| !known.contains(call) && !OF_A_FAULT.contains(&call.as_str()));
    missed.map(|call| format!("{call} is no step")).collect()
}

/// Sends the start until it is answered, at most three times as Lambda does; the answers.
async fn invoke(world: &World, run: &RunId, step: &Step, cell: &Cell) -> String {
    let call = format!("dispatcher: {}", step.call);
    let names_run = !step.call.starts_with("SendMessageBatch") && !step.call.contains("cutoff's");
    let of = if names_run { Some(run) } else { None };
    let event = World::event(run, &[id("CR_05")]);
    let start = async || {
        let stack = &world.laptop.stack;
        stack.invoke(Function::Dispatcher, &event).await.unwrap()
    };
    let mut answers = Vec::new();
    if step.call == OF_A_REPEATED_START {
        answers.push(told(&start().await));
    }
    world
        .inflictor
        .arm(&call, (of, None), step.nth, &cell.fault);
    for _ in 0..3 {
        let answer = start().await;
        answers.push(told(&answer));
        if answer["run_id"] == serde_json::json!(run) {
            break;
        }
    }
    answers.join(", ")
}

fn told(answer: &Value) -> String {
    if let Some(error) = answer["errorType"].as_str() {
        return match error {
            "Runtime.ExitError" => "died".to_owned(),
            code => code.to_owned(),
        };
    }
    match (answer["created"].as_bool(), answer["enqueued"].as_u64()) {
        (Some(true), Some(n)) => format!("started, {n} sent"),
        // How many are left to be sent depends on how quick the workers are.
        (Some(false), Some(_)) => "found".to_owned(),
        _ => answer.to_string(),
    }
}
