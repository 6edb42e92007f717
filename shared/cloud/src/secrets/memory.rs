//! Secrets in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{SecretError, SecretText, Secrets};

/// Secrets in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemorySecrets(Arc<Mutex<(BTreeMap<String, SecretText>, u32)>>);

impl MemorySecrets {
    /// Sets or rotates a secret.
    pub fn put(&self, id: &str, text: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .insert(id.to_owned(), SecretText::new(text));
    }

    /// How often a secret was asked for.
    #[must_use]
    pub fn fetches(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[async_trait]
impl Secrets for MemorySecrets {
    async fn get(&self, id: &str) -> Result<SecretText, SecretError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        state
            .0
            .get(id)
            .cloned()
            .ok_or_else(|| SecretError::NotFound {
                id: id.to_owned(),
                detail: String::new(),
            })
    }
}
