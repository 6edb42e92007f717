//! The situations that things happen in: a run to be closed, news of one report, a worker that was lost, what the dead left,
//! and a month that nobody ran.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use soxauto_cloud::{
    lake::{Fault, FaultyLake, Operation},
    queue::OutgoingMessage,
};
use soxauto_domain::{Job, RunState, layout::state, message::PlanPointer};
use soxauto_e2e::tripwire::Tripwire;
use soxauto_finalizer::{FinalizerError, run as finalizing};

use crate::{
    ports::{Bucket, Told},
    support::{HOUR, R1, R2, World, ipe, run},
};

/// The month before [`R1`]'s.
const APRIL: &str = "C-PG-1/2024-04-01/r1";
/// The manifest of the month that nobody ran.
const NO_RUN: &str = "C-PG-1/2024-05-01/r0";

/// Which table of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    /// The only report of a run has passed.
    Passed,
    /// One of two reports passes, and then the other.
    News,
    /// A worker died in the last delivery of its message.
    Lost,
    /// Dead workers and finalizers have left things.
    Leftovers,
    /// A month has no run.
    Missing,
}

/// A world with the tripwire through its ports.
pub(crate) struct Tripped {
    pub(crate) world: World,
    pub(crate) tripwire: Arc<Tripwire>,
}

impl Situation {
    pub(crate) const ALL: [Self; 5] = [
        Self::Passed,
        Self::News,
        Self::Lost,
        Self::Leftovers,
        Self::Missing,
    ];

    /// The name of its table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "finalizer",
            Self::News => "finalizer, hearing of two reports",
            Self::Lost => "finalizer, in place of a lost worker",
            Self::Leftovers => "finalizer, clearing what the dead left",
            Self::Missing => "finalizer, of a month that nobody ran",
        }
    }

    /// What the invocations answer when nothing else happens.
    pub(crate) fn undisturbed(self) -> &'static str {
        match self {
            Self::Passed => "complete",
            Self::News => "open, complete",
            Self::Lost => "incomplete",
            Self::Leftovers | Self::Missing => "swept",
        }
    }

    /// The situation.
    pub(crate) async fn world(self) -> Tripped {
        let tripwire = Arc::new(Tripwire::default());
        let bucket = |lake| FaultyLake::watched(lake, Arc::new(Bucket(Arc::clone(&tripwire))));
        let mut world = World::over(bucket);
        match self {
            Self::Passed => passed(&world).await,
            Self::News => {
                world.plan(R1, &["IPE_07", "IPE_08"]).await;
                world.passed(R1, "IPE_07", 1).await;
                world.loads(8);
            }
            Self::Lost => lost(&world).await,
            Self::Leftovers => leftovers(&world).await,
            Self::Missing => {
                world.plan(APRIL, &["IPE_07"]).await;
                world.passed(APRIL, "IPE_07", 1).await;
                world.loads(1);
                assert!(world.notify(&[APRIL]).await.is_empty());
                world.clock.advance(16 * HOUR);
            }
        }
        let context = &mut world.context;
        context.warehouse = Arc::new(Told(Arc::clone(&tripwire), Arc::clone(&context.warehouse)));
        context.signer = Arc::new(Told(Arc::clone(&tripwire), Arc::clone(&context.signer)));
        context.dead_jobs = Arc::new(Told(Arc::clone(&tripwire), Arc::clone(&context.dead_jobs)));
        tripwire.forget();
        Tripped { world, tripwire }
    }

    /// The invocations that there are to be, each until it succeeds.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::News => 2,
            _ => 1,
        }
    }

    /// One invocation: the state that the run reached, or the code of the error.
    pub(crate) async fn call(self, world: &World, round: usize) -> String {
        let outcome = match self {
            Self::Passed => finalizing::advance(&world.context, &run(R1), &[], world.soon()).await,
            Self::News => {
                let name = ["IPE_07", "IPE_08"][round];
                let receipt = format!("evidence/{R1}/{name}/attempt-1/receipt.json");
                if !world.evidence.inner().keys().contains(&receipt) {
                    world.passed(R1, name, 1).await;
                }
                let news = BTreeSet::from([ipe(name)]);
                finalizing::advance_after(&world.context, &run(R1), &news, world.soon()).await
            }
            Self::Lost | Self::Leftovers | Self::Missing => return swept(world, self).await,
        };
        match outcome {
            Ok(Some(state)) => state.as_str().to_owned(),
            Ok(None) if world.manifests(R1).is_empty() => "held".to_owned(),
            // A message that comes twice and tells of nothing new.
            Ok(None) => "told".to_owned(),
            Err(error) => error.code().as_str().to_owned(),
        }
    }

    /// Whether the answer ends the round.
    pub(crate) fn is_done(self, answer: &str, round: usize) -> bool {
        match self {
            Self::News if round == 0 => answer == "open",
            Self::Passed | Self::News => ["complete", "told"].contains(&answer),
            Self::Lost => ["incomplete", "swept"].contains(&answer),
            Self::Leftovers | Self::Missing => answer == "swept",
        }
    }

    /// The run that it is about.
    pub(crate) fn run(self) -> &'static str {
        match self {
            Self::Missing => NO_RUN,
            _ => R1,
        }
    }

    /// The state that the run's manifest is to say in the end.
    pub(crate) fn state(self) -> RunState {
        match self {
            Self::Lost => RunState::Incomplete,
            Self::Missing => RunState::Missing,
            _ => RunState::Complete,
        }
    }
}

