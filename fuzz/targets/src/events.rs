//! The events that invoke the functions: start events, requests, batches of messages, notifications of buckets.

use serde_json::Value;
use soxauto_domain::{Job, layout::Layout};

/// Reads the bytes as an event of each function.
pub(crate) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = soxauto_dispatcher::event::StartBody::parse(text);
    }
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let layout = Layout::new("evidence");
    if let Ok(soxauto_finalizer::event::Event::Receipts(found)) =
        soxauto_finalizer::event::Event::read(&event, &layout)
    {
        for run in found.iter().flat_map(|one| one.news.keys()) {
            // Whatever is named lies within the prefix.
            assert!(layout.plan(run).starts_with("evidence/"));
        }
    }
    if let Ok(soxauto_worker::event::Event::Jobs(deliveries)) =
        soxauto_worker::event::Event::read(event.clone())
    {
        for delivery in deliveries {
            let _ = serde_json::from_str::<Job>(&delivery.body);
        }
    }
    let _ = soxauto_dispatcher::event::Event::read(event, "request");
}
