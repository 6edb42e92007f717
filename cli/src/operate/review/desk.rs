//! The reviewer's desk: the newest manifest, the reviews that are there, and one more.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use soxauto_cloud::{
    lake::{Lake, LakeError},
    signer::Signer,
};
use soxauto_domain::{
    RunId, Sha256,
    layout::{Layout, Object},
    manifest::Predicate,
    plan::Software,
    review::{Decision, Review, preparers},
};
use soxauto_evidence::{Unsigned, envelope, review};

use crate::operate::error::OperateError;

/// The evidence bucket, and the two keys.
pub(super) struct Desk {
    /// The evidence bucket.
    pub(super) evidence: Arc<dyn Lake>,
    /// Its keys.
    pub(super) layout: Layout,
    /// The key that signed the manifests.
    pub(super) manifests: Arc<dyn Signer>,
    /// The key that signs reviews.
    pub(super) reviews: Arc<dyn Signer>,
}

/// A manifest whose signature holds.
pub(super) struct Manifest {
    /// The envelope's bytes: what a review is about.
    pub(super) envelope: Bytes,
    /// What it says.
    pub(super) says: Predicate,
}

impl Manifest {
    /// Its revision.
    pub(super) fn revision(&self) -> u32 {
        self.says.revision
    }
}

/// A review before it has its number and its signature.
pub(super) struct Asked {
    /// The decision.
    pub(super) decision: Decision,
    /// Why.
    pub(super) comment: String,
    /// Who reviews, by the word of AWS.
    pub(super) reviewer: String,
    /// The functions, which prepare and never review.
    pub(super) functions: Vec<String>,
    /// When.
    pub(super) reviewed_at: Timestamp,
    /// The tool.
    pub(super) software: Software,
}

impl Desk {
    /// The run's newest manifest, believed by its signature.
    pub(super) async fn newest(&self, run: &RunId) -> Result<Manifest, OperateError> {
        let prefix = format!("{}manifest-", self.layout.run_folder(run));
        let listed = self.evidence.list(&prefix).await?;
        let newest = listed
            .iter()
            .filter_map(|object| match self.layout.parse(&object.key)? {
                Object::Manifest(_, revision) => Some(revision),
                _ => None,
            })
            .max()
            .ok_or_else(|| OperateError::NoManifest(run.clone()))?;
        let key = self.layout.manifest(run, newest);
        let envelope = self.evidence.get(&key).await?.bytes;
        let pem = self.manifests.public_key_pem().await?;
        let says = envelope::verify(&envelope, &pem)?.predicate;
        if says.run_id != *run || says.revision != newest {
            let reason = format!("it says it is {} revision {}", says.run_id, says.revision);
            return Err(OperateError::NotBelieved { key, reason });
        }
        Ok(Manifest { envelope, says })
    }

    /// The reviews of a manifest, in order; one that does not count is an error, not left out.
    pub(super) async fn reviews(&self, manifest: &Manifest) -> Result<Vec<Review>, OperateError> {
        let (run, revision) = (&manifest.says.run_id, manifest.revision());
        let prefix = format!("{}review-{revision}-", self.layout.run_folder(run));
        let listed = self.evidence.list(&prefix).await?;
        let mut numbers: Vec<u32> = listed
            .iter()
            .filter_map(|object| match self.layout.parse(&object.key)? {
                Object::Review(_, _, number) => Some(number),
                _ => None,
            })
            .collect();
        numbers.sort_unstable();
        let mut found = Vec::with_capacity(numbers.len());
        for (number, expected) in numbers.into_iter().zip(1..) {
            let key = self.layout.review(run, revision, number);
            let not_believed = |reason: String| OperateError::NotBelieved {
                key: key.clone(),
                reason,
            };
            if number != expected {
                return Err(not_believed(format!(
                    "there is no review {expected} before it"
                )));
            }
            let bytes = self.evidence.get(&key).await?.bytes;
            let pem = self.reviews.public_key_pem().await?;
            let statement = envelope::verify_as::<Review>(&bytes, &pem)
                .map_err(|e| not_believed(e.to_string()))?;
            review::check(
                &statement,
                number,
                &manifest.says,
                Sha256::of(&manifest.envelope),
            )
            .map_err(|e| not_believed(e.to_string()))?;
            found.push(statement.predicate);
        }
        Ok(found)
    }

    /// Signs a review and adds it to the run's folder.
    pub(super) async fn review(
        &self,
        manifest: &Manifest,
        asked: Asked,
    ) -> Result<(), OperateError> {
        let number = u32::try_from(self.reviews(manifest).await?.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let mut preparers = preparers(&manifest.says);
        preparers.extend(asked.functions);
        let says = Review {
            run_id: manifest.says.run_id.clone(),
            revision: manifest.revision(),
            number,
            decision: asked.decision,
            comment: asked.comment,
            reviewer: asked.reviewer,
            preparers: preparers.into_iter().collect(),
            reviewed_at: asked.reviewed_at,
            software: asked.software,
        };
        let key = self.layout.review(&says.run_id, says.revision, number);
        let statement = review::build(says, &manifest.says, &manifest.envelope)?;
        let unsigned = Unsigned::new(&statement)?;
        let digest = *unsigned.digest().as_bytes();
        let signature = self.reviews.sign_digest(digest).await?;
        let bytes = unsigned.signed(self.reviews.key_id(), &signature)?;
        match self
            .evidence
            .create(&key, Bytes::from(bytes), "application/json")
            .await
        {
            Ok(_) => Ok(()),
            // Somebody else decided meanwhile: what they said should be read first.
            Err(LakeError::AlreadyExists(_)) => Err(OperateError::ReviewedMeanwhile(key)),
            Err(e) => Err(e.into()),
        }
    }
}
