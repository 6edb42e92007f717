//! What the finalizer needs, built once per process.

use std::{sync::Arc, time::Duration};

use soxauto_cloud::{
    aws::Clients,
    clock::{Clock, SystemClock},
    config::{ConfigurationInvalid, Environment},
    lake::{Lake, S3Lake},
    lease::Leases,
    queue::{Queue, SqsQueue},
    signer::{KmsSigner, Signer},
    software,
    telemetry::Telemetry,
    warehouse::{Compute, RedshiftWarehouse, Warehouse, WarehouseTarget},
};
use soxauto_domain::{
    ControlId,
    catalog::Catalog,
    layout::Layout,
    plan::{Software, Stage},
};
use soxauto_runs::RunReader;

use crate::plans::Plans;

/// The environment variables of the finalizer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SOXAUTO_STAGE`.
    pub stage: Stage,
    /// `SOXAUTO_CONTROL`.
    pub control: ControlId,
    /// `SOXAUTO_EVIDENCE_BUCKET`.
    pub evidence_bucket: String,
    /// `SOXAUTO_EVIDENCE_PREFIX`.
    pub evidence_prefix: String,
    /// `SOXAUTO_STATE_BUCKET`.
    pub state_bucket: String,
    /// `SOXAUTO_RECEIPTS_QUEUE_URL`.
    pub receipts_queue_url: String,
    /// `SOXAUTO_JOBS_DEAD_LETTERS_URL`.
    pub jobs_dead_letters_url: String,
    /// `SOXAUTO_SIGNING_KEY`.
    pub signing_key: String,
    /// `SOXAUTO_REDSHIFT_COPY_ROLE`; `None` for the warehouse's default role.
    pub copy_role: Option<String>,
    /// `SOXAUTO_REDSHIFT_WORKGROUP` or `SOXAUTO_REDSHIFT_CLUSTER`, with `SOXAUTO_REDSHIFT_DATABASE` and `SOXAUTO_REDSHIFT_SECRET`.
    pub warehouse: WarehouseTarget,
}

impl Settings {
    /// Reads them, reporting all problems together.
    ///
    /// # Errors
    /// [`ConfigurationInvalid`] names every variable that is missing or wrong.
    pub fn read(environment: &mut Environment) -> Result<Self, ConfigurationInvalid> {
        let stage = environment.parse::<Stage>("SOXAUTO_STAGE");
        let control = environment.parse::<ControlId>("SOXAUTO_CONTROL");
        let evidence_bucket = environment.require("SOXAUTO_EVIDENCE_BUCKET");
        let evidence_prefix =
            environment.parse_or("SOXAUTO_EVIDENCE_PREFIX", "evidence".to_owned());
        let state_bucket = environment.require("SOXAUTO_STATE_BUCKET");
        let receipts_queue_url = environment.require("SOXAUTO_RECEIPTS_QUEUE_URL");
        let jobs_dead_letters_url = environment.require("SOXAUTO_JOBS_DEAD_LETTERS_URL");
        let signing_key = environment.require("SOXAUTO_SIGNING_KEY");
        let database = environment.require("SOXAUTO_REDSHIFT_DATABASE");
        let copy_role = environment.optional("SOXAUTO_REDSHIFT_COPY_ROLE");
        if copy_role.as_ref().is_some_and(|role| !is_role_arn(role)) {
            environment.problem("SOXAUTO_REDSHIFT_COPY_ROLE", "is not the ARN of a role");
        }
        let secret_arn = environment.optional("SOXAUTO_REDSHIFT_SECRET");
        let compute = match (
            environment.optional("SOXAUTO_REDSHIFT_WORKGROUP"),
            environment.optional("SOXAUTO_REDSHIFT_CLUSTER"),
        ) {
            (Some(workgroup), None) => Some(Compute::Workgroup(workgroup)),
            (None, Some(cluster)) => Some(Compute::Cluster {
                id: cluster,
                user: None,
            }),
            _ => {
                environment.problem(
                    "SOXAUTO_REDSHIFT_WORKGROUP",
                    "or SOXAUTO_REDSHIFT_CLUSTER must be set, and not both",
                );
                None
            }
        };
        environment.check()?;
        let unreachable = || ConfigurationInvalid {
            problems: Vec::new(),
        };
        Ok(Self {
            stage: stage.value()?,
            control: control.value()?,
            evidence_bucket: evidence_bucket.value()?,
            evidence_prefix: evidence_prefix.value()?,
            state_bucket: state_bucket.value()?,
            receipts_queue_url: receipts_queue_url.value()?,
            jobs_dead_letters_url: jobs_dead_letters_url.value()?,
            signing_key: signing_key.value()?,
            copy_role,
            warehouse: WarehouseTarget {
                compute: compute.ok_or_else(unreachable)?,
                database: database.value()?,
                secret_arn,
            },
        })
    }
}

