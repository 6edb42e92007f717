//! `soxauto run`: start a month, or find that it is started already.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soxauto_dispatcher::start::Started;
use soxauto_domain::{Cutoff, IpeId};

use super::{
    error::OperateError,
    parts::Parts,
    status::{self, Selection},
};
use crate::{
    exit,
    local::Format,
    target::{Target, TargetArgs},
};

/// Arguments of `soxauto run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// First day after the period, as YYYY-MM-01; without it, the first day of the current month.
    #[arg(long)]
    cutoff: Option<Cutoff>,
    /// Run this IPE only; may be given several times.
    #[arg(long = "ipe", value_name = "ID")]
    ipes: Vec<IpeId>,
    /// Start a new run although the month has one: r2 beside r1, which stays in evidence. Each call starts another.
    #[arg(long)]
    supersede: bool,
    /// Follow the run until nothing more will happen by itself, and show how it ended.
    #[arg(long)]
    wait: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArgs,
}

/// Starts the run.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, OperateError> {
    let target = args.target.open().await?;
    let started = start(&target, args.cutoff, &args.ipes, args.supersede).await?;
    match args.format {
        // Of --wait, the status is the one object.
        Format::Json if args.wait => {}
        Format::Json => println!("{}", serde_json::to_string(&started)?),
        Format::Table => print!("{}", describe(&target, &started)?),
    }
    if !args.wait {
        return Ok(ExitCode::from(exit::SUCCESS));
    }
    let parts = Parts::of(&target)?;
    let selection = Selection::Run(started.run_id);
    let status = status::watch(&target, &parts, &selection, args.format).await?;
    status::show(&status, args.format)?;
    Ok(ExitCode::from(status.exit_code()))
}

/// Sends the dispatcher a start event that names who sends it.
pub(super) async fn start(
    target: &Target,
    cutoff: Option<Cutoff>,
    ipes: &[IpeId],
    supersede: bool,
) -> Result<Started, OperateError> {
    let event = event(cutoff, ipes, supersede, &target.account.caller().await?);
    let answer = target
        .account
        .invoke(target.output("DispatcherFunctionName")?, "live", &event)
        .await?;
    Ok(serde_json::from_value(answer)?)
}

/// The start event. Twice the same starts one run, but for `supersede`.
fn event(cutoff: Option<Cutoff>, ipes: &[IpeId], supersede: bool, principal: &str) -> Value {
    let mut event = json!({"principal": principal});
    if let Some(cutoff) = cutoff {
        event["cutoff_date"] = json!(cutoff);
    }
    if !ipes.is_empty() {
        event["ipes"] = json!(ipes);
    }
    if supersede {
        event["supersede"] = json!(true);
    }
    event
}

pub(super) fn describe(target: &Target, started: &Started) -> Result<String, OperateError> {
    let run = &started.run_id;
    let was = if started.created {
        "is started"
    } else {
        "was started before"
    };
    let sent = match (started.created, started.enqueued) {
        (false, 0) => "nothing was left to send".to_owned(),
        (_, n) => format!(
            "{n} of {} IPEs were sent to the workers",
            started.ipes.len()
        ),
    };
    Ok(format!(
        "{run} {was}; {sent}\nplan    s3://{}/{}\n",
        target.output("EvidenceBucketName")?,
        started.plan.key,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_holds_only_what_was_asked_for() {
        let none = event(None, &[], false, "arn:aws:iam::1:user/o");
        assert_eq!(none, json!({"principal": "arn:aws:iam::1:user/o"}));
        let all = event(
            Some("2024-05-01".parse().unwrap()),
            &["IPE_07".parse().unwrap()],
            true,
            "arn:aws:iam::1:user/o",
        );
        assert_eq!(
            all,
            json!({"principal": "arn:aws:iam::1:user/o", "cutoff_date": "2024-05-01", "ipes": ["IPE_07"], "supersede": true})
        );
    }
}
