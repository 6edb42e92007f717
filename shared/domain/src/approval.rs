//! Approvals: what a reviewer has said about a query before it runs, and what the plan says of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// How an IPE of the plan stands to its approved baseline.
///
/// *Unchanged* means that nothing differs but layout, comments and prose: the run differs from what was approved in its
/// bound parameters only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case", deny_unknown_fields)]
pub enum BaselineStatus {
    /// The texts are the approved ones.
    Unchanged {
        /// Digest of the approved texts, token by token.
        sha256: Sha256,
        /// Who approved them.
        approved_by: String,
        /// When.
        approved_at: Timestamp,
        /// Where the approval was asked for.
        ticket: String,
    },
    /// The texts differ from the approved ones.
    Changed {
        /// Digest of the texts as they are, token by token.
        sha256: Sha256,
        /// Digest of the approved ones.
        baseline_sha256: Sha256,
        /// Who approved those.
        approved_by: String,
        /// When.
        approved_at: Timestamp,
        /// Where the approval was asked for.
        ticket: String,
    },
    /// Nobody has approved the texts.
    #[default]
    None,
}

impl BaselineStatus {
    /// Whether the query runs as it was approved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Unchanged { .. })
    }

    /// The statement for evidence and report.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        match self {
            Self::Unchanged { .. } => "unchanged since baseline but for its parameters",
            Self::Changed { .. } => "changed since baseline",
            Self::None => "no approved baseline",
        }
    }
}

/// Leave to run queries without an approved baseline, given with the start event for one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who gives it.
    pub by: String,
    /// Where it was asked for.
    pub ticket: String,
    /// Why the run cannot wait for the baseline.
    pub reason: String,
}

/// A field of an [`Approval`] says nothing, or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("approval.{0} must have 1 to 500 characters")]
pub struct ApprovalError(&'static str);

impl Approval {
    /// The approval, if each of its fields says something.
    ///
    /// # Errors
    /// [`ApprovalError`] names the first field that does not.
    pub fn checked(self) -> Result<Self, ApprovalError> {
        for (name, text) in [
            ("by", &self.by),
            ("ticket", &self.ticket),
            ("reason", &self.reason),
        ] {
            if text.trim().is_empty() || text.chars().count() > 500 {
                return Err(ApprovalError(name));
            }
        }
        Ok(self)
    }
}
