//! A signer whose key is derived from a seed: for tests only, its key is no secret.

use async_trait::async_trait;
use p256::ecdsa::{DerSignature, SigningKey, signature::hazmat::PrehashSigner as _};

use super::{Signer, SignerError, verify};

/// A P-256 key in memory.
#[derive(Clone)]
pub struct LocalSigner {
    key_id: String,
    key: SigningKey,
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSigner")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl LocalSigner {
    /// The key of this seed; the same seed gives the same key and the same signatures.
    ///
    /// # Panics
    /// When the seed is zero or not below the curve's order, which no seed of repeated bytes below 255 is.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_slice(&seed).expect("a seed between 1 and the order of P-256");
        Self {
            key_id: "local-test-key".to_owned(),
            key,
        }
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn key_id(&self) -> &str {
        &self.key_id
    }

    async fn public_key_pem(&self) -> Result<String, SignerError> {
        verify::pem(self.key.verifying_key()).map_err(|detail| self.wrong(detail))
    }

    async fn sign_digest(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignerError> {
        let signature: DerSignature = self
            .key
            .sign_prehash(&sha256)
            .map_err(|e| self.wrong(e.to_string()))?;
        verify::signature(self.key.verifying_key(), &sha256, signature.as_bytes())
            .map_err(|detail| self.wrong(detail))?;
        Ok(signature.as_bytes().to_vec())
    }
}

impl LocalSigner {
    fn wrong(&self, detail: String) -> SignerError {
        SignerError::WrongKey {
            key_id: self.key_id.clone(),
            detail,
        }
    }
}
