//! Secrets over AWS Secrets Manager.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;

use super::{SecretError, SecretText, Secrets};
use crate::aws::failure::{self, Meaning};

/// Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn get(&self, id: &str) -> Result<SecretText, SecretError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(|error| {
                let failure = failure::read(&error);
                let (id, detail) = (id.to_owned(), failure.detail);
                match failure.meaning {
                    // A secret that is scheduled for deletion is an invalid request.
                    Meaning::NotFound | Meaning::Other | Meaning::Precondition => {
                        SecretError::NotFound { id, detail }
                    }
                    Meaning::Denied => SecretError::Denied { id, detail },
                    Meaning::Throttled | Meaning::Unavailable | Meaning::Conflict => {
                        SecretError::Unavailable { id, detail }
                    }
                }
            })?;
        answer
            .secret_string
            .map(SecretText::new)
            .ok_or_else(|| SecretError::NotText { id: id.to_owned() })
    }
}
