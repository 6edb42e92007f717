//! Closing runs over the in-memory twins: one manifest per truth, one chain per control, whatever dies on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
mod support;

use std::time::Duration;

use serde_json::json;
use soxauto_cloud::{
    lake::{Fault, Lake, Operation},
    lease::Progress,
    queue::OutgoingMessage,
    warehouse::{TransactionResult, WarehouseError},
};
use soxauto_domain::{Code, IpeState, Job, RunState, Sha256, layout::state, message::PlanPointer};
use soxauto_finalizer::{chain, close};
use support::{Counted, HOUR, R1, R2, World, ipe, run};

#[tokio::test]
async fn a_run_with_an_ipe_that_has_not_ended_stays_open() {
    let world = World::new();
    world.plan(R1, &["CR_04", "IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    assert!(
        world.loaded(R1, "IPE_07", 1),
        "what passed is loaded while the rest goes on"
    );
    assert!(world.manifests(R1).is_empty());
    assert!(world.is_marked(R1));
    // The same message again asks the warehouse for nothing.
    let asked = world.warehouse.asked().len();
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.warehouse.asked().len(), asked);
}

#[tokio::test]
async fn a_run_whose_ipes_all_passed_is_loaded_published_and_chained() {
    let world = World::new();
    world.plan(R1, &["CR_04", "IPE_07"]).await;
    world.passed(R1, "CR_04", 1).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(2);
    assert!(world.notify(&[R1]).await.is_empty());

    let manifest = world.manifest(R1, 1).await;
    assert_eq!(manifest.predicate.state, RunState::Complete);
    assert_eq!(manifest.predicate.previous, None);
    assert!(
        manifest
            .predicate
            .ipes
            .iter()
            .all(|ipe| ipe.counts.unwrap().warehouse == Some(3))
    );
    // Every file of the folder but the manifest is a subject, with the digest of its bytes.
    world.assert_subjects(R1, &manifest).await;
    assert_eq!(world.head().await, world.link(R1, 1).await);
    let published = world.published();
    assert_eq!(published.len(), 1);
    assert!(published[0].contains("'complete'") && published[0].contains(&format!("'{R1}', 1, 1")));
    assert!(!world.is_marked(R1));
    // Another delivery of the same notification adds nothing.
    let before = world.evidence.inner().keys();
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.evidence.inner().keys(), before);
}

#[tokio::test]
async fn a_load_that_does_not_tie_out_publishes_nothing_and_the_deadline_says_so() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.fails_to_tie_out();
    assert_eq!(
        world.notify(&[R1]).await,
        ["m-0"],
        "the message comes again"
    );
    assert!(world.manifests(R1).is_empty() && world.published().is_empty());
    assert!(world.is_marked(R1));
    assert!(!world.loaded(R1, "IPE_07", 1));
    // Whoever asks for the run's state is not told that it is complete.
    let facts = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    assert_eq!(facts.state(false), RunState::Open);
    assert_eq!(facts.state(true), RunState::Incomplete);

    world.clock.advance(13 * HOUR);
    world.fails_to_tie_out();
    let error = world.sweep().await.unwrap_err();
    assert_eq!(error.code().as_str(), "TIE_OUT_FAILED");
    let predicate = world.manifest(R1, 1).await.predicate;
    assert_eq!(predicate.state, RunState::Incomplete);
    assert_eq!(predicate.ipes[0].id, ipe("IPE_07"));
    assert_eq!(predicate.ipes[0].state, IpeState::Planned);
    assert!(
        predicate.ipes[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("not loaded")
    );
    assert!(world.published()[0].contains("'incomplete'"));
    assert!(!world.is_marked(R1));
}

