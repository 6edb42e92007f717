//! The clock as a port: nothing that must be tested asks the wall.

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(any(test, feature = "testing"))]
pub use twins::{FixedClock, SteppingClock};

#[cfg(any(test, feature = "testing"))]
mod twins {
    use std::{
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    };

    use jiff::{SignedDuration, Timestamp};

    use super::Clock;

    /// A clock that stands still.
    #[derive(Debug, Clone, Copy)]
    pub struct FixedClock(pub Timestamp);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// A clock that moves only when told, shared by its clones.
    #[derive(Debug, Clone)]
    pub struct SteppingClock(Arc<Mutex<Timestamp>>);

    impl SteppingClock {
        /// A clock that starts at `start`.
        #[must_use]
        pub fn new(start: Timestamp) -> Self {
            Self(Arc::new(Mutex::new(start)))
        }

        /// Moves the clock forward.
        pub fn advance(&self, by: Duration) {
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
            *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
        }
    }

    impl Clock for SteppingClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
