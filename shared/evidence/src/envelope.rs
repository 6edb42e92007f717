//! The DSSE envelope: a payload with signatures over its type and bytes.
//!
//! Source: DSSE v1 protocol. What is signed is the pre-authentication encoding
//! `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`; the signature is ECDSA P-256 over its SHA-256, DER-encoded, so
//! that `openssl dgst -sha256 -verify` checks it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::{
    ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _},
    pkcs8::DecodePublicKey as _,
};
use serde::{Deserialize, Serialize};
use soxauto_domain::{
    Sha256,
    manifest::{PAYLOAD_TYPE, PredicateKind, STATEMENT_TYPE, Statement},
};

/// A DSSE envelope as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Base64 of the payload.
    pub payload: String,
    /// Media type of the payload.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// At least one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// Which key, as the signer names it.
    pub keyid: String,
    /// Base64 of the DER-encoded ECDSA signature.
    pub sig: String,
}

/// Why an envelope is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope.
    #[error("the envelope cannot be read: {0}")]
    Form(String),
    /// Another payload type.
    #[error("the payload's type is {0:?}, expected {PAYLOAD_TYPE:?}")]
    PayloadType(String),
    /// The public key cannot be read.
    #[error("the public key cannot be read: {0}")]
    Key(String),
    /// No signature of the key holds.
    #[error("no signature of the envelope holds under the given key")]
    Signature,
    /// The payload is no statement of ours.
    #[error("the payload is not the statement that it should be: {0}")]
    Statement(String),
}

/// The most signatures of an envelope. Ours have one, and each that is looked at costs time: without a bound, a small file
/// could keep a verifier busy for minutes.
const MOST_SIGNATURES: usize = 16;

/// A payload that waits for its signature.
#[derive(Debug, Clone)]
pub struct Unsigned {
    payload: Vec<u8>,
    digest: Sha256,
}

impl Unsigned {
    /// Encodes a statement.
    ///
    /// # Errors
    /// [`EnvelopeError::Form`] if it cannot be written as JSON.
    pub fn new<P: PredicateKind>(statement: &Statement<P>) -> Result<Self, EnvelopeError> {
        let payload =
            serde_json::to_vec(statement).map_err(|e| EnvelopeError::Form(e.to_string()))?;
        let digest = Sha256::of(pre_authentication(PAYLOAD_TYPE, &payload));
        Ok(Self { payload, digest })
    }

    /// What the key signs: SHA-256 of the pre-authentication encoding.
    #[must_use]
    pub fn digest(&self) -> &Sha256 {
        &self.digest
    }

    /// The envelope's bytes with a DER-encoded signature by `key_id`.
    ///
    /// # Errors
    /// [`EnvelopeError::Form`] if it cannot be written as JSON.
    pub fn signed(&self, key_id: &str, signature_der: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let envelope = Envelope {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: key_id.to_owned(),
                sig: STANDARD.encode(signature_der),
            }],
        };
        serde_json::to_vec(&envelope).map_err(|e| EnvelopeError::Form(e.to_string()))
    }
}

/// `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`.
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

/// Reads a manifest's envelope without looking at its signatures: what it claims, not what is true.
///
/// # Errors
/// [`EnvelopeError`] when the bytes are no envelope with a manifest in it.
pub fn read(bytes: &[u8]) -> Result<Statement, EnvelopeError> {
    read_as(bytes)
}

/// As [`read`], for a statement of any kind.
///
/// # Errors
/// [`EnvelopeError`] when the bytes are no envelope with such a statement in it.
pub fn read_as<P: PredicateKind>(bytes: &[u8]) -> Result<Statement<P>, EnvelopeError> {
    let (envelope, payload) = open(bytes)?;
    statement(&envelope, &payload)
}

/// Reads a manifest's envelope and believes it only if a signature holds under `public_key_pem` (SPKI, P-256).
///
/// # Errors
/// [`EnvelopeError`] says what is wrong.
pub fn verify(bytes: &[u8], public_key_pem: &str) -> Result<Statement, EnvelopeError> {
    verify_as(bytes, public_key_pem)
}

/// As [`verify`], for a statement of any kind.
///
/// # Errors
/// [`EnvelopeError`] says what is wrong.
pub fn verify_as<P: PredicateKind>(
    bytes: &[u8],
    public_key_pem: &str,
) -> Result<Statement<P>, EnvelopeError> {
    let key = VerifyingKey::from_public_key_pem(public_key_pem)
        .map_err(|e| EnvelopeError::Key(e.to_string()))?;
    let (envelope, payload) = open(bytes)?;
    let digest = Sha256::of(pre_authentication(&envelope.payload_type, &payload));
    let holds = envelope.signatures.iter().any(|one| {
        STANDARD
            .decode(&one.sig)
            .ok()
            .and_then(|der| Signature::from_der(&der).ok())
            .is_some_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok())
    });
    if holds {
        statement(&envelope, &payload)
    } else {
        Err(EnvelopeError::Signature)
    }
}

