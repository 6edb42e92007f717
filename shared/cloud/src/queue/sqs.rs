//! The queue over SQS.

use std::{collections::BTreeMap, error::Error, time::Duration};

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::{StreamExt as _, stream};

use super::{
    FailedMessage, OutgoingMessage, Queue, QueueDepth, QueueError, ReceivedMessage, TOO_LONG,
    batch, seconds,
};
use crate::{
    aws::failure::{self, Meaning},
    retry::Backoff,
};

/// The longest long poll.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Requests to send messages on their way at the same time.
const REQUESTS: usize = 4;

/// One SQS queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue with that URL.
    #[must_use]
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
        }
    }

    fn error<E>(&self, error: &SdkError<E, HttpResponse>) -> QueueError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let failure = failure::read(error);
        let (queue, detail) = (self.url.clone(), failure.detail);
        let over = ["ReceiptHandleIsInvalid", "MessageNotInflight"]
            .iter()
            .any(|name| failure.code.ends_with(name));
        // A handle of a message that is gone is reported as a wrong parameter.
        let over = over
            || (failure.code.ends_with("InvalidParameterValue")
                && detail.contains("ReceiptHandle"));
        match failure.meaning {
            _ if over => QueueError::DeliveryOver { queue, detail },
            Meaning::NotFound => QueueError::NotFound { queue, detail },
            Meaning::Denied => QueueError::Denied { queue, detail },
            Meaning::Throttled | Meaning::Unavailable | Meaning::Conflict => {
                QueueError::Unavailable { queue, detail }
            }
            Meaning::Precondition | Meaning::Other => QueueError::Invalid { queue, detail },
        }
    }

    fn invalid(&self, detail: impl Into<String>) -> QueueError {
        QueueError::Invalid {
            queue: self.url.clone(),
            detail: detail.into(),
        }
    }

    /// The number that SQS takes as a visibility timeout.
    fn timeout(&self, after: Duration) -> Result<i32, QueueError> {
        seconds(after)
            .and_then(|seconds| i32::try_from(seconds).ok())
            .ok_or_else(|| self.invalid(TOO_LONG))
    }

    async fn receive_held(
        &self,
        max: u32,
        wait: Duration,
        held: Option<i32>,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request
            .max_number_of_messages(i32::try_from(max.clamp(1, 10)).unwrap_or(10))
            .set_visibility_timeout(held)
            .wait_time_seconds(i32::try_from(wait.min(LONGEST_WAIT).as_secs()).unwrap_or(20))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await.map_err(|e| self.error(&e))?;
        let messages = answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(|message| {
                let counted = message
                    .attributes
                    .as_ref()
                    .and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
                let receive_count = counted.and_then(|n| n.parse().ok());
                match (
                    message.message_id,
                    message.receipt_handle,
                    message.body,
                    receive_count,
                ) {
                    (Some(message_id), Some(receipt_handle), Some(body), Some(receive_count)) => {
                        Ok(ReceivedMessage {
                            message_id,
                            receipt_handle,
                            body,
                            receive_count,
                        })
                    }
                    _ => Err(self.invalid("a message without id, handle, body or receive count")),
                }
            });
        messages.collect()
    }

    /// Sends what fits one request, again as long as the service refuses for a moment; gives back what was not sent.
    async fn send_one_batch(&self, mut batch: Vec<OutgoingMessage>) -> Vec<FailedMessage> {
        let mut failed = Vec::new();
        let mut n = 1;
        loop {
            let ids: Vec<String> = batch.iter().map(|m| m.id.clone()).collect();
            let again = match self.send_once(batch).await {
                Ok((again, lost)) => {
                    failed.extend(lost);
                    again
                }
                // The SDK has tried this again already.
                Err(error) => {
                    let reason = error.to_string();
                    failed.extend(ids.into_iter().map(|id| FailedMessage {
                        id,
                        reason: reason.clone(),
                    }));
                    return failed;
                }
            };
            if again.is_empty() {
                return failed;
            }
            if n >= Backoff::SHORT.tries {
                let given_up = again.into_iter();
                failed.extend(given_up.map(|(m, reason)| FailedMessage { id: m.id, reason }));
                return failed;
            }
            batch = again.into_iter().map(|(message, _)| message).collect();
            tokio::time::sleep(Backoff::SHORT.wait(n)).await;
            n += 1;
        }
    }

    /// Sends one request; gives back what the service refused for a moment, and what for good.
    async fn send_once(
        &self,
        messages: Vec<OutgoingMessage>,
    ) -> Result<(Vec<(OutgoingMessage, String)>, Vec<FailedMessage>), QueueError> {
        let mut entries = Vec::new();
        for OutgoingMessage { id, body } in &messages {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(id)
                .message_body(body)
                .build();
            entries.push(entry.map_err(|e| self.invalid(e.to_string()))?);
        }
        let request = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = request.send().await.map_err(|e| self.error(&e))?;
        let mut unsent: BTreeMap<String, OutgoingMessage> =
            messages.into_iter().map(|m| (m.id.clone(), m)).collect();
        for sent in answer.successful() {
            unsent.remove(sent.id());
        }
        let mut lost = Vec::new();
        let mut again = Vec::new();
        for refused in answer.failed() {
            let reason = format!(
                "{}: {}",
                refused.code(),
                refused.message().unwrap_or("no message")
            );
            let Some(message) = unsent.remove(refused.id()) else {
                continue;
            };
            if refused.sender_fault() {
                lost.push(FailedMessage {
                    id: message.id,
                    reason,
                });
            } else {
                again.push((message, reason));
            }
        }
        // Neither sent nor refused: it must not be taken as sent.
        again.extend(
            unsent
                .into_values()
                .map(|message| (message, "the answer does not name it".to_owned())),
        );
        Ok((again, lost))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.url
    }

    async fn send_batch(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let batches = batch::split(messages).map_err(|reason| self.invalid(reason))?;
        // What one request cannot send does not keep the others from being tried.
        let failed: Vec<FailedMessage> = stream::iter(batches)
            .map(|batch| self.send_one_batch(batch))
            .buffer_unordered(REQUESTS)
            .concat()
            .await;
        if failed.is_empty() {
            return Ok(());
        }
        Err(QueueError::NotSent {
            queue: self.url.clone(),
            failed,
        })
    }

    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.receive_held(max, wait, None).await
    }

    async fn receive_for(
        &self,
        max: u32,
        wait: Duration,
        held: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let held = self.timeout(held)?;
        self.receive_held(max, wait, Some(held)).await
    }

    async fn change_visibility(
        &self,
        receipt_handle: &str,
        after: Duration,
    ) -> Result<(), QueueError> {
        let after = self.timeout(after)?;
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle);
        let request = request.visibility_timeout(after);
        request.send().await.map(|_| ()).map_err(|e| self.error(&e))
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError> {
        let request = self
            .client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle);
        match request.send().await.map_err(|e| self.error(&e)) {
            // Nothing is in flight under the handle: there is nothing left to delete.
            Ok(_) | Err(QueueError::DeliveryOver { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(vec![
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ]));
        let answer = request.send().await.map_err(|e| self.error(&e))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name: QueueAttributeName| {
            let text = attributes
                .get(&name)
                .ok_or_else(|| self.invalid(format!("the answer has no {name}")))?;
            text.parse::<u64>()
                .map_err(|e| self.invalid(format!("{name} is {text:?}: {e}")))
        };
        Ok(QueueDepth {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages)?,
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
        })
    }
}