#[tokio::test]
async fn what_is_rejected_is_not_loaded_and_the_manifest_says_why() {
    let world = World::new();
    world.plan(R1, &["CR_04", "IPE_07"]).await;
    world.passed(R1, "CR_04", 1).await;
    world.rejected(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    let predicate = world.manifest(R1, 1).await.predicate;
    assert_eq!(predicate.state, RunState::Rejected);
    let rejected = predicate
        .ipes
        .iter()
        .find(|i| i.id == ipe("IPE_07"))
        .unwrap();
    assert_eq!(rejected.state, IpeState::Rejected);
    assert!(rejected.warehouse.is_none());
    assert!(rejected.reason.as_ref().unwrap().contains("key_unique"));
    assert!(!world.loaded(R1, "IPE_07", 1));
    assert!(
        !world
            .sql()
            .contains("COPY \"reconciliation\".\"pg01_validated_ipe_07\""),
        "the rejected rows are not copied"
    );
    assert!(world.published()[0].contains("'rejected'"));
    assert!(!world.is_marked(R1));
}

#[tokio::test]
async fn a_crash_at_any_step_is_healed_by_the_next_call() {
    let evidence = ["load.json", "report-1.html", "manifest-1.dsse.json"];
    for after in [false, true] {
        for key in evidence {
            let fault = Fault::new(Operation::Create, 1).on(key);
            crash_and_heal(Some(fault), None, after).await;
        }
        for fault in [
            Fault::new(Operation::Create, 1).on("copy/"),
            Fault::new(Operation::Create, 1).on("head.json"),
            Fault::new(Operation::Create, 1).on("staged/"),
            // The reservation, and the move of the head.
            Fault::new(Operation::Replace, 1).on("head.json"),
            Fault::new(Operation::Replace, 2).on("head.json"),
            Fault::new(Operation::Delete, 1).on("staged/"),
            Fault::new(Operation::Delete, 1).on("open/"),
        ] {
            crash_and_heal(None, Some(fault), after).await;
        }
    }
}

async fn crash_and_heal(evidence: Option<Fault>, state: Option<Fault>, after: bool) {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(2);
    let moment = |fault: Fault| if after { fault.after() } else { fault };
    let name = format!("{evidence:?} {state:?} after: {after}");
    if let Some(fault) = evidence {
        world.evidence.fail(moment(fault));
    }
    if let Some(fault) = state {
        world.state.fail(moment(fault));
    }
    world.notify(&[R1]).await;
    world.evidence.heal();
    world.state.heal();
    world.clock.advance(Duration::from_secs(61));
    assert!(world.notify(&[R1]).await.is_empty(), "{name}");
    assert_eq!(world.manifests(R1), [1], "{name}");
    let manifest = world.manifest(R1, 1).await;
    assert_eq!(manifest.predicate.state, RunState::Complete, "{name}");
    world.assert_subjects(R1, &manifest).await;
    assert_eq!(world.head().await, world.link(R1, 1).await, "{name}");
    assert!(world.published().last().unwrap().contains("'complete'"));
    assert!(!world.is_marked(R1), "{name}");
}

#[tokio::test]
async fn a_failed_publication_is_repeated_and_the_alarm_is_not_lost() {
    let events = Counted::default();
    let _guard = events.listen();
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.failed(R1, "IPE_07", 3).await;
    world
        .warehouse
        .answer_transaction(Err(WarehouseError::Denied("no grant".into())));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    assert_eq!(world.manifests(R1), [1]);
    assert!(world.is_marked(R1), "the sweep still looks at the run");
    assert!(world.sweep().await.is_ok());
    assert_eq!(world.manifests(R1), [1]);
    assert!(world.published().last().unwrap().contains("'incomplete'"));
    assert!(!world.is_marked(R1));
    assert_eq!(
        events.of("RunFinalized"),
        1,
        "an incomplete run raises its alarm"
    );
}

#[tokio::test]
async fn a_replay_after_an_incomplete_run_is_a_second_revision_that_points_back() {
    let world = World::new();
    world.plan(R1, &["CR_04", "IPE_07"]).await;
    world.passed(R1, "CR_04", 1).await;
    world.failed(R1, "IPE_07", 3).await;
    world.loads(2);
    assert!(world.notify(&[R1]).await.is_empty());
    let first = world.manifest(R1, 1).await.predicate;
    assert_eq!(first.state, RunState::Incomplete);
    assert!(
        first.ipes[1]
            .reason
            .as_ref()
            .unwrap()
            .contains("LOGIN_REFUSED")
    );

    world.clock.advance(HOUR);
    world.passed(R1, "IPE_07", 4).await;
    assert!(world.notify(&[R1]).await.is_empty());
    let second = world.manifest(R1, 2).await;
    assert_eq!(second.predicate.state, RunState::Complete);
    assert_eq!(second.predicate.previous, Some(world.link(R1, 1).await));
    assert!(
        second
            .subject
            .iter()
            .any(|file| file.name == "report-1.html")
    );
    world.assert_subjects(R1, &second).await;
    assert_eq!(world.head().await, world.link(R1, 2).await);
    assert!(
        world
            .published()
            .last()
            .unwrap()
            .contains(", 1, 2, 'complete'")
    );
}

#[tokio::test]
async fn a_run_that_was_closed_at_its_deadline_is_completed_by_a_late_receipt() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.clock.advance(13 * HOUR);
    assert!(world.sweep().await.is_ok());
    let first = world.manifest(R1, 1).await.predicate;
    assert_eq!(first.state, RunState::Incomplete);
    assert_eq!(
        first.ipes[0].reason.as_deref(),
        Some("no attempt has ended")
    );
    assert!(!world.is_marked(R1));

    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    let second = world.manifest(R1, 2).await.predicate;
    assert_eq!(second.state, RunState::Complete);
}

