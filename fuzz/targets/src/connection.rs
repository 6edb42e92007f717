//! The secret of the source: whatever somebody stored there.

use soxauto_extract::ConnectionSettings;

/// Reads the bytes as a secret.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match ConnectionSettings::parse(text) {
        Ok(settings) => {
            let debug = format!("{settings:?}");
            assert!(debug.contains("password: ***"), "{debug}");
            assert!(settings.port() > 0 && !settings.host().is_empty());
            let _ = settings.tls();
        }
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
        }
    }
}
