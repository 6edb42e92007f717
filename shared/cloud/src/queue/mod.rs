//! Queues: messages that come at least once, in any order, and come back unless deleted.

mod batch;
pub mod dead_letters;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod sqs;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use soxauto_domain::Code;

#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryQueue;
pub use sqs::SqsQueue;

/// The longest visibility timeout: 12 hours.
pub const LONGEST_INVISIBILITY: Duration = Duration::from_secs(12 * 3600);

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Names it within the call: 1 to 80 letters, digits, `-` or `_`, unique. Not part of the message.
    pub id: String,
    /// The text, 1 byte to 256 KiB.
    pub body: String,
}

/// A message that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedMessage {
    /// The caller's name for it.
    pub id: String,
    /// Why, in the service's words.
    pub reason: String,
}

/// A message received and not deleted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The service's name for it; the same at each delivery.
    pub message_id: String,
    /// Names this delivery: for [`Queue::delete`] and [`Queue::change_visibility`].
    pub receipt_handle: String,
    /// The text.
    pub body: String,
    /// How often it has been delivered, this time included.
    pub receive_count: u32,
}

/// How many messages a queue holds: an estimate on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received, neither deleted nor visible again.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

/// A failed operation of a queue, by meaning. Each names the queue and the service's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Some messages were not sent, after retries; the others were.
    #[error("{queue}: {} message(s) were not sent: {}", failed.len(), first_reasons(failed))]
    NotSent {
        /// Queue.
        queue: String,
        /// Those not sent.
        failed: Vec<FailedMessage>,
    },
    /// The delivery that the receipt handle names is over: deleted, visible again, or never was.
    #[error("{queue}: the delivery is over: {detail}")]
    DeliveryOver {
        /// Queue.
        queue: String,
        /// The service's words.
        detail: String,
    },
    /// No queue of that name.
    #[error("{queue}: there is no such queue: {detail}")]
    NotFound {
        /// Queue.
        queue: String,
        /// The service's words.
        detail: String,
    },
    /// Role, queue policy or key policy refuse.
    #[error(
        "{queue}: access is denied; check the role, the queue's policy and the key's policy: {detail}"
    )]
    Denied {
        /// Queue.
        queue: String,
        /// The service's words.
        detail: String,
    },
    /// Throttling, network, timeout or service failure, after retries.
    #[error("{queue}: the queue does not answer: {detail}")]
    Unavailable {
        /// Queue.
        queue: String,
        /// The service's words.
        detail: String,
    },
    /// The request is wrong: an empty body, an id twice, a timeout above twelve hours.
    #[error("{queue}: the request is not valid: {detail}")]
    Invalid {
        /// Queue.
        queue: String,
        /// What is wrong.
        detail: String,
    },
}

impl QueueError {
    /// Always [`Code::QueueFailed`].
    #[must_use]
    pub fn code(&self) -> Code {
        Code::QueueFailed
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::NotSent { .. })
    }
}

fn first_reasons(failed: &[FailedMessage]) -> String {
    let shown: Vec<_> = failed
        .iter()
        .take(3)
        .map(|f| format!("{} ({})", f.id, f.reason))
        .collect();
    shown.join(", ")
}

/// Whole seconds of a visibility timeout, parts of a second rounded up; `None` for one that no queue takes.
fn seconds(after: Duration) -> Option<u64> {
    (after <= LONGEST_INVISIBILITY).then(|| after.as_secs() + u64::from(after.subsec_nanos() > 0))
}

/// Why a visibility timeout is refused.
const TOO_LONG: &str = "a message comes back within twelve hours";

/// One queue.
#[async_trait]
pub trait Queue: Send + Sync + fmt::Debug {
    /// The queue's URL or name, for messages.
    fn name(&self) -> &str;

    /// Sends all messages, by tens, and sends again those that the service refused for a moment.
    ///
    /// A message may arrive more than once: also when a request succeeded and its answer was lost.
    ///
    /// # Errors
    /// [`QueueError::NotSent`] with those that could not be sent; [`QueueError::Invalid`] before
    /// anything is sent.
    async fn send_batch(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError>;

    /// Receives up to `max` messages (1 to 10), waiting up to `wait` (at most 20 s) for the first.
    /// The functions do not call it: Lambda does. It is for tests and the operator's tool.
    ///
    /// # Errors
    /// As all operations; no message is an empty list.
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError>;

    /// As [`Queue::receive`], but the messages come back after `held` (parts of a second are rounded up) instead of
    /// the queue's own timeout: for whoever looks through a queue and wants to leave it as it was.
    ///
    /// # Errors
    /// As all operations; [`QueueError::Invalid`] above twelve hours.
    async fn receive_for(
        &self,
        max: u32,
        wait: Duration,
        held: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError>;

    /// Sets after how long the message comes back, counted from now; zero is at once. The worker's
    /// heartbeat. Parts of a second are rounded up.
    ///
    /// # Errors
    /// [`QueueError::DeliveryOver`] when the message is deleted or has come back already.
    async fn change_visibility(
        &self,
        receipt_handle: &str,
        after: Duration,
    ) -> Result<(), QueueError>;

    /// Deletes the message; one that is deleted already is success.
    ///
    /// # Errors
    /// As all operations.
    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError>;

    /// How many messages there are.
    ///
    /// # Errors
    /// As all operations.
    async fn depth(&self) -> Result<QueueDepth, QueueError>;
}
