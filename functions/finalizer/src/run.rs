//! Bringing a run further, as the list of its steps: lease, load, close.
//!
//! Who hears of one IPE looks at that IPE: a run costs as many calls as it has IPEs, not the square of it. All of the run
//! is looked at by the sweep, and once every IPE has been seen to end.

use std::{collections::BTreeSet, future::Future, time::Instant};

use soxauto_cloud::lease::{Lease, LeaseError};
use soxauto_domain::{
    IpeId, IpeState, RunId, RunState,
    facts::{IpeFacts, RunFacts},
    layout::state,
};
use soxauto_runs::Planned;

use crate::{
    close,
    context::Context,
    error::FinalizerError,
    load,
    lost::{self, Letter},
    marker, settled,
};

/// What to do about a run that another finalizer is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfHeld {
    /// Wait: the other one may have looked before this call's receipt was there.
    Wait,
    /// Leave it to the other one: the next sweep looks again.
    Skip,
}

/// Speaks for workers that were lost and does what the run still misses; returns its state, or `None` for a folder without
/// a plan and for a run that another finalizer is at.
///
/// # Errors
/// [`FinalizerError`]; what was done stays done, and the next call continues.
pub async fn advance(
    context: &Context,
    run: &RunId,
    letters: &[Letter],
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let Some(lease) = acquire(context, run, IfHeld::Skip, deadline).await? else {
        return Ok(None);
    };
    let work = async {
        if letters.iter().any(|(job, _)| job.run_id == *run)
            && let Some(facts) = context.reader.facts(run).await?
        {
            lost::record(context, &facts, letters).await?;
        }
        advance_alone(context, run, deadline).await
    };
    held(context, lease, work).await
}

/// As [`advance`], after news of these IPEs: what they miss is done, and the run is closed if they were the last.
///
/// # Errors
/// [`FinalizerError`]; what was done stays done, and the next call continues.
pub async fn advance_after(
    context: &Context,
    run: &RunId,
    ipes: &BTreeSet<IpeId>,
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let Some(plan) = context.plans.of(&context.reader, run).await? else {
        tracing::warn!("there is no plan: the folder is not a run");
        return Ok(None);
    };
    let Some(lease) = acquire(context, run, IfHeld::Wait, deadline).await? else {
        return Ok(None);
    };
    held(context, lease, hear_of(context, &plan, ipes, deadline)).await
}

async fn hear_of(
    context: &Context,
    plan: &Planned,
    ipes: &BTreeSet<IpeId>,
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let run = &plan.head().document.run_id;
    let past_deadline = context.clock.now() >= plan.head().document.deadline;
    let known = settled::read(context, run).await?;
    let facts = context.reader.facts_of(plan, ipes).await?;
    match known {
        Some(known) if !past_deadline => {
            let loaded = load::load_missing(context, &facts, deadline).await;
            let ended = ended(&facts, &loaded.ipes);
            let settled = settled::note(context, known, ipes, &ended).await?;
            loaded.outcome?;
            if settled.ipes.len() < plan.count() {
                return Ok(Some(RunState::Open));
            }
        }
        // A message that comes twice, or late, and tells of nothing new.
        None if !load::is_missing(&facts)
            && !marker::read(context, run).await?.exists()
            && close::is_told(context, &facts).await? =>
        {
            return Ok(None);
        }
        _ => {}
    }
    advance_alone(context, run, deadline).await
}

/// The IPEs to which nothing more will happen by itself, `loaded` among them.
fn ended(facts: &RunFacts, loaded: &BTreeSet<IpeId>) -> BTreeSet<IpeId> {
    let has_ended =
        |ipe: &&IpeFacts| loaded.contains(&ipe.id) || ipe.arrived() != IpeState::Planned;
    let ended = facts.ipes.iter().filter(has_ended);
    ended.map(|ipe| ipe.id.clone()).collect()
}

async fn advance_alone(
    context: &Context,
    run: &RunId,
    deadline: Instant,
) -> Result<Option<RunState>, FinalizerError> {
    let Some(facts) = context.reader.facts(run).await? else {
        tracing::warn!("there is no plan: the folder is not a run");
        return Ok(None);
    };
    let past_deadline = context.clock.now() >= facts.plan.deadline;
    // A replay gives a closed run something to do: from then on the sweep has to look at it again.
    if !facts.manifests.is_empty() && load::is_missing(&facts) {
        marker::mark(context, &facts).await?;
    }
    let (facts, outcome) = if load::is_missing(&facts) {
        let loaded = load::load_missing(context, &facts, deadline).await;
        match context.reader.facts(run).await? {
            Some(facts) => (facts, loaded.outcome),
            None => return Ok(None),
        }
    } else {
        (facts, Ok(()))
    };
    match outcome {
        Ok(()) => {
            let state = close::close(context, &facts, past_deadline, deadline).await?;
            if state == RunState::Open {
                settled::replace(context, run, ended(&facts, &BTreeSet::new())).await?;
            }
            Ok(Some(state))
        }
        // At its deadline the run is closed with what is there, and the manifest says what is missing. The load is not
        // forgotten: the message comes again, and so does the sweep, unless trying again changes nothing.
        Err(e) if past_deadline => {
            tracing::error!(code = e.code().as_str(), "closed without a load: {e}");
            close::close(context, &facts, past_deadline, deadline).await?;
            if !e.is_refused_load() {
                marker::mark(context, &facts).await?;
            }
            Err(e)
        }
        Err(e) => Err(e),
    }
}

async fn acquire(
    context: &Context,
    run: &RunId,
    if_held: IfHeld,
    deadline: Instant,
) -> Result<Option<Lease>, FinalizerError> {
    let owner = format!("finalizer/{}", context.clock.now());
    let key = state::run_lease(run);
    loop {
        let held = match context
            .leases
            .acquire(&key, &owner, context.timing.lease)
            .await
        {
            Ok(lease) => return Ok(Some(lease)),
            Err(held @ LeaseError::Held { .. }) => held,
            Err(e) => return Err(e.into()),
        };
        match if_held {
            IfHeld::Skip => return Ok(None),
            IfHeld::Wait if Instant::now() + context.timing.wait >= deadline => {
                return Err(held.into());
            }
            IfHeld::Wait => tokio::time::sleep(context.timing.wait).await,
        }
    }
}

/// Works under the lease and gives it back.
async fn held<T>(
    context: &Context,
    mut lease: Lease,
    work: impl Future<Output = Result<T, FinalizerError>>,
) -> Result<T, FinalizerError> {
    let outcome = alive(context, &mut lease, work).await;
    if let Err(e) = lease.release().await {
        // It ends by itself.
        tracing::warn!("the lease could not be released: {e}");
    }
    outcome
}

/// Runs `work` while renewing the lease; ends it when the lease is lost.
async fn alive<T>(
    context: &Context,
    lease: &mut Lease,
    work: impl Future<Output = Result<T, FinalizerError>>,
) -> Result<T, FinalizerError> {
    let beats = async {
        loop {
            tokio::time::sleep(context.timing.beat).await;
            match lease.renew(None).await {
                Ok(()) => {}
                Err(lost @ LeaseError::Lost { .. }) => return FinalizerError::from(lost),
                Err(e) => tracing::warn!("the lease could not be renewed: {e}"),
            }
        }
    };
    tokio::select! {
        outcome = work => outcome,
        lost = beats => Err(lost),
    }
}