#[tokio::test]
async fn a_warehouse_that_is_down_after_the_deadline_does_not_lose_the_load() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.clock.advance(13 * HOUR);
    assert!(world.sweep().await.is_ok());
    // The replay passes, but the warehouse takes nothing just now.
    world.passed(R1, "IPE_07", 1).await;
    world
        .warehouse
        .answer_transaction(Err(WarehouseError::Denied("maintenance".into())));
    assert_eq!(
        world.notify(&[R1]).await,
        ["m-0"],
        "the message is not done while a load is missing"
    );
    assert!(world.is_marked(R1), "and the sweep looks at the run again");
    world.loads(1);
    assert!(world.sweep().await.is_ok());
    let last = world.manifests(R1).pop().unwrap();
    assert_eq!(
        world.manifest(R1, last).await.predicate.state,
        RunState::Complete
    );
    assert!(world.loaded(R1, "IPE_07", 1));
    assert!(!world.is_marked(R1));
}

#[tokio::test]
async fn two_runs_of_one_control_make_one_chain() {
    let world = World::new();
    for (name, ipes) in [(R1, ["IPE_07"]), (R2, ["CR_04"])] {
        world.plan(name, &ipes).await;
        world.passed(name, ipes[0], 1).await;
    }
    world.loads(2);
    assert!(world.notify(&[R1, R2]).await.is_empty());
    assert_eq!(world.manifest(R1, 1).await.predicate.previous, None);
    assert_eq!(
        world.manifest(R2, 1).await.predicate.previous,
        Some(world.link(R1, 1).await)
    );
    assert_eq!(world.head().await, world.link(R2, 1).await);
}

#[tokio::test]
async fn a_reservation_left_behind_is_finished_by_another_run_and_noticed_by_its_own() {
    let world = World::new();
    for (name, id) in [(R1, "IPE_07"), (R2, "CR_04")] {
        world.plan(name, &[id]).await;
        world.passed(name, id, 1).await;
    }
    world.loads(2);
    // The first finalizer of r1 dies between reservation and manifest.
    world
        .evidence
        .fail(Fault::new(Operation::Create, 1).on("manifest-1"));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    world.evidence.heal();
    // The second one has read the run's folder when the finalizer of r2 finishes that reservation and appends its own.
    let stale = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    assert!(world.notify(&[R2]).await.is_empty());
    assert_eq!(world.manifests(R1), [1]);
    world.clock.advance(Duration::from_secs(61));
    let state = close::close(&world.context, &stale, false, world.soon())
        .await
        .expect("the manifest that is there already says it all");
    assert_eq!(state, RunState::Complete);
    assert_eq!(world.manifests(R1), [1]);
    assert_eq!(world.head().await, world.link(R2, 1).await);
    assert!(!world.is_marked(R1));
}

#[tokio::test]
async fn a_second_revision_made_from_an_old_listing_still_lists_the_first_report() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.failed(R1, "IPE_07", 3).await;
    world
        .evidence
        .fail(Fault::new(Operation::Create, 1).on("report-1"));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    world.evidence.heal();
    // Before the reservation is finished, the replay passes: what the manifest says has changed.
    world.passed(R1, "IPE_07", 4).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1, 2]);
    let second = world.manifest(R1, 2).await;
    assert_eq!(second.predicate.previous, Some(world.link(R1, 1).await));
    world.assert_subjects(R1, &second).await;
}

#[tokio::test]
async fn a_head_that_was_lost_is_found_again_in_the_evidence() {
    let world = World::new();
    for (name, id) in [(R1, "IPE_07"), (R2, "CR_04")] {
        world.plan(name, &[id]).await;
    }
    world.failed(R1, "IPE_07", 3).await;
    world.notify(&[R1]).await;
    world.passed(R1, "IPE_07", 4).await;
    world.loads(1);
    world.notify(&[R1]).await;
    let last = world.head().await;
    assert_eq!(last.revision, 2);
    assert!(world.state.inner().remove("chain/C-PG-1/head.json"));
    world.passed(R2, "CR_04", 1).await;
    world.loads(1);
    assert!(world.notify(&[R2]).await.is_empty());
    assert_eq!(world.manifest(R2, 1).await.predicate.previous, Some(last));
}

#[tokio::test]
async fn foreign_keys_and_test_events_are_ignored() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    let records = [
        "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\"}".to_owned(),
        "not json".to_owned(),
        support::notification("evidence/elsewhere.txt"),
        support::notification("other/C-PG-1/2024-05-01/r1/IPE_07/attempt-1/receipt.json"),
        support::notification(&format!("evidence/{R1}/IPE_07/attempt-1/sample.csv")),
        // A folder that is no run.
        support::notification("evidence/C-PG-1/2024-05-01/r9/IPE_07/attempt-1/receipt.json"),
    ];
    assert!(world.deliver(&records).await.is_empty());
    assert!(world.warehouse.asked().is_empty());
    assert!(world.manifests(R1).is_empty());
    let error = world.invoke(json!({"anything": "else"})).await.unwrap_err();
    assert_eq!(error.code().as_str(), "MESSAGE_INVALID");
}

