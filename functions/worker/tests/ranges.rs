//! Attempts that take several invocations: they stop between two key ranges, are killed, meet rivals and a source that moves,
//! and end as if one invocation had done it all; or they fail with a reason, and never loop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use soxauto_cloud::{
    lake::{Fault, FaultKind, FaultyLake, Lake, MemoryLake, Operation},
    queue::{MemoryQueue, Queue as _},
};
use soxauto_domain::{
    Code, Failure, IpeState, PlannedIpe, Receipt, Sha256, facts::IpeFacts, layout::Layout,
};
use soxauto_runs::RunReader;
use soxauto_worker::{Context, context::Timing};

use support::{
    Delivery, RUN, context, is_done_within, job,
    ledger::{Ledger, by_one_query, by_ranges},
};

/// Time of an invocation in milliseconds; a quarter is kept free for its last words.
const SHORT: u64 = 400;
/// Enough for anything.
const LONG: u64 = 60_000;
const ATTEMPT: &str = "evidence/C-PG-1/2024-05-01/r1/IPE_07/attempt-1";

struct World {
    context: Context,
    evidence: FaultyLake<MemoryLake>,
    state: MemoryLake,
    jobs: MemoryQueue,
    ledger: Ledger,
    job: String,
}

impl World {
    /// A hundred entries, each taking a moment.
    async fn new(per_row: u64) -> Self {
        Self::with(by_ranges(), 100, per_row).await
    }

    async fn with(ipe: PlannedIpe, entries: i32, per_row: u64) -> Self {
        let evidence = FaultyLake::new(MemoryLake::new("evidence"));
        let state = MemoryLake::new("state");
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(60));
        let ledger = Ledger::of(entries, Duration::from_millis(per_row));
        let context = context(evidence.clone(), state.clone(), &jobs, ledger.clone());
        let job = job(evidence.inner(), ipe).await;
        Self {
            context,
            evidence,
            state,
            jobs,
            ledger,
            job,
        }
    }

    async fn deliver(&self, request: &str, receive_count: u32, milliseconds: u64) -> bool {
        let sent_at = Some(Timestamp::now());
        self.deliver_sent(request, receive_count, milliseconds, sent_at)
            .await
    }

    async fn deliver_sent(
        &self,
        request: &str,
        receive_count: u32,
        milliseconds: u64,
        sent_at: Option<Timestamp>,
    ) -> bool {
        let delivery = Delivery {
            message_id: "m",
            receipt_handle: "h",
            body: &self.job,
            receive_count,
            request_id: request,
        };
        is_done_within(&self.context, delivery, milliseconds, sent_at).await
    }

    /// A worker that is killed at this call: it hangs there, and is gone.
    async fn killed_at(&self, request: &str, fault: Fault, milliseconds: u64, after: u64) {
        self.evidence.fail(fault.kind(FaultKind::Delay(30_000)));
        tokio::select! {
            _ = self.deliver(request, 1, milliseconds) => panic!("{request} was to be killed"),
            () = tokio::time::sleep(Duration::from_millis(after)) => {}
        }
        self.evidence.heal();
        // Nobody renews its lease any more; its time is over before the message is back.
        for lease in self.state.keys() {
            self.state.remove(&lease);
        }
    }

    /// Short deliveries of new messages until the IPE has its receipt; how many it took.
    async fn finish(&self) -> u32 {
        for number in 1..40 {
            let request = format!("finish-{number}");
            assert!(
                self.deliver(&request, 1, SHORT).await,
                "{:?}",
                self.facts().await
            );
            if self.facts().await.state() == IpeState::Passed {
                return number;
            }
        }
        panic!(
            "it never ends: {:?}",
            self.ledger.change(|s| s.read.clone())
        );
    }

    async fn facts(&self) -> IpeFacts {
        let reader = RunReader::new(
            Arc::new(self.evidence.inner().clone()),
            Layout::new("evidence"),
        );
        let (run, ipe) = (RUN.parse().unwrap(), "IPE_07".parse().unwrap());
        reader.ipe(&run, &ipe).await.unwrap()
    }

    async fn failure(&self, attempt: u32) -> Option<Failure> {
        let facts = self.facts().await;
        let found = facts.attempts.iter().find(|a| a.number == attempt)?;
        found.failure.as_ref().map(|f| f.document.clone())
    }

    async fn messages(&self) -> u64 {
        self.jobs.depth().await.unwrap().visible
    }

    /// The receipt that counts; it tells the truth about its folder, and about ranges without gap or overlap.
    async fn receipt(&self) -> Receipt {
        let facts = self.facts().await;
        assert_eq!(facts.state(), IpeState::Passed, "{facts:?}");
        assert_eq!(
            facts
                .attempts
                .iter()
                .filter(|a| a.receipt.is_some())
                .count(),
            1
        );
        let (attempt, receipt) = facts.deciding().unwrap();
        let folder = format!("evidence/{RUN}/IPE_07/attempt-{}", attempt.number);
        for file in &receipt.files {
            let key = format!("{folder}/{}", file.path);
            let bytes = self.evidence.inner().get(&key).await.unwrap().bytes;
            assert_eq!(Sha256::of(&bytes), file.sha256, "{}", file.path);
        }
        // No file of the folder goes unlisted.
        let listed = receipt.files.len();
        let here = self.evidence.inner().keys();
        let here = here
            .iter()
            .filter(|key| key.starts_with(&format!("{folder}/")));
        assert_eq!(
            here.count(),
            listed + 1,
            "{:#?}",
            self.evidence.inner().keys()
        );
        let partition = receipt.partition.as_ref().unwrap();
        let span = partition.span.unwrap();
        let mut at = span.lowest - 1;
        for range in &partition.ranges {
            assert_eq!(range.after, at);
            at = range.upto;
        }
        assert_eq!(at, span.high_water_mark);
        assert!(self.state.list("leases/").await.unwrap().is_empty());
        receipt.clone()
    }

    /// What an undisturbed extraction by one query says of the same entries.
    async fn undisturbed(entries: i32) -> Receipt {
        let world = Self::with(by_one_query(), entries, 0).await;
        assert!(world.deliver("undisturbed", 1, LONG).await);
        let facts = world.facts().await;
        facts.deciding().unwrap().1.clone()
    }
}

