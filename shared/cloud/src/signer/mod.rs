//! The signer: a P-256 key that signs digests and never leaves its home.

mod kms;
#[cfg(any(test, feature = "testing"))]
mod local;
mod verify;

use std::fmt;

use async_trait::async_trait;
use soxauto_domain::Code;

pub use kms::KmsSigner;
#[cfg(any(test, feature = "testing"))]
pub use local::LocalSigner;

/// A failed signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No key of that name, or it is disabled or pending deletion.
    #[error("key {key_id}: there is no such key, or it cannot be used now: {detail}")]
    KeyUnusable {
        /// Name, ARN or alias.
        key_id: String,
        /// The service's words.
        detail: String,
    },
    /// Role or key policy refuse.
    #[error("key {key_id}: access is denied; check the role and the key's policy: {detail}")]
    Denied {
        /// Name, ARN or alias.
        key_id: String,
        /// The service's words.
        detail: String,
    },
    /// The key is not an ECDSA P-256 signing key, or its signature does not verify.
    #[error("key {key_id}: {detail}")]
    WrongKey {
        /// Name, ARN or alias.
        key_id: String,
        /// What is wrong.
        detail: String,
    },
    /// Throttling, network, timeout or service failure, after retries.
    #[error("key {key_id}: the service does not answer: {detail}")]
    Unavailable {
        /// Name, ARN or alias.
        key_id: String,
        /// The service's words.
        detail: String,
    },
}

impl SignerError {
    /// Always [`Code::SignerFailed`].
    #[must_use]
    pub fn code(&self) -> Code {
        Code::SignerFailed
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A P-256 signing key.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// The key's name: for KMS as configured, an ARN or an alias.
    fn key_id(&self) -> &str;

    /// The public key as PEM (`-----BEGIN PUBLIC KEY-----`, SubjectPublicKeyInfo), as `openssl` reads it.
    ///
    /// # Errors
    /// See [`SignerError`].
    async fn public_key_pem(&self) -> Result<String, SignerError>;

    /// Signs a SHA-256 digest: an ECDSA signature in DER, verified before it is returned.
    ///
    /// # Errors
    /// See [`SignerError`].
    async fn sign_digest(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignerError>;
}