#[tokio::test]
async fn one_run_that_fails_does_not_hold_the_others_of_the_batch() {
    let world = World::new();
    for (name, id) in [(R1, "IPE_07"), (R2, "CR_04")] {
        world.plan(name, &[id]).await;
        world.passed(name, id, 1).await;
    }
    world.fails_to_tie_out();
    world.loads(1);
    assert_eq!(world.notify(&[R1, R2]).await, ["m-0"]);
    assert!(world.manifests(R1).is_empty());
    assert_eq!(world.manifests(R2), [1]);
}

#[tokio::test]
async fn the_sweep_closes_runs_past_their_deadline_only() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    let seen = world.sweep().await.unwrap();
    assert_eq!(seen["runs"][0]["state"], "open");
    assert!(world.manifests(R1).is_empty());
    world.clock.advance(13 * HOUR);
    let seen = world.sweep().await.unwrap();
    assert_eq!(seen["runs"][0]["state"], "incomplete");
    assert_eq!(world.manifests(R1), [1]);
    assert_eq!(world.sweep().await.unwrap()["runs"], json!([]));
    assert_eq!(world.manifests(R1), [1]);
}

#[tokio::test]
async fn the_sweep_closes_a_run_whose_dispatcher_died_before_the_marker() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world
        .state
        .delete(&state::open_run(&run(R1)))
        .await
        .unwrap();
    world.sweep().await.unwrap();
    assert!(world.manifests(R1).is_empty());
    world.clock.advance(13 * HOUR);
    world.sweep().await.unwrap();
    assert_eq!(world.manifests(R1), [1], "nobody else would ever close it");
    assert_eq!(
        world.manifest(R1, 1).await.predicate.state,
        RunState::Incomplete
    );
}

const NO_RUN: &str = "C-PG-1/2024-05-01/r0";
const APRIL: &str = "C-PG-1/2024-04-01/r1";

/// A world whose control has run the month before, on the day on which May is due.
async fn with_history() -> World {
    let world = World::new();
    world.plan(APRIL, &["IPE_07"]).await;
    world.passed(APRIL, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[APRIL]).await.is_empty());
    world
}

#[tokio::test]
async fn a_control_without_history_misses_nothing() {
    let world = World::new();
    world.clock.advance(40 * HOUR);
    assert_eq!(world.sweep().await.unwrap()["month_missing"], false);
    // Its first run is about an old month: what was due before it is not missing.
    world.plan("C-PG-1/2023-11-01/r1", &["IPE_07"]).await;
    world
        .state
        .delete(&state::open_run(&run("C-PG-1/2023-11-01/r1")))
        .await
        .unwrap();
    world.clock.advance(40 * HOUR);
    let answer = world.sweep().await.unwrap();
    for month in ["2023-12-01", "2024-01-01", "2024-04-01"] {
        assert!(world.manifests(&format!("C-PG-1/{month}/r0")).is_empty());
    }
    drop(answer);
}

#[tokio::test]
async fn a_month_without_a_run_is_noticed_and_the_chain_says_so_once() {
    let world = with_history().await;
    world.clock.advance(4 * HOUR);
    assert_eq!(world.sweep().await.unwrap()["month_missing"], true);
    assert!(
        world.manifests(NO_RUN).is_empty(),
        "an alarm already, but its deadline is not over"
    );
    world.clock.advance(12 * HOUR);
    for _ in 0..2 {
        assert_eq!(world.sweep().await.unwrap()["month_missing"], true);
        world.clock.advance(HOUR);
    }
    assert_eq!(world.manifests(NO_RUN), [1]);
    let manifest = world.manifest(NO_RUN, 1).await;
    world.assert_subjects(NO_RUN, &manifest).await;
    assert_eq!(manifest.subject.len(), 1, "its report is all it is about");
    let gap = manifest.predicate;
    assert_eq!(gap.state, RunState::Missing);
    assert_eq!(gap.previous, Some(world.link(APRIL, 1).await));
    assert_eq!((gap.plan_sha256, gap.trigger), (None, None));
    assert!(gap.ipes.is_empty() && !world.is_marked(NO_RUN));
    // Nobody takes it for a run.
    let control = "C-PG-1".parse().unwrap();
    let reader = &world.context.reader;
    assert_eq!(
        reader.latest(&control, run(R1).cutoff()).await.unwrap(),
        None
    );
    assert_eq!(reader.runs(&control).await.unwrap(), [run(APRIL)]);

    // The month runs late: its manifest links behind the gap, which stays.
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    let late = world.manifest(R1, 1).await.predicate;
    assert_eq!(late.state, RunState::Complete);
    assert_eq!(late.previous, Some(world.link(NO_RUN, 1).await));
    assert_eq!(world.sweep().await.unwrap()["month_missing"], false);
    assert_eq!(world.manifests(NO_RUN), [1]);
    // A lost head is found again behind both.
    let head = state::chain_head(&control);
    world.state.inner().delete(&head).await.unwrap();
    let (found, _) = chain::head(&world.context, &control).await.unwrap();
    assert_eq!(found.head, Some(world.link(R1, 1).await));
}