/// Says the same of the rows.
fn assert_same_rows(receipt: &Receipt, other: &Receipt) {
    assert_eq!(receipt.content_sha256, other.content_sha256);
    assert_eq!(receipt.counts, other.counts);
    assert_eq!(receipt.checks, other.checks);
    let sample = |r: &Receipt| {
        r.files
            .iter()
            .find(|f| f.path == "sample.csv")
            .unwrap()
            .sha256
    };
    assert_eq!(sample(receipt), sample(other));
}

#[tokio::test]
async fn with_time_for_all_ranges_one_invocation_does_them() {
    let world = World::new(0).await;
    assert!(world.deliver("only", 1, LONG).await);
    let receipt = world.receipt().await;
    assert_same_rows(&receipt, &World::undisturbed(100).await);
    let partition = receipt.partition.unwrap();
    assert_eq!(
        (partition.ranges.len(), partition.invocations.len()),
        (10, 1)
    );
    assert_eq!(
        (
            partition.invocations[0].ranges,
            partition.invocations[0].segment
        ),
        (10, None)
    );
    assert_eq!(world.messages().await, 0);
}

#[tokio::test]
async fn an_extraction_that_does_not_fit_is_handed_over_and_its_parts_are_judged_together() {
    // A second in all, of which an invocation has three tenths.
    let world = World::new(10).await;
    let invocations = world.finish().await;
    let receipt = world.receipt().await;
    assert_same_rows(&receipt, &World::undisturbed(100).await);
    assert!((4..=12).contains(&invocations), "{invocations}");
    // Each but the last has sent the job on, word for word.
    assert_eq!(world.messages().await, u64::from(invocations) - 1);
    let sent = world.jobs.receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(sent[0].body, world.job);
    let partition = receipt.partition.as_ref().unwrap();
    assert_eq!(partition.ranges.len(), 10);
    let segments = partition
        .invocations
        .iter()
        .filter(|i| i.segment.is_some())
        .count();
    assert!(
        segments >= 3
            && partition
                .invocations
                .iter()
                .map(|i| i.ranges)
                .sum::<usize>()
                == 10
    );
    assert!(receipt.files.iter().any(|f| f.path == "segment-1.json"));
    // No range was read more often than it was cut off.
    let read = world.ledger.change(|s| s.read.clone());
    assert_eq!(read.len(), 10, "{read:?}");
    // The message may come again, at any time.
    let keys = world.evidence.inner().keys();
    assert!(world.deliver("late", 3, LONG).await);
    assert_eq!(world.evidence.inner().keys(), keys);
}

