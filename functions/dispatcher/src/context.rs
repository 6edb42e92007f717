//! What the dispatcher needs, built once per process.

use std::sync::Arc;

use soxauto_cloud::{
    aws::Clients,
    clock::{Clock, SystemClock},
    config::{ConfigurationInvalid, Environment},
    lake::{Lake, S3Lake},
    queue::{Queue, SqsQueue},
    software,
    telemetry::Telemetry,
};
use soxauto_domain::{
    catalog::{Catalog, Problem},
    layout::Layout,
    plan::{Software, Stage},
};
use soxauto_runs::RunReader;

use crate::error::DispatcherError;

/// The environment variables of the dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SOXAUTO_STAGE`.
    pub stage: Stage,
    /// `SOXAUTO_EVIDENCE_BUCKET`.
    pub evidence_bucket: String,
    /// `SOXAUTO_EVIDENCE_PREFIX`.
    pub evidence_prefix: String,
    /// `SOXAUTO_STATE_BUCKET`.
    pub state_bucket: String,
    /// `SOXAUTO_JOBS_QUEUE_URL`.
    pub jobs_queue_url: String,
}

impl Settings {
    /// Reads them, reporting all problems together.
    ///
    /// # Errors
    /// [`ConfigurationInvalid`] names every variable that is missing or wrong.
    pub fn read(environment: &mut Environment) -> Result<Self, ConfigurationInvalid> {
        let stage = environment.parse::<Stage>("SOXAUTO_STAGE");
        let evidence_bucket = environment.require("SOXAUTO_EVIDENCE_BUCKET");
        let evidence_prefix =
            environment.parse_or("SOXAUTO_EVIDENCE_PREFIX", "evidence".to_owned());
        let state_bucket = environment.require("SOXAUTO_STATE_BUCKET");
        let jobs_queue_url = environment.require("SOXAUTO_JOBS_QUEUE_URL");
        environment.check()?;
        Ok(Self {
            stage: stage.value()?,
            evidence_bucket: evidence_bucket.value()?,
            evidence_prefix: evidence_prefix.value()?,
            state_bucket: state_bucket.value()?,
            jobs_queue_url: jobs_queue_url.value()?,
        })
    }
}

/// Clients and catalog.
pub struct Context {
    /// Environment variables.
    pub settings: Settings,
    /// The evidence bucket.
    pub evidence: Arc<dyn Lake>,
    /// The state bucket.
    pub state: Arc<dyn Lake>,
    /// The jobs queue.
    pub jobs: Arc<dyn Queue>,
    /// Reader of runs.
    pub reader: RunReader,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Log lines and metrics.
    pub telemetry: Telemetry,
    /// This program, as plans record it.
    pub software: Software,
    catalog: Result<Catalog, Vec<Problem>>,
}

impl Context {
    /// A context over any ports.
    #[must_use]
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        settings: Settings,
        evidence: Arc<dyn Lake>,
        state: Arc<dyn Lake>,
        jobs: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        software: Software,
        catalog: Result<Catalog, Vec<Problem>>,
    ) -> Self {
        let reader = RunReader::new(
            Arc::clone(&evidence),
            Layout::new(&settings.evidence_prefix),
        );
        Self {
            settings,
            evidence,
            state,
            jobs,
            reader,
            clock,
            telemetry,
            software,
            catalog,
        }
    }

    /// The context of the deployed function.
    ///
    /// # Errors
    /// [`ConfigurationInvalid`] names every variable that is missing or wrong.
    pub async fn from_environment() -> Result<Self, ConfigurationInvalid> {
        let settings = Settings::read(&mut Environment::from_process())?;
        let telemetry = Telemetry::init("dispatcher", settings.stage);
        let clients = Clients::load().await;
        let evidence = Arc::new(S3Lake::new(clients.s3.clone(), &settings.evidence_bucket));
        let state = Arc::new(S3Lake::new(clients.s3, &settings.state_bucket));
        let jobs = Arc::new(SqsQueue::new(clients.sqs, &settings.jobs_queue_url));
        Ok(Self::new(
            settings,
            evidence,
            state,
            jobs,
            Arc::new(SystemClock),
            telemetry,
            software::running(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?,
            soxauto_catalog::load(),
        ))
    }

    /// The catalog, if it passes its own checks.
    ///
    /// # Errors
    /// [`DispatcherError::Catalog`] with all problems.
    pub fn catalog(&self) -> Result<&Catalog, DispatcherError> {
        self.catalog
            .as_ref()
            .map_err(|problems| DispatcherError::Catalog(problems.clone()))
    }
}