#[tokio::test]
async fn a_crash_while_the_gap_is_written_leaves_one_manifest() {
    let faults = |on: [(bool, Operation, &'static str); 5]| on;
    for (evidence, operation, key) in faults([
        (false, Operation::Create, "staged/"),
        (false, Operation::Replace, "head.json"),
        (true, Operation::Create, "report-1.html"),
        (true, Operation::Create, "manifest-1.dsse.json"),
        (false, Operation::Delete, "staged/"),
    ]) {
        for after in [false, true] {
            let world = with_history().await;
            world.clock.advance(16 * HOUR);
            let fault = Fault::new(operation, 1).on(key);
            let fault = if after { fault.after() } else { fault };
            let lake = if evidence {
                &world.evidence
            } else {
                &world.state
            };
            lake.fail(fault);
            let _died_or_not = world.sweep().await;
            lake.heal();
            world.clock.advance(HOUR);
            assert_eq!(world.sweep().await.unwrap()["month_missing"], true);
            assert_eq!(world.manifests(NO_RUN), [1], "{key} after: {after}");
            assert_eq!(world.head().await, world.link(NO_RUN, 1).await);
        }
    }
}

#[tokio::test]
async fn sweeps_at_the_same_time_write_the_gap_once() {
    let world = with_history().await;
    world.clock.advance(16 * HOUR);
    let (a, b, c) = tokio::join!(world.sweep(), world.sweep(), world.sweep());
    for answer in [a, b, c] {
        assert_eq!(answer.unwrap()["month_missing"], true);
    }
    assert_eq!(world.manifests(NO_RUN), [1]);
    assert_eq!(world.head().await, world.link(NO_RUN, 1).await);
}

#[tokio::test]
async fn an_empty_extract_is_loaded_without_a_copy() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed_with(R1, "IPE_07", 1, 0).await;
    world.load_of(0);
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(
        world.manifest(R1, 1).await.predicate.state,
        RunState::Complete
    );
    let sql = world.sql();
    assert!(!sql.contains("COPY ") && sql.contains("COUNT(*) = 0") && sql.contains("DELETE FROM"));
}

#[tokio::test]
async fn an_attempt_whose_files_are_not_what_its_receipt_says_is_not_loaded() {
    for vandal in [
        // One file is gone, or is another one.
        |world: &World, key: &str| assert!(world.evidence.inner().remove(key)),
        |world: &World, key: &str| drop(world.evidence.inner().overwrite(key, "other bytes")),
    ] {
        let world = World::new();
        world.plan(R1, &["IPE_07"]).await;
        world.passed(R1, "IPE_07", 1).await;
        vandal(&world, &format!("evidence/{R1}/IPE_07/attempt-1/query.sql"));
        assert_eq!(world.notify(&[R1]).await, ["m-0"]);
        assert!(!world.sql().contains("COPY "));
        world.clock.advance(13 * HOUR);
        let error = world.sweep().await.unwrap_err();
        assert_eq!(error.code().as_str(), "EVIDENCE_INVALID");
        assert!(error.to_string().contains("query.sql"), "{error}");
        let manifest = world.manifest(R1, 1).await;
        assert_eq!(manifest.predicate.state, RunState::Incomplete);
        // The manifest tells what is there, not what should be.
        world.assert_subjects(R1, &manifest).await;
        assert!(!world.is_marked(R1));
    }
}

#[tokio::test]
async fn a_receipt_of_another_run_is_not_believed() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.plan(R2, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    // Somebody copied the receipt into another run's folder: loading it would replace the rows of r1.
    let place = |name: &str| format!("evidence/{name}/IPE_07/attempt-1/receipt.json");
    let bytes = world.evidence.get(&place(R1)).await.unwrap().bytes;
    world.evidence.inner().overwrite(&place(R2), bytes);
    assert_eq!(world.notify(&[R2]).await, ["m-0"]);
    assert!(world.warehouse.asked().is_empty());
    let error = world.context.reader.facts(&run(R2)).await.unwrap_err();
    assert_eq!(error.code().as_str(), "EVIDENCE_INVALID");
}

#[tokio::test]
async fn the_last_published_rows_are_those_of_a_run_that_is_loaded() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    let next = run("C-PG-1/2024-06-01/r1");
    let rows = async || {
        world
            .context
            .reader
            .last_published_rows(&next, &ipe("IPE_07"))
            .await
            .unwrap()
    };
    // Closed at its deadline with a load that does not tie out: nothing of it is published.
    world.clock.advance(13 * HOUR);
    world.fails_to_tie_out();
    world.sweep().await.unwrap_err();
    assert_eq!(world.manifests(R1), [1]);
    assert_eq!(rows().await, None);
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(rows().await, Some(3));
}

