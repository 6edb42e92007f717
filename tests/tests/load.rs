//! Many reports and many runs: all finish, and what a run asks of AWS and the warehouse grows with its reports only.
//!
//! The same at full size, with memory and time: `scripts/load` (`docs/LOAD.md`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use soxauto_domain::{RunId, RunState};
use soxauto_e2e::{
    Laptop,
    load::{Calls, Place, catalog, dispatch, until_closed},
};

const PATIENCE: Duration = Duration::from_secs(400);

#[tokio::test(flavor = "multi_thread")]
async fn calls_grow_with_the_reports_and_runs_at_once_finish() {
    let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
    let place = Place::of(&laptop);
    // The first run of a process and the first use of a table cost once.
    let mut found = Vec::new();
    for (ipes, cutoff) in [(24, "2024-02-01"), (8, "2024-03-01"), (24, "2024-04-01")] {
        laptop.proxy().forget();
        let started = dispatch(&place, catalog(ipes), cutoff.parse().unwrap(), cutoff).await;
        assert_eq!(started.enqueued, ipes);
        until_closed(&laptop, &started.run_id, PATIENCE).await;
        laptop.until_idle().await;
        assert_complete(&laptop, &started.run_id).await;
        found.push(Calls::of(&laptop.proxy().counts()));
        println!("{ipes} reports: {:?}", found.last().unwrap());
    }
    let more = |of: fn(&Calls) -> u64| of(&found[2]).saturating_sub(of(&found[1])) / 16;
    assert!(more(|c| c.s3) <= 30, "{found:?}");
    assert!(more(|c| c.sqs) <= 3, "{found:?}");
    assert!(more(|c| c.redshift) <= 8, "{found:?}");

    let cutoffs = ["2023-08-01", "2023-09-01", "2023-10-01", "2023-11-01"];
    let mut runs = Vec::new();
    for cutoff in cutoffs.into_iter().chain(["2023-11-01"]) {
        let id = format!("{cutoff}-{}", runs.len());
        let started = dispatch(&place, catalog(4), cutoff.parse().unwrap(), &id).await;
        runs.push(started.run_id);
    }
    assert_eq!(runs[4].to_string(), "C-PG-1/2023-11-01/r2");
    for run in &runs {
        until_closed(&laptop, run, PATIENCE).await;
        assert_complete(&laptop, run).await;
    }
    laptop.stack.stop().await;
}

/// Every report passed in one attempt, and the warehouse holds its rows once.
async fn assert_complete(laptop: &Laptop, run: &RunId) {
    let facts = laptop.reader.facts(run).await.unwrap().unwrap();
    assert_eq!(facts.state(true), RunState::Complete, "{run}");
    for ipe in &facts.ipes {
        let (attempt, receipt) = ipe.deciding().unwrap();
        let load = attempt.load.as_ref().unwrap();
        assert_eq!(
            load.document.rows, receipt.counts.decoded,
            "{run} {}",
            ipe.id
        );
    }
    let first = &facts.plan.ipes[0];
    let rows = laptop
        .warehouse_value(&format!(
            "SELECT COUNT(*) FROM reconciliation.{} WHERE _run_id = '{run}'",
            first.table
        ))
        .await;
    let (_, receipt) = facts.ipes[0].deciding().unwrap();
    assert_eq!(rows, receipt.counts.decoded.to_string());
}
