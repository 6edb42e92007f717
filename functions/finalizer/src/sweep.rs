//! The sweep: every open run is looked at, runs past their deadline are closed, and a month without a run is noticed.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use soxauto_domain::{RunId, layout::state};
use soxauto_runs::OpenRun;

use crate::{
    context::Context,
    error::FinalizerError,
    leftovers,
    lost::{self, Letter},
    missing, run,
};

/// Looks at every open run; all are tried, also when one fails.
///
/// # Errors
/// The first failure, after all runs were looked at.
pub async fn sweep(context: &Context, deadline: Instant) -> Result<Value, FinalizerError> {
    let mut looked_at = Vec::new();
    let mut first = Ok(());
    let mut marked = BTreeSet::new();
    let markers = context.state.list(state::OPEN_RUNS).await?;
    let letters = if markers.is_empty() {
        Vec::new()
    } else {
        match lost::letters(context).await {
            Ok(letters) => letters,
            Err(e) => {
                tracing::error!("the dead letters could not be looked at: {e}");
                first = Err(e);
                Vec::new()
            }
        }
    };
    for marker in markers {
        let open: OpenRun = match context.state.get(&marker.key).await {
            Ok(object) => match serde_json::from_slice(&object.bytes) {
                Ok(open) => open,
                Err(e) => {
                    tracing::error!(key = %marker.key, "the marker cannot be read: {e}");
                    first = first.and(Err(e.into()));
                    continue;
                }
            },
            // Closed since the listing.
            Err(e) if e.is_not_found() => continue,
            Err(e) => {
                tracing::error!(key = %marker.key, "the marker did not answer: {e}");
                first = first.and(Err(e.into()));
                continue;
            }
        };
        if open.dispatched_at.is_none() {
            tracing::warn!(run = %open.run_id, "the dispatcher has not sent every message; its next try does");
        }
        first = first.and(look_at(context, &open.run_id, &letters, deadline, &mut looked_at).await);
        marked.insert(open.run_id);
    }
    match unmarked(context, &marked).await {
        Ok(runs) => {
            for run in runs {
                first = first.and(look_at(context, &run, &letters, deadline, &mut looked_at).await);
            }
        }
        Err(e) => first = first.and(Err(e)),
    }
    first = first.and(leftovers::clear(context).await);
    // Whatever failed before, the month is looked at: nobody else says that it is missing.
    let missing = missing::look_for_month(context, deadline).await?;
    first.map(|()| json!({"runs": looked_at, "month_missing": missing}))
}

async fn look_at(
    context: &Context,
    run: &RunId,
    letters: &[Letter],
    deadline: Instant,
    looked_at: &mut Vec<Value>,
) -> Result<(), FinalizerError> {
    if Instant::now() + Duration::from_secs(5) > deadline {
        return Err(FinalizerError::Deadline);
    }
    match run::advance(context, run, letters, deadline).await {
        Ok(state) => {
            looked_at.push(json!({"run_id": run, "state": state}));
            Ok(())
        }
        Err(error) => {
            let code = error.code();
            tracing::error!(run = %run, code = code.as_str(), remedy = code.remedy(), "{error}");
            Err(error)
        }
    }
}

/// Runs that have neither marker nor manifest: their dispatcher died after the plan and was not tried again. Nobody else
/// would ever say that they are incomplete.
async fn unmarked(
    context: &Context,
    marked: &BTreeSet<RunId>,
) -> Result<Vec<RunId>, FinalizerError> {
    let mut found = Vec::new();
    for run in context.reader.runs(&context.settings.control).await? {
        if marked.contains(&run) {
            continue;
        }
        let manifest = context.reader.layout().manifest(&run, 1);
        match context.evidence.head(&manifest).await {
            Ok(_) => {}
            Err(e) if e.is_not_found() => {
                tracing::warn!(run = %run, "the run has neither marker nor manifest");
                found.push(run);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}
