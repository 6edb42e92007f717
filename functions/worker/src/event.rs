//! The accepted events: a batch of messages from the jobs queue, and the dry run.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use jiff::Timestamp;
use serde_json::Value;
use soxauto_domain::dry_run::DryRun;

use crate::error::WorkerError;

/// What an invocation asks for.
#[derive(Debug)]
pub enum Event {
    /// Work on these messages.
    Jobs(Vec<Delivery>),
    /// Say whether an IPE could be extracted.
    DryRun,
}

impl Event {
    /// Reads the event.
    ///
    /// # Errors
    /// [`WorkerError::Message`] for any other form.
    pub fn read(event: Value) -> Result<Self, WorkerError> {
        if DryRun::read(&event).is_some() {
            return Ok(Self::DryRun);
        }
        let batch: SqsEvent = serde_json::from_value(event)
            .map_err(|e| WorkerError::Message(format!("the event is no batch: {e}")))?;
        Ok(Self::Jobs(
            batch.records.into_iter().map(Delivery::read).collect(),
        ))
    }
}

/// One delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Identifier of the message; the same in every delivery.
    pub message_id: String,
    /// Handle of this delivery.
    pub receipt_handle: String,
    /// Text of the message.
    pub body: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// When it was sent, if the queue says so.
    pub sent_at: Option<Timestamp>,
}

impl Delivery {
    /// Reads a record; a count that is missing is taken as the first delivery.
    #[must_use]
    pub fn read(record: SqsMessage) -> Self {
        let receive_count = record
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        let sent_at = record
            .attributes
            .get("SentTimestamp")
            .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok());
        Self {
            message_id: record.message_id.unwrap_or_default(),
            receipt_handle: record.receipt_handle.unwrap_or_default(),
            body: record.body.unwrap_or_default(),
            receive_count,
            sent_at,
        }
    }
}
