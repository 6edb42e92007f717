//! Why a local command failed.

use std::path::PathBuf;

use soxauto_cloud::lake::LakeError;
use soxauto_local::StackError;
use soxauto_runs::RunsError;

/// Why a local command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// cargo did not build the functions.
    #[error("the functions could not be built: {0}")]
    Build(String),
    /// The stack does not work.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The run cannot be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// The bucket does not answer.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The dispatcher refused the event.
    #[error("the dispatcher did not start the run: {0}")]
    Dispatcher(String),
    /// The run did not end.
    #[error("{run} did not end within {seconds} s; the logs are in {logs}")]
    Timeout {
        /// The run, or what was waited for.
        run: String,
        /// Seconds waited.
        seconds: u64,
        /// Folder of the logs.
        logs: PathBuf,
    },
    /// The manifest is not what it should be.
    #[error("the manifest cannot be read: {0}")]
    Manifest(#[from] soxauto_evidence::EnvelopeError),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The generator of the sample failed.
    #[error("the generator of the NAV sample ended with {0}")]
    Sample(std::process::ExitStatus),
    /// Something could not be written as JSON.
    #[error("the result cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl LocalError {
    /// Attaches the path to an error of the operating system.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
