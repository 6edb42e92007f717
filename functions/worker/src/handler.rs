//! One invocation: each message is worked on, and those that failed are reported back to the queue.

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::LambdaEvent;
use soxauto_domain::{Code, Retry};
use tracing::Instrument as _;

use crate::{
    context::Context,
    error::WorkerError,
    event::Delivery,
    job::{self, Invocation},
};

/// Handles one batch; a message that is not reported as failed is done and leaves the queue.
///
/// # Errors
/// Never: every failure is reported by message.
pub async fn handle(
    context: &Context,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    let left = Duration::from_millis(event.context.deadline.saturating_sub(now_ms(context)));
    let invocation = Invocation {
        request_id: event.context.request_id.clone(),
        function: format!(
            "{}:{}",
            event.context.env_config.function_name, event.context.env_config.version
        ),
        deadline: Instant::now() + left.saturating_sub(context.timing.reserve.min(left / 4)),
    };
    let mut failures = Vec::new();
    for record in event.payload.records {
        let delivery = Delivery::read(record);
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
    Ok(response)
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