fn open(bytes: &[u8]) -> Result<(Envelope, Vec<u8>), EnvelopeError> {
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|e| EnvelopeError::Form(e.to_string()))?;
    let signatures = envelope.signatures.len();
    if signatures > MOST_SIGNATURES {
        return Err(EnvelopeError::Form(format!(
            "it has {signatures} signatures, at most {MOST_SIGNATURES} are looked at"
        )));
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|e| EnvelopeError::Form(e.to_string()))?;
    Ok((envelope, payload))
}

fn statement<P: PredicateKind>(
    envelope: &Envelope,
    payload: &[u8],
) -> Result<Statement<P>, EnvelopeError> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType(envelope.payload_type.clone()));
    }
    // The type first: a review is not a broken manifest, but another statement.
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "_type")]
        statement_type: String,
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }
    let broken = |e: serde_json::Error| EnvelopeError::Statement(e.to_string());
    let kind: Kind = serde_json::from_slice(payload).map_err(broken)?;
    if kind.statement_type != STATEMENT_TYPE || kind.predicate_type != P::TYPE {
        return Err(EnvelopeError::Statement(format!(
            "type {} with predicate {}",
            kind.statement_type, kind.predicate_type
        )));
    }
    serde_json::from_slice(payload).map_err(broken)
}

#[cfg(test)]
mod tests {
    use p256::{
        ecdsa::{SigningKey, signature::hazmat::PrehashSigner as _},
        pkcs8::{EncodePublicKey as _, LineEnding},
    };

    use super::*;
    use crate::statement::tests::statement;

    fn key(seed: u8) -> (SigningKey, String) {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let pem = key
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        (key, pem)
    }

    fn sign(key: &SigningKey, unsigned: &Unsigned) -> Vec<u8> {
        let signature: Signature = key.sign_prehash(unsigned.digest().as_bytes()).unwrap();
        unsigned
            .signed("test", signature.to_der().as_bytes())
            .unwrap()
    }

    #[test]
    fn the_pre_authentication_encoding_is_the_protocols_example() {
        assert_eq!(
            pre_authentication("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_signed_statement_reads_back_and_another_key_or_payload_does_not() {
        let (key_a, pem_a) = key(7);
        let (_, pem_b) = key(9);
        let statement = statement();
        let unsigned = Unsigned::new(&statement).unwrap();
        let bytes = sign(&key_a, &unsigned);
        assert_eq!(verify(&bytes, &pem_a).unwrap(), statement);
        assert!(matches!(
            verify(&bytes, &pem_b),
            Err(EnvelopeError::Signature)
        ));
        let mut other = statement.clone();
        other.predicate.revision = 2;
        let forged: Envelope = serde_json::from_slice(&bytes).unwrap();
        let forged = Envelope {
            payload: STANDARD.encode(serde_json::to_vec(&other).unwrap()),
            ..forged
        };
        assert!(matches!(
            verify(&serde_json::to_vec(&forged).unwrap(), &pem_a),
            Err(EnvelopeError::Signature)
        ));
    }

    #[test]
    fn more_signatures_than_can_be_looked_at_are_refused() {
        let (key, pem) = key(7);
        let bytes = sign(&key, &Unsigned::new(&statement()).unwrap());
        let one: Envelope = serde_json::from_slice(&bytes).unwrap();
        let mut read = Vec::new();
        for count in [16, 17, 20_000] {
            let many = Envelope {
                signatures: vec![one.signatures[0].clone(); count],
                ..one.clone()
            };
            read.push(verify(&serde_json::to_vec(&many).unwrap(), &pem));
        }
        assert!(read[0].is_ok());
        for refused in &read[1..] {
            assert!(matches!(refused, Err(EnvelopeError::Form(why)) if why.contains("at most 16")));
        }
    }

    #[test]
    fn bytes_that_are_no_envelope_are_refused() {
        let (_, pem) = key(7);
        for bytes in [
            &b""[..],
            b"{}",
            b"null",
            b"{\"payload\":\"!\",\"payloadType\":\"x\",\"signatures\":[]}",
        ] {
            assert!(verify(bytes, &pem).is_err());
        }
        assert!(matches!(
            verify(b"{}", "not a key"),
            Err(EnvelopeError::Key(_))
        ));
    }
}
