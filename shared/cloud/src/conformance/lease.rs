//! What leases do over every lake.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::SteppingClock,
    lake::Lake,
    lease::{LeaseError, Leases, Progress},
};

const TTL: Duration = Duration::from_secs(60);

/// Runs the whole suite below `prefix`, which ends with `/`.
///
/// # Panics
/// Where a promise is broken.
pub async fn suite(lake: Arc<dyn Lake>, prefix: &str) {
    let clock = SteppingClock::new(jiff::Timestamp::now());
    let leases = Leases::new(lake, Arc::new(clock.clone()));
    one_holds_until_the_end(&leases, &clock, &format!("{prefix}one.json")).await;
    whoever_lost_it_is_told(&leases, &clock, &format!("{prefix}lost.json")).await;
    rivals_get_one(&leases, &clock, &format!("{prefix}rivals.json")).await;
}

async fn one_holds_until_the_end(leases: &Leases, clock: &SteppingClock, key: &str) {
    assert_eq!(leases.read(key).await.unwrap(), None);
    let mut lease = leases.acquire(key, "worker a", TTL).await.unwrap();
    let end = lease.record().expires_at;
    let Err(LeaseError::Held { by, until, .. }) = leases.acquire(key, "worker b", TTL).await else {
        panic!("held twice")
    };
    assert_eq!((by.as_str(), until), ("worker a", end));
    clock.advance(Duration::from_secs(45));
    let progress = Progress {
        stage: "extracting".into(),
        attempt: 1,
        rows: 10,
        rows_total: Some(20),
        bytes: 300,
    };
    lease.renew(Some(progress.clone())).await.unwrap();
    assert_eq!(
        leases.read(key).await.unwrap().unwrap().progress,
        Some(progress.clone())
    );
    clock.advance(Duration::from_secs(45));
    // The first end is over, the renewed one is not.
    assert!(matches!(
        leases.acquire(key, "worker b", TTL).await,
        Err(LeaseError::Held { .. })
    ));
    lease.renew(None).await.unwrap();
    assert_eq!(
        leases.read(key).await.unwrap().unwrap().progress,
        Some(progress)
    );
    lease.release().await.unwrap();
    assert_eq!(leases.read(key).await.unwrap(), None);
    leases
        .acquire(key, "worker b", TTL)
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
}

async fn whoever_lost_it_is_told(leases: &Leases, clock: &SteppingClock, key: &str) {
    let mut frozen = leases.acquire(key, "frozen", TTL).await.unwrap();
    clock.advance(TTL);
    // Expired and taken by nobody: still its own.
    frozen.renew(None).await.unwrap();
    clock.advance(TTL);
    let next = leases.acquire(key, "next", TTL).await.unwrap();
    assert_eq!(
        frozen.renew(None).await,
        Err(LeaseError::Lost {
            key: key.to_owned()
        })
    );
    assert_eq!(
        frozen.release().await,
        Err(LeaseError::Lost {
            key: key.to_owned()
        })
    );
    assert_eq!(leases.read(key).await.unwrap().unwrap().owner, "next");
    next.release().await.unwrap();
}

async fn rivals_get_one(leases: &Leases, clock: &SteppingClock, key: &str) {
    // First for a lease that nobody has, then for one whose holder died.
    for round in 0..3 {
        let mut rivals = tokio::task::JoinSet::new();
        for i in 0..6 {
            let (leases, key) = (leases.clone(), key.to_owned());
            rivals.spawn(async move { leases.acquire(&key, &format!("{round}-{i}"), TTL).await });
        }
        let outcomes = rivals.join_all().await;
        let winners: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(
            leases.read(key).await.unwrap().as_ref(),
            Some(winners[0].record())
        );
        assert!(
            outcomes
                .iter()
                .all(|o| matches!(o, Ok(_) | Err(LeaseError::Held { .. }))),
            "{outcomes:?}"
        );
        clock.advance(TTL);
    }
}
