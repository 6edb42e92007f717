//! Reading files: bounded documents, and digests in constant memory.

use std::{fs::File, io::Read};

use sha2::Digest as _;
use soxauto_domain::Sha256;

use crate::{folder::Folder, progress::Progress};

/// The most bytes of a document that is read whole: a plan of a thousand reports is far below.
pub(crate) const LARGEST_DOCUMENT: u64 = 64 * 1024 * 1024;

/// Size and digest of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// Reads a document whole. One that is `listed` with more bytes than a document has is not even opened: what lies in a
/// bucket would be fetched first.
///
/// # Errors
/// In words, when it cannot be read or is too large.
pub(crate) async fn document(
    folder: &dyn Folder,
    path: &str,
    listed: u64,
    progress: &dyn Progress,
) -> Result<Vec<u8>, String> {
    let too_large =
        || format!("it is larger than {LARGEST_DOCUMENT} bytes, which no document of a run is");
    if listed > LARGEST_DOCUMENT {
        return Err(too_large());
    }
    let file = folder.open(path).await.map_err(|e| e.reason)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    progress.advance(bytes.len() as u64);
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Reads a file to its end and measures it.
///
/// # Errors
/// In words, when it cannot be read.
pub(crate) fn measure(file: &mut File, progress: &dyn Progress) -> Result<Measured, String> {
    let mut hasher = sha2::Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(|e| e.to_string())?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
        progress.advance(read as u64);
    }
    Ok(Measured {
        size,
        sha256: Sha256::from_bytes(hasher.finalize().into()),
    })
}

/// Measures bytes.
pub(crate) fn measured(bytes: &[u8]) -> Measured {
    Measured {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    }
}
