//! The chain's head, moved by the real code: [`ChainHead::reserve`] and [`ChainHead::append`].

use soxauto_domain::{Cutoff, RunId, Sha256, manifest::ManifestLink};
use soxauto_evidence::ChainHead;

use crate::world::{Head, Link};

/// Reserves the place behind `head` for `next`; `None` when the code refuses.
pub(crate) fn reserve(head: Head, next: Link) -> Option<Head> {
    let real = real(head)?;
    real.reserve(real.head.as_ref(), manifest(next)?).ok()?;
    Some(Head {
        reserved: Some(next),
        ..head
    })
}

/// Makes `written` the head; `None` when the code refuses.
pub(crate) fn append(head: Head, written: Link) -> Option<Head> {
    real(head)?.append(&manifest(written)?).ok()?;
    Some(Head {
        head: Some(written),
        reserved: None,
    })
}

fn real(head: Head) -> Option<ChainHead> {
    let link = |link: Option<Link>| link.map(|link| manifest(link).ok_or(()));
    Some(ChainHead {
        head: link(head.head).transpose().ok()?,
        reserved: link(head.reserved).transpose().ok()?,
    })
}

fn manifest(link: Link) -> Option<ManifestLink> {
    let cutoff: Cutoff = "2024-05-01".parse().ok()?;
    let mut bytes = [0; 32];
    bytes[..3].copy_from_slice(&[link.run, link.revision, link.by]);
    Some(ManifestLink {
        run_id: RunId::new("C-PG-1".parse().ok()?, cutoff, u32::from(link.run) + 1),
        revision: u32::from(link.revision),
        sha256: Sha256::from_bytes(bytes),
    })
}
