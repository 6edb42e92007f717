//! The extraction of a job: tried again here while that may help, with a secret that is fetched anew when it may be at
//! fault.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use soxauto_domain::{Code, Plan, Retry, segment::Resumed};
use soxauto_extract::{
    ConnectionSettings, Extracted, Extraction, Limits, Options, Progress as _, Ranged, conclude,
    extract, extract_ranges,
};

use crate::{
    attempt::AttemptRecord, context::Context, error::WorkerError, job::Invocation,
    journal::Journal, rotation::Rotation, store::LakeStore,
};

/// Tries of one delivery against a source that may recover by itself.
const TRIES_HERE: u32 = 3;

/// Extracts with one query; what may pass by itself is tried again here, with growing distance, while time is left.
///
/// # Errors
/// [`WorkerError`] of the last try.
pub async fn whole(work: &Work<'_>) -> Result<Extracted, WorkerError> {
    let last = work.last_published_rows().await?;
    work.tried(false, async || {
        let settings = work.settings().await?;
        Ok(extract(work.request(&settings, last), &work.store(), work.journal).await?)
    })
    .await
}

/// Extracts key ranges behind what earlier invocations did; tried again in the same way.
///
/// # Errors
/// [`WorkerError`] of the last try.
pub async fn ranges(work: &Work<'_>, so_far: Option<&Resumed>) -> Result<Ranged, WorkerError> {
    let last = work.last_published_rows().await?;
    work.tried(so_far.is_some(), async || {
        let settings = work.settings().await?;
        let request = work.request(&settings, last);
        Ok(extract_ranges(request, so_far, &work.store(), work.journal).await?)
    })
    .await
}

/// Judges an attempt of which every range is done; tried again in the same way.
///
/// # Errors
/// [`WorkerError`] of the last try.
pub async fn conclusion(work: &Work<'_>, done: &Resumed) -> Result<Extracted, WorkerError> {
    let last = work.last_published_rows().await?;
    work.tried(true, async || {
        let settings = work.settings().await?;
        let request = work.request(&settings, last);
        Ok(conclude(request, done, &work.store(), work.journal).await?)
    })
    .await
}

/// One delivery's work on an IPE.
#[derive(Clone, Copy)]
pub struct Work<'w> {
    /// Clients.
    pub context: &'w Context,
    /// The invocation.
    pub invocation: &'w Invocation,
    /// The plan.
    pub plan: &'w Plan,
    /// The attempt.
    pub record: &'w AttemptRecord<'w>,
    /// Its journal.
    pub journal: &'w Journal,
}

impl Work<'_> {
    /// Tries until it succeeds, or trying makes no sense. An attempt that was `begun` by an earlier invocation cannot
    /// begin again here when the source has moved.
    async fn tried<T>(
        &self,
        begun: bool,
        mut once: impl AsyncFnMut() -> Result<T, WorkerError>,
    ) -> Result<T, WorkerError> {
        let Self {
            context,
            invocation,
            journal,
            ..
        } = self;
        let mut tries = 0;
        let mut secret_is_fresh = false;
        let mut rotation = Rotation::default();
        loop {
            tries += 1;
            journal.rows(0);
            let error = match once().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            journal.note(
                "failed_try",
                json!({"try": tries, "code": error.code(), "message": error.to_string()}),
            );
            let wait = context.timing.pause * 4u32.pow((tries - 1).min(3));
            let time_is_left = Instant::now() + wait < invocation.deadline;
            if error.code() == Code::LoginRefused {
                if rotation.brings_another_secret(self).await {
                    tries -= 1;
                    continue;
                }
                return Err(error);
            }
            // The secret may have changed since it was fetched: what may be its fault makes it fetched again.
            let secret_in_doubt = matches!(
                error.code(),
                Code::SecretInvalid
                    | Code::SourceTls
                    | Code::SourceUnreachable
                    | Code::DatabaseUnavailable
            );
            if secret_in_doubt {
                context.secret.invalidate().await;
            }
            match error.retry() {
                _ if begun && error.code() == Code::SourceMoved => return Err(error),
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

    /// Rows of the last published run, where the plan wants them compared.
    async fn last_published_rows(&self) -> Result<Option<u64>, WorkerError> {
        let Self {
            context,
            plan,
            record,
            ..
        } = self;
        if record.ipe.max_row_variance_percent.is_none() {
            return Ok(None);
        }
        let reader = &context.reader;
        Ok(reader
            .last_published_rows(&plan.run_id, &record.ipe.id)
            .await?)
    }

    async fn settings(&self) -> Result<ConnectionSettings, WorkerError> {
        let secret = self.context.secret.get().await?;
        Ok(ConnectionSettings::parse(secret.expose())?)
    }

    fn store(&self) -> LakeStore {
        LakeStore::new(
            Arc::clone(&self.context.evidence),
            self.context.reader.layout().clone(),
            self.record.attempt.clone(),
        )
    }

    fn request<'s>(
        &'s self,
        settings: &'s ConnectionSettings,
        last_published_rows: Option<u64>,
    ) -> Extraction<'s> {
        Extraction {
            ipe: self.record.ipe,
            run_id: &self.plan.run_id,
            extracted_at: self.record.extracted_at,
            stage: self.context.settings.stage,
            driver: self.context.driver.as_ref(),
            settings,
            limits: Limits::until(self.invocation.deadline),
            options: Options::default(),
            last_published_rows,
        }
    }
}
