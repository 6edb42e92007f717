//! Looking at one thing for a dry run: bounded in time, so that the answer comes while somebody waits for it.

use std::{fmt::Display, future::Future, time::Duration};

use soxauto_domain::{
    Code,
    dry_run::{Finding, Outcome},
};
use tokio::time::timeout;

/// How long one thing may take. The template's checks wait longer; a workgroup that has to wake up needs most of it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Does `work` and names what came of it: the text that it returns is what was seen.
pub async fn look<E: Display>(
    name: &str,
    code: impl FnOnce(&E) -> Code,
    work: impl Future<Output = Result<String, E>>,
) -> Finding {
    let outcome = match timeout(LIMIT, work).await {
        Ok(Ok(seen)) => Outcome::Ok { seen },
        Ok(Err(e)) => Outcome::Refused {
            code: code(&e),
            message: e.to_string(),
        },
        Err(_) => Outcome::Refused {
            code: Code::DeadlineNear,
            message: format!("no answer within {} s", LIMIT.as_secs()),
        },
    };
    Finding {
        name: name.to_owned(),
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_refused() {
        let never = std::future::pending::<Result<String, String>>();
        let finding = look("warehouse", |_| Code::WarehouseFailed, never).await;
        assert_eq!(
            finding.to_string(),
            "warehouse: DEADLINE_NEAR: no answer within 60 s"
        );
    }

    #[tokio::test]
    async fn an_error_keeps_its_code() {
        let finding = look("evidence", |_| Code::StorageFailed, async {
            Err::<String, _>("no bucket")
        })
        .await;
        assert_eq!(finding.to_string(), "evidence: STORAGE_FAILED: no bucket");
    }
}
