//! Two rivals, a clock and lost answers, in every order: at most one of them may believe that it holds.

use proptest::prelude::*;

use super::*;
use crate::{
    clock::SteppingClock,
    lake::{Fault, FaultyLake, MemoryLake, Operation},
};

const TTL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Step {
    Acquire(usize),
    Renew(usize),
    Release(usize),
    Advance(u64),
    /// The next write of that kind happens, and its answer is lost.
    Lose(Operation),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2usize).prop_map(Step::Acquire),
        (0..2usize).prop_map(Step::Renew),
        (0..2usize).prop_map(Step::Release),
        (1..15u64).prop_map(Step::Advance),
        prop_oneof![
            Just(Operation::Create),
            Just(Operation::Replace),
            Just(Operation::DeleteIf)
        ]
        .prop_map(Step::Lose),
    ]
}

async fn play(steps: Vec<Step>) {
    let lake = FaultyLake::new(MemoryLake::new("state"));
    let clock = SteppingClock::new(Timestamp::UNIX_EPOCH);
    let leases = Leases::new(Arc::new(lake.clone()), Arc::new(clock.clone()));
    let mut held: [Option<Lease>; 2] = [None, None];
    for step in steps {
        match step {
            Step::Acquire(rival) if held[rival].is_none() => {
                held[rival] = leases
                    .acquire("key", &format!("rival {rival}"), TTL)
                    .await
                    .ok();
            }
            Step::Renew(rival) => {
                if let Some(lease) = &mut held[rival]
                    && matches!(lease.renew(None).await, Err(LeaseError::Lost { .. }))
                {
                    held[rival] = None;
                }
            }
            Step::Release(rival) => {
                if let Some(lease) = held[rival].take() {
                    drop(lease.release().await);
                }
            }
            Step::Advance(seconds) => clock.advance(Duration::from_secs(seconds)),
            Step::Lose(operation) => lake.fail(Fault::new(operation, 1).after()),
            Step::Acquire(_) => {}
        }
        let believe = held
            .iter()
            .flatten()
            .filter(|lease| lease.record().expires_at > clock.now());
        assert!(
            believe.count() <= 1,
            "both believe that they hold: {held:?}"
        );
    }
    // Whatever happened: when the time of all is over, the lease can be had.
    lake.heal();
    clock.advance(TTL);
    leases.acquire("key", "the next", TTL).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn at_most_one_believes_that_it_holds(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn what_is_not_a_lease_is_named_and_left_alone() {
    let lake = MemoryLake::new("state");
    lake.overwrite("key", "{\"schema\":\"soxauto.lease/2\"}");
    let leases = Leases::new(Arc::new(lake.clone()), Arc::new(crate::clock::SystemClock));
    let error = leases.acquire("key", "a", TTL).await.unwrap_err();
    assert!(
        matches!(&error, LeaseError::Invalid { key, .. } if key == "key"),
        "{error}"
    );
    assert_eq!(error.code(), Code::EvidenceInvalid);
    assert_eq!(lake.keys(), ["key"]);
}

#[tokio::test]
async fn a_lease_whose_taking_was_not_heard_of_is_held_all_the_same() {
    let lake = FaultyLake::new(MemoryLake::new("state"));
    let clock = SteppingClock::new(Timestamp::UNIX_EPOCH);
    let leases = Leases::new(Arc::new(lake.clone()), Arc::new(clock.clone()));
    for operation in [Operation::Create, Operation::Replace] {
        lake.fail(Fault::new(operation, 1).after());
        let mut lease = leases.acquire("key", "holder", TTL).await.unwrap();
        lease.renew(None).await.unwrap();
        // The next one takes over what has ended.
        clock.advance(TTL);
    }
    // A write that never arrived is none.
    clock.advance(TTL);
    lake.fail(Fault::new(Operation::Replace, 1));
    let refused = leases.acquire("key", "holder", TTL).await;
    assert!(matches!(refused, Err(LeaseError::Lake(_))), "{refused:?}");
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_does_not_lose_the_lease() {
    let lake = FaultyLake::new(MemoryLake::new("state"));
    let leases = Leases::new(Arc::new(lake.clone()), Arc::new(crate::clock::SystemClock));
    let mut lease = leases.acquire("key", "a", TTL).await.unwrap();
    lake.fail(Fault::new(Operation::Replace, 1).after());
    assert!(matches!(
        lease.renew(None).await,
        Err(LeaseError::Lake(LakeError::Unavailable(_)))
    ));
    lease.renew(None).await.unwrap();
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_lease_whose_last_renewal_was_not_heard_of_is_given_back_all_the_same() {
    let lake = FaultyLake::new(MemoryLake::new("state"));
    let leases = Leases::new(Arc::new(lake.clone()), Arc::new(crate::clock::SystemClock));
    let mut lease = leases.acquire("key", "a", TTL).await.unwrap();
    lake.fail(Fault::new(Operation::Replace, 1).after());
    assert!(lease.renew(None).await.is_err());
    lease.release().await.unwrap();
    assert!(lake.inner().keys().is_empty());
}
