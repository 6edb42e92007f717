//! Plans that this process has read: each is created once and never changed, and may hold hundreds of queries.
//!
//! Only news of single IPEs is answered by a plan that is remembered. Before a run is closed, its plan is read again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use soxauto_domain::RunId;
use soxauto_runs::{Planned, RunReader, RunsError};

/// The most bytes, as JSON, of the plans that are remembered beside the last one.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Plans, the last one used at the end.
#[derive(Debug, Default)]
pub struct Plans(Mutex<VecDeque<Arc<Planned>>>);

impl Plans {
    /// The plan of a run; `None` without one.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or the object is no plan.
    pub async fn of(
        &self,
        reader: &RunReader,
        run: &RunId,
    ) -> Result<Option<Arc<Planned>>, RunsError> {
        if let Some(plan) = self.take(run) {
            self.keep(&plan);
            return Ok(Some(plan));
        }
        let Some(plan) = reader.plan(run).await? else {
            return Ok(None);
        };
        let plan = Arc::new(Planned::from(plan));
        self.keep(&plan);
        Ok(Some(plan))
    }

    fn take(&self, run: &RunId) -> Option<Arc<Planned>> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans
            .iter()
            .position(|plan| plan.head().document.run_id == *run)?;
        plans.remove(at)
    }

    fn keep(&self, plan: &Arc<Planned>) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push_back(Arc::clone(plan));
        let mut bytes: u64 = plans.iter().map(|plan| plan.head().size).sum();
        while plans.len() > 1 && bytes > MOST_BYTES {
            bytes -= plans.pop_front().map_or(0, |plan| plan.head().size);
        }
    }
}
