//! Reads P-256 public keys and verifies what a key home returns, so that a wrong signature never leaves.

use p256::{
    ecdsa::{DerSignature, Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _},
    pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding},
};

/// A key from its SubjectPublicKeyInfo.
pub(super) fn key(spki_der: &[u8]) -> Result<VerifyingKey, String> {
    VerifyingKey::from_public_key_der(spki_der)
        .map_err(|e| format!("the key is not an ECDSA P-256 key: {e}"))
}

/// The key as PEM.
pub(super) fn pem(key: &VerifyingKey) -> Result<String, String> {
    key.to_public_key_pem(LineEnding::LF)
        .map_err(|e| format!("the key cannot be written as PEM: {e}"))
}

/// Whether the DER signature is the key's over the digest.
pub(super) fn signature(key: &VerifyingKey, sha256: &[u8; 32], der: &[u8]) -> Result<(), String> {
    let signature = DerSignature::from_bytes(der).and_then(Signature::try_from);
    let signature = signature.map_err(|e| format!("the signature is not in DER: {e}"))?;
    key.verify_prehash(sha256, &signature)
        .map_err(|_| "the signature does not verify with the public key".to_owned())
}
