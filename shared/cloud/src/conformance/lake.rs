//! What every lake does.

use std::sync::Arc;

use bytes::Bytes;

use crate::lake::{ETag, Lake, LakeError, PART_SIZE};

const TEXT: &str = "text/plain";

/// Runs the whole suite below `prefix`, which is empty as yet and ends with `/`.
///
/// # Panics
/// Where a promise of the port is broken.
pub async fn suite(lake: Arc<dyn Lake>, prefix: &str) {
    objects_read_back(&*lake, &at(prefix, "read")).await;
    absent_objects_are_not_found(&*lake, &at(prefix, "absent")).await;
    creation_happens_once(&*lake, &at(prefix, "create")).await;
    rivals_create_one_object(&lake, &at(prefix, "rivals")).await;
    replacement_needs_the_tag(&*lake, &at(prefix, "replace")).await;
    rivals_replace_once(&lake, &at(prefix, "swap")).await;
    deletion_needs_the_tag_or_nothing(&*lake, &at(prefix, "delete")).await;
    lists_are_complete_and_ordered(&*lake, &at(prefix, "list")).await;
    small_uploads_are_created_once(&*lake, &at(prefix, "small")).await;
    large_uploads_are_created_once(&*lake, &at(prefix, "large")).await;
    unfinished_uploads_are_nothing(&*lake, &at(prefix, "unfinished")).await;
    bad_keys_are_refused(&*lake).await;
}

/// More objects than fit on one page of a list; apart because it takes a while over a network.
///
/// # Panics
/// Where a promise of the port is broken.
pub async fn lists_of_many_pages(lake: Arc<dyn Lake>, prefix: &str) {
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..1_050 {
        let (lake, key) = (lake.clone(), format!("{prefix}{}/{i:04}", i % 1_010));
        while tasks.len() >= 32 {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(async move { drop(lake.create(&key, Bytes::new(), TEXT).await.unwrap()) });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(lake.list(prefix).await.unwrap().len(), 1_050);
    assert_eq!(lake.list_folders(prefix).await.unwrap().len(), 1_010);
}

fn at(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}/")
}

async fn create(lake: &dyn Lake, key: &str, text: &str) -> Result<ETag, LakeError> {
    lake.create(key, Bytes::copy_from_slice(text.as_bytes()), TEXT)
        .await
}

async fn replace(lake: &dyn Lake, key: &str, text: &str, etag: &ETag) -> Result<ETag, LakeError> {
    lake.replace(key, Bytes::copy_from_slice(text.as_bytes()), TEXT, etag)
        .await
}

async fn text(lake: &dyn Lake, key: &str) -> String {
    String::from_utf8(lake.get(key).await.unwrap().bytes.to_vec()).unwrap()
}

async fn objects_read_back(lake: &dyn Lake, folder: &str) {
    let before = jiff::Timestamp::now().as_second() - 120;
    // Every byte, and a key with all that has a meaning in URLs and XML.
    let bytes: Bytes = (0..=255u8).cycle().take(100_000).collect::<Vec<_>>().into();
    let key = format!("{folder}a b+c%20&<é=?#\"'.bin");
    let etag = lake
        .create(&key, bytes.clone(), "application/octet-stream")
        .await
        .unwrap();
    let object = lake.get(&key).await.unwrap();
    assert_eq!((&object.bytes, &object.etag), (&bytes, &etag));
    assert!(
        (before..before + 240).contains(&object.last_modified.as_second()),
        "{}",
        object.last_modified
    );
    let meta = lake.head(&key).await.unwrap();
    assert_eq!(
        (meta.key.as_str(), meta.size, &meta.etag),
        (key.as_str(), 100_000, &etag)
    );
    assert_eq!(
        lake.list(folder)
            .await
            .unwrap()
            .iter()
            .map(|m| (&m.key, m.size, &m.etag))
            .collect::<Vec<_>>(),
        [(&key, 100_000, &etag)]
    );
    let mut download = lake.download(&key).await.unwrap();
    assert_eq!(
        (download.meta().size, &download.meta().etag),
        (100_000, &etag)
    );
    let mut streamed = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        streamed.extend_from_slice(&piece);
    }
    assert_eq!(streamed, bytes);
    let empty = format!("{folder}empty");
    create(lake, &empty, "").await.unwrap();
    assert_eq!(lake.get(&empty).await.unwrap().bytes.len(), 0);
    assert!(
        lake.download(&empty)
            .await
            .unwrap()
            .next()
            .await
            .unwrap()
            .is_none()
    );
}

