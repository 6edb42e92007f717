//! What the end-to-end tests share: a laptop stack with the deployed functions, and eyes to watch it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod faults;
pub mod leaks;
pub mod load;
pub mod proxy;
pub mod settled;
pub mod tripwire;
pub mod wire;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use soxauto_cloud::{
    aws::{Clients, Emulator},
    lake::{Lake, S3Lake},
    queue::{Queue as _, SqsQueue},
};
use soxauto_domain::{
    RunId, Sha256,
    facts::RunFacts,
    layout::{Layout, state},
    manifest::Statement,
};
use soxauto_evidence::envelope;
use soxauto_local::{Function, FunctionBinaries, Quiet, Stack, StackOptions};
use soxauto_runs::RunReader;

use proxy::Proxy;

/// Ledger rows of the tests' sample: enough for every report to have rows, small enough for a quick start.
pub const ROWS: u64 = 20_000;

/// The cutoff that the tests close.
pub const CUTOFF: &str = "2024-05-01";

/// Months that the sample has data for, where a test runs many of them at once: each is a run of its own.
pub const CUTOFFS: [&str; 16] = [
    "2023-02-01",
    "2023-03-01",
    "2023-04-01",
    "2023-05-01",
    "2023-06-01",
    "2023-07-01",
    "2023-08-01",
    "2023-09-01",
    "2023-10-01",
    "2023-11-01",
    "2023-12-01",
    "2024-01-01",
    "2024-02-01",
    "2024-03-01",
    "2024-04-01",
    "2024-05-01",
];

/// A running laptop stack and clients of it.
pub struct Laptop {
    /// The stack.
    pub stack: Stack,
    /// Clients of the emulator.
    pub clients: Clients,
    /// The evidence bucket.
    pub evidence: Arc<dyn Lake>,
    /// The state bucket.
    pub state: Arc<dyn Lake>,
    /// Reader of runs.
    pub reader: RunReader,
    proxy: Option<Proxy>,
}

impl Laptop {
    /// Starts a stack with the functions that cargo built beside this test.
    pub async fn start() -> Self {
        Self::start_as(|_| {}).await
    }

    /// The same with other options than the tests' usual ones.
    ///
    /// # Panics
    /// When a part of the stack does not start.
    pub async fn start_as(choose: impl FnOnce(&mut StackOptions)) -> Self {
        let mut options =
            StackOptions::new(FunctionBinaries::beside_this_program().unwrap()).unwrap();
        options.rows = ROWS;
        choose(&mut options);
        let stack = Stack::start(options, &Quiet).await.unwrap();
        let clients = Clients::of_emulator(&Emulator {
            endpoint: stack.endpoints().aws.clone(),
            redshift_endpoint: Some(stack.endpoints().redshift.clone()),
            region: "eu-west-1".to_owned(),
        })
        .await;
        let outputs = stack.outputs();
        let evidence: Arc<dyn Lake> = Arc::new(S3Lake::new(
            clients.s3.clone(),
            &outputs.evidence_bucket_name,
        ));
        let state: Arc<dyn Lake> =
            Arc::new(S3Lake::new(clients.s3.clone(), &outputs.state_bucket_name));
        let reader = RunReader::new(Arc::clone(&evidence), Layout::new(&outputs.evidence_prefix));
        Self {
            stack,
            clients,
            evidence,
            state,
            reader,
            proxy: None,
        }
    }

    /// As [`start_as`](Self::start_as), with a [`proxy`](Self::proxy) through which all functions reach AWS and the
    /// warehouse. The test's own clients and the operator's tool do not go through it.
    ///
    /// # Panics
    /// When a part of the stack does not start.
    pub async fn behind_proxy(choose: impl FnOnce(&mut StackOptions)) -> Self {
        let mut laptop = Self::start_as(choose).await;
        let endpoints = laptop.stack.endpoints().clone();
        let proxy = Proxy::start(&endpoints.aws, &endpoints.redshift).await;
        laptop
            .stack
            .lead_functions_to(&proxy.aws(), &proxy.redshift())
            .await
            .unwrap();
        // The buckets' test events have started finalizers already, and the emulator reads its standard input beside its
        // work: whatever function does not know the proxy is ended, until each of them comes here.
        laptop.until_idle().await;
        let started = Instant::now();
        for function in [Function::Dispatcher, Function::Worker, Function::Finalizer] {
            let calls = format!("{}: ", proxy::function_name(function));
            while proxy.count_of(&calls) == 0 {
                assert!(started.elapsed() < Duration::from_secs(30), "no {calls}");
                proxy::end_functions_at(&endpoints.aws);
                let look = serde_json::json!({"schema": "soxauto.check/1"});
                laptop.stack.invoke(function, &look).await.unwrap();
            }
        }
        proxy.forget();
        laptop.proxy = Some(proxy);
        laptop
    }

