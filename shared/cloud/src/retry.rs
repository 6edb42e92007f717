//! Bounded retries: exponential backoff with full jitter, inside a deadline.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// The instant by which work must be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `within` from now; more than a year counts as a year.
    #[must_use]
    pub fn after(within: Duration) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        Self(Instant::now() + within.min(YEAR))
    }

    /// What is left; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.remaining().is_zero()
    }

    /// An earlier deadline, so that time is left to report what happened.
    #[must_use]
    pub fn minus(&self, reserve: Duration) -> Self {
        Self(self.0.checked_sub(reserve).unwrap_or(self.0))
    }

    /// The instant.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.0
    }
}

/// How often and how long to wait between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait; doubles with each try.
    pub first: Duration,
    /// Upper bound of every wait.
    pub longest: Duration,
    /// Tries in all; 0 counts as 1.
    pub tries: u32,
}

impl Backoff {
    /// For calls to AWS on top of the SDK's own retries: 4 tries, 100 ms up to 2 s.
    pub const SHORT: Self = Self {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(2),
        tries: 4,
    };

    /// For a source or a warehouse that may be failing over: 5 tries, 1 s up to 30 s.
    pub const LONG: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
        tries: 5,
    };

    /// The upper bound of the wait after try `n` (from 1).
    #[must_use]
    pub fn bound(&self, n: u32) -> Duration {
        let factor = 2u32.saturating_pow(n.saturating_sub(1).min(20));
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// A wait after try `n`, anywhere between nothing and the bound: rivals do not meet again.
    #[must_use]
    pub fn wait(&self, n: u32) -> Duration {
        self.bound(n).mul_f64(rand::random::<f64>())
    }
}

/// Runs `operation` (given the number of the try, from 1) until it succeeds, its error is not worth a
/// retry, the tries are used up, or the next wait would reach the deadline.
///
/// # Errors
/// The last try's error.
pub async fn retry<T, E, Fut>(
    backoff: Backoff,
    deadline: Deadline,
    worth_it: impl Fn(&E) -> bool,
    mut operation: impl FnMut(u32) -> Fut,
) -> Result<T, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    let mut n = 1;
    loop {
        let error = match operation(n).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = backoff.wait(n);
        if n >= backoff.tries || wait >= deadline.remaining() || !worth_it(&error) {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const FAR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn it_stops_at_the_first_success() {
        let tries = Cell::new(0);
        let result = retry(
            Backoff::LONG,
            Deadline::after(FAR),
            |_: &&str| true,
            |n| {
                tries.set(n);
                async move { if n < 3 { Err("again") } else { Ok(n) } }
            },
        );
        assert_eq!(result.await, Ok(3));
        assert_eq!(tries.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_are_bounded_and_waits_too() {
        let start = Instant::now();
        let tries = Cell::new(0);
        let result: Result<(), _> = retry(
            Backoff::LONG,
            Deadline::after(FAR),
            |_| true,
            |n| {
                tries.set(n);
                async { Err("never") }
            },
        )
        .await;
        assert_eq!((result, tries.get()), (Err("never"), 5));
        // 1 + 2 + 4 + 8 seconds at most.
        assert!(
            start.elapsed() <= Duration::from_secs(15),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_fatal_error_is_not_tried_again_and_a_near_deadline_ends_it() {
        let tries = Cell::new(0);
        let count = |n| {
            tries.set(n);
            async { Err::<(), _>("no") }
        };
        assert!(
            retry(Backoff::LONG, Deadline::after(FAR), |_| false, count)
                .await
                .is_err()
        );
        assert_eq!(tries.get(), 1);
        let patient = Backoff {
            tries: u32::MAX,
            ..Backoff::LONG
        };
        let deadline = Deadline::after(Duration::from_secs(60));
        assert!(retry(patient, deadline, |_| true, count).await.is_err());
        assert!(tries.get() > 1 && !deadline.is_over());
    }

    #[test]
    fn bounds_double_up_to_the_longest() {
        let bounds: Vec<_> = (1..8).map(|n| Backoff::LONG.bound(n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(Backoff::LONG.bound(u32::MAX).as_secs(), 30);
    }
}
