//! Reviewing over the in-memory bucket: who may, about what, and what it makes of the manifest.

use std::sync::Arc;

use bytes::Bytes;
use soxauto_cloud::{
    lake::{Lake as _, MemoryLake},
    signer::{LocalSigner, Signer as _},
};
use soxauto_domain::{
    RunId,
    layout::Layout,
    manifest::Statement,
    review::{Decision, Standing},
};
use soxauto_evidence::Unsigned;

use super::desk::{Asked, Desk};
use crate::operate::error::OperateError;

const OPERATOR: &str = "arn:aws:sts::111122223333:assumed-role/finance-operators/m.rossi";
const REVIEWER: &str = "arn:aws:sts::111122223333:assumed-role/finance-reviewers/a.diop";

struct World {
    desk: Desk,
    lake: MemoryLake,
    finalizer: LocalSigner,
    run: RunId,
}

impl World {
    /// A run with one manifest: the documents' example.
    async fn new() -> Self {
        let lake = MemoryLake::new("evidence");
        let finalizer = LocalSigner::new([7; 32]);
        let desk = Desk {
            evidence: Arc::new(lake.clone()),
            layout: Layout::new("evidence"),
            manifests: Arc::new(finalizer.clone()),
            reviews: Arc::new(LocalSigner::new([9; 32])),
        };
        let run = "C-PG-1/2024-05-01/r1".parse().unwrap();
        let world = Self {
            desk,
            lake,
            finalizer,
            run,
        };
        world.publish(1).await;
        world
    }

    async fn publish(&self, revision: u32) {
        let example = include_str!("../../../../docs/manifest.example.json");
        let mut statement: Statement = serde_json::from_str(example).unwrap();
        statement.predicate.revision = revision;
        let unsigned = Unsigned::new(&statement).unwrap();
        let digest = *unsigned.digest().as_bytes();
        let signature = self.finalizer.sign_digest(digest).await.unwrap();
        let bytes = unsigned.signed("k", &signature).unwrap();
        let key = self.desk.layout.manifest(&self.run, revision);
        let bytes = Bytes::from(bytes);
        self.lake.create(&key, bytes, "x").await.unwrap();
    }

    async fn review(&self, reviewer: &str, decision: Decision) -> Result<(), OperateError> {
        let manifest = self.desk.newest(&self.run).await?;
        let asked = Asked {
            decision,
            comment: "read".into(),
            reviewer: reviewer.into(),
            functions: vec!["soxauto-prod-finalizer".into()],
            reviewed_at: "2024-05-02T08:00:00Z".parse().unwrap(),
            software: manifest.says.software.clone(),
        };
        self.desk.review(&manifest, asked).await
    }

    async fn standing(&self) -> Result<Standing, OperateError> {
        let manifest = self.desk.newest(&self.run).await?;
        let reviews = self.desk.reviews(&manifest).await?;
        Ok(Standing::of(reviews.iter().map(|review| review.decision)))
    }
}

#[tokio::test]
async fn a_draft_becomes_final_is_rejected_and_a_new_revision_is_a_draft_again() {
    let world = World::new().await;
    assert_eq!(world.standing().await.unwrap(), Standing::Draft);
    world.review(REVIEWER, Decision::Approve).await.unwrap();
    assert_eq!(world.standing().await.unwrap(), Standing::Final);
    world.review(REVIEWER, Decision::Reject).await.unwrap();
    assert_eq!(world.standing().await.unwrap(), Standing::RejectedInReview);
    world.publish(2).await;
    assert_eq!(world.standing().await.unwrap(), Standing::Draft);
    let folder = "evidence/C-PG-1/2024-05-01/r1/";
    for name in ["review-1-1.dsse.json", "review-1-2.dsse.json"] {
        assert!(world.lake.keys().contains(&format!("{folder}{name}")));
    }
}

#[tokio::test]
async fn preparers_are_refused_and_nothing_is_written() {
    let world = World::new().await;
    for preparer in [
        OPERATOR,
        "arn:aws:sts::111122223333:assumed-role/finance-reviewers/m.rossi",
        "arn:aws:sts::111122223333:assumed-role/stack-FinalizerRole/soxauto-prod-finalizer",
    ] {
        let refused = world.review(preparer, Decision::Approve).await;
        assert!(
            matches!(refused, Err(OperateError::Review(_))),
            "{preparer}"
        );
    }
    assert_eq!(world.lake.keys().len(), 1);
    assert_eq!(world.standing().await.unwrap(), Standing::Draft);
}

#[tokio::test]
async fn neither_key_says_what_the_other_must() {
    let mut world = World::new().await;
    // A reviewer's key under a manifest, then the finalizer's under a review: neither is believed.
    std::mem::swap(&mut world.desk.manifests, &mut world.desk.reviews);
    assert!(world.desk.newest(&world.run).await.is_err());
    std::mem::swap(&mut world.desk.manifests, &mut world.desk.reviews);
    let reviews = Arc::clone(&world.desk.reviews);
    world.desk.reviews = Arc::new(world.finalizer.clone());
    world.review(REVIEWER, Decision::Approve).await.unwrap();
    world.desk.reviews = reviews;
    assert!(matches!(
        world.standing().await,
        Err(OperateError::NotBelieved { .. })
    ));
}
