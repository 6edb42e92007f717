//! A secret kept between invocations until somebody finds that it is no longer valid.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{SecretError, SecretText, Secrets};

/// One secret, fetched when first needed and after each [`invalidate`](Self::invalidate).
#[derive(Debug)]
pub struct CachedSecret {
    secrets: Arc<dyn Secrets>,
    id: String,
    value: Mutex<Option<SecretText>>,
}

impl CachedSecret {
    /// The secret with this name or ARN; nothing is fetched yet.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>, id: impl Into<String>) -> Self {
        Self {
            secrets,
            id: id.into(),
            value: Mutex::new(None),
        }
    }

    /// Name or ARN.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value; callers that come at the same time share one fetch. A failed fetch is not kept.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn get(&self) -> Result<SecretText, SecretError> {
        let mut value = self.value.lock().await;
        if let Some(text) = &*value {
            return Ok(text.clone());
        }
        let text = self.secrets.get(&self.id).await?;
        *value = Some(text.clone());
        Ok(text)
    }

    /// Forgets the value: after a refused login the secret may have been rotated.
    pub async fn invalidate(&self) {
        *self.value.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::MemorySecrets;

    #[tokio::test]
    async fn a_rotated_secret_is_seen_after_invalidation_only() {
        let secrets = MemorySecrets::default();
        let cached = CachedSecret::new(Arc::new(secrets.clone()), "source");
        assert!(matches!(
            cached.get().await,
            Err(SecretError::NotFound { .. })
        ));
        secrets.put("source", "old");
        assert_eq!(cached.get().await.unwrap().expose(), "old");
        secrets.put("source", "new");
        assert_eq!(cached.get().await.unwrap().expose(), "old");
        cached.invalidate().await;
        assert_eq!(cached.get().await.unwrap().expose(), "new");
        assert_eq!(secrets.fetches(), 3);
        assert!(!format!("{cached:?}").contains("new"));
    }
}
