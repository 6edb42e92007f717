//! How the launcher tells what it is doing, so that a terminal can show it.

use std::fmt;
use std::time::Duration;

/// The steps of [`Stack::start`](crate::Stack::start). Some run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Finding Python and, the first time, making its virtual environment.
    Python,
    /// Making the NAV sample.
    Sample,
    /// Starting the AWS emulator.
    Emulator,
    /// Starting the SQL engine with the Redshift Data API stand-in.
    Engine,
    /// Starting the SQL Server stand-in.
    Source,
    /// Deploying `template.yaml` with the functions.
    Deployment,
}

impl Step {
    /// Every step, in the order in which they start.
    pub const ALL: [Self; 6] = [
        Self::Python,
        Self::Sample,
        Self::Emulator,
        Self::Engine,
        Self::Source,
        Self::Deployment,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Python => "Python environment",
            Self::Sample => "NAV sample",
            Self::Emulator => "AWS emulator",
            Self::Engine => "SQL engine and warehouse",
            Self::Source => "SQL Server stand-in",
            Self::Deployment => "template.yaml",
        })
    }
}

/// Is told when a step begins and ends.
pub trait Progress: Send + Sync {
    /// `step` begins; `detail` says more, such as "installing (first time only)".
    fn started(&self, step: Step, detail: &str);
    /// `step` ended well after `elapsed`; `detail` says what came of it, such as an endpoint.
    fn finished(&self, step: Step, elapsed: Duration, detail: &str);
}

/// Shows nothing: for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn started(&self, _: Step, _: &str) {}
    fn finished(&self, _: Step, _: Duration, _: &str) {}
}
