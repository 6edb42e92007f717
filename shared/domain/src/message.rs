//! The job message: a pointer to one IPE of a plan.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256,
    id::{IpeId, RunId},
    schema_tag::schema_tag,
};

schema_tag! {
    /// Schema of a job message.
    JobSchema = "soxauto.job/1"
}

/// One message of the jobs queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Always `soxauto.job/1`.
    pub schema: JobSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE to extract.
    pub ipe_id: IpeId,
    /// The plan.
    pub plan: PlanPointer,
}

/// Where the plan is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPointer {
    /// Key in the evidence bucket.
    pub key: String,
    /// Digest of the object.
    pub sha256: Sha256,
}
