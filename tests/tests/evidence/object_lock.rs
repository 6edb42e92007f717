//! What is written can neither be overwritten nor deleted: asked of the bucket, not of our code.

use bytes::Bytes;
use soxauto_cloud::lake::LakeError;

use crate::control::{Control, LAST};

pub(crate) async fn what_is_written_stays(control: &Control) {
    let laptop = &control.laptop;
    let outputs = laptop.stack.outputs();
    let bucket = &outputs.evidence_bucket_name;
    let key = format!("{}/{LAST}/plan.json", outputs.evidence_prefix);
    let before = laptop.evidence.get(&key).await.unwrap().bytes;

    // Ours: create-only.
    let refused = laptop
        .evidence
        .create(&key, Bytes::from_static(b"{}"), "application/json")
        .await;
    assert!(
        matches!(refused, Err(LakeError::AlreadyExists(_))),
        "{refused:?}"
    );

    // Anybody's: the version that is there is under retention.
    let s3 = &laptop.clients.s3;
    let head = s3
        .head_object()
        .bucket(bucket)
        .key(&key)
        .send()
        .await
        .unwrap();
    let version = head.version_id().unwrap().to_owned();
    assert!(head.object_lock_mode().is_some(), "{head:?}");
    assert!(head.object_lock_retain_until_date().is_some());
    let refused = s3
        .delete_object()
        .bucket(bucket)
        .key(&key)
        .version_id(&version)
        .send()
        .await;
    assert!(refused.is_err(), "a version under retention was deleted");

    // A plain delete or an unconditional put only puts something before it: the version stays, byte for byte.
    s3.delete_object()
        .bucket(bucket)
        .key(&key)
        .send()
        .await
        .unwrap();
    s3.put_object()
        .bucket(bucket)
        .key(&key)
        .body(Bytes::from_static(b"{}").into())
        .send()
        .await
        .unwrap();
    let kept = s3
        .get_object()
        .bucket(bucket)
        .key(&key)
        .version_id(&version)
        .send()
        .await
        .unwrap();
    assert_eq!(kept.body.collect().await.unwrap().into_bytes(), before);
}
