//! Exit codes, the same for every command that ends with a run.

use std::process::ExitCode;

use soxauto_domain::RunState;

/// The command did what it should; a run is *complete*.
pub(crate) const SUCCESS: u8 = 0;
/// The command failed.
pub(crate) const FAILURE: u8 = 1;
/// The run is *rejected*: a check says no. (Wrong usage also ends with 2, by custom; then nothing ran.)
pub(crate) const REJECTED: u8 = 2;
/// The run is *incomplete*: an IPE failed or is missing.
pub(crate) const INCOMPLETE: u8 = 3;
/// The run is still *open*.
pub(crate) const OPEN: u8 = 4;
/// The evidence does not verify.
pub(crate) const UNVERIFIED: u8 = 5;
/// Interrupted by ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code that tells a run's state.
pub(crate) fn of_run(state: RunState) -> ExitCode {
    ExitCode::from(match state {
        RunState::Complete => SUCCESS,
        RunState::Rejected => REJECTED,
        RunState::Incomplete | RunState::Missing => INCOMPLETE,
        RunState::Open => OPEN,
    })
}
