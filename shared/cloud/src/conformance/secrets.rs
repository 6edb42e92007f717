//! What every store of secrets does.

use crate::secrets::{SecretError, Secrets};

/// Runs the suite: `known` holds `text`, `unknown` does not exist.
///
/// # Panics
/// Where a promise of the port is broken.
pub async fn suite(secrets: &dyn Secrets, known: &str, text: &str, unknown: &str) {
    let value = secrets.get(known).await.unwrap();
    assert_eq!(value.expose(), text);
    assert!(
        !format!("{value:?} {secrets:?}").contains(text),
        "Debug shows the secret"
    );
    let error = secrets.get(unknown).await.unwrap_err();
    assert!(
        matches!(&error, SecretError::NotFound { id, .. } if id == unknown),
        "{error}"
    );
}
