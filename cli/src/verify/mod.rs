//! `soxauto verify`: an auditor's command. It needs no network for a folder, and trusts nothing but a key.

mod keys;
mod progress;
mod table;

use std::{io::Write as _, path::Path, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use soxauto_cloud::{aws::Clients, lake::S3Lake};
use soxauto_domain::Sha256;
use soxauto_verify::{DiskFolder, Folder, LakeFolder, Request, verify};

use self::{keys::KeyArgs, progress::Bar};
use crate::exit;

/// Check evidence from the outside: signature, chain, every file, every record, and the checks again over the data.
///
/// The folder is one run's (…/C-PG-1/2024-05-01/r1), a control's, or all of the evidence. Exit code 0: everything holds.
/// 5: something does not, and each finding names its check, its file and the reason. 1: nothing could be checked.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A folder, or s3://bucket/prefix.
    #[arg(value_name = "FOLDER | S3 URI")]
    place: String,
    #[command(flatten)]
    keys: KeyArgs,
    /// SHA-256 of a manifest that is trusted: the chain may end there. May be given several times.
    #[arg(long, value_name = "SHA256")]
    trusted_manifest: Vec<Sha256>,
    /// SHA-256 of the newest manifest, known from elsewhere: an old one that poses as the newest is found. May be given
    /// several times: each control needs its own.
    #[arg(long, value_name = "SHA256")]
    head: Vec<Sha256>,
    /// Compute the content digest again, too.
    #[arg(long)]
    deep: bool,
    /// Require that the newest manifest is final: approved by a reviewer who is not the preparer.
    #[arg(long, requires = "review_key")]
    require_review: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Table,
    /// One JSON object for machines.
    Json,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: no asynchronous runtime: {e}");
            return ExitCode::from(exit::FAILURE);
        }
    };
    match runtime.block_on(execute(args)) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(exit::FAILURE)
        }
    }
}

async fn execute(args: &VerifyArgs) -> Result<u8, String> {
    let (folder, root): (Box<dyn Folder>, _) = match args.place.strip_prefix("s3://") {
        Some(rest) => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            // Only here is a client built: for a folder there is no network.
            let lake = S3Lake::new(Clients::load().await.s3, bucket);
            (Box::new(LakeFolder::new(Arc::new(lake), prefix)), None)
        }
        None => {
            let disk = DiskFolder::new(Path::new(&args.place)).map_err(|e| e.to_string())?;
            let root = disk.root().to_owned();
            (Box::new(disk), Some(root))
        }
    };
    let (keys, review_keys) = args.keys.read(root.as_deref())?;
    let request = Request {
        keys,
        review_keys,
        trusted: args.trusted_manifest.clone(),
        heads: args.head.clone(),
        deep: args.deep,
        require_review: args.require_review,
    };
    let bar = Bar::new();
    let found = tokio::select! {
        found = verify(folder.as_ref(), &request, &bar) => found,
        _ = tokio::signal::ctrl_c() => return Ok(exit::INTERRUPTED),
    };
    bar.finish();
    let text = match args.format {
        Format::Table => table::table(&found),
        Format::Json => serde_json::to_string_pretty(&found).map_err(|e| e.to_string())? + "\n",
    };
    // A reader who has seen enough, such as `head`, is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if found.holds {
        exit::SUCCESS
    } else {
        exit::UNVERIFIED
    })
}
