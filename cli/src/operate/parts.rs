//! The parts of a deployment that operating looks at, as ports.

use std::sync::Arc;

use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::Lake,
    lease::Leases,
    queue::Queue,
};
use soxauto_domain::{
    ControlId, RunId, facts::RunFacts, layout::state, manifest::Statement, message::PlanPointer,
};
use soxauto_evidence::envelope;
use soxauto_runs::{OpenRun, RunReader};

use super::error::OperateError;
use crate::target::{Target, TargetError};

/// Buckets, queues and clock of a deployment.
pub(super) struct Parts {
    /// The control that it runs.
    pub(super) control: ControlId,
    /// The evidence bucket.
    pub(super) evidence: Arc<dyn Lake>,
    /// The state bucket.
    pub(super) state: Arc<dyn Lake>,
    /// Reader of runs.
    pub(super) reader: RunReader,
    /// Leases, for looking only.
    pub(super) leases: Leases,
    /// The jobs queue.
    pub(super) jobs: Arc<dyn Queue>,
    /// Jobs that were given up.
    pub(super) dead_jobs: Arc<dyn Queue>,
    /// The receipts queue.
    pub(super) receipts: Arc<dyn Queue>,
    /// Receipts that were given up.
    pub(super) dead_receipts: Arc<dyn Queue>,
    /// Starts and sweeps that were given up.
    pub(super) dead_starts: Arc<dyn Queue>,
    /// The clock.
    pub(super) clock: Arc<dyn Clock>,
}

impl Parts {
    /// The parts of a deployment.
    pub(super) fn of(target: &Target) -> Result<Self, TargetError> {
        Ok(Self {
            control: target.control()?,
            evidence: target.evidence()?,
            state: target.state()?,
            reader: target.reader()?,
            leases: target.leases()?,
            jobs: target.queue("JobsQueueUrl")?,
            dead_jobs: target.queue("JobsDeadLettersUrl")?,
            receipts: target.queue("ReceiptsQueueUrl")?,
            dead_receipts: target.queue("ReceiptsDeadLettersUrl")?,
            dead_starts: target.queue("StartDeadLettersUrl")?,
            clock: Arc::new(SystemClock),
        })
    }

    /// Where a run's plan is and what it must be, by the plan itself.
    pub(super) fn pointer(&self, facts: &RunFacts) -> PlanPointer {
        PlanPointer {
            key: self.reader.layout().plan(&facts.plan.run_id),
            sha256: facts.plan_sha256,
        }
    }

    /// The marker of a run that the finalizer has not closed.
    pub(super) async fn marker(&self, run: &RunId) -> Result<Option<OpenRun>, OperateError> {
        match self.state.get(&state::open_run(run)).await {
            Ok(object) => Ok(Some(serde_json::from_slice(&object.bytes)?)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// What the run's last manifest says; `None` before there is one.
    pub(super) async fn last_manifest(
        &self,
        facts: &RunFacts,
    ) -> Result<Option<Statement>, OperateError> {
        let Some(revision) = facts.manifests.last() else {
            return Ok(None);
        };
        let key = self.reader.layout().manifest(&facts.plan.run_id, *revision);
        let object = self.evidence.get(&key).await?;
        Ok(Some(envelope::read(&object.bytes)?))
    }
}