#[tokio::test]
async fn a_transaction_that_fails_for_good_is_not_tried_again_here() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.warehouse.answer_transaction(Ok(TransactionResult {
        statement_id: "ddl".into(),
        statements: vec![],
    }));
    // 1023 is Redshift's number of a conflict, and here only a number of rows.
    world
        .warehouse
        .answer_transaction(Err(WarehouseError::Statement {
            statement_id: "x".into(),
            index: Some(2),
            sql: "SELECT".into(),
            message: "tie-out failed: the warehouse holds rows 1023".into(),
        }));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    assert_eq!(world.warehouse.asked().len(), 2);
}

#[tokio::test]
async fn a_receipt_that_comes_late_changes_nothing_that_is_loaded() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 2).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1]);
    // The first worker outlived its lease, and commits only now.
    world.clock.advance(HOUR);
    world.passed(R1, "IPE_07", 1).await;
    assert!(world.notify(&[R1]).await.is_empty());
    assert!(!world.loaded(R1, "IPE_07", 1));
    let last = *world.manifests(R1).last().unwrap();
    let ipe = &world.manifest(R1, last).await.predicate.ipes[0];
    assert_eq!(ipe.attempt, Some(2));
}

#[tokio::test]
async fn the_sweep_leaves_a_run_to_the_finalizer_that_is_at_work_on_it() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    let key = state::run_lease(&run(R1));
    let lease = world
        .context
        .leases
        .acquire(&key, "another finalizer", Duration::from_secs(60))
        .await
        .unwrap();
    world.sweep().await.unwrap();
    assert!(world.manifests(R1).is_empty());
    lease.release().await.unwrap();
    world.loads(1);
    world.sweep().await.unwrap();
    assert_eq!(world.manifests(R1), [1]);
}

#[tokio::test]
async fn the_report_shows_earlier_months_by_their_last_complete_manifests() {
    const MARCH: &str = "C-PG-1/2024-03-01/r1";
    const APRIL: &str = "C-PG-1/2024-04-01/r1";
    const APRIL_AGAIN: &str = "C-PG-1/2024-04-01/r2";
    // More than a year before: not in this report.
    const OLD: &str = "C-PG-1/2023-04-01/r1";
    let world = World::new();
    for (name, rows) in [(OLD, 1111), (MARCH, 2222), (APRIL, 3333), (R1, 4444)] {
        world.plan(name, &["CR_04"]).await;
        world.passed_with(name, "CR_04", 1, rows).await;
        world.load_of(rows);
        assert!(world.notify(&[name]).await.is_empty());
        if name == APRIL {
            world.plan(APRIL_AGAIN, &["CR_04"]).await;
            world.rejected(APRIL_AGAIN, "CR_04", 1).await;
            assert!(world.notify(&[APRIL_AGAIN]).await.is_empty());
            // Somebody puts a file beside March's manifest that this control never signed.
            let forged = world.context.reader.layout().manifest(&run(MARCH), 2);
            let signed = world.context.reader.layout().manifest(&run(APRIL), 1);
            let bytes = world.evidence.inner().get(&signed).await.unwrap().bytes;
            world
                .evidence
                .inner()
                .create(&forged, bytes, "application/json")
                .await
                .unwrap();
        }
    }
    let key = world.context.reader.layout().report(&run(R1), 1);
    let report = world.evidence.inner().get(&key).await.unwrap().bytes;
    let report = String::from_utf8(report.to_vec()).unwrap();
    assert!(
        report.contains("4,444: 1,111 more than in March 2024"),
        "{report}"
    );
    assert!(report.contains(&world.link(APRIL, 1).await.sha256.to_string()));
    assert!(report.contains("Not believed:"));
    assert!(report.contains("it says it is revision 1 of C-PG-1/2024-04-01/r1"));
    assert!(!report.contains("2,222") && !report.contains("1111"));
}

#[tokio::test]
async fn what_a_worker_leaves_after_the_deadline_is_named_by_a_revision() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.clock.advance(13 * HOUR);
    let key = state::ipe_lease(&run(R1), &ipe("IPE_07"));
    let lease = world
        .context
        .leases
        .acquire(&key, "worker", HOUR)
        .await
        .unwrap();
    let events = Counted::default();
    let guard = events.listen();
    for _ in 0..3 {
        assert!(world.sweep().await.is_ok());
        assert_eq!(world.manifests(R1), [1]);
        assert!(world.is_marked(R1), "a worker is still at it");
    }
    assert_eq!(events.of("RunFinalized"), 1, "the alarm is not repeated");
    drop(guard);
    // It writes its query and dies.
    world
        .evidence
        .inner()
        .create(
            &format!("evidence/{R1}/IPE_07/attempt-1/query.sql"),
            "SELECT 1".into(),
            "x",
        )
        .await
        .unwrap();
    drop(lease);
    world.clock.advance(2 * HOUR);
    assert!(world.sweep().await.is_ok());
    let last = world.manifests(R1).pop().unwrap();
    assert_eq!(last, 2);
    let manifest = world.manifest(R1, last).await;
    world.assert_subjects(R1, &manifest).await;
    assert!(!world.is_marked(R1));
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1, 2], "nothing new, no revision");
}

