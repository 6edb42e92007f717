//! What can go wrong in the dispatcher, each with its code.

use lambda_runtime::Diagnostic;
use soxauto_cloud::{lake::LakeError, queue::QueueError};
use soxauto_domain::{
    Code, RunId, bind::BindError, calendar::CutoffError, catalog::Problem, dry_run::DryRunRefused,
};
use soxauto_runs::RunsError;

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub enum DispatcherError {
    /// The event has none of the accepted forms.
    #[error("{0}")]
    Event(String),
    /// The cutoff is no first of a month.
    #[error(transparent)]
    Cutoff(#[from] CutoffError),
    /// The period has not ended.
    #[error("the cutoff {0} is in the future: the period has not ended")]
    Future(soxauto_domain::Cutoff),
    /// An IPE that is not in the catalog.
    #[error("{0}")]
    Ipe(String),
    /// The compiled-in catalog is broken.
    #[error("the catalog has {} problems; the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Catalog(Vec<Problem>),
    /// A query cannot be bound for this period.
    #[error("{ipe}: {source}")]
    Bind {
        /// The IPE.
        ipe: soxauto_domain::IpeId,
        /// What is wrong.
        source: BindError,
    },
    /// Queries without an approved baseline, in prod.
    #[error("no approved baseline for {0}")]
    Unapproved(String),
    /// A run with other IPEs exists for the cutoff.
    #[error("{run} exists and holds other IPEs: {ipes}")]
    Conflict {
        /// The run that exists.
        run: RunId,
        /// Its IPEs.
        ipes: String,
    },
    /// No such run.
    #[error("there is no run {0:?}")]
    RunNotFound(String),
    /// No such path or method.
    #[error("{method} {path} is not served")]
    Route {
        /// HTTP method.
        method: String,
        /// Path.
        path: String,
    },
    /// A bucket does not answer.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A run cannot be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// The queue does not take the messages.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A run could not be started now.
    #[error(transparent)]
    DryRun(#[from] DryRunRefused),
    /// A document could not be written as JSON.
    #[error("a document cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl DispatcherError {
    /// An event that cannot be read.
    pub fn event(reason: impl Into<String>) -> Self {
        Self::Event(reason.into())
    }

    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Event(_) => Code::StartEventInvalid,
            Self::Cutoff(_) => Code::CutoffInvalid,
            Self::Future(_) => Code::CutoffInFuture,
            Self::Ipe(_) => Code::IpeUnknown,
            Self::Catalog(_) | Self::Bind { .. } => Code::CatalogInvalid,
            Self::Unapproved(_) => Code::QueryUnapproved,
            Self::Conflict { .. } => Code::RunConflict,
            Self::RunNotFound(_) => Code::RunNotFound,
            Self::Route { .. } => Code::RouteNotFound,
            Self::Lake(e) => e.code(),
            Self::Runs(e) => e.code(),
            Self::Queue(_) => Code::QueueFailed,
            Self::DryRun(e) => e.code(),
            Self::Json(_) => Code::Internal,
        }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code() {
            Code::StartEventInvalid
            | Code::CutoffInvalid
            | Code::CutoffInFuture
            | Code::IpeUnknown => 400,
            Code::RunNotFound | Code::RouteNotFound => 404,
            Code::RunConflict | Code::QueryUnapproved => 409,
            Code::CatalogInvalid | Code::Internal | Code::EvidenceInvalid => 500,
            _ => 503,
        }
    }
}

impl From<DispatcherError> for Diagnostic {
    fn from(error: DispatcherError) -> Self {
        let code = error.code();
        Self {
            error_type: code.as_str().to_owned(),
            error_message: format!("{error}. {}", code.remedy()),
        }
    }
}
