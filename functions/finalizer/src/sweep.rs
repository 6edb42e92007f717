//! The sweep: every open run is looked at, runs past their deadline are closed, and a month without a run is noticed.

use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use serde_json::{Value, json};
use soxauto_cloud::telemetry::events;
use soxauto_domain::{Cutoff, layout::state};
use soxauto_runs::OpenRun;

use crate::{context::Context, error::FinalizerError, run};

/// Hours after the start of the month at which a month without a run is an alarm.
const MISSING_AFTER_HOURS: i64 = 12;

/// Looks at every open run; all are tried, also when one fails.
///
/// # Errors
/// The first failure, after all runs were looked at.
pub async fn sweep(context: &Context, deadline: Instant) -> Result<Value, FinalizerError> {
    let mut looked_at = Vec::new();
    let mut first = Ok(());
    for marker in context.state.list(state::OPEN_RUNS).await? {
        if Instant::now() + Duration::from_secs(5) > deadline {
            first = first.and(Err(FinalizerError::Deadline));
            break;
        }
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
            Err(e) => return Err(e.into()),
        };
        if open.dispatched_at.is_none() {
            tracing::warn!(run = %open.run_id, "the dispatcher has not sent every message; its next try does");
        }
        match run::advance(context, &open.run_id, deadline).await {
            Ok(state) => looked_at.push(json!({"run_id": open.run_id, "state": state})),
            Err(error) => {
                let code = error.code();
                tracing::error!(run = %open.run_id, code = code.as_str(), remedy = code.remedy(), "{error}");
                first = first.and(Err(error));
            }
        }
    }
    let missing = look_for_month(context).await?;
    first.map(|()| json!({"runs": looked_at, "month_missing": missing}))
}

/// Whether the current month's run should be there and is not.
async fn look_for_month(context: &Context) -> Result<bool, FinalizerError> {
    let now = context.clock.now();
    let due = now
        .saturating_sub(MISSING_AFTER_HOURS.hours())
        .unwrap_or(now);
    let cutoff = Cutoff::current(due, &context.time_zone)?;
    let control = &context.settings.control;
    let missing = context.reader.latest(control, cutoff).await?.is_none();
    context
        .telemetry
        .emit(&events::MonthMissing { control, missing });
    Ok(missing)
}
