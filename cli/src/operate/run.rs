//! `soxauto run`: start a month, or find that it is started already.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soxauto_dispatcher::start::Started;
use soxauto_domain::{Approval, Cutoff, IpeId};

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
    #[command(flatten)]
    approval: ApprovalArgs,
    /// Follow the run until nothing more will happen by itself, and show how it ended.
    #[arg(long)]
    wait: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArgs,
}

/// Leave to run, this once, queries that are not as they were approved; prod refuses them without it.
#[derive(Debug, Default, Args)]
struct ApprovalArgs {
    /// Run queries without an approved baseline this once: who gives leave. Plan and manifest say so.
    #[arg(long, value_name = "NAME", requires_all = ["approval_ticket", "approval_reason"])]
    approval_by: Option<String>,
    /// Where the leave was asked for.
    #[arg(long, value_name = "TICKET", requires = "approval_by")]
    approval_ticket: Option<String>,
    /// Why the run cannot wait for the baseline.
    #[arg(long, value_name = "TEXT", requires = "approval_by")]
    approval_reason: Option<String>,
}

impl ApprovalArgs {
    fn approval(self) -> Option<Approval> {
        Some(Approval {
            by: self.approval_by?,
            ticket: self.approval_ticket?,
            reason: self.approval_reason?,
        })
    }
}

/// Starts the run.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, OperateError> {
    let target = args.target.open().await?;
    let approval = args.approval.approval();
    let started = start(
        &target,
        args.cutoff,
        &args.ipes,
        args.supersede,
        approval.as_ref(),
    )
    .await?;
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
    approval: Option<&Approval>,
) -> Result<Started, OperateError> {
    let event = event(
        cutoff,
        ipes,
        supersede,
        approval,
        &target.account.caller().await?,
    );
    let answer = target
        .account
        .invoke(target.output("DispatcherFunctionName")?, "live", &event)
        .await?;
    Ok(serde_json::from_value(answer)?)
}

/// The start event. Twice the same starts one run, but for `supersede`.
fn event(
    cutoff: Option<Cutoff>,
    ipes: &[IpeId],
    supersede: bool,
    approval: Option<&Approval>,
    principal: &str,
) -> Value {
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
    if let Some(approval) = approval {
        event["approval"] = json!(approval);
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
        let none = event(None, &[], false, None, "arn:aws:iam::1:user/o");
        assert_eq!(none, json!({"principal": "arn:aws:iam::1:user/o"}));
        let all = event(
            Some("2024-05-01".parse().unwrap()),
            &["IPE_07".parse().unwrap()],
            true,
            Some(&Approval {
                by: "Ada".into(),
                ticket: "SOX-13".into(),
                reason: "the close is tomorrow".into(),
            }),
            "arn:aws:iam::1:user/o",
        );
        assert_eq!(
            all,
            json!({"principal": "arn:aws:iam::1:user/o", "cutoff_date": "2024-05-01", "ipes": ["IPE_07"], "supersede": true,
                "approval": {"by": "Ada", "ticket": "SOX-13", "reason": "the close is tomorrow"}})
        );
    }
}
