//! The attempt's journal: `log.jsonl`, what the worker did and when, kept with the evidence.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use soxauto_cloud::{clock::Clock, lease::Progress as LeaseProgress};
use soxauto_extract::{Progress, Step};

/// Collects the journal and the progress that watchers see.
pub struct Journal {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    progress: LeaseProgress,
}

impl Journal {
    /// An empty journal of the attempt.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, attempt: u32) -> Self {
        let progress = LeaseProgress {
            attempt,
            stage: "start".to_owned(),
            ..LeaseProgress::default()
        };
        Self {
            clock,
            state: Mutex::new(State {
                progress,
                ..State::default()
            }),
        }
    }

    /// Adds a line.
    pub fn note(&self, event: &str, details: serde_json::Value) {
        let mut line = json!({"at": self.clock.now(), "event": event});
        if let (Some(line), serde_json::Value::Object(details)) = (line.as_object_mut(), details) {
            line.extend(details);
        }
        self.lock().lines.push(line.to_string());
    }

    /// The journal as JSON lines.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = self.lock().lines.join("\n");
        text.push('\n');
        text
    }

    /// How far the attempt is.
    #[must_use]
    pub fn progress(&self) -> LeaseProgress {
        self.lock().progress.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Journal {
    fn step(&self, step: Step) {
        self.note("step", json!({"step": step.as_str()}));
        self.lock().progress.stage = step.as_str().to_owned();
    }

    fn rows(&self, rows: u64) {
        self.lock().progress.rows = rows;
    }

    fn bytes(&self, bytes: u64) {
        self.lock().progress.bytes = bytes;
    }
}
