//! Replays over the in-memory twins: what the dispatcher planned, what a worker recorded, and queues that lose nothing.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use soxauto_cloud::{
    clock::SteppingClock,
    lake::{Lake as _, MemoryLake},
    lease::Leases,
    queue::{MemoryQueue, Queue as _},
    telemetry::Telemetry,
};
use soxauto_dispatcher::{Context, context::Settings, handle};
use soxauto_domain::{
    Code, Sha256,
    layout::{Attempt, Layout},
    plan::{Software, Stage},
    receipt::WorkerRecord,
};
use soxauto_runs::RunReader;
use soxauto_worker::{
    WorkerError,
    attempt::{FailedAttempt, record_failure},
};

use super::*;
use crate::operate::status::{Selection, gather};

const OPERATOR: &str = "arn:aws:iam::111122223333:user/operator";

fn software() -> Software {
    Software {
        name: "t".into(),
        version: "0".into(),
        binary_sha256: Sha256::of("binary"),
    }
}

struct World {
    evidence: MemoryLake,
    state: MemoryLake,
    jobs: MemoryQueue,
    dead: MemoryQueue,
    other: MemoryQueue,
    clock: SteppingClock,
    run: RunId,
}

impl World {
    /// A month of two IPEs, planned and sent by the dispatcher.
    async fn planned() -> Self {
        let dead = MemoryQueue::new("dead", Duration::from_secs(30));
        let world = Self {
            evidence: MemoryLake::new("evidence"),
            state: MemoryLake::new("state"),
            jobs: MemoryQueue::new("jobs", Duration::from_secs(1)).with_dead_letters(3, &dead),
            dead,
            other: MemoryQueue::new("other", Duration::from_secs(30)),
            clock: SteppingClock::new("2024-05-01T07:00:00Z".parse().unwrap()),
            run: "C-PG-1/2024-05-01/r1".parse().unwrap(),
        };
        let settings = Settings {
            stage: Stage::Dev,
            evidence_bucket: "evidence".into(),
            evidence_prefix: "evidence".into(),
            state_bucket: "state".into(),
            jobs_queue_url: "jobs".into(),
        };
        let dispatcher = Context::new(
            settings,
            Arc::new(world.evidence.clone()),
            Arc::new(world.state.clone()),
            Arc::new(world.jobs.clone()),
            Arc::new(world.clock.clone()),
            Telemetry::for_tests(),
            software(),
            soxauto_catalog::load(),
        );
        let event = json!({"cutoff_date": "2024-05-01", "ipes": ["IPE_07", "CR_04"]});
        handle(&dispatcher, event, "r-1").await.unwrap();
        world
    }

    fn parts(&self) -> Parts {
        let evidence = Arc::new(self.evidence.clone());
        let state = Arc::new(self.state.clone());
        let queue = || Arc::new(self.other.clone());
        Parts {
            control: self.run.control().clone(),
            reader: RunReader::new(evidence.clone(), Layout::new("evidence")),
            leases: Leases::new(state.clone(), Arc::new(self.clock.clone())),
            evidence,
            state,
            jobs: Arc::new(self.jobs.clone()),
            dead_jobs: Arc::new(self.dead.clone()),
            receipts: queue(),
            dead_receipts: queue(),
            dead_starts: queue(),
            clock: Arc::new(self.clock.clone()),
        }
    }

