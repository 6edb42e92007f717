//! The content digest: two extractions of the same data compare equal whatever the order of their rows and however they
//! are cut into files, and any changed cell changes it.
//!
//! [`ContentDigest`] takes record batches and gives a SHA-256. `docs/EVIDENCE.md` specifies it for other languages;
//! `docs/content-digest.vectors.json` holds examples that a second implementation has computed. [`Cells`] and
//! [`ExternalSort`] are what it is made of; the check of keys needs them too.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cells;
mod digest;
mod sort;

pub use cells::{Cells, type_name};
pub use digest::{ContentDigest, ContentError, SORTED_IN_MEMORY, row_digest};
pub use sort::{ExternalSort, ScratchError};
