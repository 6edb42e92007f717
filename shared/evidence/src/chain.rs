//! The chain of a control's manifests: one head, moved in two steps so that a crash between them is healed.
//!
//! Evidence is written create-only and cannot be deleted, so a manifest must not be written before its place in the
//! chain is certain. The head (an object of the state bucket, changed by `If-Match` only) therefore first *reserves* the
//! place: it names the manifest that comes next, whose bytes are staged. Whoever finds a reservation finishes it.

use serde::{Deserialize, Serialize};
use soxauto_domain::manifest::ManifestLink;

/// `head.json` of a control.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// The last manifest of the chain; `None` before the first.
    pub head: Option<ManifestLink>,
    /// The manifest that is being appended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<ManifestLink>,
}

/// Why the head cannot move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Another manifest is being appended; finish that one first.
    #[error("manifest {} revision {} is being appended", .0.run_id, .0.revision)]
    Reserved(ManifestLink),
    /// The manifest was made behind another head.
    #[error("the manifest names another predecessor than the head")]
    Predecessor,
    /// Nothing is reserved, or something else.
    #[error("the manifest is not the reserved one")]
    NotReserved,
}

impl ChainHead {
    /// Reserves the place behind the head for `next`, whose manifest names `previous`.
    ///
    /// # Errors
    /// [`ChainError::Reserved`] when another one is under way, [`ChainError::Predecessor`] when the head moved.
    pub fn reserve(
        &self,
        previous: Option<&ManifestLink>,
        next: ManifestLink,
    ) -> Result<Self, ChainError> {
        match &self.reserved {
            Some(reserved) if *reserved != next => Err(ChainError::Reserved(reserved.clone())),
            _ if self.head.as_ref() != previous => Err(ChainError::Predecessor),
            _ => Ok(Self {
                head: self.head.clone(),
                reserved: Some(next),
            }),
        }
    }

    /// Makes the reserved manifest the head, once it is written.
    ///
    /// # Errors
    /// [`ChainError::NotReserved`] for any other.
    pub fn append(&self, written: &ManifestLink) -> Result<Self, ChainError> {
        match &self.reserved {
            Some(reserved) if reserved == written => Ok(Self {
                head: Some(written.clone()),
                reserved: None,
            }),
            _ => Err(ChainError::NotReserved),
        }
    }
}

#[cfg(test)]
mod tests {
    use soxauto_domain::Sha256;

    use super::*;

    fn link(n: u32) -> ManifestLink {
        ManifestLink {
            run_id: format!("C-PG-1/2024-05-01/r{n}").parse().unwrap(),
            revision: 1,
            sha256: Sha256::of(n.to_string()),
        }
    }

    #[test]
    fn one_after_the_other() {
        let empty = ChainHead::default();
        let first = empty.reserve(None, link(1)).unwrap();
        // A second one has to wait, the same one may ask again.
        assert_eq!(
            first.reserve(None, link(2)),
            Err(ChainError::Reserved(link(1)))
        );
        assert_eq!(first.reserve(None, link(1)), Ok(first.clone()));
        assert_eq!(first.append(&link(2)), Err(ChainError::NotReserved));
        let head = first.append(&link(1)).unwrap();
        assert_eq!(
            head,
            ChainHead {
                head: Some(link(1)),
                reserved: None
            }
        );
        // A manifest that was made before the head moved is refused.
        assert_eq!(head.reserve(None, link(2)), Err(ChainError::Predecessor));
        assert!(head.reserve(Some(&link(1)), link(2)).is_ok());
    }
}