#[tokio::test]
async fn while_it_goes_on_an_attempt_is_neither_failed_nor_abandoned() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    let facts = world.facts().await;
    assert_eq!(facts.state(), IpeState::Planned);
    assert!(facts.suspended().is_some() && facts.final_failure().is_none());
    let summary = serde_json::to_value(&facts.summaries()[0]).unwrap();
    assert_eq!(summary["outcome"], "suspended");
    assert!(facts.reason().unwrap().contains("another goes on with it"));
}

#[tokio::test]
async fn a_worker_killed_at_any_step_of_handing_over_is_followed_by_one_that_goes_on() {
    // What was killed, whether its record was there, and the attempt that ends it: an object of the first, and the next
    // worker begins another.
    let segment = || Fault::new(Operation::Create, 1).on("segment-1");
    let kills = [
        (Fault::new(Operation::UploadComplete, 1), false, 1),
        (Fault::new(Operation::UploadComplete, 2), false, 2),
        (segment(), false, 2),
        (segment().after(), true, 1),
    ];
    for (fault, recorded, attempt) in kills {
        let world = World::new(10).await;
        world.killed_at("killed", fault.clone(), SHORT, 800).await;
        assert_eq!(
            world.facts().await.suspended().is_some(),
            recorded,
            "{fault:?}"
        );
        world.finish().await;
        let receipt = world.receipt().await;
        assert_same_rows(&receipt, &World::undisturbed(100).await);
        assert_eq!(receipt.attempt, attempt, "{fault:?}");
    }
}

#[tokio::test]
async fn parts_without_a_record_are_taken_when_the_next_worker_makes_the_same() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    let fault = Fault::new(Operation::Create, 1).on("segment-2");
    world.killed_at("killed", fault, SHORT, 800).await;
    let parts = |world: &World| {
        let keys = world.evidence.inner().keys();
        keys.into_iter().filter(|key| key.contains("part-")).count()
    };
    let facts = world.facts().await;
    let recorded = facts.suspended().unwrap().segments;
    assert!(recorded == 1 && parts(&world) > 2, "{}", parts(&world));
    world.finish().await;
    let receipt = world.receipt().await;
    assert_eq!(receipt.attempt, 1);
    assert_same_rows(&receipt, &World::undisturbed(100).await);
}

