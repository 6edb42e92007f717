//! Errors of the lake, named by what they mean to the caller.

use std::fmt;

use soxauto_domain::Code;

/// An operation of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Read a whole object.
    Get,
    /// Read an object as a stream.
    Download,
    /// Read what is known about an object.
    Head,
    /// Write an object that must not exist.
    Create,
    /// Write an object that must exist and be the known one.
    Replace,
    /// Delete an object.
    Delete,
    /// Delete an object that must be the known one.
    DeleteIf,
    /// List objects.
    List,
    /// List folders.
    ListFolders,
    /// Give bytes to an upload.
    UploadWrite,
    /// Make an upload an object.
    UploadComplete,
    /// Throw an upload away.
    UploadAbort,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Download => "download",
            Self::Head => "head",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::DeleteIf => "delete-if",
            Self::List => "list",
            Self::ListFolders => "list-folders",
            Self::UploadWrite => "upload",
            Self::UploadComplete => "complete-upload",
            Self::UploadAbort => "abort-upload",
        })
    }
}

/// Where it happened and what the service said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The operation.
    pub operation: Operation,
    /// The key or prefix, with the bucket where there is one: `bucket/key`.
    pub key: String,
    /// The service's words: code, message, HTTP status, request id; empty when there are none.
    pub detail: String,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.operation, self.key)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

/// A failed operation of the lake, by meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LakeError {
    /// No object (or bucket) of that name.
    #[error("{0}: there is no such object")]
    NotFound(At),
    /// An object of that name exists, with other content than was to be written.
    #[error("{0}: an object with other content exists already")]
    AlreadyExists(At),
    /// The object changed since it was read.
    #[error("{0}: the object is no longer the one that was read")]
    Precondition(At),
    /// Role, bucket policy or key policy refuse.
    #[error("{0}: access is denied; check the role, the bucket's policy and the key's policy")]
    Denied(At),
    /// Too many requests, after the SDK's own retries.
    #[error("{0}: too many requests")]
    Throttled(At),
    /// Network, timeout or service failure, after retries. A write may have had its effect.
    #[error("{0}: the storage does not answer")]
    Unavailable(At),
    /// Anything else, such as a key that is too long.
    #[error("{0}: the request failed")]
    Other(At),
}

impl LakeError {
    /// Where it happened.
    #[must_use]
    pub fn at(&self) -> &At {
        match self {
            Self::NotFound(at)
            | Self::AlreadyExists(at)
            | Self::Precondition(at)
            | Self::Denied(at)
            | Self::Throttled(at)
            | Self::Unavailable(at)
            | Self::Other(at) => at,
        }
    }

    /// The closed code: [`Code::ObjectExists`] when a rival wrote first, otherwise [`Code::StorageFailed`].
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::AlreadyExists(_) | Self::Precondition(_) => Code::ObjectExists,
            _ => Code::StorageFailed,
        }
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unavailable(_))
    }

    /// Whether it says that there is nothing of that name.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}
