//! The AWS configuration and the SDK clients: built once at init, shared by every invocation.
//!
//! There is no test switch. The standard variables `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`
//! lead elsewhere, and the SDK addresses buckets by path by itself when that endpoint is an IP address.

mod account;
mod call;
pub(crate) mod failure;

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::{
    BehaviorVersion, ConfigLoader, Region, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::config::Credentials;

pub use account::{Account, AccountError};

/// Time to open a connection; the SDK then tries another.
const CONNECT: Duration = Duration::from_secs(3);
/// Time to the first byte of an answer; above the longest long poll, which is 20 s.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// Time for one try: a part of 8 MiB at 1 Mbit/s.
const ONE_TRY: Duration = Duration::from_secs(70);
/// Time for all tries together.
const ALL_TRIES: Duration = Duration::from_secs(180);
/// A stream slower than 1 byte/s for so long is dead.
const STALLED: Duration = Duration::from_secs(20);

/// Loads region, credentials and endpoints from the environment: once, at init.
///
/// Retries: standard mode (bounded, with jitter and a retry quota), four tries. Every timeout is set.
pub async fn load() -> SdkConfig {
    loader().load().await
}

/// As [`load`], but in that region, whatever the environment says: for the operator's tool.
pub async fn load_in(region: &str) -> SdkConfig {
    loader().region(Region::new(region.to_owned())).load().await
}

/// An AWS-compatible service that needs no real identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Where the Redshift Data API is, when another process plays it.
    pub redshift_endpoint: Option<String>,
    /// The region that it plays.
    pub region: String,
}

/// As [`load`], but for an emulator, with the credentials `test`/`test`: for tools that start one
/// and must not change their own environment.
pub async fn load_emulator(emulator: &Emulator) -> SdkConfig {
    loader()
        .endpoint_url(&emulator.endpoint)
        .region(Region::new(emulator.region.clone()))
        .credentials_provider(Credentials::new("test", "test", None, None, "emulator"))
        .load()
        .await
}

fn loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(FIRST_BYTE)
        .operation_attempt_timeout(ONE_TRY)
        .operation_timeout(ALL_TRIES)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(timeouts)
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .grace_period(STALLED)
                .build(),
        )
}

/// The clients of the services that soxauto uses. Cheap to clone: clones share their connections.
#[derive(Debug, Clone)]
pub struct Clients {
    /// S3: evidence and state.
    pub s3: aws_sdk_s3::Client,
    /// SQS: jobs and receipts.
    pub sqs: aws_sdk_sqs::Client,
    /// Secrets Manager: how to connect to the source.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// KMS: signs manifests.
    pub kms: aws_sdk_kms::Client,
    /// Redshift Data API: the warehouse.
    pub redshift: aws_sdk_redshiftdata::Client,
}

impl Clients {
    /// Clients over one configuration. Building one opens no connection.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            s3: aws_sdk_s3::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
            redshift: aws_sdk_redshiftdata::Client::new(config),
        }
    }

    /// Clients of an emulator.
    pub async fn of_emulator(emulator: &Emulator) -> Self {
        let config = load_emulator(emulator).await;
        let redshift = aws_sdk_redshiftdata::config::Builder::from(&config);
        let redshift = match &emulator.redshift_endpoint {
            Some(endpoint) => redshift.endpoint_url(endpoint),
            None => redshift,
        };
        Self {
            redshift: aws_sdk_redshiftdata::Client::from_conf(redshift.build()),
            ..Self::new(&config)
        }
    }

    /// Configuration and clients from the environment.
    pub async fn load() -> Self {
        Self::new(&load().await)
    }
}
