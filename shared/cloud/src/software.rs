//! The program that is running, by name, version and the digest of its file: what plans, receipts and manifests record.

use std::{fs::File, io::Read as _, path::Path, sync::OnceLock};

use aws_lc_rs::digest;
use soxauto_domain::{Sha256, plan::Software};

use crate::config::ConfigurationInvalid;

/// The running program as Linux shows it: also after its file was replaced or removed.
const SELF: &str = "/proc/self/exe";

/// Describes the running program. The file is read once per process, in pieces.
///
/// # Errors
/// [`ConfigurationInvalid`] when the program cannot read its own file.
pub fn running(name: &str, version: &str) -> Result<Software, ConfigurationInvalid> {
    static DIGEST: OnceLock<Sha256> = OnceLock::new();
    let binary_sha256 = match DIGEST.get() {
        Some(digest) => *digest,
        None => {
            let digest = of_this_program().map_err(|e| {
                ConfigurationInvalid::of(SELF, format!("cannot be read by the program itself: {e}"))
            })?;
            *DIGEST.get_or_init(|| digest)
        }
    };
    Ok(Software {
        name: name.to_owned(),
        version: version.to_owned(),
        binary_sha256,
    })
}

fn of_this_program() -> std::io::Result<Sha256> {
    if Path::new(SELF).exists() {
        of_file(Path::new(SELF))
    } else {
        of_file(&std::env::current_exe()?)
    }
}

/// The TLS library's digest is assembly in every profile: a debug build's own is fifty times slower.
fn of_file(path: &Path) -> std::io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => hasher.update(&piece[..n]),
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hasher.finish().as_ref());
    Ok(Sha256::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_file() {
        let path = std::env::temp_dir().join(format!("soxauto-software-{}", std::process::id()));
        let bytes: Vec<u8> = (0..700_000u32).map(|n| n.to_le_bytes()[1]).collect();
        std::fs::write(&path, &bytes).unwrap();
        let found = of_file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found, Sha256::of(&bytes));
        let own = running("soxauto-test", "1").unwrap();
        let file = of_file(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(own.binary_sha256, file);
    }
}
