//! What can go wrong in the finalizer, each with its code.

use lambda_runtime::Diagnostic;
use soxauto_cloud::{
    lake::LakeError, lease::LeaseError, queue::QueueError, signer::SignerError,
    warehouse::WarehouseError,
};
use soxauto_domain::{Code, IpeId, RunId, dry_run::DryRunRefused};
use soxauto_evidence::{ChainError, EnvelopeError, report::ReportError};
use soxauto_runs::RunsError;

/// Why a run was not brought further.
#[derive(Debug, thiserror::Error)]
pub enum FinalizerError {
    /// The event has none of the accepted forms.
    #[error("the event is neither a batch of receipts nor a sweep nor a dry run: {0}")]
    Event(String),
    /// A bucket does not answer.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A run cannot be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// Another finalizer is at it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The warehouse failed.
    #[error("{ipe}: {source}")]
    Load {
        /// The IPE that was being loaded.
        ipe: IpeId,
        /// What it said.
        source: WarehouseError,
    },
    /// The warehouse failed while the run was published.
    #[error("publishing {run}: {source}")]
    Publish {
        /// The run.
        run: RunId,
        /// What it said.
        source: WarehouseError,
    },
    /// Loaded rows or totals are not the receipt's; the load was rolled back.
    #[error("{ipe}: {message}")]
    TieOut {
        /// The IPE.
        ipe: IpeId,
        /// The difference.
        message: String,
    },
    /// The attempt's folder is not what its receipt says; nothing was loaded.
    #[error("{ipe}: {message}")]
    Files {
        /// The IPE.
        ipe: IpeId,
        /// The difference.
        message: String,
    },
    /// Another finalizer loads an attempt of which this call has not seen the receipt.
    #[error(
        "{ipe}: attempt {attempt} was chosen to be loaded, and this call has not seen its receipt"
    )]
    Choice {
        /// The IPE.
        ipe: IpeId,
        /// The attempt.
        attempt: u32,
    },
    /// The warehouse answered without the figures that were asked for.
    #[error("{ipe}: the warehouse's answer has no {missing}")]
    Answer {
        /// The IPE.
        ipe: IpeId,
        /// The column that is missing.
        missing: String,
    },
    /// A queue does not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// KMS did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A manifest cannot be made or read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Another manifest took the place.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The report cannot be rendered.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The warehouse does not answer a dry run.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// No run could be loaded or published now.
    #[error(transparent)]
    DryRun(#[from] DryRunRefused),
    /// A document could not be read or written as JSON.
    #[error("a document cannot be read or written: {0}")]
    Json(#[from] serde_json::Error),
    /// The clock is out of range.
    #[error(transparent)]
    Clock(#[from] soxauto_domain::calendar::CutoffError),
    /// The function's time is nearly over; the next call continues.
    #[error("the time of this call is nearly over; the next one continues")]
    Deadline,
}

impl FinalizerError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Event(_) => Code::MessageInvalid,
            Self::Lake(e) => e.code(),
            Self::Runs(e) => e.code(),
            Self::Lease(e) => e.code(),
            Self::Load { source, .. } | Self::Publish { source, .. } => source.code(),
            Self::TieOut { .. } => Code::TieOutFailed,
            Self::Files { .. } => Code::EvidenceInvalid,
            Self::Choice { .. } => Code::ObjectExists,
            Self::Answer { .. } => Code::WarehouseFailed,
            Self::Queue(e) => e.code(),
            Self::Signer(e) => e.code(),
            Self::Warehouse(e) => e.code(),
            Self::DryRun(e) => e.code(),
            Self::Envelope(_) => Code::EvidenceInvalid,
            Self::Chain(_) => Code::ChainConflict,
            Self::Report(_) | Self::Json(_) | Self::Clock(_) => Code::Internal,
            Self::Deadline => Code::DeadlineNear,
        }
    }
}

impl FinalizerError {
    /// Whether the load of an IPE is refused until somebody acts: trying again changes nothing.
    #[must_use]
    pub fn is_refused_load(&self) -> bool {
        matches!(self, Self::TieOut { .. } | Self::Files { .. })
    }
}

impl From<FinalizerError> for Diagnostic {
    fn from(error: FinalizerError) -> Self {
        let code = error.code();
        Self {
            error_type: code.as_str().to_owned(),
            error_message: format!("{error}. {}", code.remedy()),
        }
    }
}
