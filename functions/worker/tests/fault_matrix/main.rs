//! The worker's cells of the fault matrix (`tests/faults.toml`): exactly that fault at that step, exactly that outcome.
//!
//! Over the in-memory twins of buckets, queue and secrets, and over real sockets to a SQL Server stand-in, read by the real
//! drivers. A process that dies is one whose work is dropped at that instant; that real processes may be killed at the same
//! places is shown by `tests/tests/kill`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arm;
mod log;
mod ports;
mod reports;
mod source;
#[path = "../support/mod.rs"]
mod support;
mod verdict;
mod world;

use std::{collections::BTreeSet, sync::Arc};

use soxauto_e2e::faults::{Cell, Step, matrix};
use tokio::{sync::Semaphore, task::JoinSet};

use reports::Report;

/// Cells at the same time.
const AT_ONCE: usize = 32;

/// Runs a test's many worlds on one thread; their servers have the others.
async fn all_of<T: 'static>(
    work: impl IntoIterator<Item = impl Future<Output = T> + 'static>,
) -> Vec<T> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let local = tokio::task::LocalSet::new();
    let mut tasks = JoinSet::new();
    for one in work {
        let places = Arc::clone(&places);
        let task = async move {
            let _place = places.acquire().await.unwrap();
            one.await
        };
        tasks.spawn_local_on(Box::pin(task), &local);
    }
    local
        .run_until(async {
            let mut done = Vec::new();
            while let Some(one) = tasks.join_next().await {
                done.push(one.unwrap());
            }
            done
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cell_ends_as_the_matrix_says() {
    let cells = Report::ALL.into_iter().flat_map(|report| {
        matrix()
            .cells(report.name())
            .map(move |(step, cell)| (report, step, cell))
    });
    let found = all_of(cells.map(|(report, step, cell)| inflict(report, step, cell))).await;
    let wrong: Vec<String> = found.into_iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{} findings:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn place(report: Report, step: &Step, cell: &Cell) -> String {
    format!(
        "{}: {} {}: {}",
        report.name(),
        step.call,
        step.nth,
        cell.fault
    )
}

/// Inflicts the cell's fault and says what is not as the matrix has it.
async fn inflict(report: Report, step: &'static Step, cell: &'static Cell) -> Vec<String> {
    let mut world = Box::pin(report.world()).await;
    let inflicted = arm::arm(&mut world, step, cell).await;
    let answers = Box::pin(inflicted.answers(&mut world)).await;
    let mut wrong = verdict::hold(&world, cell, &answers).await;
    if !inflicted.has_happened(&world) {
        wrong.push("was not inflicted".to_owned());
    }
    wrong.extend(Box::pin(verdict::compare(&world, report, cell)).await);
    let place = place(report, step, cell);
    wrong
        .into_iter()
        .map(|what| format!("{place}: {what}"))
        .collect()
}

/// A call that nobody has thought of has no step: here it is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_of_an_undisturbed_worker_is_a_step() {
    for report in Report::ALL {
        let mut world = report.world().await;
        let answers = world.settle(false).await;
        assert_eq!(answers.join(", "), report.undisturbed(), "{report:?}");
        let calls: BTreeSet<String> = world.tripwire.calls().into_iter().collect();
        let steps = |name| matrix().of(name).map(|step| step.call.clone());
        // What a report has in common with the first one is tried there.
        let known: BTreeSet<String> = Report::ALL
            .into_iter()
            .flat_map(|r| steps(r.name()))
            .collect();
        let missed: Vec<_> = calls.difference(&known).collect();
        assert!(missed.is_empty(), "{report:?}: {missed:?}");
    }
}