    /// Every message is received three times and then dead; a worker that lived wrote why.
    async fn all_die(&self, recorded: bool) {
        for _ in 0..3 {
            loop {
                let page = self.jobs.receive(10, Duration::ZERO).await.unwrap();
                if page.is_empty() {
                    break;
                }
            }
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        assert_eq!(self.jobs.receive(10, Duration::ZERO).await.unwrap(), []);
        if recorded {
            for ipe in ["IPE_07", "CR_04"] {
                self.fails(ipe, 1).await;
            }
        }
    }

    async fn fails(&self, ipe: &str, attempt: u32) {
        let attempt = Attempt {
            run_id: self.run.clone(),
            ipe_id: ipe.parse().unwrap(),
            number: attempt,
        };
        let evidence: Arc<dyn soxauto_cloud::lake::Lake> = Arc::new(self.evidence.clone());
        let worker = WorkerRecord {
            request_id: "r".into(),
            function: "worker:1".into(),
            receive_count: 3,
            replayed_by: None,
        };
        let error = WorkerError::PlanNotFound("a bucket that was away".into());
        record_failure(
            &evidence,
            &Layout::new("evidence"),
            FailedAttempt {
                attempt: &attempt,
                error: &error,
                is_final: true,
                started_at: Timestamp::UNIX_EPOCH,
                failed_at: Timestamp::UNIX_EPOCH,
                worker,
                software: software(),
            },
        )
        .await
        .unwrap();
    }

    async fn replay(&self, wish: Wish) -> Result<Replayed, OperateError> {
        replay_run(&self.parts(), &self.run, &wish, OPERATOR).await
    }

    async fn jobs(&self) -> Vec<Job> {
        let page = self.jobs.receive(10, Duration::ZERO).await.unwrap();
        page.iter()
            .map(|message| serde_json::from_str(&message.body).unwrap())
            .collect()
    }

    async fn dead_letters(&self) -> u64 {
        let depth = self.dead.depth().await.unwrap();
        assert_eq!(
            depth.in_flight, 0,
            "a replay lets go of what it does not take"
        );
        depth.visible
    }
}

fn only(ipe: &str) -> Wish {
    Wish {
        ipes: Some(vec![ipe.parse().unwrap()]),
        ..Wish::default()
    }
}

fn outcomes(done: &Replayed) -> Vec<(String, Outcome)> {
    done.ipes
        .iter()
        .map(|ipe| (ipe.id.to_string(), ipe.outcome))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_message_goes_back_with_the_name_of_who_asked() {
    let world = World::planned().await;
    world.all_die(true).await;
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert_eq!(outcomes(&done), [("IPE_07".to_owned(), Outcome::Sent)]);
    assert_eq!(done.exit_code(false), exit::SUCCESS);
    assert_eq!(world.dead_letters().await, 1, "the other one stays");
    let jobs = world.jobs().await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].ipe_id.as_str(), "IPE_07");
    assert_eq!(jobs[0].replayed_by.as_deref(), Some(OPERATOR));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let world = World::planned().await;
    world.all_die(true).await;
    let wish = Wish {
        dry_run: true,
        ..Wish::default()
    };
    let done = world.replay(wish).await.unwrap();
    assert_eq!(done.ipes.len(), 2);
    assert!(done.ipes.iter().all(|ipe| ipe.outcome == Outcome::Sent));
    assert_eq!(world.dead_letters().await, 2);
    assert_eq!(world.jobs().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_died_between_send_and_delete_is_finished_by_the_next() {
    let world = World::planned().await;
    world.all_die(true).await;
    // The first one sent, and died before it could delete.
    let letter = world.dead.receive(10, Duration::ZERO).await.unwrap();
    let ours = letter.iter().find(|m| m.body.contains("CR_04")).unwrap();
    let copy = OutgoingMessage {
        id: "copy".into(),
        body: ours.body.clone(),
    };
    world.jobs.send_batch(vec![copy]).await.unwrap();
    tokio::time::advance(Duration::from_secs(31)).await;
    let done = world.replay(only("CR_04")).await.unwrap();
    assert_eq!(outcomes(&done), [("CR_04".to_owned(), Outcome::Sent)]);
    // Two messages for one IPE: the worker does it once, as functions/worker/tests/deliveries.rs shows.
    assert_eq!(world.jobs().await.len(), 2);
    assert_eq!(world.dead_letters().await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_is_made_from_the_plan() {
    let world = World::planned().await;
    world.all_die(true).await;
    for letter in world.dead.receive(10, Duration::ZERO).await.unwrap() {
        world.dead.delete(&letter.receipt_handle).await.unwrap();
    }
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert_eq!(outcomes(&done), [("IPE_07".to_owned(), Outcome::Rebuilt)]);
    assert!(done.ipes[0].detail.contains("from the plan"));
    let facts = world
        .parts()
        .reader
        .facts(&world.run)
        .await
        .unwrap()
        .unwrap();
    let jobs = world.jobs().await;
    assert_eq!(jobs[0].plan, world.parts().pointer(&facts));
    assert_eq!(jobs[0].replayed_by.as_deref(), Some(OPERATOR));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_refused() {
    let world = World::planned().await;
    // Still in the jobs queue.
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert_eq!(outcomes(&done), [("IPE_07".to_owned(), Outcome::Refused)]);
    assert!(done.ipes[0].detail.contains("in flight"), "{done:?}");
    assert_eq!(done.exit_code(false), exit::FAILURE);
    assert_eq!(done.exit_code(true), exit::SUCCESS);
    // A worker at it, although there is a dead letter.
    world.all_die(false).await;
    let leases = Leases::new(Arc::new(world.state.clone()), Arc::new(world.clock.clone()));
    let key = state::ipe_lease(&world.run, &"IPE_07".parse().unwrap());
    let minute = Duration::from_secs(60);
    let lease = leases.acquire(&key, "worker", minute).await.unwrap();
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert!(done.ipes[0].detail.contains("a worker is at"), "{done:?}");
    assert_eq!(world.dead_letters().await, 2);
    // It died: its lease ends, and now the replay is due.
    drop(lease);
    world.clock.advance(Duration::from_secs(61));
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert_eq!(outcomes(&done), [("IPE_07".to_owned(), Outcome::Sent)]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_with_another_plan_stays_where_it_is() {
    let world = World::planned().await;
    world.all_die(true).await;
    for letter in world.dead.receive(10, Duration::ZERO).await.unwrap() {
        let mut job: Job = serde_json::from_str(&letter.body).unwrap();
        job.plan.sha256 = soxauto_domain::Sha256::of("another");
        let forged = OutgoingMessage {
            id: "forged".into(),
            body: serde_json::to_string(&job).unwrap(),
        };
        world.dead.send_batch(vec![forged]).await.unwrap();
        world.dead.delete(&letter.receipt_handle).await.unwrap();
    }
    let done = world.replay(only("IPE_07")).await.unwrap();
    assert!(
        done.ipes[0]
            .detail
            .contains(Code::PlanDigestMismatch.as_str()),
        "{done:?}"
    );
    assert_eq!(world.jobs().await, []);
    assert_eq!(world.dead_letters().await, 2);
    let all = world.replay(Wish::default()).await.unwrap();
    assert_eq!(all.exit_code(true), exit::FAILURE, "nothing is on its way");
}

#[tokio::test(start_paused = true)]
async fn letters_that_somebody_else_holds_are_a_failure_that_names_the_way_out() {
    let world = World::planned().await;
    world.all_die(true).await;
    let _held = world.dead.receive(10, Duration::ZERO).await.unwrap();
    let done = world.replay(Wish::default()).await.unwrap();
    assert!(done.ipes[0].detail.contains("--rebuild"), "{done:?}");
    assert_eq!(done.exit_code(true), exit::FAILURE);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_its_witnesses_do_not_know_is_not_followed() {
    let world = World::planned().await;
    world.all_die(true).await;
    let key = state::open_run(&world.run);
    let marker = world.state.get(&key).await.unwrap();
    let mut open: soxauto_runs::OpenRun = serde_json::from_slice(&marker.bytes).unwrap();
    open.plan.sha256 = soxauto_domain::Sha256::of("another");
    let bytes = serde_json::to_vec(&open).unwrap().into();
    world
        .state
        .replace(&key, bytes, "application/json", &marker.etag)
        .await
        .unwrap();
    let error = world.replay(only("IPE_07")).await.unwrap_err();
    assert!(matches!(error, OperateError::PlanDiffers { .. }), "{error}");
    world.state.delete(&key).await.unwrap();
    let error = world.replay(only("IPE_07")).await.unwrap_err();
    assert!(matches!(error, OperateError::Unvouched(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn status_tells_a_killed_worker_from_one_that_failed() {
    for recorded in [false, true] {
        let world = World::planned().await;
        world.all_die(recorded).await;
        let selection = Selection::Control(world.run.control().clone());
        let (mut status, letters) = gather(&world.parts(), "s", &selection, None).await.unwrap();
        status.next = crate::operate::status::advise(&status, &|arguments| arguments.to_owned());
        let ipe = &status.runs[0].ipes[0];
        assert!(ipe.dead_letter);
        let advice = status.next.iter().find(|a| a.ipe_id.is_some()).unwrap();
        assert_eq!(advice.problem.contains("killed"), !recorded, "{advice:?}");
        assert_eq!(
            advice.command.as_deref(),
            Some(format!("replay --run {} --ipe {}", world.run, ipe.id).as_str())
        );
        // An unchanged queue of dead letters is not looked through again.
        let again = gather(&world.parts(), "s", &selection, Some(letters)).await;
        assert_eq!(again.unwrap().0.dead_letters.len(), 2);
        let counts = world.dead.receive(10, Duration::ZERO).await.unwrap();
        assert!(
            counts.iter().all(|letter| letter.receive_count == 5),
            "{counts:?}"
        );
        let expected = if recorded {
            exit::INCOMPLETE
        } else {
            exit::OPEN
        };
        assert_eq!(status.exit_code(), expected);
    }
}
