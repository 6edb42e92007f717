//! What can go wrong in the worker, each with its code.

use lambda_runtime::Diagnostic;
use soxauto_cloud::{lake::LakeError, lease::LeaseError, queue::QueueError, secrets::SecretError};
use soxauto_domain::{Code, IpeId, Retry, RunId, Sha256, dry_run::DryRunRefused};
use soxauto_extract::{ExtractError, SecretError as ConnectionError, StoreError};
use soxauto_runs::RunsError;

/// Why an IPE was not extracted.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The message is not a job.
    #[error("the message is not a job: {0}")]
    Message(String),
    /// The plan is not where the message says.
    #[error("there is no plan at {0}")]
    PlanNotFound(String),
    /// The plan is not the one that the message names.
    #[error("the plan at {key} has digest {found}, the message says {expected}")]
    PlanDigest {
        /// Key of the plan.
        key: String,
        /// What the message says.
        expected: Sha256,
        /// What the object has.
        found: Sha256,
    },
    /// The plan cannot be read, or is another run's.
    #[error("the plan at {key} cannot be followed: {reason}")]
    Plan {
        /// Key of the plan.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The plan does not hold the IPE.
    #[error("the plan of {run} does not hold {ipe}")]
    IpeNotInPlan {
        /// The run.
        run: RunId,
        /// The IPE.
        ipe: IpeId,
    },
    /// A bucket does not answer, or a rival was first.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A run cannot be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// Another worker is at it, or took over.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The secret cannot be fetched.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret is no connection string.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The extraction failed.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// A Parquet part could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The attempt's segment records, or what lies beside them, cannot be built on: a new attempt begins.
    #[error("attempt {attempt} at {ipe} cannot be gone on with: {reason}")]
    Unresumable {
        /// The IPE.
        ipe: IpeId,
        /// From 1.
        attempt: u32,
        /// Why not.
        reason: String,
    },
    /// The IPE failed for good after the message was sent; only a replay begins again.
    #[error(
        "{ipe} failed for good with {code} in attempt {attempt}; this message is older than that"
    )]
    GivenUp {
        /// The IPE.
        ipe: IpeId,
        /// From 1.
        attempt: u32,
        /// Why it failed.
        code: Code,
    },
    /// No IPE could be extracted now.
    #[error(transparent)]
    DryRun(#[from] DryRunRefused),
    /// A document could not be written as JSON.
    #[error("a document cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl WorkerError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Message(_) => Code::MessageInvalid,
            Self::PlanNotFound(_) => Code::PlanNotFound,
            Self::PlanDigest { .. } => Code::PlanDigestMismatch,
            Self::Plan { .. } => Code::PlanInvalid,
            Self::IpeNotInPlan { .. } => Code::IpeNotInPlan,
            Self::Lake(e) => e.code(),
            Self::Runs(e) => e.code(),
            Self::Lease(e) => e.code(),
            Self::Secret(e) => e.code(),
            Self::Connection(e) => e.code(),
            Self::Extract(e) => e.code(),
            Self::Store(e) => e.code,
            Self::Queue(e) => e.code(),
            Self::Unresumable { .. } => Code::EvidenceInvalid,
            Self::GivenUp { code, .. } => *code,
            Self::DryRun(e) => e.code(),
            Self::Json(_) => Code::Internal,
        }
    }

    /// What may be tried.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Extract(e) => e.retry(),
            // The next delivery begins a new attempt.
            Self::Unresumable { .. } => Retry::Queue,
            Self::GivenUp { .. } => Retry::Fatal,
            other => other.code().retry(),
        }
    }
}

impl From<WorkerError> for Diagnostic {
    fn from(error: WorkerError) -> Self {
        let code = error.code();
        Self {
            error_type: code.as_str().to_owned(),
            error_message: format!("{error}. {}", code.remedy()),
        }
    }
}
