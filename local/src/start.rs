//! Starts the stack's parts, each as soon as what it needs is there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::aws::Emulator;
use crate::deployment::{self, STACK_NAME};
use crate::environment;
use crate::error::StackError;
use crate::folders::Folders;
use crate::options::StackOptions;
use crate::process::{Process, Program};
use crate::progress::{Progress, Step};
use crate::python;
use crate::sample;
use crate::source::Source;
use crate::stack::{Endpoints, Stack};

const EMULATOR_LIMIT: Duration = Duration::from_secs(60);
const ENGINE_LIMIT: Duration = Duration::from_secs(120);

/// The line in which the emulator tells its address.
#[derive(Deserialize)]
struct EmulatorAnnouncement {
    endpoint: String,
}

/// The line in which the engine tells its addresses.
#[derive(Deserialize)]
struct EngineAnnouncement {
    sql: SocketAddr,
    redshift: String,
}

impl Stack {
    /// Starts everything; returns when the template is deployed and the source answers.
    ///
    /// # Errors
    /// [`StackError`] says which part failed, why, and where its log is. What was started by then is ended.
    pub async fn start(options: StackOptions, progress: &dyn Progress) -> Result<Self, StackError> {
        options.binaries.check()?;
        let folders = Folders::create(&options.state_dir)?;
        let python = prepare_python(&options, &folders, progress).await?;
        let children = environment::of_children(&options.project_root, &folders.temporary);
        let program = |name, arguments: &[&str], log: &str| Program {
            name,
            command: python.clone(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            environment: children.clone(),
            // Whatever a process drops where it stands goes with the stack.
            folder: folders.temporary.clone(),
            log: folders.logs.join(log),
        };

        let emulator_program = program(
            "the AWS emulator",
            &["-m", "soxauto_local.emulator"],
            "emulator.log",
        );
        let sample = async {
            let timer = Timer::start(progress, Step::Sample, &format!("{} rows", options.rows));
            let log = folders.logs.join("nav_sample.log");
            let (folder, made) =
                sample::ensure(&options, &python, &folders, &children, log).await?;
            timer.finish(if made { "made" } else { "reused" });
            Ok::<_, StackError>(folder)
        };
        let (sample, (mut emulator_process, endpoint, emulator)) =
            tokio::try_join!(sample, start_emulator(&emulator_program, progress))?;

        let engine_program = program(
            "the SQL engine",
            &[
                "-m",
                "soxauto_local.engine",
                "--nav-dir",
                &sample.display().to_string(),
                "--warehouse",
                &folders.warehouse.display().to_string(),
                "--s3-endpoint",
                &endpoint,
            ],
            "engine.log",
        );
        let timer = Timer::start(progress, Step::Engine, "");
        let mut engine_process = Process::start(&engine_program)?;
        let line = engine_process.first_line(ENGINE_LIMIT).await?;
        let engine: EngineAnnouncement = announcement("the SQL engine", &line)?;
        timer.finish(&engine.redshift);
        environment::tell(
            &mut emulator_process,
            &[("AWS_ENDPOINT_URL_REDSHIFT_DATA", &engine.redshift)],
        )
        .await?;

        let timer = Timer::start(progress, Step::Source, "");
        let source = Source::start(engine.sql).await?;
        timer.finish(&source.address().to_string());

        let timer = Timer::start(progress, Step::Deployment, "");
        let outputs = deployment::deploy(
            &options,
            &python,
            &children,
            &endpoint,
            &source.secret(),
            folders.logs.join("deploy.log"),
        )
        .await?;
        timer.finish(STACK_NAME);

        Ok(Self {
            endpoints: Endpoints {
                aws: endpoint,
                redshift: engine.redshift,
                source: source.address(),
                engine: engine.sql,
            },
            outputs,
            emulator,
            source,
            emulator_process,
            engine_process,
            folders,
        })
    }
}

async fn prepare_python(
    options: &StackOptions,
    folders: &Folders,
    progress: &dyn Progress,
) -> Result<PathBuf, StackError> {
    let timer = Timer::start(progress, Step::Python, "");
    let install = || progress.started(Step::Python, "installing, the first time only");
    let python = python::ensure_environment(
        &options.project_root,
        &folders.cache,
        options.python.as_deref(),
        options.offline,
        install,
    )
    .await?;
    timer.finish("");
    Ok(python)
}

async fn start_emulator(
    program: &Program,
    progress: &dyn Progress,
) -> Result<(Process, String, Emulator), StackError> {
    let timer = Timer::start(progress, Step::Emulator, "");
    let mut process = Process::start(program)?;
    let line = process.first_line(EMULATOR_LIMIT).await?;
    let EmulatorAnnouncement { endpoint } = announcement("the AWS emulator", &line)?;
    let address = endpoint
        .trim_start_matches("http://")
        .parse()
        .map_err(|_| StackError::Announcement {
            name: "the AWS emulator",
            line,
        })?;
    timer.finish(&endpoint);
    Ok((process, endpoint, Emulator { address }))
}

fn announcement<T: serde::de::DeserializeOwned>(
    name: &'static str,
    line: &str,
) -> Result<T, StackError> {
    serde_json::from_str(line).map_err(|_| StackError::Announcement {
        name,
        line: line.to_owned(),
    })
}

/// Tells the progress when a step began and how long it took.
struct Timer<'a> {
    progress: &'a dyn Progress,
    step: Step,
    began: Instant,
}

impl<'a> Timer<'a> {
    fn start(progress: &'a dyn Progress, step: Step, detail: &str) -> Self {
        progress.started(step, detail);
        Self {
            progress,
            step,
            began: Instant::now(),
        }
    }

    fn finish(self, detail: &str) {
        self.progress
            .finished(self.step, self.began.elapsed(), detail);
    }
}
