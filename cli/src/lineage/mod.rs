//! `soxauto lineage`: where the rows of a run come from, in a form that catalogs of data read.

mod folder;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::Subcommand;
use soxauto_cloud::{aws::Clients, lake::S3Lake};
use soxauto_domain::{Plan, RunId, facts::IpeFacts, layout::Layout};
use soxauto_evidence::openlineage::{self, Namespaces};
use soxauto_runs::{RunReader, RunsError};

use crate::exit;

/// Where the rows of a run come from.
#[derive(Debug, Subcommand)]
pub(crate) enum LineageCommand {
    /// Print a run as OpenLineage events (specification 2-0-2), one JSON object to a line.
    ///
    /// For each IPE that has begun a START, and a COMPLETE or FAIL once it has ended. The same run gives the same events.
    Export {
        /// Folder of a run, or s3://bucket/prefix/C-PG-1/2024-05-01/r1.
        #[arg(value_name = "FOLDER")]
        place: String,
        /// Namespace of the source's tables; without it mssql://<server>, by the server's own name.
        #[arg(long, value_name = "NAMESPACE")]
        source: Option<String>,
        /// Namespace of the warehouse's tables, such as redshift://cluster.eu-west-1:5439.
        #[arg(long, value_name = "NAMESPACE", default_value = "redshift")]
        warehouse: String,
    },
}

/// Why there are no events.
#[derive(Debug, thiserror::Error)]
enum LineageError {
    /// A file of the folder cannot be read.
    #[error("{path}: {reason}. Give the folder of one run, the one that holds plan.json")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The address names no run.
    #[error("{0} does not end with a run, such as C-PG-1/2024-05-01/r1")]
    Address(String),
    /// There is no such run in the bucket.
    #[error("there is no plan of {0} in the bucket. Check prefix and run")]
    NoRun(RunId),
    /// The bucket does not answer, or holds something else.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// Standard output is closed, or JSON could not be written to it.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command. The exit code is 0, or 1 when the run cannot be read.
pub(crate) fn run(command: LineageCommand) -> ExitCode {
    let LineageCommand::Export {
        place,
        source,
        warehouse,
    } = command;
    let namespaces = Namespaces { source, warehouse };
    match export(&place, &namespaces, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::from(exit::SUCCESS),
        // Whoever reads, such as `head`, has seen enough.
        Err(LineageError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(exit::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn export(place: &str, namespaces: &Namespaces, out: &mut dyn Write) -> Result<(), LineageError> {
    let (plan, facts) = match place.strip_prefix("s3://") {
        Some(address) => from_bucket(address)?,
        None => folder::read(place.as_ref())?,
    };
    for event in openlineage::events(&plan, &facts, namespaces) {
        writeln!(out, "{event}")?;
    }
    Ok(())
}

fn from_bucket(address: &str) -> Result<(Plan, Vec<IpeFacts>), LineageError> {
    let wrong = || LineageError::Address(format!("s3://{address}"));
    let (bucket, path) = address
        .trim_end_matches('/')
        .split_once('/')
        .ok_or_else(wrong)?;
    // The last three parts are the run, the others the prefix.
    let (at, _) = path.rmatch_indices('/').nth(2).unwrap_or((0, ""));
    let run: RunId = path[at..]
        .trim_start_matches('/')
        .parse()
        .map_err(|_| wrong())?;
    let facts = tokio::runtime::Runtime::new()?.block_on(async {
        let lake = S3Lake::new(Clients::load().await.s3, bucket);
        RunReader::new(Arc::new(lake), Layout::new(&path[..at]))
            .facts(&run)
            .await
    })?;
    let facts = facts.ok_or(LineageError::NoRun(run))?;
    Ok((facts.plan, facts.ipes))
}

#[cfg(test)]
mod tests;