#[tokio::test]
async fn a_file_that_no_receipt_tells_of_makes_a_revision() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    world
        .evidence
        .inner()
        .create(
            &format!("evidence/{R1}/IPE_07/attempt-2/stray.txt"),
            "x".into(),
            "x",
        )
        .await
        .unwrap();
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1, 2]);
    let manifest = world.manifest(R1, 2).await;
    world.assert_subjects(R1, &manifest).await;
}

#[tokio::test]
async fn months_that_no_sweep_saw_are_recorded_in_order() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    // Nothing runs in June and July; the sweep is back on 1 August in the evening, after that month's run
    // was planned and ended.
    world.clock.advance(92 * 24 * HOUR + 13 * HOUR);
    world.plan("C-PG-1/2024-08-01/r1", &["IPE_07"]).await;
    // A marker that does not answer hides nothing.
    world.state.fail(Fault::new(Operation::Get, 1).on("open/"));
    assert!(world.sweep().await.is_err());
    let (june, july) = ("C-PG-1/2024-06-01/r0", "C-PG-1/2024-07-01/r0");
    assert_eq!(
        (world.manifests(june), world.manifests(july)),
        (vec![1], vec![1])
    );
    assert_eq!(
        world.manifest(july, 1).await.predicate.previous,
        Some(world.link(june, 1).await)
    );
    assert_eq!(
        world.manifest(june, 1).await.predicate.previous,
        Some(world.link("C-PG-1/2024-08-01/r1", 1).await),
        "behind the head, whatever month that is"
    );
}

#[tokio::test]
async fn a_worker_behind_a_rivals_receipt_is_waited_for_and_one_behind_its_own_is_not() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    let key = state::ipe_lease(&run(R1), &ipe("IPE_07"));
    let mut lease = world
        .context
        .leases
        .acquire(&key, "worker", HOUR)
        .await
        .unwrap();
    let at = |attempt| Progress {
        attempt,
        ..Progress::default()
    };
    lease.renew(Some(at(2))).await.unwrap();
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1]);
    assert!(world.is_marked(R1), "attempt 2 may leave files");
    lease.renew(Some(at(1))).await.unwrap();
    world.sweep().await.unwrap();
    assert_eq!(world.manifests(R1), [1]);
    assert!(!world.is_marked(R1), "it only gives its lease back");
}

#[tokio::test]
async fn what_was_chosen_to_be_loaded_stays_so_when_an_earlier_attempt_passes_meanwhile() {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 2).await;
    world.loads(1);
    // The transaction is sent, and its finalizer dies: it may still be running when the next one looks.
    world
        .evidence
        .fail(Fault::new(Operation::Create, 1).on("load.json"));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    world.evidence.heal();
    world.clock.advance(Duration::from_secs(61));
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    assert!(world.loaded(R1, "IPE_07", 2) && !world.loaded(R1, "IPE_07", 1));
    assert!(!world.sql().contains("attempt-1.manifest"));
    let manifest = world.manifest(R1, 1).await;
    assert_eq!(manifest.predicate.ipes[0].attempt, Some(2));
}

#[tokio::test]
async fn a_run_whose_dispatcher_died_before_the_marker_is_published_although_its_finalizer_dies_too()
 {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    let marker = state::open_run(&run(R1));
    world.state.delete(&marker).await.unwrap();
    world.clock.advance(13 * HOUR);
    world
        .warehouse
        .answer_transaction(Err(WarehouseError::Denied("no grant".into())));
    world.sweep().await.unwrap_err();
    assert_eq!(world.manifests(R1), [1]);
    assert!(world.is_marked(R1), "the next sweep has to look");
    world.sweep().await.unwrap();
    assert!(world.published().last().unwrap().contains("'incomplete'"));
    assert!(!world.is_marked(R1));
    assert_eq!(world.manifests(R1), [1]);
}

