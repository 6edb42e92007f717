//! Which key is believed. One that lies in the folder it is to prove is believed only by its digest: whoever changed the
//! evidence could have changed the key with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use soxauto_domain::Sha256;
use soxauto_verify::PublicKey;

/// Name of the key that an export puts beside the runs.
const BESIDE: &str = "signing-key.pem";

/// Which key is believed.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The public key in PEM, from somebody other than who gave the evidence. Several after a key was replaced.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// The public key that signs reviews, in PEM. Several after a key was replaced.
    #[arg(long, value_name = "FILE")]
    review_key: Vec<PathBuf>,
    /// SHA-256 of the key in DER (`openssl pkey -pubin -outform DER | sha256sum`): no other key is believed. With it, the
    /// folder's own signing-key.pem will do.
    #[arg(long, value_name = "SHA256")]
    key_sha256: Vec<Sha256>,
}

impl KeyArgs {
    /// The keys of manifests and of reviews; `root` is the folder that is verified, if it is on disk.
    pub(crate) fn read(
        &self,
        root: Option<&Path>,
    ) -> Result<(Vec<PublicKey>, Vec<PublicKey>), String> {
        let mut files = self.public_key.clone();
        if files.is_empty() {
            let inside = root.map(|root| root.join(BESIDE)).filter(|f| f.is_file());
            match inside {
                Some(file) if !self.key_sha256.is_empty() => files.push(file),
                Some(file) => {
                    return Err(format!(
                        "{} lies in the folder itself and proves nothing: give --public-key with a key from elsewhere, or --key-sha256 with its digest",
                        file.display()
                    ));
                }
                None => {
                    return Err(
                        "give --public-key with the key that signs: without it nothing can be believed".to_owned(),
                    );
                }
            }
        }
        let all = |files: &[PathBuf]| -> Result<Vec<PublicKey>, String> {
            files.iter().map(|file| self.one(file, root)).collect()
        };
        let (keys, review_keys) = (all(&files)?, all(&self.review_key)?);
        // Else whoever makes manifests could review them: the two keys are two for that reason.
        let both = |key: &PublicKey| {
            review_keys
                .iter()
                .any(|other| other.sha256() == key.sha256())
        };
        if keys.iter().any(both) {
            return Err("one key cannot sign manifests and reviews".to_owned());
        }
        let has = |pin| {
            let mut given = keys.iter().chain(&review_keys);
            given.any(|key| key.sha256() == pin)
        };
        match self.key_sha256.iter().find(|pin| !has(**pin)) {
            Some(pin) => Err(format!("no key has the digest {pin}")),
            None => Ok((keys, review_keys)),
        }
    }

    fn one(&self, file: &Path, root: Option<&Path>) -> Result<PublicKey, String> {
        let shown = file.display();
        let pem = fs::read_to_string(file).map_err(|e| format!("{shown}: {e}"))?;
        let key = PublicKey::from_pem(&pem).map_err(|e| format!("{shown}: {e}"))?;
        let pinned = self.key_sha256.contains(&key.sha256());
        if !pinned && !self.key_sha256.is_empty() {
            return Err(format!(
                "{shown} has the digest {}, which is not given with --key-sha256",
                key.sha256()
            ));
        }
        let inside = match (fs::canonicalize(file), root) {
            (Ok(file), Some(root)) => file.starts_with(root),
            _ => false,
        };
        if inside && !pinned {
            return Err(format!(
                "{shown} lies in the folder that is verified and proves nothing: give a key from elsewhere, or confirm it with --key-sha256 after comparing {}",
                key.sha256()
            ));
        }
        Ok(key)
    }
}
