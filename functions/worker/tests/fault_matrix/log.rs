//! What an invocation says of a message that it gives back: the code in its log, which is what an operator sees.

use std::sync::{Arc, Mutex};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// Takes the log of one invocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Option<String>>>);

impl Log {
    /// The code with which it gave the message back.
    pub(crate) fn code(&self) -> String {
        let code = self.0.lock().unwrap().take();
        code.unwrap_or_else(|| "no code".to_owned())
    }
}

#[derive(Default)]
struct Line {
    code: Option<String>,
    is_given_back: bool,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "code" {
            self.code = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, _: &dyn std::fmt::Debug) {
        self.is_given_back |= field.name() == "again_in_seconds";
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() == Level::ERROR
            && metadata.target().starts_with("soxauto_worker")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.is_given_back {
            *self.0.lock().unwrap() = line.code;
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
