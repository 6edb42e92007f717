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

    /// Fetches the value anew and keeps it; says whether it is another one than was kept.
    ///
    /// # Errors
    /// See [`SecretError`]; the value that was kept stays.
    pub async fn renew(&self) -> Result<bool, SecretError> {
        let mut value = self.value.lock().await;
        let text = self.secrets.get(&self.id).await?;
        let is_another = value.as_ref() != Some(&text);
        *value = Some(text);
        Ok(is_another)
    }

    /// Forgets the value: it is fetched when it is needed next.
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

    #[tokio::test]
    async fn who_renews_hears_whether_the_value_is_another() {
        let secrets = MemorySecrets::default();
        secrets.put("source", "old");
        let cached = CachedSecret::new(Arc::new(secrets.clone()), "source");
        assert!(cached.renew().await.unwrap(), "nothing was known");
        assert!(!cached.renew().await.unwrap());
        secrets.put("source", "new");
        assert!(cached.renew().await.unwrap());
        assert_eq!(cached.get().await.unwrap().expose(), "new");
        assert_eq!(secrets.fetches(), 3);
        cached.invalidate().await;
        assert!(cached.renew().await.unwrap(), "nothing was kept");
    }
}
