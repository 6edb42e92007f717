//! Building the functions with the cargo and the profile that built this program.

use std::process::Stdio;

use soxauto_local::{FunctionBinaries, find_project_root};
use tokio::process::Command;

use super::error::LocalError;

/// The packages of one build; this program is among them so that features are resolved as for `cargo run`.
const PACKAGES: [&str; 4] = [
    "soxauto",
    "soxauto-dispatcher",
    "soxauto-worker",
    "soxauto-finalizer",
];

/// Brings the functions up to date and says where they are. Without cargo, what lies beside this program is used.
pub(crate) async fn functions(offline: bool) -> Result<FunctionBinaries, LocalError> {
    // Set by `cargo run`; an installed program does not rebuild anything.
    if let (Some(cargo), Ok(program)) = (std::env::var_os("CARGO"), std::env::current_exe())
        && let Some(profile_folder) = program.parent()
    {
        let mut command = Command::new(cargo);
        command
            .current_dir(find_project_root()?)
            .arg("build")
            .arg("--quiet")
            .stdin(Stdio::null());
        match profile_folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => {}
            Some(profile) => {
                command.args(["--profile", profile]);
            }
        }
        if let Some(target) = profile_folder.parent() {
            command.arg("--target-dir").arg(target);
        }
        if offline {
            command.arg("--offline");
        }
        for package in PACKAGES {
            command.args(["--package", package]);
        }
        command.arg("--bins").kill_on_drop(true);
        eprintln!("building the functions …");
        let status = command
            .status()
            .await
            .map_err(|e| LocalError::Build(e.to_string()))?;
        if !status.success() {
            return Err(LocalError::Build(format!("cargo ended with {status}")));
        }
    }
    Ok(FunctionBinaries::beside_this_program()?)
}
