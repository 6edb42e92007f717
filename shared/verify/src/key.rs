//! The public key: what an auditor must have from elsewhere.

use p256::{
    ecdsa::VerifyingKey,
    pkcs8::{DecodePublicKey as _, EncodePublicKey as _},
};
use soxauto_domain::Sha256;

/// The text is no public key of the kind that signs manifests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ECDSA P-256 public key in PEM (SubjectPublicKeyInfo): {0}")]
pub struct KeyError(String);

/// A P-256 public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pem: String,
    sha256: Sha256,
}

impl PublicKey {
    /// Reads PEM (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    /// [`KeyError`] says why it is none.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_public_key_pem(pem).map_err(|e| KeyError(e.to_string()))?;
        let der = key
            .to_public_key_der()
            .map_err(|e| KeyError(e.to_string()))?;
        Ok(Self {
            pem: pem.to_owned(),
            sha256: Sha256::of(der.as_bytes()),
        })
    }

    /// The key as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the key in DER: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }
}
