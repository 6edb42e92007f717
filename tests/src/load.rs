//! Runs of any size on a laptop stack: a catalog of as many reports as are wanted, started by the dispatcher's own code.
//!
//! The deployed dispatcher has the real catalog compiled in. Its library takes a catalog as a value: the plan and the
//! messages are made by the same code, and everything after them is the deployed functions' work.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use soxauto_cloud::{
    aws::{Clients, Emulator},
    clock::SystemClock,
    lake::S3Lake,
    queue::SqsQueue,
    telemetry::Telemetry,
};
use soxauto_dispatcher::{
    Context,
    context::Settings,
    start::{Started, start},
};
use soxauto_domain::{
    Cutoff, RunId, Sha256,
    catalog::{self, Catalog},
    layout::state,
    plan::{Software, Stage},
    start::{StartRequest, Trigger, TriggerSource},
};

use crate::{Laptop, proxy::Name};

/// A catalog of so many reports: each is the smallest of the real ones with a table of its own.
///
/// # Panics
/// When the catalog's rules have changed and this is none any more.
#[must_use]
pub fn catalog(ipes: usize) -> Catalog {
    catalog::read(&files(ipes)).unwrap()
}

/// Its files, by name.
#[must_use]
pub fn files(ipes: usize) -> BTreeMap<String, String> {
    let real = soxauto_catalog::files();
    let mut files = BTreeMap::from([("control.toml".to_owned(), real["control.toml"].clone())]);
    for number in 0..ipes {
        let id = format!("LOAD_{number:04}");
        for suffix in [".toml", ".sql", ".completeness.sql"] {
            let text = &real[&format!("CR_05{suffix}")];
            let text = text
                .replace("CR_05", &id)
                .replace("cr_05", &id.to_ascii_lowercase());
            files.insert(format!("{id}{suffix}"), text);
        }
    }
    files
}

/// What the dispatcher needs to know of a stack, as texts, so that another process can be told.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where AWS is.
    pub endpoint: String,
    /// Name of the evidence bucket.
    pub evidence: String,
    /// Name of the state bucket.
    pub state: String,
    /// URL of the jobs queue.
    pub jobs: String,
}

impl Place {
    /// Of a stack behind a proxy, which counts what the dispatcher's code asks as *other*.
    #[must_use]
    pub fn of(laptop: &Laptop) -> Self {
        let outputs = laptop.stack.outputs();
        Self {
            endpoint: laptop.proxy().aws(),
            evidence: outputs.evidence_bucket_name.clone(),
            state: outputs.state_bucket_name.clone(),
            jobs: outputs.jobs_queue_url.clone(),
        }
    }
}

/// Starts a run of the whole catalog; a second run of a cutoff supersedes the first.
///
/// # Panics
/// When the dispatcher refuses.
pub async fn dispatch(place: &Place, catalog: Catalog, cutoff: Cutoff, id: &str) -> Started {
    let clients = Clients::of_emulator(&Emulator {
        endpoint: place.endpoint.clone(),
        redshift_endpoint: None,
        region: "eu-west-1".to_owned(),
    })
    .await;
    let context = Context::new(
        Settings {
            stage: Stage::Dev,
            evidence_bucket: place.evidence.clone(),
            evidence_prefix: "evidence".to_owned(),
            state_bucket: place.state.clone(),
            jobs_queue_url: place.jobs.clone(),
        },
        Arc::new(S3Lake::new(clients.s3.clone(), &place.evidence)),
        Arc::new(S3Lake::new(clients.s3.clone(), &place.state)),
        Arc::new(SqsQueue::new(clients.sqs.clone(), &place.jobs)),
        Arc::new(SystemClock),
        Telemetry::for_tests(),
        Software {
            name: "soxauto-dispatcher".to_owned(),
            version: "0".to_owned(),
            binary_sha256: Sha256::of("the library"),
        },
        Ok(catalog),
    );
    let request = StartRequest {
        cutoff: Some(cutoff),
        ipes: None,
        supersede: true,
        approval: None,
        trigger: Trigger {
            source: TriggerSource::Direct,
            id: id.to_owned(),
            scheduled_time: None,
            principal: None,
        },
    };
    start(&context, &request).await.unwrap()
}

/// Waits until the run is closed.
///
/// # Panics
/// When it is not after `patience`.
pub async fn until_closed(laptop: &Laptop, run: &RunId, patience: Duration) {
    let started = Instant::now();
    let manifest = laptop.reader.layout().manifest(run, 1);
    while laptop.evidence.head(&manifest).await.is_err()
        || laptop.state.head(&state::open_run(run)).await.is_ok()
    {
        assert!(started.elapsed() < patience, "{run} did not close");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Calls by service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// S3.
    pub s3: u64,
    /// SQS.
    pub sqs: u64,
    /// The Redshift Data API.
    pub redshift: u64,
    /// KMS and Secrets Manager.
    pub keys: u64,
}

impl Calls {
    /// Sums up what a proxy has counted.
    #[must_use]
    pub fn of(counts: &BTreeMap<Name, u64>) -> Self {
        let mut calls = Self::default();
        for (name, count) in counts {
            let service = match name.operation.as_str() {
                "SendMessageBatch" | "ChangeMessageVisibility" | "DeleteMessage" => &mut calls.sqs,
                "Sign" | "GetPublicKey" | "GetSecretValue" => &mut calls.keys,
                operation if operation.contains("Statement") => &mut calls.redshift,
                _ => &mut calls.s3,
            };
            *service += count;
        }
        calls
    }
}
