//! A tracing layer that writes each event as one flat JSON object.

use std::{error::Error, fmt, io::Write as _};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::aws::failure::chain;

/// Target of the lines that [`super::Telemetry::emit`] writes.
pub(super) const EVENT_TARGET: &str = "soxauto::event";
/// Members that a field may not overwrite.
const OURS: [&str; 4] = ["timestamp", "level", "target", "service"];

/// The layer.
pub(super) struct JsonLines<W> {
    service: &'static str,
    writer: W,
}

impl<W> JsonLines<W> {
    pub(super) fn new(service: &'static str, writer: W) -> Self {
        Self { service, writer }
    }
}

/// The fields of a span.
struct SpanFields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.0));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
            known.0.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut own = fields.0;
        if metadata.target() == EVENT_TARGET
            && let Some(Value::String(line)) = own.get("line")
            && let Ok(Value::Object(parsed)) = serde_json::from_str(line)
        {
            own = parsed;
        }
        let mut line = Map::new();
        line.insert(
            "timestamp".into(),
            jiff::Timestamp::now().to_string().into(),
        );
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("service".into(), self.service.into());
        line.insert("target".into(), metadata.target().into());
        if let Some(message) = own.shift_remove("message") {
            line.insert("message".into(), message);
        }
        // From the outermost span inwards: the nearest one has the last word, the event itself the very last.
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(SpanFields(fields)) = span.extensions().get::<SpanFields>() {
                add(&mut line, fields.clone());
            }
        }
        add(&mut line, own);
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        // One write per line: lines of several threads do not mix. A log that cannot be written stops no work.
        drop(self.writer.make_writer_for(metadata).write_all(&bytes));
    }
}

fn add(line: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        let name = if OURS.contains(&name.as_str()) {
            format!("field_{name}")
        } else {
            name
        };
        line.insert(name, value);
    }
}

/// Collects fields as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
