//! Watching a run from outside: only the buckets are read, nothing is moved.

use std::{collections::BTreeMap, sync::Arc};

use soxauto_cloud::{
    aws::{Clients, Emulator},
    clock::SystemClock,
    lake::{Lake, S3Lake},
    lease::{Leases, Progress},
    signer::{KmsSigner, Signer},
};
use soxauto_domain::{
    ControlId, Cutoff, IpeId, IpeState, RunId,
    facts::RunFacts,
    layout::{Layout, state},
};
use soxauto_local::Stack;
use soxauto_runs::RunReader;

use super::error::LocalError;

/// Reads the stack's buckets.
pub(crate) struct Watch {
    /// The evidence bucket.
    pub(crate) evidence: Arc<dyn Lake>,
    state: Arc<dyn Lake>,
    leases: Leases,
    /// Reader of runs.
    pub(crate) reader: RunReader,
    signer: KmsSigner,
}

/// What is seen at one moment.
pub(crate) struct Seen {
    /// The facts of the run.
    pub(crate) facts: RunFacts,
    /// How far the workers are, for IPEs that are being extracted.
    pub(crate) progress: BTreeMap<IpeId, Progress>,
    /// Whether the finalizer has said its last word.
    pub(crate) closed: bool,
}

impl Watch {
    /// A watcher of the stack.
    pub(crate) async fn new(stack: &Stack) -> Self {
        let clients = Clients::of_emulator(&Emulator {
            endpoint: stack.endpoints().aws.clone(),
            redshift_endpoint: Some(stack.endpoints().redshift.clone()),
            region: "eu-west-1".to_owned(),
        })
        .await;
        let outputs = stack.outputs();
        let evidence: Arc<dyn Lake> = Arc::new(S3Lake::new(
            clients.s3.clone(),
            &outputs.evidence_bucket_name,
        ));
        let state: Arc<dyn Lake> = Arc::new(S3Lake::new(clients.s3, &outputs.state_bucket_name));
        Self {
            leases: Leases::new(Arc::clone(&state), Arc::new(SystemClock)),
            reader: RunReader::new(Arc::clone(&evidence), Layout::new(&outputs.evidence_prefix)),
            signer: KmsSigner::new(clients.kms, &outputs.signing_key_arn),
            evidence,
            state,
        }
    }

    /// The run of the cutoff, once there is one.
    pub(crate) async fn find(
        &self,
        control: &ControlId,
        cutoff: Cutoff,
    ) -> Result<Option<RunId>, LocalError> {
        Ok(self.reader.latest(control, cutoff).await?)
    }

    /// The run as it is now; `None` before its plan is written.
    pub(crate) async fn look(&self, run: &RunId) -> Result<Option<Seen>, LocalError> {
        let Some(facts) = self.reader.facts(run).await? else {
            return Ok(None);
        };
        let mut progress = BTreeMap::new();
        for ipe in facts
            .ipes
            .iter()
            .filter(|ipe| ipe.state() == IpeState::Planned)
        {
            // A lease that cannot be read is only a missing bar.
            if let Ok(Some(lease)) = self.leases.read(&state::ipe_lease(run, &ipe.id)).await
                && let Some(found) = lease.progress
            {
                progress.insert(ipe.id.clone(), found);
            }
        }
        let marker = self.state.head(&state::open_run(run)).await;
        let closed = !facts.manifests.is_empty() && marker.is_err_and(|e| e.is_not_found());
        Ok(Some(Seen {
            facts,
            progress,
            closed,
        }))
    }

    /// The public half of the signing key, for whoever verifies.
    pub(crate) async fn public_key_pem(&self) -> Option<String> {
        self.signer.public_key_pem().await.ok()
    }
}
