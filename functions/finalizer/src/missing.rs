//! A month that nobody ran: an alarm, and a signed manifest in the control's chain that says so.
//!
//! Without it, a gap could be told from a deleted month only by counting. The manifest lies in the folder `r0`, which no
//! plan, message or request can name; a run that comes later links behind it.

use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use soxauto_cloud::telemetry::events;
use soxauto_domain::{Cutoff, RunId};
use soxauto_evidence::statement::{self, Closing};

use crate::{chain, close, context::Context, error::FinalizerError};

/// Hours after the start of the month at which a month without a run is an alarm.
const MISSING_AFTER_HOURS: i64 = 12;

/// Months that one sweep looks back at; what is older is left to those who verify the chain.
const LOOKED_BACK: i64 = 12;

/// Whether the current month's run should be there and is not. Months that nobody ran, and whose deadline is over, are
/// recorded in the chain, once, oldest first.
///
/// A control has no history before it first ran: what was due before its first run was planned is not missing.
///
/// # Errors
/// [`FinalizerError`] when a bucket or the key does not answer, or time runs out; the next sweep looks again.
pub async fn look_for_month(context: &Context, deadline: Instant) -> Result<bool, FinalizerError> {
    let control = &context.settings.control;
    let chained = context.reader.chained(control).await?;
    let now = context.clock.now();
    let current = Cutoff::current(now, &context.catalog.time_zone)?;
    let (mut gaps, mut unknown) = (Vec::new(), Vec::new());
    for back in (0..=LOOKED_BACK).rev() {
        let cutoff = Cutoff::new(current.date().saturating_sub(back.months()))?;
        let due = due(context, cutoff);
        let mut here = chained.iter().filter(|run| run.cutoff() == cutoff);
        if due > now || here.clone().any(|run| !run.is_missing()) {
            continue;
        }
        // A folder without a run: a sweep has begun to record the month, and may have died.
        match here.next() {
            Some(_) => gaps.push((cutoff, due)),
            None => unknown.push((cutoff, due)),
        }
    }
    if !unknown.is_empty()
        && let Some(began) = began(context, &chained).await?
    {
        gaps.extend(unknown.into_iter().filter(|(_, due)| began < *due));
        gaps.sort_unstable();
    }
    let missing = gaps.iter().any(|(cutoff, _)| *cutoff == current);
    context
        .telemetry
        .emit(&events::MonthMissing { control, missing });
    let hours = i64::from(context.catalog.control.deadline_hours).hours();
    for (cutoff, due) in gaps {
        if due.saturating_add(hours).unwrap_or(due) > now {
            continue;
        }
        if Instant::now() + Duration::from_secs(5) > deadline {
            return Err(FinalizerError::Deadline);
        }
        record(context, cutoff).await?;
    }
    Ok(missing)
}

/// When a month's run should be there.
fn due(context: &Context, cutoff: Cutoff) -> Timestamp {
    let zone = context.catalog.time_zone.clone();
    let begins = cutoff.date().to_zoned(zone).map(|day| day.timestamp());
    begins
        .and_then(|begins| begins.saturating_add(MISSING_AFTER_HOURS.hours()))
        .unwrap_or(Timestamp::MAX)
}

/// When the control's first run was planned; `None` before that.
async fn began(context: &Context, chained: &[RunId]) -> Result<Option<Timestamp>, FinalizerError> {
    let mut began: Option<Timestamp> = None;
    for run in chained.iter().filter(|run| !run.is_missing()) {
        if let Some(plan) = context.reader.plan(run).await? {
            let planned = plan.document.created_at;
            began = Some(began.map_or(planned, |earlier| earlier.min(planned)));
        }
    }
    Ok(began)
}

/// Writes the manifest of the missing month, unless it is there or the run has come meanwhile.
async fn record(context: &Context, cutoff: Cutoff) -> Result<(), FinalizerError> {
    let control = &context.settings.control;
    let key = context
        .reader
        .layout()
        .manifest(&RunId::missing(control.clone(), cutoff), 1);
    loop {
        // Whatever another sweep writes after this look moves the head, and then this manifest is not appended.
        let (head, etag) = chain::head(context, control).await?;
        match context.evidence.head(&key).await {
            Ok(_) => return Ok(()),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e.into()),
        }
        if context.reader.latest(control, cutoff).await?.is_some() {
            return Ok(());
        }
        let closing = Closing {
            revision: 1,
            previous: head.head.clone(),
            past_deadline: true,
            finished_at: context.clock.now(),
            software: context.software.clone(),
        };
        let predicate = statement::missing(
            context.catalog.planned_control(),
            context.catalog.sha256,
            cutoff,
            context.settings.stage,
            &closing,
        );
        if close::sign_and_append(context, predicate, None, Vec::new(), &head, &etag)
            .await?
            .is_some()
        {
            tracing::error!(%cutoff, "nobody ran the month; the chain says so");
            return Ok(());
        }
    }
}
