//! What happens, as structs: each gives one log line that is its metric, too.

use serde::Serialize;
use soxauto_domain::{Code, ControlId, IpeId, RunId, RunState};
use tracing::Level;

use super::metrics::{self, Metric};

/// Something that happened: fields by [`Serialize`], metrics by [`metrics`](Event::metrics).
pub trait Event: Serialize {
    /// Name in the member `event`.
    const NAME: &'static str;

    /// How bad it is.
    fn level(&self) -> Level {
        Level::INFO
    }

    /// In words.
    fn message(&self) -> String;

    /// The control, a dimension of the metrics.
    fn control(&self) -> &ControlId;

    /// The metrics and their values.
    fn metrics(&self) -> Vec<(Metric, f64)> {
        Vec::new()
    }
}

/// A plan was written.
#[derive(Debug, Clone, Serialize)]
pub struct RunPlanned<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// IPEs in the plan.
    pub ipes: usize,
}

impl Event for RunPlanned<'_> {
    const NAME: &'static str = "RunPlanned";

    fn message(&self) -> String {
        format!("planned {} with {} IPEs", self.run_id, self.ipes)
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![(metrics::RUN_PLANNED, 1.0)]
    }
}

/// The jobs of a run were sent.
#[derive(Debug, Clone, Serialize)]
pub struct JobsEnqueued<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// Messages sent.
    pub messages: usize,
}

impl Event for JobsEnqueued<'_> {
    const NAME: &'static str = "JobsEnqueued";

    fn message(&self) -> String {
        format!("sent {} jobs of {}", self.messages, self.run_id)
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![(metrics::JOBS_ENQUEUED, self.messages as f64)]
    }
}

/// A worker began an attempt.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptStarted<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// From 1.
    pub attempt: u32,
    /// How often the message was received.
    pub receive_count: u32,
}

impl Event for AttemptStarted<'_> {
    const NAME: &'static str = "AttemptStarted";

    fn message(&self) -> String {
        format!(
            "attempt {} at {} of {}",
            self.attempt, self.ipe_id, self.run_id
        )
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }
}

/// An invocation stopped at the end of a key range; another goes on with the attempt.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptSuspended<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// From 1.
    pub attempt: u32,
    /// The segment record that it wrote, from 1.
    pub segment: u32,
    /// Ranges that it did.
    pub ranges: usize,
    /// Rows of the attempt so far.
    pub rows: u64,
}

impl Event for AttemptSuspended<'_> {
    const NAME: &'static str = "AttemptSuspended";

    fn message(&self) -> String {
        format!(
            "attempt {} at {} is handed over after {} ranges in segment {}, {} rows so far",
            self.attempt, self.ipe_id, self.ranges, self.segment, self.rows
        )
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }
}

/// An attempt ended with a receipt, and every check holds.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptPassed<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// From 1.
    pub attempt: u32,
    /// Rows extracted.
    pub rows: u64,
    /// Bytes of Parquet written.
    pub bytes: u64,
    /// From message to receipt.
    pub seconds: f64,
}

impl Event for AttemptPassed<'_> {
    const NAME: &'static str = "AttemptPassed";

    fn message(&self) -> String {
        format!("{} passed with {} rows", self.ipe_id, self.rows)
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![
            (metrics::IPE_PASSED, 1.0),
            (metrics::ROWS_EXTRACTED, self.rows as f64),
            (metrics::BYTES_WRITTEN, self.bytes as f64),
            (metrics::ATTEMPT_SECONDS, self.seconds),
        ]
    }
}

/// An attempt ended with a receipt, and a check does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRejected<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// From 1.
    pub attempt: u32,
    /// The checks that do not hold, by id, with commas.
    pub checks: &'e str,
}

impl Event for AttemptRejected<'_> {
    const NAME: &'static str = "AttemptRejected";

    fn level(&self) -> Level {
        Level::WARN
    }

    fn message(&self) -> String {
        format!("{} is rejected: {}", self.ipe_id, self.checks)
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![(metrics::IPE_REJECTED, 1.0)]
    }
}

/// An attempt ended without a receipt.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptFailed<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// From 1.
    pub attempt: u32,
    /// What happened.
    pub code: Code,
    /// Whether the IPE is *failed*: nothing more happens by itself.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl Event for AttemptFailed<'_> {
    const NAME: &'static str = "AttemptFailed";

    fn level(&self) -> Level {
        if self.is_final {
            Level::ERROR
        } else {
            Level::WARN
        }
    }

    fn message(&self) -> String {
        format!(
            "attempt {} at {} failed: {}. {}",
            self.attempt,
            self.ipe_id,
            self.code,
            self.code.remedy()
        )
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        let mut values = vec![(metrics::ATTEMPT_FAILED, 1.0)];
        if self.is_final {
            values.push((metrics::IPE_FAILED, 1.0));
        }
        values
    }
}

/// An IPE's rows are in the warehouse, proven equal to the receipt.
#[derive(Debug, Clone, Serialize)]
pub struct LoadCommitted<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// The IPE.
    pub ipe_id: &'e IpeId,
    /// The attempt that was loaded.
    pub attempt: u32,
    /// Rows.
    pub rows: u64,
    /// Time of the load.
    pub seconds: f64,
}

impl Event for LoadCommitted<'_> {
    const NAME: &'static str = "LoadCommitted";

    fn message(&self) -> String {
        format!("loaded {} rows of {}", self.rows, self.ipe_id)
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![(metrics::ROWS_LOADED, self.rows as f64)]
    }
}

/// A manifest was written.
#[derive(Debug, Clone, Serialize)]
pub struct RunFinalized<'e> {
    /// The run.
    pub run_id: &'e RunId,
    /// State of the run.
    pub state: RunState,
    /// Revision of the manifest, from 1.
    pub revision: u32,
    /// From plan to manifest.
    pub seconds: f64,
}

impl Event for RunFinalized<'_> {
    const NAME: &'static str = "RunFinalized";

    fn level(&self) -> Level {
        if self.state == RunState::Complete {
            Level::INFO
        } else {
            Level::ERROR
        }
    }

    fn message(&self) -> String {
        format!(
            "{} is {} (manifest {})",
            self.run_id,
            self.state.as_str(),
            self.revision
        )
    }

    fn control(&self) -> &ControlId {
        self.run_id.control()
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        let incomplete = self.state == RunState::Incomplete;
        vec![
            (metrics::RUN_INCOMPLETE, f64::from(u8::from(incomplete))),
            (metrics::RUN_SECONDS, self.seconds),
        ]
    }
}

/// A sweep looked whether the month that should have been run was.
#[derive(Debug, Clone, Serialize)]
pub struct MonthMissing<'e> {
    /// The control.
    pub control: &'e ControlId,
    /// Whether there is none although it is due.
    pub missing: bool,
}

impl Event for MonthMissing<'_> {
    const NAME: &'static str = "MonthMissing";

    fn level(&self) -> Level {
        if self.missing {
            Level::ERROR
        } else {
            Level::INFO
        }
    }

    fn message(&self) -> String {
        let found = if self.missing {
            "has no run although it is due"
        } else {
            "has a run or is not due"
        };
        format!("this month of {} {found}", self.control)
    }

    fn control(&self) -> &ControlId {
        self.control
    }

    fn metrics(&self) -> Vec<(Metric, f64)> {
        vec![(metrics::MONTH_MISSING, f64::from(u8::from(self.missing)))]
    }
}
