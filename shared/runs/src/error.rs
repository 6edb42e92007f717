//! Why a run cannot be read.

use soxauto_cloud::lake::LakeError;
use soxauto_domain::Code;

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// The bucket did not answer.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// An object is not what its key says.
    #[error("{key} cannot be read: {reason}")]
    Document {
        /// Key of the object.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl RunsError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Lake(e) => e.code(),
            Self::Document { .. } => Code::EvidenceInvalid,
        }
    }
}
