//! The states of a run and of an IPE in it.

use serde::{Deserialize, Serialize};

/// `planned → passed | rejected | failed`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IpeState {
    /// In the plan; no attempt has ended yet.
    Planned,
    /// Extracted, and every check holds.
    Passed,
    /// Extracted, but a check says no: kept as evidence, not loaded, not tried again.
    Rejected,
    /// Technical failure after the retries; the message is in the dead-letter queue.
    Failed,
}

impl IpeState {
    /// The name in JSON, CLI and report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Passed => "passed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen to the IPE by itself.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self != Self::Planned
    }
}

/// `open → complete | incomplete | rejected`, or `missing` for a month without a run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Not every IPE has ended.
    Open,
    /// Every IPE passed and is loaded.
    Complete,
    /// An IPE failed or never ended.
    Incomplete,
    /// Every IPE ended, and at least one was rejected.
    Rejected,
    /// There is no run at all: what the manifest of a month says that nobody started.
    Missing,
}

impl RunState {
    /// The name in JSON, CLI and report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Rejected => "rejected",
            Self::Missing => "missing",
        }
    }

    /// The state of a run whose IPEs have these states. Past its deadline a run is no longer open.
    ///
    /// A run without IPEs is incomplete: no default is ever success. A run is never *missing*: only a month is.
    #[must_use]
    pub fn of(ipes: impl IntoIterator<Item = IpeState>, past_deadline: bool) -> Self {
        let mut any = false;
        let mut planned = false;
        let mut failed = false;
        let mut rejected = false;
        for state in ipes {
            any = true;
            match state {
                IpeState::Planned => planned = true,
                IpeState::Failed => failed = true,
                IpeState::Rejected => rejected = true,
                IpeState::Passed => {}
            }
        }
        match (any, planned, failed, rejected) {
            (false, ..) => Self::Incomplete,
            (_, true, ..) if !past_deadline => Self::Open,
            (_, true, ..) | (_, _, true, _) => Self::Incomplete,
            (_, _, _, true) => Self::Rejected,
            _ => Self::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IpeState::*, *};

    #[test]
    fn the_run_follows_its_ipes() {
        assert_eq!(RunState::of([], true), RunState::Incomplete);
        assert_eq!(RunState::of([Passed, Planned], false), RunState::Open);
        assert_eq!(RunState::of([Passed, Planned], true), RunState::Incomplete);
        assert_eq!(RunState::of([Failed, Planned], false), RunState::Open);
        assert_eq!(
            RunState::of([Passed, Failed, Rejected], false),
            RunState::Incomplete
        );
        assert_eq!(RunState::of([Passed, Rejected], false), RunState::Rejected);
        assert_eq!(RunState::of([Passed, Passed], false), RunState::Complete);
    }
}
