//! The run's marker in the hands of a finalizer: as long as it is there, the sweep looks at the run.
//!
//! Whoever is about to write a manifest puts his name on the marker first, and only the marker with one's own name is taken
//! away in the end. A finalizer that was frozen, and lost its lease to another, must not take away what the other one needs
//! should it die: nobody would publish its manifest.

use bytes::Bytes;
use jiff::Timestamp;
use soxauto_cloud::lake::{ETag, LakeError};
use soxauto_domain::{RunId, facts::RunFacts, layout::state, message::PlanPointer};
use soxauto_runs::{Closing, OpenRun};

use crate::{context::Context, error::FinalizerError};

const JSON: &str = "application/json";

/// The marker as it was read or written last; or that there is none.
#[derive(Debug)]
pub struct Marker(Option<(OpenRun, ETag)>);

/// Reads the run's marker.
///
/// # Errors
/// [`FinalizerError`] when the bucket does not answer or the marker is none.
pub async fn read(context: &Context, run: &RunId) -> Result<Marker, FinalizerError> {
    match context.state.get(&state::open_run(run)).await {
        Ok(object) => {
            let open = serde_json::from_slice(&object.bytes)?;
            Ok(Marker(Some((open, object.etag))))
        }
        Err(e) if e.is_not_found() => Ok(Marker(None)),
        Err(e) => Err(e.into()),
    }
}

/// Makes the sweep look at the run; one that is marked already stays as it is.
///
/// # Errors
/// [`FinalizerError`] when the bucket does not answer.
pub async fn mark(context: &Context, facts: &RunFacts) -> Result<(), FinalizerError> {
    // Nothing is left for the dispatcher to send.
    let open = open_run(context, facts, Some(context.clock.now()));
    create(context, &open).await.map(drop)
}

impl Marker {
    /// Whether it is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the operators were told of this revision, and the marker is kept for another reason.
    #[must_use]
    pub fn is_told(&self, revision: u32) -> bool {
        let told = self.0.as_ref().and_then(|(open, _)| open.told_revision);
        told == Some(revision)
    }

    /// Says that this revision is about to be written; makes the marker of a run that has none.
    ///
    /// # Errors
    /// [`FinalizerError`] when the bucket does not answer. A marker that a rival has written meanwhile stays his.
    pub async fn claim(
        &mut self,
        context: &Context,
        facts: &RunFacts,
        revision: u32,
    ) -> Result<(), FinalizerError> {
        let closing = Some(Closing {
            revision,
            since: context.clock.now(),
        });
        match &mut self.0 {
            Some((open, etag)) => {
                let claimed = OpenRun {
                    closing,
                    ..open.clone()
                };
                if let Some(tag) = replace(context, &claimed, etag).await? {
                    (*open, *etag) = (claimed, tag);
                }
            }
            None => {
                // The dispatcher died before the marker, or the run is closed and a late receipt came.
                let sent = (!facts.manifests.is_empty()).then(|| context.clock.now());
                let claimed = OpenRun {
                    closing,
                    ..open_run(context, facts, sent)
                };
                self.0 = create(context, &claimed).await?.map(|tag| (claimed, tag));
            }
        }
        Ok(())
    }

    /// Leaves the sweep a marker that says what was told already.
    ///
    /// # Errors
    /// [`FinalizerError`] when the bucket does not answer.
    pub async fn keep(
        self,
        context: &Context,
        facts: &RunFacts,
        revision: u32,
    ) -> Result<(), FinalizerError> {
        if self.is_told(revision) {
            return Ok(());
        }
        let told_revision = Some(revision);
        // Where somebody else wrote the marker meanwhile it is there, which is what matters.
        match self.0 {
            Some((open, etag)) => {
                let told = OpenRun {
                    told_revision,
                    ..open
                };
                replace(context, &told, &etag).await.map(drop)
            }
            None => {
                let told = OpenRun {
                    told_revision,
                    ..open_run(context, facts, Some(context.clock.now()))
                };
                create(context, &told).await.map(drop)
            }
        }
    }

    /// Takes the marker away, unless somebody else has written it meanwhile.
    ///
    /// # Errors
    /// [`FinalizerError`] when the bucket does not answer.
    pub async fn remove(self, context: &Context) -> Result<(), FinalizerError> {
        let Some((open, etag)) = self.0 else {
            return Ok(());
        };
        let key = state::open_run(&open.run_id);
        match context.state.delete_if(&key, &etag).await {
            Ok(()) => Ok(()),
            Err(LakeError::Precondition(_)) => {
                tracing::info!(run = %open.run_id, "another finalizer is at the run: its marker stays");
                Ok(())
            }
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

fn open_run(context: &Context, facts: &RunFacts, dispatched_at: Option<Timestamp>) -> OpenRun {
    let run_id = &facts.plan.run_id;
    OpenRun {
        run_id: run_id.clone(),
        plan: PlanPointer {
            key: context.reader.layout().plan(run_id),
            sha256: facts.plan_sha256,
        },
        deadline: facts.plan.deadline,
        dispatched_at,
        closing: None,
        told_revision: None,
    }
}

/// `None` when there is another one.
async fn create(context: &Context, open: &OpenRun) -> Result<Option<ETag>, FinalizerError> {
    let key = state::open_run(&open.run_id);
    let bytes = Bytes::from(serde_json::to_vec(open)?);
    match context.state.create(&key, bytes, JSON).await {
        Ok(etag) => Ok(Some(etag)),
        Err(LakeError::AlreadyExists(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// `None` when it is another one by now.
async fn replace(
    context: &Context,
    open: &OpenRun,
    etag: &ETag,
) -> Result<Option<ETag>, FinalizerError> {
    let key = state::open_run(&open.run_id);
    let bytes = Bytes::from(serde_json::to_vec(open)?);
    match context.state.replace(&key, bytes, JSON, etag).await {
        Ok(etag) => Ok(Some(etag)),
        Err(LakeError::Precondition(_) | LakeError::NotFound(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
