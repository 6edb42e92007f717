//! Kill anywhere: months are run while their processes are killed, their messages doubled and their calls failed; in the
//! end all is as if nothing had happened.
//!
//! `SOXAUTO_KILL_SEED` repeats a choice of places (not of instants: those are the machine's), `SOXAUTO_KILLS` asks for more
//! kills than the usual 200: a soak.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chaos;
mod operator;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IteratorRandom as _};
use soxauto_domain::{IpeId, IpeState, RunId, RunState};
use soxauto_e2e::{
    CUTOFFS, Laptop,
    settled::{Contents, contents},
};

use chaos::Chaos;
use operator::Operator;

/// Ledger rows of the sample. So few that some checks say no: what is rejected undisturbed must be rejected again.
const ROWS: u64 = 2_000;
/// Kills of one run of the suite.
const KILLS: usize = 200;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A month that is run again and again.
pub(crate) struct Month {
    pub(crate) cutoff: &'static str,
    pub(crate) ipes: Vec<IpeId>,
    /// The run of this round.
    pub(crate) run: RunId,
    /// How it ends undisturbed.
    pub(crate) ends: RunState,
    /// When it was started.
    pub(crate) started: Instant,
    /// Whether its workers live, so that its finalizers have something to die at.
    pub(crate) spares_workers: bool,
}

fn months(rng: &mut StdRng) -> Vec<Month> {
    let catalog = soxauto_catalog::load().unwrap();
    let all = || catalog.ipes.iter().map(|ipe| ipe.id.clone());
    let months = CUTOFFS.iter().enumerate().map(|(i, cutoff)| Month {
        cutoff,
        ipes: if i % 4 == 0 {
            all().collect()
        } else {
            let mut few = all().sample(rng, 3);
            few.sort();
            few
        },
        run: format!("C-PG-1/{cutoff}/r1").parse().unwrap(),
        ends: RunState::Complete,
        started: Instant::now(),
        spares_workers: i % 2 == 1,
    });
    months.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_the_months_end_as_if_nothing_had_happened() {
    let seed = setting("SOXAUTO_KILL_SEED").unwrap_or_else(|| rand::rng().random());
    let wanted = setting("SOXAUTO_KILLS").unwrap_or(KILLS);
    let started = Instant::now();
    let tell = |what: &str| eprintln!("{:4} s  {what}", started.elapsed().as_secs());
    tell(&format!("SOXAUTO_KILL_SEED={seed} SOXAUTO_KILLS={wanted}"));
    let mut rng = StdRng::seed_from_u64(seed);
    let laptop = Laptop::behind_proxy(|options| {
        options.rows = ROWS;
        options.worker_concurrency = 12;
    })
    .await;
    let mut months = months(&mut rng);
    let operator = Operator::new(&laptop);
    laptop.shorten_queues(operator::VISIBILITY).await;

    // Undisturbed first: this is what must come out, and these are the places to die in.
    let undisturbed = undisturbed(&operator, &mut months).await;
    let points = laptop.proxy().counts();
    tell(&format!(
        "undisturbed: {} runs, {} IPEs, {} kinds of calls, {} calls",
        months.len(),
        undisturbed.values().map(Contents::len).sum::<usize>(),
        points.len(),
        points.values().sum::<u64>()
    ));

    let chaos = Chaos::new(seed, points.into_keys(), &laptop, &months, wanted);
    laptop.proxy().judge(chaos.clone());
    let killer = tokio::spawn(chaos::at_random_instants(
        chaos.clone(),
        laptop.proxy().handle(),
    ));
    let enough = || laptop.proxy().kills().len() >= wanted && chaos.not_died_at().is_empty();
    let mut rounds = Vec::new();
    while laptop.proxy().kills().len() < wanted {
        for month in &mut months {
            month.run = month.run.next();
            month.started = Instant::now();
        }
        rounds.extend(
            months
                .iter()
                .map(|month| (month.cutoff, month.run.clone(), month.ends)),
        );
        operator.start(&months).await;
        while !operator.all_ended(&months).await {
            operator.look_after(&months).await;
            let kills = laptop.proxy().kills().len();
            if enough() {
                chaos.calm();
            }
            let left = chaos.not_died_at();
            let places = if left.len() > 12 {
                String::new()
            } else {
                format!(": {}", left.join(", "))
            };
            tell(&format!(
                "{kills} kills, {} places left{places}; {}",
                left.len(),
                operator.progress(&months).await
            ));
            assert!(started.elapsed() < limit(wanted), "it does not settle");
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }
    killer.abort();
    chaos.calm();
    tell("calm");
    let left = operator.until_nothing_is_left(&months).await;

    let mut wrong = left;
    let mut seen = BTreeSet::new();
    for (cutoff, run, ends) in &rounds {
        wrong.extend(laptop.faults_of_ended(run, *ends).await);
        let facts = laptop.reader.facts(run).await.unwrap().unwrap();
        if contents(&facts) != undisturbed[cutoff] {
            wrong.push(format!(
                "{run}: the content is not that of an undisturbed run"
            ));
        }
        seen.extend(facts.ipes.iter().map(|ipe| ipe.attempts.len()));
    }
    wrong.extend(laptop.verify_all().await);
    let kills = laptop.proxy().kills();
    tell(&chaos.report(&kills));
    tell(&format!("attempts at an IPE: {seen:?}"));
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    assert!(kills.len() >= wanted, "only {} kills", kills.len());
    // What is called seldom may be spared: whether somebody dies there is chance.
    let spared = chaos.not_died_at();
    tell(&format!("nobody died at {spared:?}"));
    assert!(spared.len() <= 8, "nobody died at {spared:#?}");
    laptop.stack.stop().await;
}

/// A quarter of an hour for 200 kills on a machine that has other things to do.
fn limit(kills: usize) -> Duration {
    Duration::from_secs(900) * u32::try_from(kills.div_ceil(KILLS)).unwrap()
}

/// Runs every month once. A report that fails on so small a sample is left out from then on.
async fn undisturbed(
    operator: &Operator<'_>,
    months: &mut [Month],
) -> BTreeMap<&'static str, Contents> {
    operator.start(months).await;
    let mut found = BTreeMap::new();
    for month in months {
        let facts = operator.laptop.closed(&month.run, 1).await;
        let of = |id: &IpeId| facts.ipe(id).unwrap().state();
        month.ipes.retain(|id| of(id) != IpeState::Failed);
        if month.ipes.iter().any(|id| of(id) == IpeState::Rejected) {
            month.ends = RunState::Rejected;
        }
        found.insert(month.cutoff, contents(&facts));
    }
    operator.forget_failures().await;
    found
}
