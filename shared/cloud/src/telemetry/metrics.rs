//! The metrics by name and unit, and their Embedded Metric Format.
//!
//! CloudWatch makes metrics of these members of a log line. Names and dimensions are what the
//! alarms and the dashboard of the template watch.

use serde_json::{Map, Value, json};

/// The CloudWatch namespace.
pub const NAMESPACE: &str = "soxauto";
/// The dimensions, always exactly these.
pub const DIMENSIONS: [&str; 2] = ["Stage", "Control"];

/// A metric's unit, as CloudWatch spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// CloudWatch's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
        }
    }
}

/// A metric. Names are stable: alarms and dashboards use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// Unit.
    pub unit: Unit,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $unit:ident;)*) => {
        $($(#[$doc])* pub const $constant: Metric = Metric { name: $name, unit: Unit::$unit };)*

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    /// Runs planned.
    RUN_PLANNED = "RunPlanned", Count;
    /// Jobs sent to the queue.
    JOBS_ENQUEUED = "JobsEnqueued", Count;
    /// IPEs whose every check holds.
    IPE_PASSED = "IpePassed", Count;
    /// IPEs with a check that does not hold.
    IPE_REJECTED = "IpeRejected", Count;
    /// IPEs that failed for good.
    IPE_FAILED = "IpeFailed", Count;
    /// Attempts that failed, to be tried again or for good.
    ATTEMPT_FAILED = "AttemptFailed", Count;
    /// Rows extracted by attempts that passed.
    ROWS_EXTRACTED = "RowsExtracted", Count;
    /// Bytes of Parquet written by them.
    BYTES_WRITTEN = "BytesWritten", Bytes;
    /// Time of such an attempt.
    ATTEMPT_SECONDS = "AttemptSeconds", Seconds;
    /// Rows committed in the warehouse.
    ROWS_LOADED = "RowsLoaded", Count;
    /// 1 when a run ended incomplete, otherwise 0.
    RUN_INCOMPLETE = "RunIncomplete", Count;
    /// From plan to manifest.
    RUN_SECONDS = "RunSeconds", Seconds;
    /// 1 when a month that should have been run was not, otherwise 0; reported by every sweep.
    MONTH_MISSING = "MonthMissing", Count;
}

/// The members that make metrics of a log line; none for no values.
#[must_use]
pub fn embed(
    milliseconds: i64,
    stage: &str,
    control: &str,
    values: &[(Metric, f64)],
) -> Map<String, Value> {
    let mut line = Map::new();
    if values.is_empty() {
        return line;
    }
    let definitions: Vec<_> = values
        .iter()
        .map(|(m, _)| json!({"Name": m.name, "Unit": m.unit.as_str()}))
        .collect();
    let directive =
        json!({"Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": definitions});
    line.insert(
        "_aws".into(),
        json!({"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}),
    );
    line.insert("Stage".into(), stage.into());
    line.insert("Control".into(), control.into());
    for (metric, value) in values {
        // Counts are whole numbers in the log, too.
        let whole = (metric.unit != Unit::Seconds).then(|| Value::from(*value as u64));
        line.insert(
            metric.name.into(),
            whole.unwrap_or_else(|| Value::from(*value)),
        );
    }
    line
}
