//! The start of a run: what was asked, by what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{approval::Approval, calendar::Cutoff, id::IpeId};

/// What is asked of the dispatcher, whatever form the event had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRequest {
    /// `None` for the current month.
    pub cutoff: Option<Cutoff>,
    /// `None` for all of the catalog.
    pub ipes: Option<Vec<IpeId>>,
    /// Whether a new run is wanted although one exists for the cutoff.
    pub supersede: bool,
    /// Leave to run queries without an approved baseline.
    pub approval: Option<Approval>,
    /// What asked.
    pub trigger: Trigger,
}

/// What started a run, as recorded in plan and manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The kind of event.
    pub source: TriggerSource,
    /// The service's own identifier of the event or request.
    pub id: String,
    /// When the schedule was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Timestamp>,
    /// The AWS principal that asked, when the event names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// The kinds of start events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerSource {
    /// EventBridge Scheduler.
    Schedule,
    /// An EventBridge event.
    EventBridge,
    /// A direct invocation.
    Direct,
    /// A request to the function URL.
    FunctionUrl,
}
