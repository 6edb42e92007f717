//! `soxauto local up`: the stack alone, until ctrl-C.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::json;
use soxauto_local::Stack;

use super::{Format, UpArgs, error::LocalError, interruptible, options, progress::StackProgress};
use crate::exit;

/// Starts the stack and waits.
pub(crate) async fn up(args: UpArgs) -> Result<ExitCode, LocalError> {
    let start = async { Ok(Stack::start(options(&args.sample).await?, &StackProgress).await?) };
    let mut stack = interruptible(start).await?;
    stack.announce()?;
    match args.format {
        Format::Json => println!("{}", summary(&stack)),
        Format::Table => print!("{}", description(&stack)),
    }
    eprintln!("ctrl-C ends it");
    // A part that ends by itself ends the command; ctrl-C is noticed here, so that everything is stopped in order.
    let failed = loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break None,
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => if let Err(e) = stack.check() { break Some(e) },
        }
    };
    stack.stop().await;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::from(exit::SUCCESS)),
    }
}

fn summary(stack: &Stack) -> serde_json::Value {
    let outputs = stack.outputs();
    json!({
        "aws": stack.endpoints().aws,
        "redshift": stack.endpoints().redshift,
        "sqlserver": stack.endpoints().source.to_string(),
        "environment": stack.environment().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "evidence_bucket": outputs.evidence_bucket_name,
        "state_bucket": outputs.state_bucket_name,
        "jobs_queue": outputs.jobs_queue_url,
        "dispatcher_url": outputs.dispatcher_url,
        "functions": {
            "dispatcher": outputs.dispatcher_function_name,
            "worker": outputs.worker_function_name,
            "finalizer": outputs.finalizer_function_name,
        },
        "warehouse": stack.warehouse(),
        "logs": stack.folders().logs,
    })
}

/// Endpoints, and the commands that use them.
pub(crate) fn description(stack: &Stack) -> String {
    let endpoints = stack.endpoints();
    let outputs = stack.outputs();
    let mut text = String::new();
    let lines = [
        ("AWS", endpoints.aws.clone()),
        ("Redshift Data", endpoints.redshift.clone()),
        ("SQL Server", endpoints.source.to_string()),
        (
            "evidence",
            format!(
                "s3://{}/{}",
                outputs.evidence_bucket_name, outputs.evidence_prefix
            ),
        ),
        ("jobs queue", outputs.jobs_queue_url.clone()),
        ("logs", stack.folders().logs.display().to_string()),
    ];
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<14} {value}");
    }
    let _ = writeln!(text, "\nFor the AWS command line and SDKs:");
    for (name, value) in stack.environment() {
        let _ = writeln!(text, "  export {name}={value}");
    }
    let _ = writeln!(text, "\nStart a month, and look at it:");
    for command in ["run --cutoff 2024-05-01 --wait", "status"] {
        let _ = writeln!(text, "  cargo run --release -- {command}");
    }
    let _ = writeln!(
        text,
        "  aws s3 ls --recursive s3://{}/",
        outputs.evidence_bucket_name
    );
    text
}
