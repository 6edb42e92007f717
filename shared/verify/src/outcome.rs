//! What a verification ends with: one document for machines and people.

use serde::Serialize;
use soxauto_domain::{ControlId, RunId, RunState, Sha256, manifest::ManifestLink};

use crate::ledger::{CheckReport, Status};

/// The whole result.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Always `soxauto.verification/1`.
    pub schema: &'static str,
    /// What was verified.
    pub place: String,
    /// Whether all of it holds.
    pub holds: bool,
    /// Version of this verifier.
    pub version: &'static str,
    /// SHA-256 of the public keys, in DER.
    pub keys: Vec<Sha256>,
    /// The folder as a whole.
    pub checks: Vec<CheckReport>,
    /// The chain of each control.
    pub chains: Vec<ChainReport>,
    /// Every run, in order of folder.
    pub runs: Vec<RunReport>,
}

/// The chain of one control.
#[derive(Debug, Clone, Serialize)]
pub struct ChainReport {
    /// The control.
    pub control: ControlId,
    /// Whether it holds.
    pub holds: bool,
    /// How many manifests are here.
    pub manifests: usize,
    /// The newest; `None` when none can be called so.
    pub head: Option<ManifestLink>,
    /// Its checks.
    pub checks: Vec<CheckReport>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Its folder.
    pub folder: String,
    /// The run, by its manifest.
    pub run_id: Option<RunId>,
    /// The newest revision that is believed.
    pub revision: Option<u32>,
    /// The state that it says.
    pub state: Option<RunState>,
    /// Digest of its envelope.
    pub manifest_sha256: Option<Sha256>,
    /// Whether all of it holds.
    pub holds: bool,
    /// Its checks.
    pub checks: Vec<CheckReport>,
}

impl Verification {
    /// Every check's result: of the folder, of the chains, of the runs.
    pub fn all_checks(&self) -> impl Iterator<Item = &CheckReport> {
        let chains = self.chains.iter().flat_map(|c| &c.checks);
        let runs = self.runs.iter().flat_map(|r| &r.checks);
        self.checks.iter().chain(chains).chain(runs)
    }

    /// The names of the checks that do not hold, each once, in order.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        let mut failed: Vec<_> = self
            .all_checks()
            .filter(|c| c.status == Status::Failed)
            .map(|c| c.check)
            .collect();
        failed.sort_unstable();
        failed.dedup();
        failed.into_iter().map(|c| c.as_str()).collect()
    }
}