#[tokio::test]
async fn a_part_with_other_rows_ends_the_attempt_and_the_next_begins_anew() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    let done = world.facts().await;
    let (run, ipe) = (RUN.parse().unwrap(), "IPE_07".parse().unwrap());
    let attempt = soxauto_domain::layout::Attempt {
        run_id: run,
        ipe_id: ipe,
        number: 1,
    };
    let segments = world
        .context
        .reader
        .segments(&attempt, done.attempts[0].segments);
    let next = segments.await.unwrap()[0].document.ranges.len();
    let key = format!("{ATTEMPT}/data/part-{next:05}.parquet");
    let foreign = Bytes::from_static(b"other rows");
    world
        .evidence
        .inner()
        .create(&key, foreign, "x")
        .await
        .unwrap();
    assert!(!world.deliver("second", 1, SHORT).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!(
        (failure.code, failure.is_final),
        (Code::EvidenceInvalid, false)
    );
    assert!(
        failure.message.contains("other rows"),
        "{}",
        failure.message
    );
    world.finish().await;
    assert_eq!(world.receipt().await.attempt, 2);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_commits_is_followed_by_one_that_commits_the_same_attempt() {
    for key in [
        "query.sql",
        "checks.json",
        "summary.json",
        "log.jsonl",
        "receipt.json",
    ] {
        for after in [false, true] {
            let world = World::new(10).await;
            while world.ledger.change(|s| s.read.len()) < 7 {
                assert!(world.deliver("part", 1, SHORT).await);
            }
            let fault = Fault::new(Operation::Create, 1).on(key);
            let fault = if after { fault.after() } else { fault };
            world.killed_at("killed", fault, LONG, 1_500).await;
            assert!(world.deliver("again", 2, LONG).await, "{key}");
            let receipt = world.receipt().await;
            assert_eq!(receipt.attempt, 1, "{key}");
            assert_same_rows(&receipt, &World::undisturbed(100).await);
        }
    }
}

#[tokio::test]
async fn of_two_workers_that_go_on_with_the_same_segments_one_result_comes() {
    for round in 0..5 {
        let mut world = World::new(5).await;
        if round % 2 == 0 {
            assert!(world.deliver("first", 1, SHORT).await);
        }
        // Leases that have ended when they are taken: each believes that it is alone.
        world.context.timing.lease = Duration::ZERO;
        let _ = tokio::join!(world.deliver("a", 1, SHORT), world.deliver("b", 1, SHORT));
        for lease in world.state.keys() {
            world.state.remove(&lease);
        }
        world.context.timing.lease = Timing::default().lease;
        // One of them may have found parts of the other, cut in another way: that attempt ends, and another begins.
        while world.facts().await.state() != IpeState::Passed {
            let _ = world.deliver("next", 1, SHORT).await;
        }
        let facts = world.facts().await;
        let failures = facts.attempts.iter().filter_map(|a| a.failure.as_ref());
        let codes: Vec<Code> = failures.map(|f| f.document.code).collect();
        assert!(
            codes.iter().all(|code| *code == Code::EvidenceInvalid),
            "{codes:?}"
        );
        assert_same_rows(&world.receipt().await, &World::undisturbed(100).await);
    }
}

#[tokio::test]
async fn what_arrives_above_the_mark_is_not_of_this_extract_and_what_arrives_below_ends_it() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    world.ledger.change(|s| s.ids.extend([101, 102, 103]));
    world.finish().await;
    let receipt = world.receipt().await;
    assert_eq!(
        receipt
            .partition
            .as_ref()
            .unwrap()
            .span
            .unwrap()
            .high_water_mark,
        100
    );
    assert_same_rows(&receipt, &World::undisturbed(100).await);

    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    world.ledger.change(|s| s.ids.remove(&1));
    let mut deliveries = 0;
    while world.failure(1).await.is_none() {
        let _ = world.deliver("next", 1, SHORT).await;
        deliveries += 1;
        assert!(deliveries < 20);
    }
    let failure = world.failure(1).await.unwrap();
    assert_eq!((failure.code, failure.is_final), (Code::SourceMoved, false));
    world.finish().await;
    let receipt = world.receipt().await;
    assert_eq!((receipt.attempt, receipt.counts.source), (2, 99));
}

#[tokio::test]
async fn another_server_does_not_go_on_with_what_one_began() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    world.ledger.change(|s| s.server = "NAV02");
    assert!(!world.deliver("second", 1, SHORT).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!(failure.code, Code::SourceMoved);
    assert!(
        failure.message.contains("server was NAV01, is NAV02"),
        "{}",
        failure.message
    );
    world.finish().await;
    assert_eq!(world.receipt().await.attempt, 2);
}

