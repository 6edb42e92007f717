//! `soxauto local run`: one month, from the schedule's event to the signed manifest.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use soxauto_domain::{RunId, RunState, manifest::Predicate};
use soxauto_evidence::envelope;
use soxauto_local::{Function, Stack};

use super::{
    Format, RunArgs,
    error::LocalError,
    export, interruptible, options,
    outcome::{self, Outcome},
    progress::{RunProgress, StackProgress},
    up,
    watch::{Seen, Watch},
};
use crate::exit;

/// Between two looks at the buckets.
const LOOK: Duration = Duration::from_millis(250);
/// How long the dispatcher is given before its log is asked why there is no run.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs the month.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, LocalError> {
    let (stack, outcome) = interruptible(close_month(&args)).await?;
    finish(stack, &args, &outcome).await?;
    Ok(exit::of_run(outcome.state))
}

async fn close_month(args: &RunArgs) -> Result<(Stack, Outcome), LocalError> {
    let mut stack = Stack::start(options(&args.sample).await?, &StackProgress).await?;
    stack.announce()?;
    let watch = Watch::new(&stack).await;
    let ipes: Vec<String> = args.ipes.iter().map(ToString::to_string).collect();
    let started = Instant::now();
    stack
        .fire_month_schedule(Some(&args.cutoff.to_string()), &ipes)
        .await?;
    let seen = follow(&mut stack, &watch, args).await?;
    let seconds = started.elapsed().as_secs_f64();
    let run = seen.facts.plan.run_id.clone();
    let evidence_dir = export::evidence(&watch, &run, &args.out).await?;
    let predicate = manifest(
        &watch,
        &run,
        seen.facts.manifests.last().copied().unwrap_or(1),
    )
    .await?;
    let outcome = Outcome {
        manifest: evidence_dir.join(format!("manifest-{}.dsse.json", predicate.revision)),
        ipes: outcome::ipes(&predicate, &seen.facts),
        state: predicate.state,
        run_id: run,
        seconds,
        evidence_dir,
        warehouse: args.out.join("warehouse.duckdb"),
    };
    Ok((stack, outcome))
}

/// Watches until the finalizer has said its last word.
async fn follow(stack: &mut Stack, watch: &Watch, args: &RunArgs) -> Result<Seen, LocalError> {
    let started = Instant::now();
    let mut progress = RunProgress::new();
    let control = control()?;
    let mut run: Option<RunId> = None;
    loop {
        stack.check()?;
        if run.is_none() {
            run = watch.find(&control, args.cutoff).await?;
        }
        match &run {
            Some(run) => {
                if let Some(seen) = watch.look(run).await? {
                    progress.show(&seen);
                    if seen.closed {
                        progress.finish();
                        return Ok(seen);
                    }
                }
            }
            None if started.elapsed() > PATIENCE => {
                if let Some(reason) = refusal(stack).await? {
                    return Err(LocalError::Dispatcher(reason));
                }
            }
            None => {}
        }
        if started.elapsed() > Duration::from_secs(args.timeout) {
            progress.finish();
            return Err(LocalError::Timeout {
                run: run.map_or_else(|| "the run".to_owned(), |run| run.to_string()),
                seconds: args.timeout,
                logs: stack.folders().logs.clone(),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn control() -> Result<soxauto_domain::ControlId, LocalError> {
    soxauto_catalog::load()
        .map(|catalog| catalog.control_id)
        .map_err(|problems| {
            LocalError::Dispatcher(
                problems
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            )
        })
}

/// The dispatcher's last error, if its log has one.
async fn refusal(stack: &Stack) -> Result<Option<String>, LocalError> {
    let lines = stack.function_logs(Function::Dispatcher).await?;
    let error = lines
        .iter()
        .rev()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line.message).ok())
        .find(|line| line.get("level").and_then(serde_json::Value::as_str) == Some("ERROR"));
    Ok(error.map(|line| {
        let text = |name: &str| {
            line.get(name)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        format!("{} {}. {}", text("code"), text("message"), text("remedy"))
    }))
}

async fn manifest(watch: &Watch, run: &RunId, revision: u32) -> Result<Predicate, LocalError> {
    let object = watch
        .evidence
        .get(&watch.reader.layout().manifest(run, revision))
        .await?;
    Ok(envelope::read(&object.bytes)?.predicate)
}

/// Shows the result and ends the stack, or keeps it up when asked to.
async fn finish(stack: Stack, args: &RunArgs, outcome: &Outcome) -> Result<(), LocalError> {
    let warehouse = stack.warehouse().to_owned();
    let logs = stack.folders().logs.clone();
    if args.keep {
        show(args, outcome)?;
        eprintln!(
            "the stack stays up; the warehouse is copied to {} when it ends",
            outcome.warehouse.display()
        );
        eprint!("{}", up::description(&stack));
        let _ = tokio::signal::ctrl_c().await;
    }
    stack.stop().await;
    keep(&warehouse, &logs, &args.out)?;
    if !args.keep {
        show(args, outcome)?;
    }
    Ok(())
}

fn keep(warehouse: &Path, logs: &Path, out: &Path) -> Result<(), LocalError> {
    export::file(warehouse, &out.join("warehouse.duckdb"))?;
    export::files(logs, &out.join("logs"))
}

fn show(args: &RunArgs, outcome: &Outcome) -> Result<(), LocalError> {
    match args.format {
        Format::Json => println!("{}", serde_json::to_string(outcome)?),
        Format::Table => print!("{}", outcome.table()),
    }
    if outcome.state != RunState::Complete {
        eprintln!("the run is {}", outcome.state.as_str());
    }
    Ok(())
}
