//! The SQS event: one delivery of one message.

use aws_lambda_events::sqs::SqsMessage;

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
        Self {
            message_id: record.message_id.unwrap_or_default(),
            receipt_handle: record.receipt_handle.unwrap_or_default(),
            body: record.body.unwrap_or_default(),
            receive_count,
        }
    }
}