#[tokio::test]
async fn a_worker_lost_in_its_last_delivery_is_spoken_for_and_harmless_letters_are_left_alone() {
    let world = World::new();
    world.plan(R1, &["CR_04", "IPE_07", "IPE_08"]).await;
    world.passed(R1, "CR_04", 1).await;
    world.loads(1);
    let key = state::ipe_lease(&run(R1), &ipe("IPE_07"));
    let mut lease = world
        .context
        .leases
        .acquire(&key, "message/request-3", Duration::from_secs(60))
        .await
        .unwrap();
    let progress = Progress {
        stage: "extract".into(),
        attempt: 1,
        rows: 7,
        ..Progress::default()
    };
    lease.renew(Some(progress)).await.unwrap();
    let facts = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    let pointer = |sha256| PlanPointer {
        key: world.context.reader.layout().plan(&run(R1)),
        sha256,
    };
    let job = |ipe_id: &str, sha256| Job::new(run(R1), ipe(ipe_id), pointer(sha256));
    let letter = |id: &str, body: String| OutgoingMessage {
        id: id.into(),
        body,
    };
    let text = |job: &Job| serde_json::to_string(job).unwrap();
    let letters = vec![
        letter("a", text(&job("IPE_07", facts.plan_sha256))),
        // Of an IPE that has passed, of another plan, of another run, and no job at all.
        letter("b", text(&job("CR_04", facts.plan_sha256))),
        letter("c", text(&job("IPE_08", Sha256::of("another plan")))),
        letter(
            "d",
            text(&Job::new(
                run(R2),
                ipe("IPE_08"),
                pointer(facts.plan_sha256),
            )),
        ),
        letter("e", "no job".into()),
    ];
    world.context.dead_jobs.send_batch(letters).await.unwrap();
    // While the lease lives nobody is lost.
    world.sweep().await.unwrap();
    assert!(world.failure(R1, "IPE_07", 1).await.is_none());
    drop(lease);
    world.clock.advance(Duration::from_secs(61));
    world.sweep().await.unwrap();
    let failure = world.failure(R1, "IPE_07", 1).await.unwrap();
    assert_eq!(failure.code, Code::WorkerLost);
    assert!(failure.is_final && failure.message.contains("7 rows"));
    assert_eq!(failure.worker.request_id, "request-3");
    assert!(world.failure(R1, "IPE_08", 1).await.is_none());
    assert!(world.failure(R1, "CR_04", 2).await.is_none());
    let depth = world.context.dead_jobs.depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (5, 0), "all are left");
    // IPE_08 passes: the run closes at once, and a receipt of the lost worker would still count.
    world.passed(R1, "IPE_08", 1).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    world.sweep().await.unwrap();
    let first = world.manifest(R1, 1).await.predicate;
    assert_eq!(first.state, RunState::Incomplete);
    world.sweep().await.unwrap();
    assert_eq!(world.manifests(R1), [1], "said once");
    world.passed(R1, "IPE_07", 2).await;
    world.loads(1);
    assert!(world.notify(&[R1]).await.is_empty());
    let last = world.manifests(R1).pop().unwrap();
    assert_eq!(
        world.manifest(R1, last).await.predicate.state,
        RunState::Complete
    );
}

/// Its finalizer dies after staging the manifest and before reserving its place.
async fn staged() -> World {
    let world = World::new();
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(1);
    let head = state::chain_head(&"C-PG-1".parse().unwrap());
    world
        .state
        .fail(Fault::new(Operation::Replace, 1).on(&head));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    world
}

#[tokio::test]
async fn the_sweep_clears_what_the_dead_have_left() {
    let world = staged().await;
    // The next call makes the manifest anew.
    world.clock.advance(2 * HOUR);
    assert!(world.notify(&[R1]).await.is_empty());
    assert_eq!(world.manifests(R1), [1]);
    let of = |prefix: &str| {
        let keys = world.state.inner().keys();
        keys.into_iter().filter(|key| key.contains(prefix)).count()
    };
    assert_eq!(of("/staged/"), 1);

    // A worker that lives, one that died, and a finalizer that died.
    let (living, dead) = (
        state::ipe_lease(&run(R1), &ipe("IPE_07")),
        state::ipe_lease(&run(R1), &ipe("CR_04")),
    );
    let minute = Duration::from_secs(60);
    let leases = &world.context.leases;
    leases.acquire(&dead, "dead", minute).await.unwrap();
    leases
        .acquire(&state::run_lease(&run(R2)), "dead", minute)
        .await
        .unwrap();
    world.clock.advance(minute);
    leases.acquire(&living, "living", minute).await.unwrap();
    world.clock.advance(2 * minute - Duration::from_secs(1));
    world.sweep().await.unwrap();
    assert_eq!((of("leases/"), of("/staged/")), (3, 0));
    world.clock.advance(Duration::from_secs(1));
    world.sweep().await.unwrap();
    assert_eq!(of("leases/"), 1);
    assert!(world.context.leases.read(&living).await.unwrap().is_some());
}

/// What is staged for the head as it is may be reserved by its finalizer at any moment.
#[tokio::test]
async fn the_sweep_leaves_what_is_on_its_way() {
    let world = staged().await;
    soxauto_finalizer::leftovers::clear(&world.context)
        .await
        .unwrap();
    let keys = world.state.inner().keys();
    assert!(keys.iter().any(|key| key.contains("/staged/")), "{keys:?}");
}
