//! `soxauto local nav-sql`: the NAV sample as T-SQL.

use std::process::{ExitCode, Stdio};

use soxauto_local::{ensure_environment, find_project_root};
use tokio::process::Command;

use super::{SampleArgs, error::LocalError};
use crate::exit;

/// Prints the script on standard output.
pub(crate) async fn nav_sql(args: &SampleArgs) -> Result<ExitCode, LocalError> {
    let root = find_project_root()?;
    let cache = root.join(".soxauto/cache");
    std::fs::create_dir_all(&cache).map_err(LocalError::file(&cache))?;
    let announce = || eprintln!("making the Python environment (first time only) …");
    let python = ensure_environment(&root, &cache, None, args.offline, announce).await?;
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "soxauto_local.nav_sample",
            "--tsql",
            "--rows",
            &args.rows.to_string(),
            "--seed",
            &args.seed.to_string(),
        ])
        .env("PYTHONPATH", root.join("local/python"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for defect in &args.defects {
        command.args(["--defect", defect]);
    }
    let status = command.status().await.map_err(LocalError::file("python"))?;
    if status.success() {
        Ok(ExitCode::from(exit::SUCCESS))
    } else {
        Err(LocalError::Sample(status))
    }
}
