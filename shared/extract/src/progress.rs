//! Where an extraction stands, told to whoever watches; and how long each step took.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use serde::Serialize;

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Connecting and logging in.
    Connect,
    /// Asking who answers, and what the login may do.
    Identity,
    /// Comparing the query's columns with the contract.
    Describe,
    /// The independent count and totals, first time.
    CompletenessBefore,
    /// Asking for the lowest and the highest value of the key ranges.
    Bounds,
    /// Asking for the witness.
    Witness,
    /// The rows.
    Rows,
    /// The independent count and totals, second time.
    CompletenessAfter,
    /// The perturbed query.
    Negative,
    /// Reading back the parts that earlier invocations wrote, to judge all rows at once.
    ReadBack,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Identity,
        Self::Describe,
        Self::CompletenessBefore,
        Self::Bounds,
        Self::Witness,
        Self::Rows,
        Self::CompletenessAfter,
        Self::Negative,
        Self::ReadBack,
    ];

    /// The name in logs, errors and `summary.json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Identity => "identity",
            Self::Describe => "describe",
            Self::CompletenessBefore => "completeness before",
            Self::Bounds => "bounds",
            Self::Witness => "witness",
            Self::Rows => "extraction",
            Self::CompletenessAfter => "completeness after",
            Self::Negative => "negative",
            Self::ReadBack => "reading back",
        }
    }
}

/// Watches an extraction. All methods are called often and must return at once.
pub trait Progress: Send + Sync {
    /// A step begins.
    fn step(&self, _step: Step) {}
    /// Rows decoded so far.
    fn rows(&self, _rows: u64) {}
    /// Bytes uploaded so far.
    fn bytes(&self, _bytes: u64) {}
}

/// Nobody watches.
impl Progress for () {}

/// How long the steps took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timings {
    /// In order.
    pub steps: Vec<StepTime>,
    /// All of it, in seconds.
    pub total_seconds: f64,
}

/// How long one step took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTime {
    /// [`Step::as_str`].
    pub step: &'static str,
    /// Seconds.
    pub seconds: f64,
}

/// Remembers step, rows and times, and passes them on.
pub(crate) struct Tracker<'p> {
    inner: &'p dyn Progress,
    began: Instant,
    rows: AtomicU64,
    steps: Mutex<Vec<(Step, Instant)>>,
}

impl<'p> Tracker<'p> {
    pub(crate) fn new(inner: &'p dyn Progress) -> Self {
        Self {
            inner,
            began: Instant::now(),
            rows: AtomicU64::new(0),
            steps: Mutex::new(Vec::new()),
        }
    }

    /// The step that is under way.
    pub(crate) fn current(&self) -> &'static str {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.last().map_or("start", |(step, _)| step.as_str())
    }

    pub(crate) fn decoded(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn timings(&self) -> Timings {
        let now = Instant::now();
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = steps.iter().skip(1).map(|(_, at)| *at).chain([now]);
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        Timings {
            steps: steps
                .iter()
                .zip(ends)
                .map(|((step, from), to)| StepTime {
                    step: step.as_str(),
                    seconds: seconds(*from, to),
                })
                .collect(),
            total_seconds: seconds(self.began, now),
        }
    }
}

impl Progress for Tracker<'_> {
    fn step(&self, step: Step) {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((step, Instant::now()));
        self.inner.step(step);
    }

    fn rows(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.inner.rows(rows);
    }

    fn bytes(&self, bytes: u64) {
        self.inner.bytes(bytes);
    }
}