async fn absent_objects_are_not_found(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}nothing");
    let known = create(lake, &format!("{folder}other"), "x").await.unwrap();
    for error in [
        lake.get(&key).await.unwrap_err(),
        lake.head(&key).await.unwrap_err(),
        lake.download(&key).await.unwrap_err(),
        replace(lake, &key, "x", &known).await.unwrap_err(),
    ] {
        assert!(matches!(error, LakeError::NotFound(_)), "{error}");
        assert!(
            error.at().key.ends_with(&key) && error.at().key.starts_with(lake.bucket()),
            "{error}"
        );
    }
    // A folder is no object.
    assert!(lake.get(folder).await.unwrap_err().is_not_found());
    assert_eq!(lake.list(&format!("{folder}zzz")).await.unwrap(), []);
    assert_eq!(
        lake.list_folders(&format!("{folder}zzz/")).await.unwrap(),
        [""; 0]
    );
}

async fn creation_happens_once(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}once");
    let first = create(lake, &key, "one").await.unwrap();
    assert!(matches!(
        create(lake, &key, "two").await,
        Err(LakeError::AlreadyExists(_))
    ));
    assert_eq!(text(lake, &key).await, "one");
    // A creation whose answer was lost looks like this, and must not count as a rival's.
    assert_eq!(create(lake, &key, "one").await.unwrap(), first);
    assert_eq!(lake.get(&key).await.unwrap().etag, first);
}

async fn rivals_create_one_object(lake: &Arc<dyn Lake>, folder: &str) {
    let key = format!("{folder}first");
    let mut rivals = tokio::task::JoinSet::new();
    for i in 0..8 {
        let (lake, key) = (lake.clone(), key.clone());
        rivals.spawn(async move { create(&*lake, &key, &format!("rival {i}")).await.map(|_| i) });
    }
    let outcomes = rivals.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(text(&**lake, &key).await, format!("rival {}", winners[0]));
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Ok(_) | Err(LakeError::AlreadyExists(_)))),
        "{outcomes:?}"
    );
}

async fn replacement_needs_the_tag(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}state");
    let one = create(lake, &key, "one").await.unwrap();
    let two = replace(lake, &key, "two", &one).await.unwrap();
    assert_ne!(one, two);
    assert!(matches!(
        replace(lake, &key, "three", &one).await,
        Err(LakeError::Precondition(_))
    ));
    assert_eq!(text(lake, &key).await, "two");
    // A replacement whose answer was lost.
    assert_eq!(replace(lake, &key, "two", &one).await.unwrap(), two);
    let three = replace(lake, &key, "three", &two).await.unwrap();
    assert_eq!(lake.head(&key).await.unwrap().etag, three);
}

async fn rivals_replace_once(lake: &Arc<dyn Lake>, folder: &str) {
    let key = format!("{folder}counter");
    let mut etag = create(&**lake, &key, "0").await.unwrap();
    for round in 1..4 {
        let mut rivals = tokio::task::JoinSet::new();
        for i in 0..4 {
            let (lake, key, etag) = (lake.clone(), key.clone(), etag.clone());
            rivals.spawn(
                async move { replace(&*lake, &key, &format!("{round} by {i}"), &etag).await },
            );
        }
        let outcomes = rivals.join_all().await;
        let mut winners = outcomes.iter().filter_map(|o| o.as_ref().ok());
        etag = winners
            .next()
            .unwrap_or_else(|| panic!("nobody won: {outcomes:?}"))
            .clone();
        assert!(winners.next().is_none(), "{outcomes:?}");
    }
}

async fn deletion_needs_the_tag_or_nothing(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}lease");
    let one = create(lake, &key, "one").await.unwrap();
    let two = replace(lake, &key, "two", &one).await.unwrap();
    assert!(matches!(
        lake.delete_if(&key, &one).await,
        Err(LakeError::Precondition(_))
    ));
    assert_eq!(text(lake, &key).await, "two");
    lake.delete_if(&key, &two).await.unwrap();
    assert!(lake.get(&key).await.unwrap_err().is_not_found());
    // A deletion whose answer was lost.
    lake.delete_if(&key, &two).await.unwrap();
    lake.delete(&key).await.unwrap();
    create(lake, &key, "three").await.unwrap();
    lake.delete(&key).await.unwrap();
    assert_eq!(lake.list(folder).await.unwrap(), []);
}