#[tokio::test]
async fn a_failure_that_passes_does_not_throw_away_what_is_done() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    let before = world.ledger.change(|s| {
        s.failing = 3;
        s.read.clone()
    });
    // It is tried here once: there is no time for more.
    assert!(!world.deliver("second", 1, SHORT).await);
    assert!(world.failure(1).await.is_none() && world.facts().await.suspended().is_some());
    world.ledger.change(|s| s.failing = 0);
    assert!(world.deliver("second", 2, SHORT).await);
    world.finish().await;
    assert_eq!(world.receipt().await.attempt, 1);
    let read = world.ledger.change(|s| s.read.clone());
    assert!(read.len() == 10 && read.starts_with(&before), "{read:?}");
}

#[tokio::test]
async fn at_the_last_delivery_a_continuation_fails_for_good_and_a_replay_begins_anew() {
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    world.ledger.change(|s| s.failing = 1);
    assert!(!world.deliver("third", 3, SHORT).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!(
        (failure.code, failure.is_final),
        (Code::ConnectionLost, true)
    );
    world.finish().await;
    assert_eq!(world.receipt().await.attempt, 2);
}

#[tokio::test]
async fn a_source_that_always_moves_ends_although_every_message_is_a_new_one() {
    let world = World::new(10).await;
    let mut deliveries = 0;
    let sent_at = Timestamp::now();
    while world.facts().await.final_failure().is_none() {
        let _ = world.deliver_sent("next", 1, SHORT, Some(sent_at)).await;
        // While a continuation waits, somebody posts below the mark.
        if world.facts().await.suspended().is_some() {
            world.ledger.change(|s| s.ids.remove(&(90 - deliveries)));
        }
        deliveries += 1;
        assert!(deliveries < 60, "it never ends");
    }
    let facts = world.facts().await;
    assert_eq!((facts.state(), facts.attempts.len()), (IpeState::Failed, 3));
    // What is left of older messages goes to the dead letters without a further attempt.
    let keys = world.evidence.inner().keys();
    assert!(!world.deliver_sent("left", 2, LONG, Some(sent_at)).await);
    assert_eq!(world.evidence.inner().keys(), keys);
    // A replay is a new message.
    let later = Timestamp::now() + SignedDuration::from_secs(1);
    assert!(world.deliver_sent("replay", 1, LONG, Some(later)).await);
    assert_eq!(world.receipt().await.attempt, 4);
}

#[tokio::test]
async fn a_range_that_does_not_fit_is_narrowed_until_it_does() {
    // One range of 100 rows takes a second; a quarter of it fits.
    let mut ipe = by_ranges();
    ipe.partition.as_mut().unwrap().rows_per_range = 1_000;
    let world = World::with(ipe, 100, 10).await;
    world.finish().await;
    let receipt = world.receipt().await;
    assert_same_rows(&receipt, &World::undisturbed(100).await);
    let partition = receipt.partition.unwrap();
    let widths: Vec<i64> = partition.ranges.iter().map(|r| r.upto - r.after).collect();
    assert!(
        widths.iter().all(|w| *w <= 25) && widths.iter().sum::<i64>() == 100,
        "{widths:?}"
    );
    let fruitless = partition
        .invocations
        .iter()
        .filter(|i| i.segment.is_some() && i.ranges == 0);
    assert!(fruitless.count() >= 2);
}

#[tokio::test]
async fn a_query_that_takes_longer_than_an_invocation_by_itself_fails_and_does_not_loop() {
    let world = World::new(0).await;
    world
        .ledger
        .change(|s| s.per_query = Duration::from_secs(10));
    let mut handed_over = 0;
    while world.deliver("next", 1, 120).await {
        handed_over += 1;
        assert!(handed_over < 20, "it loops");
    }
    // Ten ranges of ten: ten, five, three, two, one.
    assert!(handed_over <= 6, "{handed_over}");
    assert!(!world.deliver("next", 2, 120).await);
    assert!(!world.deliver("next", 3, 120).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!((failure.code, failure.is_final), (Code::DeadlineNear, true));
    assert!(!failure.remedy.is_empty());
    assert!(world.ledger.change(|s| s.read.is_empty()));
}

#[tokio::test]
async fn bounds_that_leave_rows_out_and_rows_outside_their_range_never_pass() {
    let world = World::new(0).await;
    world.ledger.change(|s| s.unseen_by_bounds = 1);
    assert!(!world.deliver("first", 3, 3_000).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!(failure.code, Code::SourceMoved);
    assert!(
        failure.message.contains("the bounds query leaves rows out"),
        "{}",
        failure.message
    );

    let world = World::new(0).await;
    world.ledger.change(|s| s.everywhere = Some(7));
    assert!(!world.deliver("first", 1, LONG).await);
    let failure = world.failure(1).await.unwrap();
    assert_eq!(failure.code, Code::ControlQueryInvalid);
    assert!(
        failure.message.contains("a row with 7 in \"id\""),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn nothing_at_all_is_a_success_where_the_catalog_says_so() {
    for allow_empty in [true, false] {
        let mut ipe = by_ranges();
        ipe.allow_empty = allow_empty;
        let world = World::with(ipe, 0, 0).await;
        assert!(world.deliver("only", 1, LONG).await);
        let facts = world.facts().await;
        let (_, receipt) = facts.deciding().unwrap();
        let expected = if allow_empty {
            IpeState::Passed
        } else {
            IpeState::Rejected
        };
        assert_eq!(receipt.state, expected);
        let parts: Vec<_> = receipt.files.iter().filter(|f| f.rows == Some(0)).collect();
        assert_eq!(parts.len(), 1);
        let partition = receipt.partition.as_ref().unwrap();
        assert!(partition.span.is_none() && partition.ranges.is_empty());
    }
}

#[tokio::test]
async fn ranges_without_rows_have_no_parts_and_are_told_all_the_same() {
    let world = World::with(by_ranges(), 0, 10).await;
    world.ledger.change(|s| s.ids.extend([1, 7, 9, 1_000]));
    let mut ipe = by_ranges();
    ipe.partition.as_mut().unwrap().rows_per_range = 1;
    let world2 = World::with(ipe, 0, 10).await;
    world2.ledger.change(|s| s.ids.extend([1, 7, 9, 1_000]));
    for world in [world, world2] {
        world.finish().await;
        let receipt = world.receipt().await;
        let partition = receipt.partition.unwrap();
        let parts = receipt.files.iter().filter(|f| f.rows.is_some()).count();
        let named: usize = partition.ranges.iter().map(|r| r.files.len()).sum();
        assert_eq!((parts, receipt.counts.parquet), (named, 4));
    }
}

#[tokio::test]
async fn segments_that_were_spoiled_are_built_on_by_nobody() {
    for spoiled in ["no json", "{\"schema\": \"soxauto.segment/1\"}"] {
        let world = World::new(10).await;
        assert!(world.deliver("first", 1, SHORT).await);
        let key = format!("{ATTEMPT}/segment-1.json");
        world.evidence.inner().overwrite(&key, spoiled);
        assert!(!world.deliver("second", 1, SHORT).await);
        let failure = world.failure(1).await.unwrap();
        assert_eq!(
            (failure.code, failure.is_final),
            (Code::EvidenceInvalid, false)
        );
        world.finish().await;
        assert_eq!(world.receipt().await.attempt, 2);
    }
    // A part that is not the recorded one, found when it is read back.
    let world = World::new(10).await;
    assert!(world.deliver("first", 1, SHORT).await);
    world
        .evidence
        .inner()
        .overwrite(&format!("{ATTEMPT}/data/part-00000.parquet"), "x");
    let mut deliveries = 0;
    while world.failure(1).await.is_none() {
        let _ = world.deliver("next", 1, SHORT).await;
        deliveries += 1;
        assert!(deliveries < 20);
    }
    assert_eq!(world.failure(1).await.unwrap().code, Code::EvidenceInvalid);
}
