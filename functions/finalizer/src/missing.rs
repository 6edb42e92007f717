//! A month that nobody ran: an alarm, and a signed manifest in the control's chain that says so.
//!
//! Without it, a gap could be told from a deleted month only by counting. The manifest lies in the folder `r0`, which no
//! plan, message or request can name; a run that comes later links behind it.

use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use soxauto_cloud::telemetry::events;
use soxauto_domain::{Cutoff, RunId};
use soxauto_evidence::statement::{self, Closing};

use crate::{chain, close, context::Context, error::FinalizerError};

/// Hours after the start of the month at which a month without a run is an alarm.
const MISSING_AFTER_HOURS: i64 = 12;

/// Months that one sweep looks back at; what is older is left to those who verify the chain.
const LOOKED_BACK: i64 = 12;

/// Whether the current month's run should be there and is not; if so, the chain says it, once. Months before it that
/// nobody ran, and that no sweep recorded because none ran then either, are recorded too, oldest first.
///
/// # Errors
/// [`FinalizerError`] when a bucket or the key does not answer, or time runs out; the next sweep looks again.
pub async fn look_for_month(context: &Context, deadline: Instant) -> Result<bool, FinalizerError> {
    let now = context.clock.now();
    let due = now
        .saturating_sub(MISSING_AFTER_HOURS.hours())
        .unwrap_or(now);
    let cutoff = Cutoff::current(due, &context.catalog.time_zone)?;
    let control = &context.settings.control;
    let missing = context.reader.latest(control, cutoff).await?.is_none();
    context
        .telemetry
        .emit(&events::MonthMissing { control, missing });
    for earlier in unrecorded(context, cutoff).await? {
        if Instant::now() + Duration::from_secs(5) > deadline {
            return Err(FinalizerError::Deadline);
        }
        record(context, earlier).await?;
    }
    if missing {
        record(context, cutoff).await?;
    }
    Ok(missing)
}

/// The months between the last one that has a run or a record and `current`, both exclusive. A control that has nothing
/// before `current` began with it, and misses nothing.
async fn unrecorded(context: &Context, current: Cutoff) -> Result<Vec<Cutoff>, FinalizerError> {
    let chained = context.reader.chained(&context.settings.control).await?;
    let Some(last) = chained
        .iter()
        .map(RunId::cutoff)
        .filter(|cutoff| *cutoff < current)
        .max()
    else {
        return Ok(Vec::new());
    };
    let mut months = Vec::new();
    for back in (1..=LOOKED_BACK).rev() {
        let date = current.date().saturating_sub(back.months());
        if date > last.date() {
            months.push(Cutoff::new(date)?);
        }
    }
    Ok(months)
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
