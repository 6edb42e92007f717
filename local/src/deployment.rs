//! Deploys `template.yaml` to the emulator and reads the stack's outputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::error::StackError;
use crate::options::StackOptions;
use crate::process::{Process, Program};

/// The name of the CloudFormation stack on the laptop.
pub(crate) const STACK_NAME: &str = "soxauto-local";
/// The Redshift workgroup's name; the stand-in accepts any.
pub(crate) const WORKGROUP: &str = "soxauto-local";
const LIMIT: Duration = Duration::from_secs(180);

/// The outputs of `template.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)] // The template describes each output.
pub struct Outputs {
    pub control: String,
    pub evidence_bucket_name: String,
    pub evidence_prefix: String,
    pub state_bucket_name: String,
    pub jobs_queue_url: String,
    pub jobs_dead_letters_url: String,
    pub receipts_queue_url: String,
    pub receipts_dead_letters_url: String,
    pub start_dead_letters_url: String,
    pub dispatcher_url: String,
    pub dispatcher_function_name: String,
    pub dispatcher_alias_arn: String,
    pub worker_function_name: String,
    pub worker_alias_arn: String,
    pub finalizer_function_name: String,
    pub finalizer_alias_arn: String,
    pub encryption_key_arn: String,
    pub signing_key_arn: String,
    pub signing_key_alias: String,
    pub review_signing_key_arn: String,
    pub source_secret_arn: String,
    pub alarm_topic_arn: String,
}

/// What `deploy.py` writes when it fails.
#[derive(Deserialize)]
struct Failure {
    error: String,
    reasons: Vec<String>,
}

/// What `deploy.py` writes when it is done.
#[derive(Deserialize)]
struct Success {
    outputs: Outputs,
}

/// Deploys the template with the functions of `options` and stores `secret` as the source's connection.
pub(crate) async fn deploy(
    options: &StackOptions,
    python: &Path,
    environment: &BTreeMap<String, String>,
    endpoint: &str,
    secret: &str,
    log: PathBuf,
) -> Result<Outputs, StackError> {
    let mut arguments: Vec<String> = [
        "-m",
        "soxauto_local.deploy",
        "--stack",
        STACK_NAME,
        "--endpoint-url",
        endpoint,
        "--source-secret-from-stdin",
        "--template",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(
        options
            .project_root
            .join("template.yaml")
            .display()
            .to_string(),
    );
    for (code_uri, binary) in [
        ("functions/dispatcher", &options.binaries.dispatcher),
        ("functions/worker", &options.binaries.worker),
        ("functions/finalizer", &options.binaries.finalizer),
    ] {
        arguments.extend([
            "--binary".to_owned(),
            format!("{code_uri}={}", binary.display()),
        ]);
    }
    for (name, value) in parameters(options) {
        arguments.extend(["--parameter".to_owned(), format!("{name}={value}")]);
    }
    let program = Program {
        name: "the deployment",
        command: python.to_owned(),
        arguments,
        environment: environment.clone(),
        folder: options.project_root.clone(),
        log: log.clone(),
    };
    let mut process = Process::start(&program)?;
    process.send_line(secret).await?;
    process.end_input();
    let answer = process
        .finish(LIMIT)
        .await
        .map_err(|error| explain(error, &log))?;
    let success: Success =
        serde_json::from_str(answer.trim()).map_err(|error| StackError::Deployment {
            message: format!("its outputs are not understood: {error}"),
            reasons: Vec::new(),
        })?;
    Ok(success.outputs)
}

/// What the laptop chooses where the template leaves a choice.
fn parameters(options: &StackOptions) -> Vec<(&'static str, String)> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x86_64",
    };
    vec![
        ("Stage", "dev".to_owned()),
        ("Architecture", architecture.to_owned()),
        // The user decides when a month is closed; the sweep runs as it does on AWS.
        ("ScheduleState", "DISABLED".to_owned()),
        ("WorkerConcurrency", options.worker_concurrency.to_string()),
        ("LogLevel", options.log_level.clone()),
        ("RedshiftWorkgroup", WORKGROUP.to_owned()),
        (
            "RedshiftWorkgroupArn",
            format!("arn:aws:redshift-serverless:eu-west-1:000000000000:workgroup/{WORKGROUP}"),
        ),
        ("RedshiftDatabase", "soxauto".to_owned()),
        (
            "RedshiftCopyRoleArn",
            "arn:aws:iam::000000000000:role/soxauto-local-copy".to_owned(),
        ),
    ]
}

/// Turns the failure that `deploy.py` wrote into its own error.
fn explain(error: StackError, log: &Path) -> StackError {
    let StackError::Ended { .. } = &error else {
        return error;
    };
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Failure>(line).ok())
        .map_or(error, |failure| StackError::Deployment {
            message: failure.error,
            reasons: failure.reasons,
        })
}
