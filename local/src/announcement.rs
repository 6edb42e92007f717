//! How the operator's tool finds a stack that is up on this machine: the stack says where it is, in its own folder.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::deployment::STACK_NAME;
use crate::environment::REGION;
use crate::error::StackError;
use crate::folders::{has_ended, stack_folders};
use crate::stack::Stack;

/// The file in the stack's folder.
const FILE: &str = "stack.json";

/// Where a stack is that is up on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// The name of the CloudFormation stack.
    pub stack: String,
    /// The region that the AWS emulator plays.
    pub region: String,
    /// The AWS emulator.
    pub aws: String,
    /// The Redshift Data API stand-in.
    pub redshift: String,
}

impl Stack {
    /// Lets `soxauto run`, `status` and the like find this stack for as long as it is up.
    ///
    /// # Errors
    /// [`StackError::File`] when the stack's folder cannot be written to.
    pub fn announce(&self) -> Result<(), StackError> {
        let announcement = Announcement {
            stack: STACK_NAME.to_owned(),
            region: REGION.to_owned(),
            aws: self.endpoints().aws.clone(),
            redshift: self.endpoints().redshift.clone(),
        };
        write(&self.folders().stack, &announcement)
    }
}

fn write(folder: &Path, announcement: &Announcement) -> Result<(), StackError> {
    let path = folder.join(FILE);
    let text = serde_json::to_string(announcement)
        .map_err(|e| StackError::file("write", &path)(std::io::Error::other(e)))?;
    // Whoever reads at this moment finds all of it or nothing.
    let half = folder.join(format!(".{FILE}"));
    fs::write(&half, text).map_err(StackError::file("write", &half))?;
    fs::rename(&half, &path).map_err(StackError::file("write", &path))
}

/// The stacks that are up and have said where they are, below `state_dir` (`.soxauto` of a project).
#[must_use]
pub fn announced(state_dir: &Path) -> Vec<Announcement> {
    stack_folders(&state_dir.join("stacks"))
        .into_iter()
        .filter(|folder| !has_ended(folder))
        .filter_map(|folder| {
            serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folders::Folders;

    #[test]
    fn a_stack_is_found_while_it_lives() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(announced(state.path()), []);
        let silent = Folders::create(state.path()).unwrap();
        let living = Folders::create(state.path()).unwrap();
        let announcement = Announcement {
            stack: "soxauto-local".into(),
            region: "eu-west-1".into(),
            aws: "http://127.0.0.1:1".into(),
            redshift: "http://127.0.0.1:2".into(),
        };
        write(&living.stack, &announcement).unwrap();
        assert_eq!(announced(state.path()), [announcement]);
        drop((silent, living));
        assert_eq!(announced(state.path()), []);
    }
}
