//! One invocation: each message is worked on, and those that failed are reported back to the queue; or a dry run.

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use soxauto_domain::{Code, Retry};
use tracing::Instrument as _;

use crate::{
    context::Context,
    dry_run,
    error::WorkerError,
    event::{Delivery, Event},
    job::{self, Invocation},
};

/// Handles one invocation.
///
/// # Errors
/// [`WorkerError`] for an event of another form and for a dry run that refuses; failures of a batch are reported by
/// message.
pub async fn handle(context: &Context, event: LambdaEvent<Value>) -> Result<Value, WorkerError> {
    let LambdaEvent {
        payload,
        context: lambda,
    } = event;
    let request_id = lambda.request_id.clone();
    let outcome = match Event::read(payload) {
        Ok(Event::Jobs(deliveries)) => {
            let response = batch(context, &lambda, deliveries).await;
            serde_json::to_value(response).map_err(WorkerError::from)
        }
        Ok(Event::DryRun) => dry_run::look(context)
            .await
            .and_then(|report| Ok(serde_json::to_value(report)?)),
        Err(e) => Err(e),
    };
    outcome.inspect_err(|e| {
        let code = e.code();
        tracing::error!(
            code = code.as_str(),
            remedy = code.remedy(),
            request_id,
            "{e}"
        );
    })
}

/// Works on one batch; a message that is not reported as failed is done and leaves the queue.
async fn batch(
    context: &Context,
    lambda: &lambda_runtime::Context,
    deliveries: Vec<Delivery>,
) -> SqsBatchResponse {
    let left = Duration::from_millis(lambda.deadline.saturating_sub(now_ms(context)));
    let invocation = Invocation {
        request_id: lambda.request_id.clone(),
        function: format!(
            "{}:{}",
            lambda.env_config.function_name, lambda.env_config.version
        ),
        began: Instant::now(),
        deadline: Instant::now() + left.saturating_sub(context.timing.reserve.min(left / 4)),
    };
    let mut failures = Vec::new();
    for delivery in deliveries {
        let span = tracing::info_span!("job", request_id = %invocation.request_id, message_id = %delivery.message_id, receive_count = delivery.receive_count);
        if let Err(error) = job::run(context, &invocation, &delivery)
            .instrument(span.clone())
            .await
        {
            give_back(context, &delivery, &error).instrument(span).await;
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = delivery.message_id;
            failures.push(failure);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

/// Lets the queue deliver the message again when that makes sense.
async fn give_back(context: &Context, delivery: &Delivery, error: &WorkerError) {
    let code = error.code();
    let after = delay(error, delivery.receive_count, context);
    tracing::error!(
        code = code.as_str(),
        remedy = code.remedy(),
        again_in_seconds = after.as_secs(),
        "{error}"
    );
    if let Err(e) = context
        .jobs
        .change_visibility(&delivery.receipt_handle, after)
        .await
    {
        // The message comes back by itself when its visibility ends.
        tracing::warn!("the message's visibility could not be changed: {e}");
    }
}

/// When the next delivery makes sense: at once when waiting changes nothing, so that the message reaches the
/// dead-letter queue and somebody looks; after the rival's lease when one is at work; else with growing distance.
fn delay(error: &WorkerError, receive_count: u32, context: &Context) -> Duration {
    match (error.retry(), error.code()) {
        (_, Code::LeaseHeld) => behind_rival(context.timing.visibility, receive_count),
        (Retry::Fatal, _) => Duration::ZERO,
        (Retry::Here | Retry::Queue, _) => {
            Duration::from_secs(10) * 3u32.saturating_pow(receive_count.saturating_sub(1).min(4))
        }
    }
}

/// A rival may work as long as a function may run: a second message for the same IPE (a start that was repeated) must not
/// use up its deliveries meanwhile, and raise an alarm about work that goes well.
fn behind_rival(visibility: Duration, receive_count: u32) -> Duration {
    visibility * 2 * 3u32.saturating_pow(receive_count.saturating_sub(1).min(4))
}

fn now_ms(context: &Context) -> u64 {
    u64::try_from(context.clock.now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Timing;

    #[test]
    fn a_second_message_outlasts_the_longest_rival() {
        let visibility = Timing::default().visibility;
        let last_delivery: Duration = (1..3).map(|n| behind_rival(visibility, n)).sum();
        // The worker's timeout in template.yaml.
        assert!(last_delivery > Duration::from_secs(900));
    }
}
