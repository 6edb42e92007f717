//! `soxauto review`: a reviewer's signed decision about a manifest, and where a manifest stands.

mod desk;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use serde::Serialize;
use soxauto_cloud::{
    clock::{Clock as _, SystemClock},
    signer::KmsSigner,
    software,
};
use soxauto_domain::{
    RunId, RunState, Sha256,
    review::{Decision, Review, Standing},
};

use self::desk::{Asked, Desk};
use super::error::OperateError;
use crate::{
    exit,
    local::Format,
    table,
    target::{Target, TargetArgs},
};

/// Arguments of `soxauto review`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 reviewed, or final; 1 refused or failed; 2 rejected in review; 4 draft."
)]
pub(crate) struct ReviewArgs {
    /// The run, as <control>/<cutoff>/r<n>; r0 for a month that nobody ran.
    #[arg(long, value_name = "RUN", value_parser = RunId::parse_chained)]
    run: RunId,
    /// What you decide about the run's newest manifest.
    #[arg(
        long,
        value_enum,
        required_unless_present = "list",
        requires = "comment"
    )]
    decision: Option<Decided>,
    /// Why: what was looked at, and what is accepted or not. It is signed.
    #[arg(long, value_name = "TEXT", requires = "decision")]
    comment: Option<String>,
    /// The revision that you have read; refused if there is a newer one.
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
    /// Show the reviews of the newest manifest instead, and where it stands.
    #[arg(long, conflicts_with_all = ["decision", "comment"])]
    list: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArgs,
}

/// The decision as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decided {
    /// The evidence is accepted.
    Approve,
    /// It is not.
    Reject,
}

/// Where a manifest stands.
#[derive(Debug, Serialize)]
struct Shown {
    /// The run.
    run_id: String,
    /// The newest revision.
    revision: u32,
    /// Digest of its envelope.
    manifest_sha256: Sha256,
    /// What the manifest says of the run.
    state: RunState,
    /// By the reviews.
    standing: Standing,
    /// In order.
    reviews: Vec<Review>,
}

/// Reviews, or shows the reviews.
pub(crate) async fn review(args: ReviewArgs) -> Result<ExitCode, OperateError> {
    let target = args.target.open().await?;
    let desk = desk(&target)?;
    let manifest = desk.newest(&args.run).await?;
    if let Some(read) = args.revision.filter(|read| *read != manifest.revision()) {
        return Err(OperateError::OtherRevision {
            read,
            newest: manifest.revision(),
        });
    }
    if let (Some(decided), Some(comment)) = (args.decision, args.comment) {
        let asked = Asked {
            decision: match decided {
                Decided::Approve => Decision::Approve,
                Decided::Reject => Decision::Reject,
            },
            comment,
            reviewer: target.account.caller().await?,
            functions: functions(&target)?,
            reviewed_at: SystemClock.now(),
            software: software::running(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?,
        };
        desk.review(&manifest, asked).await?;
    }
    let reviews = desk.reviews(&manifest).await?;
    let shown = Shown {
        run_id: args.run.to_string(),
        revision: manifest.revision(),
        manifest_sha256: Sha256::of(&manifest.envelope),
        state: manifest.says.state,
        standing: Standing::of(reviews.iter().map(|review| review.decision)),
        reviews,
    };
    show(&shown, args.format)?;
    Ok(ExitCode::from(match (args.list, shown.standing) {
        (false, _) | (true, Standing::Final) => exit::SUCCESS,
        (true, Standing::RejectedInReview) => exit::REJECTED,
        (true, Standing::Draft) => exit::OPEN,
    }))
}

fn desk(target: &Target) -> Result<Desk, OperateError> {
    let signer = |key: &str| Arc::new(KmsSigner::new(target.clients.kms.clone(), key));
    Ok(Desk {
        evidence: target.evidence()?,
        layout: target.reader()?.layout().clone(),
        manifests: signer(target.output("SigningKeyArn")?),
        reviews: signer(target.output("ReviewSigningKeyArn")?),
    })
}

/// The functions by the names of their sessions: what they prepared they do not review.
fn functions(target: &Target) -> Result<Vec<String>, OperateError> {
    let mut names = Vec::new();
    for output in [
        "DispatcherFunctionName",
        "WorkerFunctionName",
        "FinalizerFunctionName",
    ] {
        names.push(target.output(output)?.to_owned());
    }
    Ok(names)
}

fn show(shown: &Shown, format: Format) -> Result<(), OperateError> {
    let mut out = std::io::stdout().lock();
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut out, shown)?;
        println!();
        return Ok(());
    }
    println!(
        "{} revision {} is {}: {}",
        shown.run_id,
        shown.revision,
        shown.state.as_str(),
        shown.standing.as_str()
    );
    let rows: Vec<[String; 4]> = shown
        .reviews
        .iter()
        .map(|review| {
            [
                review.reviewed_at.to_string(),
                review.decision.as_str().to_owned(),
                review.reviewer.clone(),
                review.comment.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let heading = ["WHEN", "DECISION", "REVIEWER", "COMMENT"];
        table::print(heading, &rows, table::width(), &mut out)?;
    }
    Ok(())
}
