//! Where one IPE of a run stands, for whoever wants to do something about it.

use jiff::Timestamp;
use serde::Serialize;
use soxauto_cloud::lease::LeaseRecord;
use soxauto_domain::{Code, IpeState, facts::IpeFacts};

/// Where an IPE stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub(super) enum Standing {
    /// Extracted, every check holds.
    Passed {
        /// Whether the warehouse has proven it.
        loaded: bool,
    },
    /// A check says no.
    Rejected,
    /// A worker holds its lease.
    Working {
        /// Step of the worker.
        stage: String,
        /// Rows so far.
        rows: u64,
        /// When the worker last gave a sign of life.
        seen_at: Timestamp,
        /// Until when the lease holds without another.
        until: Timestamp,
    },
    /// The queue has given it up, and a failure record says why.
    Failed {
        /// The error.
        code: Code,
        /// When.
        at: Timestamp,
    },
    /// Nothing has ended it and nobody is seen at work.
    Waiting,
}

impl Standing {
    /// Derives it from the records and the worker's lease.
    pub(super) fn of(ipe: &IpeFacts, lease: Option<&LeaseRecord>, now: Timestamp) -> Self {
        match (ipe.state(), ipe.deciding()) {
            (IpeState::Passed, deciding) => {
                return Self::Passed {
                    loaded: deciding.is_some_and(|(attempt, _)| attempt.load.is_some()),
                };
            }
            (IpeState::Rejected, _) => return Self::Rejected,
            (IpeState::Failed | IpeState::Planned, _) => {}
        }
        if let Some(lease) = lease.filter(|lease| lease.expires_at > now) {
            let progress = lease.progress.clone().unwrap_or_default();
            return Self::Working {
                stage: progress.stage,
                rows: progress.rows,
                seen_at: lease.renewed_at,
                until: lease.expires_at,
            };
        }
        match ipe.final_failure() {
            Some(failure) => Self::Failed {
                code: failure.code,
                at: failure.failed_at,
            },
            None => Self::Waiting,
        }
    }
}
