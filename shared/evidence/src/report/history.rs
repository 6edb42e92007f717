//! Earlier months beside this one: what their last complete manifests say, and which manifests those are.
//!
//! A figure of an earlier month is shown only from a manifest whose signature holds under this control's key and which
//! is about the run in whose folder it lies. Anything else is named as not believed, and never stops a month's closing.

use serde::Serialize;
use soxauto_domain::{
    IpeId, RunId, RunState, Sha256,
    calendar::Cutoff,
    manifest::{ManifestIpe, ManifestLink, Predicate},
    receipt::ControlTotal,
};

use crate::envelope;

/// Months before the report's own that it compares with.
pub const MONTHS: usize = 12;

/// One earlier month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Month {
    /// Its cutoff.
    pub cutoff: Cutoff,
    /// What was found of it.
    pub found: Earlier,
}

/// What was found of an earlier month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Earlier {
    /// A complete manifest.
    Complete {
        /// Which one.
        link: ManifestLink,
        /// Its figures.
        ipes: Vec<EarlierIpe>,
    },
    /// Runs, but none that is complete.
    NotComplete,
    /// A manifest that is not believed.
    NotBelieved {
        /// The run in whose folder it lies.
        run_id: RunId,
        /// Its revision by name.
        revision: u32,
        /// Why not.
        reason: String,
    },
}

/// One IPE of an earlier month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EarlierIpe {
    /// Identifier.
    pub id: IpeId,
    /// Rows extracted.
    pub rows: u64,
    /// Control totals.
    pub totals: Vec<ControlTotal>,
}

impl Earlier {
    /// Reads the bytes of `manifest-<revision>.dsse.json` of `run`; the signature must hold under `public_key_pem`.
    #[must_use]
    pub fn read(run: &RunId, revision: u32, bytes: &[u8], public_key_pem: &str) -> Self {
        let not_believed = |reason: String| Self::NotBelieved {
            run_id: run.clone(),
            revision,
            reason,
        };
        match envelope::verify(bytes, public_key_pem) {
            Err(e) => not_believed(e.to_string()),
            Ok(statement) => {
                Self::of(run, revision, bytes, &statement.predicate).unwrap_or_else(|| {
                    let says = &statement.predicate;
                    not_believed(format!(
                        "it says it is revision {} of {}",
                        says.revision, says.run_id
                    ))
                })
            }
        }
    }

    fn of(run: &RunId, revision: u32, bytes: &[u8], predicate: &Predicate) -> Option<Self> {
        if predicate.run_id != *run || predicate.revision != revision {
            return None;
        }
        if predicate.state != RunState::Complete {
            return Some(Self::NotComplete);
        }
        Some(Self::Complete {
            link: ManifestLink {
                run_id: run.clone(),
                revision,
                sha256: Sha256::of(bytes),
            },
            ipes: predicate.ipes.iter().filter_map(EarlierIpe::of).collect(),
        })
    }

    /// Whether it is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }
}

impl EarlierIpe {
    fn of(ipe: &ManifestIpe) -> Option<Self> {
        Some(Self {
            id: ipe.id.clone(),
            rows: ipe.counts?.decoded,
            totals: ipe.control_totals.clone(),
        })
    }
}

/// Whether a month of `cutoff` belongs into the report of `of`: within the twelve months before it.
#[must_use]
pub fn belongs(cutoff: Cutoff, of: Cutoff) -> bool {
    let distance = months_between(cutoff, of);
    distance > 0 && distance <= MONTHS as i32
}

/// Calendar months from `earlier` to `later`.
pub(crate) fn months_between(earlier: Cutoff, later: Cutoff) -> i32 {
    let months =
        |cutoff: Cutoff| i32::from(cutoff.date().year()) * 12 + i32::from(cutoff.date().month());
    months(later) - months(earlier)
}

#[cfg(test)]
mod tests {
    use p256::{
        ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _},
        pkcs8::{EncodePublicKey as _, LineEnding},
    };

    use super::*;
    use crate::{Unsigned, statement::tests::statement};

    #[test]
    fn only_a_manifest_of_this_key_and_this_place_is_believed() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let pem = key.verifying_key().to_public_key_pem(LineEnding::LF);
        let pem = pem.unwrap();
        let other = SigningKey::from_slice(&[9; 32]).unwrap();
        let other_pem = other.verifying_key().to_public_key_pem(LineEnding::LF);
        let statement = statement();
        let unsigned = Unsigned::new(&statement).unwrap();
        let signature: Signature = key.sign_prehash(unsigned.digest().as_bytes()).unwrap();
        let bytes = unsigned.signed("k", signature.to_der().as_bytes()).unwrap();
        let run = statement.predicate.run_id;
        let elsewhere: RunId = "C-PG-1/2024-04-01/r1".parse().unwrap();
        let believed = |run: &RunId, revision, pem: &str| {
            let found = Earlier::read(run, revision, &bytes, pem);
            assert_eq!(
                found.is_complete(),
                !matches!(found, Earlier::NotBelieved { .. })
            );
            found.is_complete()
        };
        assert!(believed(&run, 1, &pem));
        assert!(!believed(&run, 2, &pem));
        assert!(!believed(&elsewhere, 1, &pem));
        assert!(!believed(&run, 1, &other_pem.unwrap()));
        assert!(!Earlier::read(&run, 1, b"{}", &pem).is_complete());
    }

    #[test]
    fn a_year_before_belongs_and_no_more() {
        let of = "2024-05-01".parse().unwrap();
        let belongs = |text: &str| belongs(text.parse().unwrap(), of);
        assert!(belongs("2024-04-01") && belongs("2023-05-01"));
        assert!(!belongs("2023-04-01") && !belongs("2024-05-01") && !belongs("2024-06-01"));
    }
}
