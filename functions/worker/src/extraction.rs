//! The extraction of a job: tried again here while that may help, with a secret that is fetched anew when it may be at
//! fault.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use soxauto_domain::{Code, Plan, Retry};
use soxauto_extract::{
    ConnectionSettings, Extracted, Extraction, Limits, Options, Progress as _, extract,
};

use crate::{
    attempt::AttemptRecord, context::Context, error::WorkerError, job::Invocation,
    journal::Journal, store::LakeStore,
};

/// Tries of one delivery against a source that may recover by itself.
const TRIES_HERE: u32 = 3;

/// Extracts; what may pass by itself is tried again here, with growing distance, while time is left.
///
/// # Errors
/// [`WorkerError`] of the last try.
pub async fn run(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
) -> Result<Extracted, WorkerError> {
    let last_published_rows = match record.ipe.max_row_variance_percent {
        Some(_) => {
            context
                .reader
                .last_published_rows(&plan.run_id, &record.ipe.id)
                .await?
        }
        None => None,
    };
    let mut tries = 0;
    let mut secret_is_fresh = false;
    loop {
        tries += 1;
        let error = match extract_once(
            context,
            invocation,
            plan,
            record,
            journal,
            last_published_rows,
        )
        .await
        {
            Ok(extracted) => return Ok(extracted),
            Err(error) => error,
        };
        journal.note(
            "failed_try",
            json!({"try": tries, "code": error.code(), "message": error.to_string()}),
        );
        let wait = Duration::from_millis(500) * 4u32.pow(tries.min(4));
        let time_is_left = Instant::now() + wait < invocation.deadline;
        // The secret may have changed since it was fetched: what may be its fault makes it fetched again.
        let secret_in_doubt = matches!(
            error.code(),
            Code::LoginRefused
                | Code::SecretInvalid
                | Code::SourceTls
                | Code::SourceUnreachable
                | Code::DatabaseUnavailable
        );
        if secret_in_doubt {
            context.secret.invalidate().await;
        }
        match error.retry() {
            _ if secret_in_doubt && !secret_is_fresh => secret_is_fresh = true,
            Retry::Here if tries < TRIES_HERE && time_is_left => {
                tracing::warn!(
                    code = error.code().as_str(),
                    tries,
                    "tried again here: {error}"
                );
                tokio::time::sleep(wait).await;
            }
            _ => return Err(error),
        }
    }
}

async fn extract_once(
    context: &Context,
    invocation: &Invocation,
    plan: &Plan,
    record: &AttemptRecord<'_>,
    journal: &Journal,
    last_published_rows: Option<u64>,
) -> Result<Extracted, WorkerError> {
    journal.rows(0);
    let secret = context.secret.get().await?;
    let settings = ConnectionSettings::parse(secret.expose())?;
    let store = LakeStore::new(
        Arc::clone(&context.evidence),
        context.reader.layout().clone(),
        record.attempt.clone(),
    );
    let request = Extraction {
        ipe: record.ipe,
        run_id: &plan.run_id,
        extracted_at: record.extracted_at,
        stage: context.settings.stage,
        driver: context.driver.as_ref(),
        settings: &settings,
        limits: Limits::until(invocation.deadline),
        options: Options::default(),
        last_published_rows,
    };
    Ok(extract(request, &store, journal).await?)
}
