//! The signer over AWS KMS: only digests go there, only signatures come back.

use std::error::Error;

use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{MessageType, SigningAlgorithmSpec},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use p256::ecdsa::VerifyingKey;
use tokio::sync::OnceCell;

use super::{Signer, SignerError, verify};
use crate::aws::failure::{self, Meaning};

/// An asymmetric KMS key of type `ECC_NIST_P256` for signing.
#[derive(Debug)]
pub struct KmsSigner {
    client: Client,
    key_id: String,
    public: OnceCell<VerifyingKey>,
}

impl KmsSigner {
    /// The key with this ARN, id or alias; nothing is fetched yet.
    #[must_use]
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self {
            client,
            key_id: key_id.into(),
            public: OnceCell::new(),
        }
    }

    /// The public key, fetched once: a KMS key's material for signing never changes.
    async fn public_key(&self) -> Result<&VerifyingKey, SignerError> {
        let fetch = async || {
            let answer = self
                .client
                .get_public_key()
                .key_id(&self.key_id)
                .send()
                .await;
            let answer = answer.map_err(|e| self.error(&e))?;
            let der = answer
                .public_key
                .ok_or_else(|| self.wrong("the answer has no public key"))?;
            verify::key(der.as_ref()).map_err(|detail| self.wrong(detail))
        };
        self.public.get_or_try_init(fetch).await
    }

    fn wrong(&self, detail: impl Into<String>) -> SignerError {
        SignerError::WrongKey {
            key_id: self.key_id.clone(),
            detail: detail.into(),
        }
    }

    fn error<E>(&self, error: &SdkError<E, HttpResponse>) -> SignerError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let failure = failure::read(error);
        let (key_id, detail) = (self.key_id.clone(), failure.detail);
        match (failure.code.as_str(), failure.meaning) {
            ("DisabledException" | "KMSInvalidStateException", _) | (_, Meaning::NotFound) => {
                SignerError::KeyUnusable { key_id, detail }
            }
            (_, Meaning::Denied) => SignerError::Denied { key_id, detail },
            (_, Meaning::Throttled | Meaning::Unavailable | Meaning::Conflict) => {
                SignerError::Unavailable { key_id, detail }
            }
            (_, Meaning::Other | Meaning::Precondition) => SignerError::WrongKey { key_id, detail },
        }
    }
}

#[async_trait]
impl Signer for KmsSigner {
    fn key_id(&self) -> &str {
        &self.key_id
    }

    async fn public_key_pem(&self) -> Result<String, SignerError> {
        verify::pem(self.public_key().await?).map_err(|detail| self.wrong(detail))
    }

    async fn sign_digest(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignerError> {
        let public = self.public_key().await?;
        let request = self
            .client
            .sign()
            .key_id(&self.key_id)
            .message(Blob::new(sha256));
        let request = request
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let answer = request.send().await.map_err(|e| self.error(&e))?;
        let signature = answer
            .signature
            .ok_or_else(|| self.wrong("the answer has no signature"))?
            .into_inner();
        verify::signature(public, &sha256, &signature).map_err(|detail| self.wrong(detail))?;
        Ok(signature)
    }
}