async fn passed(world: &World) {
    world.plan(R1, &["IPE_07"]).await;
    world.passed(R1, "IPE_07", 1).await;
    world.loads(4);
}

async fn lost(world: &World) {
    world.plan(R1, &["IPE_07"]).await;
    let key = state::ipe_lease(&run(R1), &ipe("IPE_07"));
    let minute = Duration::from_secs(60);
    let leases = &world.context.leases;
    leases.acquire(&key, "m/request-3", minute).await.unwrap();
    world.clock.advance(minute);
    let facts = world.context.reader.facts(&run(R1)).await.unwrap().unwrap();
    let pointer = PlanPointer {
        key: world.context.reader.layout().plan(&run(R1)),
        sha256: facts.plan_sha256,
    };
    let letter = OutgoingMessage {
        id: "letter".into(),
        body: serde_json::to_string(&Job::new(run(R1), ipe("IPE_07"), pointer)).unwrap(),
    };
    world
        .context
        .dead_jobs
        .send_batch(vec![letter])
        .await
        .unwrap();
}

/// A closed run; a staged manifest that came too late; leases of a worker and of a finalizer that died.
async fn leftovers(world: &World) {
    passed(world).await;
    let head = state::chain_head(&"C-PG-1".parse().unwrap());
    world
        .state
        .fail(Fault::new(Operation::Replace, 1).on(&head));
    assert_eq!(world.notify(&[R1]).await, ["m-0"]);
    // The next call makes the manifest anew.
    world.clock.advance(Duration::from_secs(61));
    assert!(world.notify(&[R1]).await.is_empty());
    let minute = Duration::from_secs(60);
    let leases = &world.context.leases;
    let key = state::ipe_lease(&run(R1), &ipe("IPE_07"));
    leases.acquire(&key, "dead", minute).await.unwrap();
    let key = state::run_lease(&run(R2));
    leases.acquire(&key, "dead", minute).await.unwrap();
    world.clock.advance(3 * minute);
}

/// The sweep; what it says of the run, if that is what it is about.
async fn swept(world: &World, situation: Situation) -> String {
    match world.sweep().await {
        Err(FinalizerError::Deadline) => "DEADLINE".to_owned(),
        Err(error) => error.code().as_str().to_owned(),
        Ok(answer) if situation == Situation::Lost => {
            let state = answer["runs"][0]["state"].as_str();
            // A sweep that is told less of the run may have closed it all the same, and the next has nothing left to do.
            state.unwrap_or("swept").to_owned()
        }
        Ok(_) => "swept".to_owned(),
    }
}
