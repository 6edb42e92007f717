//! What a user may choose about the laptop stack.

use std::path::{Path, PathBuf};

use crate::error::StackError;
use crate::folders::find_project_root;

/// The NAV sample's size when the user does not choose: ledger rows.
const DEFAULT_ROWS: u64 = 200_000;
/// The NAV sample's seed when the user does not choose.
const DEFAULT_SEED: u64 = 1;

/// What [`Stack::start`](crate::Stack::start) starts.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The size of the NAV sample, in ledger rows.
    pub rows: u64,
    /// The seed of the NAV sample: the same seed gives the same rows.
    pub seed: u64,
    /// Defects planted into the sample, by name, such as `duplicate-key`.
    pub defects: Vec<String>,
    /// The folder that holds `template.yaml` and `local/python`.
    pub project_root: PathBuf,
    /// Where caches, logs and the warehouse go; `.soxauto` in the project by default.
    pub state_dir: PathBuf,
    /// The functions to deploy.
    pub binaries: FunctionBinaries,
    /// The Python to make the environment with; found on the PATH when absent.
    pub python: Option<PathBuf>,
    /// Never use the network: fail when the Python environment does not exist yet.
    pub offline: bool,
    /// How many IPEs are extracted at once (2 to 100).
    pub worker_concurrency: u16,
    /// The filter of the functions' logs, as in `RUST_LOG`.
    pub log_level: String,
}

impl StackOptions {
    /// The defaults, for the project around the current folder.
    ///
    /// # Errors
    /// [`StackError::NoProject`] outside a clone of the repository.
    pub fn new(binaries: FunctionBinaries) -> Result<Self, StackError> {
        let project_root = find_project_root()?;
        Ok(Self {
            rows: DEFAULT_ROWS,
            seed: DEFAULT_SEED,
            defects: Vec::new(),
            state_dir: project_root.join(".soxauto"),
            project_root,
            binaries,
            python: None,
            offline: false,
            worker_concurrency: 2,
            log_level: "info".to_owned(),
        })
    }
}

/// The programs that become the deployed functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionBinaries {
    /// Writes plans and enqueues jobs.
    pub dispatcher: PathBuf,
    /// Extracts one IPE.
    pub worker: PathBuf,
    /// Loads, publishes and signs.
    pub finalizer: PathBuf,
}

impl FunctionBinaries {
    /// Fails with the first binary that is missing.
    pub(crate) fn check(&self) -> Result<(), StackError> {
        [&self.dispatcher, &self.worker, &self.finalizer]
            .into_iter()
            .find(|path| !path.is_file())
            .map_or(Ok(()), |path| Err(StackError::NoBinary(path.clone())))
    }

    /// The three binaries of one folder, such as `target/release`.
    ///
    /// # Errors
    /// [`StackError::NoBinary`] for the first one that is missing.
    pub fn in_folder(folder: &Path) -> Result<Self, StackError> {
        let find = |name: &str| {
            let path = folder.join(name);
            if path.is_file() {
                Ok(path)
            } else {
                Err(StackError::NoBinary(path))
            }
        };
        Ok(Self {
            dispatcher: find("dispatcher")?,
            worker: find("worker")?,
            finalizer: find("finalizer")?,
        })
    }

    /// The binaries that cargo built beside the running program (or one folder up, for tests).
    ///
    /// # Errors
    /// [`StackError::NoBinary`] when they are in neither folder.
    pub fn beside_this_program() -> Result<Self, StackError> {
        let program = std::env::current_exe()
            .map_err(StackError::file("find the program", Path::new(".")))?;
        let folder = program.parent().unwrap_or(Path::new("."));
        match folder.file_name() {
            Some(name) if name == "deps" || name == "examples" => {
                Self::in_folder(folder.parent().unwrap_or(folder))
            }
            _ => Self::in_folder(folder),
        }
    }
}