    /// Messages that nobody holds are back after so many seconds, and not after an hour or more: on AWS that is how long
    /// one is away whose function died before its first word.
    ///
    /// # Panics
    /// When the stack does not answer.
    pub async fn shorten_queues(&self, seconds: u64) {
        use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        let outputs = self.stack.outputs();
        for url in [&outputs.jobs_queue_url, &outputs.receipts_queue_url] {
            let set = self.clients.sqs.set_queue_attributes().queue_url(url);
            let set = set.attributes(VisibilityTimeout, seconds.to_string());
            set.send().await.unwrap();
        }
    }

    /// Waits until no message is in the jobs or receipts queue.
    ///
    /// # Panics
    /// After two minutes.
    pub async fn until_idle(&self) {
        let outputs = self.stack.outputs();
        for url in [&outputs.jobs_queue_url, &outputs.receipts_queue_url] {
            let queue = SqsQueue::new(self.clients.sqs.clone(), url);
            let started = Instant::now();
            loop {
                let depth = queue.depth().await.unwrap();
                if depth.visible + depth.in_flight + depth.delayed == 0 {
                    break;
                }
                assert!(started.elapsed() < Duration::from_secs(120), "{url}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// The proxy of [`behind_proxy`](Self::behind_proxy).
    ///
    /// # Panics
    /// For a stack without one.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a stack behind a proxy")
    }

    /// Waits until the finalizer has said its last word about the run: it has this many manifests and no marker.
    ///
    /// # Panics
    /// After two minutes.
    pub async fn closed(&self, run: &RunId, manifests: usize) -> RunFacts {
        let started = Instant::now();
        loop {
            if let Some(facts) = self.reader.facts(run).await.unwrap() {
                let marker = self.state.head(&state::open_run(run)).await;
                if facts.manifests.len() >= manifests && marker.is_err() {
                    return facts;
                }
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "{run} did not close"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Runs the operator's tool against this stack with `--format json`, in the environment that the stack hands out;
    /// returns the exit code and what it printed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn operate(&self, arguments: &[&str]) -> (i32, Value) {
        self.operate_as(arguments, &[]).await
    }

    /// The same with other credentials.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn operate_as(
        &self,
        arguments: &[&str],
        credentials: &[(&'static str, String)],
    ) -> (i32, Value) {
        let deployment = ["--stack", "soxauto-local", "--format", "json"];
        self.run_tool(&[arguments, &deployment].concat(), credentials)
            .await
    }

    /// Runs `soxauto` in the stack's environment; its exit code and its JSON.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn run_tool(
        &self,
        arguments: &[&str],
        credentials: &[(&'static str, String)],
    ) -> (i32, Value) {
        let mut command = Command::new(programs().join("soxauto"));
        command
            .args(arguments)
            .envs(self.stack.environment())
            .envs(credentials.iter().map(|(name, value)| (*name, value)));
        // The SQL Server stand-in lives in this process: it must go on answering.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        eprintln!(
            "{arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (
            output.status.code().unwrap(),
            serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        )
    }

    /// A manifest and the digest of its envelope.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn manifest(&self, run: &RunId, revision: u32) -> (Statement, Sha256) {
        let key = self.reader.layout().manifest(run, revision);
        let object = self.evidence.get(&key).await.unwrap();
        let digest = Sha256::of(&object.bytes);
        (envelope::read(&object.bytes).unwrap(), digest)
    }

    /// Digest of the manifest before this one in the chain. A sweep may have noticed meanwhile that nobody ran the
    /// current month: what it says of that is passed over.
    pub async fn manifest_before(&self, statement: &Statement) -> Option<Sha256> {
        let mut previous = statement.predicate.previous.clone()?;
        while previous.run_id.is_missing() {
            let (missing, _) = self.manifest(&previous.run_id, previous.revision).await;
            previous = missing.predicate.previous?;
        }
        Some(previous.sha256)
    }

    /// The secret's value with this password instead of the right one, or with the right one.
    #[must_use]
    pub fn secret(&self, password: Option<&str>) -> String {
        let right = self.stack.connection_string();
        let parts = right.split(';').map(|part| match password {
            Some(other) if part.starts_with("PWD=") => format!("PWD={other}"),
            _ => part.to_owned(),
        });
        let connection: Vec<String> = parts.collect();
        serde_json::json!({"connection_string": connection.join(";"), "ca_pem": self.stack.source_ca_pem()})
            .to_string()
    }

    /// Replaces the value of the source's secret.
    pub async fn put_secret(&self, value: &str) {
        let id = &self.stack.outputs().source_secret_arn;
        self.clients
            .secrets
            .put_secret_value()
            .secret_id(id)
            .secret_string(value)
            .send()
            .await
            .unwrap();
    }

    /// Runs SQL in the warehouse through the Data API and returns the single value of its single row.
    pub async fn warehouse_value(&self, sql: &str) -> String {
        use soxauto_cloud::{
            retry::Deadline,
            warehouse::{Compute, RedshiftWarehouse, Statement, Warehouse as _, WarehouseTarget},
        };
        let target = WarehouseTarget {
            compute: Compute::Workgroup("tests".to_owned()),
            database: "soxauto".to_owned(),
            secret_arn: None,
        };
        let warehouse = RedshiftWarehouse::new(self.clients.redshift.clone(), target);
        let rows = warehouse
            .query(
                &Statement::new(sql),
                Deadline::after(Duration::from_secs(30)),
            )
            .await
            .unwrap();
        rows.rows[0][0].clone().unwrap()
    }
}

/// The project with another template than the one that is released, for
/// [`StackOptions::project_root`](StackOptions::project_root).
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn another_template(change: impl FnOnce(&str) -> String) -> tempfile::TempDir {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let project = project.canonicalize().unwrap();
    let root = tempfile::tempdir().unwrap();
    let template = std::fs::read_to_string(project.join("template.yaml")).unwrap();
    std::fs::write(root.path().join("template.yaml"), change(&template)).unwrap();
    for folder in ["local", "functions"] {
        std::os::unix::fs::symlink(project.join(folder), root.path().join(folder)).unwrap();
    }
    root
}

/// The folder in which cargo put the programs.
#[must_use]
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors()
        .find(|folder| folder.join("soxauto").is_file())
        .expect("cargo test --workspace builds the programs")
        .to_owned()
}

/// Runs the operator's tool as a user would, from the project's root, with the functions that cargo built already.
#[must_use]
pub fn soxauto(arguments: &[&str]) -> Output {
    Command::new(programs().join("soxauto"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env_remove("CARGO")
        .output()
        .unwrap()
}

/// Runs a month with `--format json` into `out`; returns the exit code and the result.
#[must_use]
pub fn month(out: &Path, arguments: &[&str]) -> (i32, Value) {
    let rows = ROWS.to_string();
    let out = out.display().to_string();
    let mut all = vec![
        "local", "run", "--cutoff", CUTOFF, "--format", "json", "--rows", &rows, "--out", &out,
    ];
    all.extend(arguments);
    let output = soxauto(&all);
    let text = String::from_utf8_lossy(&output.stdout);
    let result = serde_json::from_str(&text).unwrap_or_else(|_| {
        panic!(
            "not JSON: {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code().unwrap(), result)
}

/// The Python of the laptop stack's environment.
///
/// # Panics
/// Before a stack was started once.
#[must_use]
pub fn python() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut environments: Vec<PathBuf> = std::fs::read_dir(root.join(".soxauto/cache"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python-"))
        .map(|entry| entry.path().join("bin/python"))
        .filter(|python| python.is_file())
        .collect();
    environments.sort_by_key(|python| std::fs::metadata(python).and_then(|m| m.modified()).ok());
    let mut command = Command::new(environments.pop().expect("a stack was started"));
    command.env("PYTHONPATH", root.join("local/python"));
    command
}
