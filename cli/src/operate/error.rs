//! Why an operator's command failed.

use soxauto_cloud::{
    aws::AccountError, config::ConfigurationInvalid, lake::LakeError, lease::LeaseError,
    queue::QueueError, signer::SignerError,
};
use soxauto_domain::{IpeId, RunId};
use soxauto_evidence::{EnvelopeError, review::ReviewFault};
use soxauto_runs::RunsError;

use crate::target::TargetError;

/// Why an operator's command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperateError {
    /// The deployment is not found.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The account does not answer as it should, or a function refused.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A run cannot be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// A bucket does not answer.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A lease cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A queue does not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A manifest is not what it should be.
    #[error("the manifest cannot be read: {0}")]
    Manifest(#[from] EnvelopeError),
    /// Something is not what this release understands, or cannot be written.
    #[error("JSON that cannot be read or written: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed.
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
    /// No run of that name.
    #[error("there is no run {0}; `soxauto status` names those that are open")]
    NoRun(RunId),
    /// A later run took its place.
    #[error("{run} is superseded by {latest}: what is done about the month is done there")]
    Superseded {
        /// The run that was named.
        run: RunId,
        /// The month's last run.
        latest: RunId,
    },
    /// The run is still at work.
    #[error("{0} is still open: a run that is not closed is replayed, not superseded")]
    StillOpen(RunId),
    /// The plan holds no such IPE.
    #[error("the plan of {run} does not hold {ipe}")]
    NoIpe {
        /// The run.
        run: RunId,
        /// The IPE.
        ipe: IpeId,
    },
    /// Two witnesses of the plan disagree.
    #[error(
        "PLAN_DIGEST_MISMATCH: the plan of {run} has digest {found}, {witness} says {expected}. Do not replay: somebody changed one of them (docs/SECURITY.md)"
    )]
    PlanDiffers {
        /// The run.
        run: RunId,
        /// Digest of the plan as it is stored.
        found: soxauto_domain::Sha256,
        /// Who says otherwise.
        witness: String,
        /// What it says.
        expected: soxauto_domain::Sha256,
    },
    /// A key does not sign or tell its public half.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The tool cannot describe itself.
    #[error(transparent)]
    Configuration(#[from] ConfigurationInvalid),
    /// The run has no manifest yet.
    #[error("{0} has no manifest: it is reviewed when it is closed")]
    NoManifest(RunId),
    /// The reviewer has read another revision.
    #[error("you have read revision {read}, the newest is {newest}: read that one")]
    OtherRevision {
        /// What was read.
        read: u32,
        /// What there is.
        newest: u32,
    },
    /// The review is refused.
    #[error("the review is refused: {0}")]
    Review(#[from] ReviewFault),
    /// A signed file is not what it should be.
    #[error(
        "{key} is not believed: {reason}. Verify the folder before anything else (docs/SECURITY.md)"
    )]
    NotBelieved {
        /// The file.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Another review came first.
    #[error("{0} was written meanwhile: read it, then decide again")]
    ReviewedMeanwhile(String),
    /// Nothing says what the plan must be.
    #[error(
        "{0} has neither marker nor manifest nor receipt: its dispatcher did not finish. Start it again with `soxauto run`, which sends what is missing"
    )]
    Unvouched(RunId),
}
