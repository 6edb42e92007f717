//! The marker of an open run in the state bucket: what the sweep looks for, and how a crash between plan and messages
//! is healed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use soxauto_domain::{RunId, message::PlanPointer};

/// Which manifest a finalizer is about to write, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The manifest's revision.
    pub revision: u32,
    /// When it was decided.
    pub since: Timestamp,
}

/// `open/<run>.json`: exists from the plan to the last word of the finalizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRun {
    /// The run.
    pub run_id: RunId,
    /// Its plan.
    pub plan: PlanPointer,
    /// When the run is closed with what is there.
    pub deadline: Timestamp,
    /// When every message was accepted by the queue; until then the dispatcher's next try sends them again.
    pub dispatched_at: Option<Timestamp>,
    /// The finalizer that is closing the run, so that no other takes the marker away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// The manifest revision about which the finalizer has told the operators already, when it keeps the marker because a
    /// worker is still at an IPE of the closed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_revision: Option<u32>,
}
