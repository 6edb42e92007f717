//! One invocation: bring the named runs further, sweep, or look whether that could be done.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use soxauto_domain::{IpeId, RunId};
use tracing::Instrument as _;

use crate::{
    context::Context,
    dry_run,
    error::FinalizerError,
    event::{Event, Notification},
    run, sweep,
};

/// Handles one invocation.
///
/// # Errors
/// [`FinalizerError`] for an event of another form, when a sweep could not look at every run, and for a dry run that
/// refuses; failures of a batch are reported by message.
pub async fn handle(context: &Context, event: LambdaEvent<Value>) -> Result<Value, FinalizerError> {
    let now = u64::try_from(context.clock.now().as_millisecond()).unwrap_or(0);
    let left = Duration::from_millis(event.context.deadline.saturating_sub(now));
    let deadline = Instant::now() + left.saturating_sub(context.timing.reserve.min(left / 4));
    let span = tracing::info_span!("finalize", request_id = %event.context.request_id);
    async {
        match Event::read(&event.payload, context.reader.layout()) {
            Ok(Event::Receipts(notifications)) => {
                Ok(receipts(context, &notifications, deadline).await)
            }
            Ok(Event::Sweep) => sweep::sweep(context, deadline).await,
            Ok(Event::DryRun) => dry_run::look(context, &event.context.request_id)
                .await
                .and_then(|report| Ok(serde_json::to_value(report)?)),
            Err(e) => Err(e),
        }
    }
    .instrument(span)
    .await
    .inspect_err(|e| tracing::error!(code = e.code().as_str(), remedy = e.code().remedy(), "{e}"))
}

/// Looks once at each run of the batch; the messages of a run that could not be brought further come again.
async fn receipts(context: &Context, notifications: &[Notification], deadline: Instant) -> Value {
    let mut failed: BTreeMap<&RunId, FinalizerError> = BTreeMap::new();
    let mut news: BTreeMap<&RunId, BTreeSet<IpeId>> = BTreeMap::new();
    for (run, ipes) in notifications.iter().flat_map(|n| &n.news) {
        news.entry(run).or_default().extend(ipes.iter().cloned());
    }
    for (run, ipes) in news {
        // However many runs a batch names, what there is no time for comes again.
        let outcome = if Instant::now() < deadline {
            run::advance_after(context, run, &ipes, deadline)
                .instrument(tracing::info_span!("run", run = %run))
                .await
        } else {
            Err(FinalizerError::Deadline)
        };
        if let Err(error) = outcome {
            let code = error.code();
            tracing::error!(run = %run, code = code.as_str(), remedy = code.remedy(), "{error}");
            failed.insert(run, error);
        }
    }
    let mut failures = Vec::new();
    for notification in notifications
        .iter()
        .filter(|n| n.news.keys().any(|run| failed.contains_key(run)))
    {
        let after = Duration::from_secs(10)
            * 3u32.saturating_pow(notification.receive_count.saturating_sub(1).min(4));
        if let Err(e) = context
            .receipts
            .change_visibility(&notification.receipt_handle, after)
            .await
        {
            // The sweep looks at the run all the same.
            tracing::warn!("the message's visibility could not be changed: {e}");
        }
        failures.push(json!({"itemIdentifier": notification.message_id}));
    }
    json!({"batchItemFailures": failures})
}
