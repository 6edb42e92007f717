//! Why the laptop stack cannot be used, and what the user can do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// A laptop stack that did not start or does not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StackError {
    /// No `template.yaml` with `local/python` beside it was found.
    #[error(
        "no soxauto project found in or above {0}; run this command inside a clone of the repository"
    )]
    NoProject(PathBuf),
    /// A function's binary is not where it should be.
    #[error("{0} is missing; build the functions with `cargo build --release --workspace`")]
    NoBinary(PathBuf),
    /// No Python at all.
    #[error(
        "Python 3.10 or newer is needed and none was found (tried {tried}); install it or set SOXAUTO_PYTHON"
    )]
    NoPython {
        /// The commands tried.
        tried: String,
    },
    /// Only Pythons that are too old.
    #[error(
        "Python 3.10 or newer is needed, but {command} is {version}; install a newer one or set SOXAUTO_PYTHON"
    )]
    OldPython {
        /// The newest command found.
        command: String,
        /// Its version.
        version: String,
    },
    /// The virtual environment could not be made.
    #[error("{what} failed ({log}):\n{tail}\n{remedy}")]
    Environment {
        /// The step that failed.
        what: &'static str,
        /// The log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A process of the stack ended by itself.
    #[error("{name} ended with {status} ({log}):\n{tail}")]
    Ended {
        /// The process.
        name: &'static str,
        /// Its exit status.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A process of the stack did not do what it should in time.
    #[error("{name} did not answer within {} s ({log}):\n{tail}", waited.as_secs())]
    Silent {
        /// The process.
        name: &'static str,
        /// How long was waited.
        waited: Duration,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A process announced something that is not understood.
    #[error(
        "{name} announced {line:?}, which is not understood; the checkout and the launcher may differ in version"
    )]
    Announcement {
        /// The process.
        name: &'static str,
        /// The line it wrote.
        line: String,
    },
    /// The template could not be deployed.
    #[error("template.yaml was not deployed: {message}{}", bullets(reasons))]
    Deployment {
        /// What happened.
        message: String,
        /// CloudFormation's reasons, resource by resource.
        reasons: Vec<String>,
    },
    /// The SQL Server stand-in could not be started.
    #[error("the SQL Server stand-in did not start: {0}")]
    Source(String),
    /// The emulator could not be reached.
    #[error("{action} failed: {reason}")]
    Request {
        /// What was being done.
        action: String,
        /// What went wrong.
        reason: String,
    },
    /// The emulator refused a request.
    #[error("{action} was refused with HTTP status {status}: {body}")]
    Refused {
        /// What was being done.
        action: String,
        /// The HTTP status.
        status: u16,
        /// The answer's body.
        body: String,
    },
    /// A file or folder could not be used.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl StackError {
    /// Attaches what was being done, and to which path, to an error of the operating system.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n- {line}")).collect()
}
