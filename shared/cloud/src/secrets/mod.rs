//! Secrets: fetched by name, cached between invocations, never printed.

mod cached;
mod manager;
#[cfg(any(test, feature = "testing"))]
mod memory;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use soxauto_domain::Code;

pub use cached::CachedSecret;
pub use manager::SecretsManager;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemorySecrets;

/// A secret's text. It has no `Display`, its `Debug` shows nothing, and it cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<str>);

impl SecretText {
    /// Guards a text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// A secret that cannot be fetched. None of these texts holds any of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No secret of that name, or none with a current value.
    #[error("secret {id}: there is no such secret, or it has no value: {detail}")]
    NotFound {
        /// Name or ARN.
        id: String,
        /// The service's words.
        detail: String,
    },
    /// Role, resource policy or key policy refuse.
    #[error("secret {id}: access is denied; check the role and the key's policy: {detail}")]
    Denied {
        /// Name or ARN.
        id: String,
        /// The service's words.
        detail: String,
    },
    /// The value is binary, not text.
    #[error("secret {id}: the value is not a text")]
    NotText {
        /// Name or ARN.
        id: String,
    },
    /// Throttling, network, timeout or service failure, after retries.
    #[error("secret {id}: the service does not answer: {detail}")]
    Unavailable {
        /// Name or ARN.
        id: String,
        /// The service's words.
        detail: String,
    },
}

impl SecretError {
    /// [`Code::SecretInvalid`] for a value that is not a text, otherwise [`Code::SecretUnavailable`].
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotText { .. } => Code::SecretInvalid,
            _ => Code::SecretUnavailable,
        }
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync + fmt::Debug {
    /// The current value of the secret with this name or ARN.
    ///
    /// # Errors
    /// See [`SecretError`].
    async fn get(&self, id: &str) -> Result<SecretText, SecretError>;
}