/// The ARN becomes part of a COPY statement, which takes no parameters: nothing else is let in.
fn is_role_arn(text: &str) -> bool {
    text.starts_with("arn:")
        && text.contains(":role/")
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, ':' | '/' | '-' | '_' | '+' | '=' | '.' | '@' | ',')
        })
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A killed finalizer's lease ends after this long.
    pub lease: Duration,
    /// Between two signs of life.
    pub beat: Duration,
    /// Between two tries to get the lease.
    pub wait: Duration,
    /// Kept free before the function's deadline.
    pub reserve: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            beat: Duration::from_secs(15),
            wait: Duration::from_millis(500),
            reserve: Duration::from_secs(20),
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
    /// The state bucket.
    pub state: Arc<dyn Lake>,
    /// The receipts queue.
    pub receipts: Arc<dyn Queue>,
    /// Jobs that the queue has given up; looked at only.
    pub dead_jobs: Arc<dyn Queue>,
    /// Leases in the state bucket.
    pub leases: Leases,
    /// Reader of runs.
    pub reader: RunReader,
    /// Plans that were read.
    pub plans: Plans,
    /// Signs manifests.
    pub signer: Arc<dyn Signer>,
    /// The warehouse.
    pub warehouse: Arc<dyn Warehouse>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Log lines and metrics.
    pub telemetry: Telemetry,
    /// The catalog of this release: the zone in which the control's months begin, and what a missing month would have run.
    pub catalog: Catalog,
    /// This program, as manifests record it.
    pub software: Software,
}

impl Context {
    /// The context of the deployed function.
    ///
    /// # Errors
    /// [`ConfigurationInvalid`] names every variable that is missing or wrong.
    pub async fn from_environment() -> Result<Self, ConfigurationInvalid> {
        let mut environment = Environment::from_process();
        let settings = Settings::read(&mut environment)?;
        let catalog = soxauto_catalog::load().map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            ConfigurationInvalid::of(
                "SOXAUTO_CONTROL",
                format!(
                    "names a catalog with problems: {}",
                    first.unwrap_or_default()
                ),
            )
        })?;
        let telemetry = Telemetry::init("finalizer", settings.stage);
        let clients = Clients::load().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let evidence: Arc<dyn Lake> =
            Arc::new(S3Lake::new(clients.s3.clone(), &settings.evidence_bucket));
        let state: Arc<dyn Lake> = Arc::new(S3Lake::new(clients.s3, &settings.state_bucket));
        Ok(Self {
            timing: Timing::default(),
            receipts: Arc::new(SqsQueue::new(
                clients.sqs.clone(),
                &settings.receipts_queue_url,
            )),
            dead_jobs: Arc::new(SqsQueue::new(clients.sqs, &settings.jobs_dead_letters_url)),
            leases: Leases::new(Arc::clone(&state), Arc::clone(&clock)),
            reader: RunReader::new(
                Arc::clone(&evidence),
                Layout::new(&settings.evidence_prefix),
            ),
            signer: Arc::new(KmsSigner::new(clients.kms, &settings.signing_key)),
            warehouse: Arc::new(RedshiftWarehouse::new(
                clients.redshift,
                settings.warehouse.clone(),
            )),
            plans: Plans::default(),
            evidence,
            state,
            clock,
            telemetry,
            catalog,
            software: software::running(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?,
            settings,
        })
    }
}
