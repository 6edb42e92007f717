//! What the worker needs, built once per process.

use std::{sync::Arc, time::Duration};

use soxauto_cloud::{
    aws::Clients,
    clock::{Clock, SystemClock},
    config::{ConfigurationInvalid, Environment},
    lake::{Lake, S3Lake},
    lease::Leases,
    queue::{Queue, SqsQueue},
    secrets::{CachedSecret, SecretsManager},
    software,
    telemetry::Telemetry,
};
use soxauto_domain::{
    layout::Layout,
    plan::{Software, Stage},
};
use soxauto_extract::{BulkDriver, Driver};
use soxauto_runs::RunReader;

/// The environment variables of the worker.
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
    /// `SOXAUTO_SOURCE_SECRET`.
    pub source_secret: String,
    /// `SOXAUTO_MAX_RECEIVES`: after that many deliveries the queue gives up.
    pub max_receives: u32,
    /// `SOXAUTO_BULK_DRIVER`: which driver reads the rows.
    pub bulk_driver: BulkDriver,
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
        let source_secret = environment.require("SOXAUTO_SOURCE_SECRET");
        let max_receives = environment.parse_or("SOXAUTO_MAX_RECEIVES", 3);
        let bulk_driver = environment.parse_or("SOXAUTO_BULK_DRIVER", BulkDriver::default());
        environment.check()?;
        Ok(Self {
            stage: stage.value()?,
            evidence_bucket: evidence_bucket.value()?,
            evidence_prefix: evidence_prefix.value()?,
            state_bucket: state_bucket.value()?,
            jobs_queue_url: jobs_queue_url.value()?,
            source_secret: source_secret.value()?,
            max_receives: max_receives.value()?,
            bulk_driver: bulk_driver.value()?,
        })
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A killed worker's message is back after this long.
    pub visibility: Duration,
    /// A killed worker's lease ends after this long: before its message is back.
    pub lease: Duration,
    /// Between two signs of life.
    pub beat: Duration,
    /// Kept free before the function's deadline, for the commit or the failure record.
    pub reserve: Duration,
    /// Between the first two tries of a delivery; between later ones four times as long each.
    pub pause: Duration,
    /// How long a delivery waits for another secret when the server refuses the one that there is.
    pub rotation: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(120),
            // The message may be back three quarters of its visibility and a beat after the last renewal: the lease must
            // have ended by then, or that delivery is wasted on waiting.
            lease: Duration::from_secs(60),
            beat: Duration::from_secs(2),
            reserve: Duration::from_secs(20),
            pause: Duration::from_secs(2),
            // Three deliveries make a minute and a half: longer than a rotation takes between source and secret.
            rotation: Duration::from_secs(30),
        }
    }
}

/// Clients.
pub struct Context {
    /// Environment variables.
    pub settings: Settings,
    /// How long things may take.
    pub timing: Timing,
    /// The evidence bucket.
    pub evidence: Arc<dyn Lake>,
    /// The jobs queue.
    pub jobs: Arc<dyn Queue>,
    /// Leases in the state bucket.
    pub leases: Leases,
    /// Reader of runs.
    pub reader: RunReader,
    /// The source's connection string.
    pub secret: CachedSecret,
    /// Reads SQL Server.
    pub driver: Arc<dyn Driver>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Log lines and metrics.
    pub telemetry: Telemetry,
    /// This program, as receipts record it.
    pub software: Software,
}

impl Context {
    /// The context of the deployed function.
    ///
    /// # Errors
    /// [`ConfigurationInvalid`] names every variable that is missing or wrong.
    pub async fn from_environment() -> Result<Self, ConfigurationInvalid> {
        let settings = Settings::read(&mut Environment::from_process())?;
        let telemetry = Telemetry::init("worker", settings.stage);
        let clients = Clients::load().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let evidence: Arc<dyn Lake> =
            Arc::new(S3Lake::new(clients.s3.clone(), &settings.evidence_bucket));
        let state: Arc<dyn Lake> = Arc::new(S3Lake::new(clients.s3, &settings.state_bucket));
        Ok(Self {
            timing: Timing::default(),
            jobs: Arc::new(SqsQueue::new(clients.sqs, &settings.jobs_queue_url)),
            leases: Leases::new(state, Arc::clone(&clock)),
            reader: RunReader::new(
                Arc::clone(&evidence),
                Layout::new(&settings.evidence_prefix),
            ),
            secret: CachedSecret::new(
                Arc::new(SecretsManager::new(clients.secrets)),
                settings.source_secret.clone(),
            ),
            driver: Arc::new(settings.bulk_driver),
            evidence,
            clock,
            telemetry,
            software: software::running(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?,
            settings,
        })
    }
}
