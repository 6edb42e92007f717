//! What a verification tells while it works.

/// Hears how far a verification is; every method may be left out.
pub trait Progress: Send + Sync {
    /// Bytes that will be read in all.
    fn total(&self, bytes: u64) {
        let _ = bytes;
    }
    /// Bytes that were read since the last call.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
    /// What is being looked at now.
    fn now(&self, what: &str) {
        let _ = what;
    }
}

/// Silence.
impl Progress for () {}