async fn lists_are_complete_and_ordered(lake: &dyn Lake, folder: &str) {
    let keys = [
        "r1/plan.json",
        "r1/IPE_07/attempt-1/receipt.json",
        "r1/IPE_07/attempt-10/x",
        "r1/IPE_07/attempt-2/x",
        "r1/é",
        "r2/plan.json",
    ];
    for key in keys {
        create(lake, &format!("{folder}{key}"), key).await.unwrap();
    }
    let names = |prefix: String| async move {
        let found = lake.list(&prefix).await.unwrap();
        found
            .into_iter()
            .map(|m| m.key[folder.len()..].to_owned())
            .collect::<Vec<_>>()
    };
    let mut ordered = keys.map(str::to_owned).to_vec();
    ordered.sort();
    assert_eq!(names(folder.to_owned()).await, ordered);
    assert_eq!(names(format!("{folder}r2")).await, ["r2/plan.json"]);
    // A prefix need not end at a slash.
    assert_eq!(
        names(format!("{folder}r1/IPE_07/attempt-1")).await,
        ["r1/IPE_07/attempt-1/receipt.json", "r1/IPE_07/attempt-10/x"]
    );
    assert_eq!(lake.list_folders(folder).await.unwrap(), ["r1", "r2"]);
    assert_eq!(
        lake.list_folders(&format!("{folder}r1/IPE_07/"))
            .await
            .unwrap(),
        ["attempt-1", "attempt-10", "attempt-2"]
    );
    assert_eq!(
        lake.list_folders(&format!("{folder}r1/IPE_07/attempt-1/"))
            .await
            .unwrap(),
        [""; 0]
    );
}

async fn small_uploads_are_created_once(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}small");
    let upload = async |pieces: &[&'static str]| {
        let mut upload = lake.start_upload(&key, TEXT);
        for piece in pieces {
            upload
                .write(Bytes::from_static(piece.as_bytes()))
                .await
                .unwrap();
        }
        upload.complete().await
    };
    let etag = upload(&["ab", "", "c"]).await.unwrap();
    assert_eq!(
        (
            text(lake, &key).await.as_str(),
            lake.head(&key).await.unwrap().etag
        ),
        ("abc", etag.clone())
    );
    assert!(matches!(
        upload(&["abd"]).await,
        Err(LakeError::AlreadyExists(_))
    ));
    assert_eq!(upload(&["abc"]).await.unwrap(), etag);
    let mut nothing = lake.start_upload(&format!("{folder}nothing"), TEXT);
    nothing.write(Bytes::new()).await.unwrap();
    nothing.complete().await.unwrap();
    assert_eq!(
        lake.head(&format!("{folder}nothing")).await.unwrap().size,
        0
    );
}

async fn large_uploads_are_created_once(lake: &dyn Lake, folder: &str) {
    let key = format!("{folder}large");
    // Chunks that meet no part's end, then one that is longer than a part.
    let chunks = |last: u8| {
        let mut chunks: Vec<Bytes> = (0..10u8).map(|i| Bytes::from(vec![i; 1_000_003])).collect();
        chunks.push(
            (0..=255u8)
                .cycle()
                .take(PART_SIZE + 1_234_567)
                .collect::<Vec<_>>()
                .into(),
        );
        chunks.push(Bytes::copy_from_slice(&[last]));
        chunks
    };
    let upload = async |last| {
        let mut upload = lake.start_upload(&key, "application/octet-stream");
        for chunk in chunks(last) {
            upload.write(chunk).await.unwrap();
        }
        upload
    };
    let first = upload(1).await;
    assert!(
        lake.head(&key).await.unwrap_err().is_not_found(),
        "visible before it is complete"
    );
    let etag = first.complete().await.unwrap();
    let object = lake.get(&key).await.unwrap();
    assert_eq!(object.etag, etag);
    assert!(
        object.bytes == chunks(1).concat(),
        "other bytes than were written"
    );
    assert!(matches!(
        upload(2).await.complete().await,
        Err(LakeError::AlreadyExists(_))
    ));
    assert_eq!(upload(1).await.complete().await.unwrap(), etag);
    assert_eq!(lake.head(&key).await.unwrap().etag, etag);
    // Whole parts only.
    let whole = format!("{folder}whole");
    let mut exact = lake.start_upload(&whole, TEXT);
    exact
        .write(Bytes::from(vec![7; 2 * PART_SIZE]))
        .await
        .unwrap();
    exact.complete().await.unwrap();
    assert_eq!(lake.head(&whole).await.unwrap().size, 2 * PART_SIZE as u64);
}

async fn unfinished_uploads_are_nothing(lake: &dyn Lake, folder: &str) {
    for bytes in [10, PART_SIZE + 1] {
        let mut aborted = lake.start_upload(&format!("{folder}aborted"), TEXT);
        aborted.write(Bytes::from(vec![1; bytes])).await.unwrap();
        aborted.abort().await.unwrap();
        let mut dropped = lake.start_upload(&format!("{folder}dropped"), TEXT);
        dropped.write(Bytes::from(vec![1; bytes])).await.unwrap();
        drop(dropped);
    }
    assert_eq!(lake.list(folder).await.unwrap(), []);
}

async fn bad_keys_are_refused(lake: &dyn Lake) {
    let long = "k".repeat(1_025);
    let error = create(lake, &long, "x").await.unwrap_err();
    assert!(matches!(error, LakeError::Other(_)), "{error}");
}
