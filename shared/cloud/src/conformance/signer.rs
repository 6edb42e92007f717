//! What every signer does.

use p256::{
    ecdsa::{DerSignature, Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _},
    pkcs8::DecodePublicKey as _,
};
use sha2::{Digest as _, Sha256};

use crate::signer::Signer;

/// Runs the suite.
///
/// # Panics
/// Where a promise of the port is broken.
pub async fn suite(signer: &dyn Signer) {
    assert!(!signer.key_id().is_empty());
    let pem = signer.public_key_pem().await.unwrap();
    assert!(
        pem.starts_with("-----BEGIN PUBLIC KEY-----\n")
            && pem.ends_with("-----END PUBLIC KEY-----\n"),
        "{pem}"
    );
    assert_eq!(pem, signer.public_key_pem().await.unwrap());
    let key = VerifyingKey::from_public_key_pem(&pem).unwrap();
    for text in ["", "a statement"] {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let der = signer.sign_digest(digest).await.unwrap();
        let signature = Signature::try_from(DerSignature::from_bytes(&der).unwrap()).unwrap();
        key.verify_prehash(&digest, &signature).unwrap();
        // The digest is signed, not the digest of the digest.
        let twice: [u8; 32] = Sha256::digest(digest).into();
        assert!(key.verify_prehash(&twice, &signature).is_err());
    }
}
