//! A login that the server refuses: its password may be on the way to another one.
//!
//! A rotation changes the login at the source and the value of the secret, and cannot do both at once. A worker that
//! comes in between waits for the other half instead of using up the deliveries of its message. It asks Secrets Manager
//! only: a value that the server has refused is not offered to it again in the same delivery, since refused logins can
//! lock an account.

use std::time::{Duration, Instant};

use serde_json::json;
use soxauto_domain::Code;

use crate::extraction::Work;

/// So many values in succession are no rotation.
const MOST_VALUES: u32 = 5;

/// What one delivery has seen of it.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    refused_at: Option<Instant>,
    values: u32,
}

impl Rotation {
    /// Waits until the secret has another value than the one that was refused; `false` when it does not get one in the
    /// time that a delivery waits, counted from its first refusal.
    pub(crate) async fn brings_another_secret(&mut self, work: &Work<'_>) -> bool {
        let refused_at = *self.refused_at.get_or_insert_with(Instant::now);
        self.values += 1;
        if self.values < MOST_VALUES && has_another(work, refused_at).await {
            return true;
        }
        // The next delivery looks for itself.
        work.context.secret.invalidate().await;
        false
    }
}

async fn has_another(work: &Work<'_>, refused_at: Instant) -> bool {
    let Work {
        context,
        invocation,
        journal,
        ..
    } = work;
    let patience = context.timing.rotation;
    let until = (refused_at + patience).min(invocation.deadline);
    let mut pause = patience / 64;
    let mut waits = false;
    loop {
        match context.secret.renew().await {
            Ok(true) => {
                let waited_ms = milliseconds(refused_at.elapsed());
                tracing::info!(
                    waited_ms,
                    "the login was refused and the secret has another value: trying with it"
                );
                journal.note("secret_changed", json!({"waited_ms": waited_ms}));
                return true;
            }
            Ok(false) => {}
            Err(e) => {
                let code = e.code();
                tracing::warn!(
                    code = code.as_str(),
                    "the secret could not be fetched again: {e}"
                );
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if !waits {
            waits = true;
            tracing::warn!(
                code = Code::LoginRefused.as_str(),
                seconds = left.as_secs(),
                "the login is refused and the secret is as it was: waiting for a rotation to end"
            );
            journal.note("secret_awaited", json!({"at_most_ms": milliseconds(left)}));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(patience / 8);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
