//! The accepted events: a batch of S3 notifications from the receipts queue, the sweep, and the dry run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use soxauto_domain::{
    IpeId, RunId,
    dry_run::DryRun,
    layout::{self, Layout, Object},
};

use crate::error::FinalizerError;

/// What an invocation asks for.
#[derive(Debug)]
pub enum Event {
    /// Look at these runs.
    Receipts(Vec<Notification>),
    /// Look at every open run, and whether the month's run is missing.
    Sweep,
    /// Say whether a run could be loaded and published.
    DryRun,
}

/// One message of the receipts queue.
#[derive(Debug)]
pub struct Notification {
    /// Identifier of the message.
    pub message_id: String,
    /// Handle of this delivery.
    pub receipt_handle: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// The IPEs that have a new receipt or failure record, by run; empty for a message that is about something else.
    pub news: News,
}

/// IPEs with a new receipt or failure record, by run.
pub type News = BTreeMap<RunId, BTreeSet<IpeId>>;

/// Schema of the sweep's input.
const SWEEP_SCHEMA: &str = "soxauto.sweep/1";

impl Event {
    /// Reads the event.
    ///
    /// # Errors
    /// [`FinalizerError::Event`] for any other form.
    pub fn read(event: &Value, layout: &Layout) -> Result<Self, FinalizerError> {
        if event.get("schema").and_then(Value::as_str) == Some(SWEEP_SCHEMA) {
            return Ok(Self::Sweep);
        }
        if DryRun::read(event).is_some() {
            return Ok(Self::DryRun);
        }
        let records = event
            .get("Records")
            .and_then(Value::as_array)
            .ok_or_else(|| FinalizerError::Event("no Records".to_owned()))?;
        records
            .iter()
            .map(|record| notification(record, layout))
            .collect::<Result<_, _>>()
            .map(Self::Receipts)
    }
}

fn notification(record: &Value, layout: &Layout) -> Result<Notification, FinalizerError> {
    let text = |name: &str| {
        record
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| FinalizerError::Event(format!("a record without {name}")))
    };
    let count = record
        .pointer("/attributes/ApproximateReceiveCount")
        .and_then(Value::as_str)
        .and_then(|c| c.parse().ok());
    Ok(Notification {
        message_id: text("messageId")?,
        receipt_handle: text("receiptHandle")?,
        receive_count: count.unwrap_or(1),
        news: news(&text("body")?, layout),
    })
}

/// What an S3 notification is about. S3's test event and keys of others name nothing: they are ignored.
fn news(body: &str, layout: &Layout) -> News {
    let notification: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let records = notification
        .get("Records")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let attempts = records
        .iter()
        .filter_map(|record| record.pointer("/s3/object/key").and_then(Value::as_str))
        .filter_map(|key| {
            // S3 writes a space of a key as a plus sign, and other characters in percent form.
            let key = key.replace('+', " ");
            let key = percent_encoding::percent_decode_str(&key)
                .decode_utf8()
                .ok()?
                .into_owned();
            match layout.parse(&key)? {
                Object::Attempt(attempt, path)
                    if path == layout::RECEIPT || path == layout::FAILURE =>
                {
                    Some(attempt)
                }
                _ => None,
            }
        });
    let mut news = News::new();
    for attempt in attempts {
        news.entry(attempt.run_id)
            .or_default()
            .insert(attempt.ipe_id);
    }
    news
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(keys: &[&str]) -> String {
        json!({"Records": keys.iter().map(|key| json!({"s3": {"object": {"key": key}}})).collect::<Vec<_>>()}).to_string()
    }

    #[test]
    fn receipts_and_failures_name_their_run_and_other_keys_none() {
        let layout = Layout::new("evidence");
        let found = news(
            &body(&[
                "evidence/C-PG-1/2024-05-01/r1/IPE_07/attempt-1/receipt.json",
                "evidence%2FC-PG-1%2F2024-05-01%2Fr2%2FIPE_08%2Fattempt-1%2Ffailure.json",
                "evidence/C-PG-1/2024-05-01/r3/IPE_07/attempt-1/sample.csv",
                "evidence/C-PG-1/2024-05-01/r4/plan.json",
                "other/receipt.json",
            ]),
            &layout,
        );
        let names: Vec<String> = found
            .iter()
            .flat_map(|(run, ipes)| ipes.iter().map(move |ipe| format!("{run}/{ipe}")))
            .collect();
        assert_eq!(
            names,
            ["C-PG-1/2024-05-01/r1/IPE_07", "C-PG-1/2024-05-01/r2/IPE_08"]
        );
        assert!(
            news(
                "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\"}",
                &layout
            )
            .is_empty()
        );
        assert!(news("not json", &layout).is_empty());
    }

    #[test]
    fn other_events_are_refused() {
        let layout = Layout::new("");
        assert!(matches!(
            Event::read(&json!({"schema": "soxauto.sweep/1"}), &layout),
            Ok(Event::Sweep)
        ));
        assert!(Event::read(&json!({}), &layout).is_err());
        assert!(Event::read(&json!({"Records": [{}]}), &layout).is_err());
    }
}
