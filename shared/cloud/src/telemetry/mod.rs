//! Logs and metrics: one JSON object per line on stdout, which CloudWatch reads.
//!
//! Fields of the enclosing spans (`run`, `ipe`, `attempt`, `request_id`) are members of every line,
//! so that one query finds all that happened to one IPE. What can show a secret is not logged at any
//! level: only this project's own crates are heard below *info*, whatever `RUST_LOG` says.

pub mod events;
mod lines;
pub mod metrics;

use std::io;

use serde_json::{Map, Value};
use soxauto_domain::plan::Stage;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
};

use events::Event;
use lines::{EVENT_TARGET, JsonLines};

/// What the crates of this project are called: they alone are heard below *info*.
const OURS: &str = "soxauto";
/// The drivers of SQL Server say nothing at all: at *error* they log the server's words, in which it may quote a value, at
/// *info* every row, and below it what is on the wire. Their errors come back as errors.
const DRIVERS: [&str; 2] = ["mssql_tds", "tiberius"];

/// Emits events for one function.
#[derive(Debug, Clone, Copy)]
pub struct Telemetry {
    stage: Stage,
}

impl Telemetry {
    /// Starts logging for the process: to stdout, filtered by `RUST_LOG` (`info` without it), every line
    /// with the `service`. A second call in the same process only gives another handle.
    #[must_use]
    pub fn init(service: &'static str, stage: Stage) -> Self {
        let filter = std::env::var("RUST_LOG").unwrap_or_default();
        // An error says that logging runs already: so be it.
        drop(tracing::subscriber::set_global_default(subscriber(
            service,
            &filter,
            io::stdout,
        )));
        Self { stage }
    }

    /// A handle without starting anything: events go to the test's own subscriber, or nowhere.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn for_tests() -> Self {
        Self { stage: Stage::Dev }
    }

    /// Writes an event: one line with its fields and its metrics. `RUST_LOG` does not suppress it.
    pub fn emit<E: Event>(&self, event: &E) {
        let mut line = Map::new();
        line.insert("message".into(), event.message().into());
        line.insert("event".into(), E::NAME.into());
        if let Ok(Value::Object(fields)) = serde_json::to_value(event) {
            line.extend(fields);
        }
        let now = jiff::Timestamp::now().as_millisecond();
        line.extend(metrics::embed(
            now,
            self.stage.as_str(),
            event.control().as_str(),
            &event.metrics(),
        ));
        let line = Value::Object(line).to_string();
        match event.level() {
            Level::ERROR => tracing::error!(target: EVENT_TARGET, line),
            Level::WARN => tracing::warn!(target: EVENT_TARGET, line),
            _ => tracing::info!(target: EVENT_TARGET, line),
        }
    }
}

/// A subscriber that writes JSON lines; `filter` is in the syntax of `RUST_LOG`.
fn subscriber<W>(service: &'static str, filter: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = if filter.trim().is_empty() {
        "info"
    } else {
        filter
    };
    let chosen = EnvFilter::builder().parse_lossy(format!("{filter},{EVENT_TARGET}=info"));
    let quiet = filter_fn(|metadata| {
        let (target, level) = (metadata.target(), *metadata.level());
        target.starts_with(OURS)
            || (level <= Level::INFO && !DRIVERS.iter().any(|name| target.starts_with(name)))
    });
    tracing_subscriber::registry()
        .with(JsonLines::new(service, writer).with_filter(chosen.and(quiet)))
}

#[cfg(test)]
mod tests;
