//! Listing: all pages.

use super::{S3Lake, timestamp};
use crate::lake::{ETag, LakeError, ObjectMeta, Operation};

/// Every object below the prefix.
pub(super) async fn objects(lake: &S3Lake, prefix: &str) -> Result<Vec<ObjectMeta>, LakeError> {
    let request = lake
        .client
        .list_objects_v2()
        .bucket(&lake.bucket)
        .prefix(prefix);
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| lake.error(Operation::List, prefix, &e))?;
        for object in page.contents.unwrap_or_default() {
            let given = |name: &str| format!("{name} of an object");
            found.push(ObjectMeta {
                size: lake.given(
                    Operation::List,
                    prefix,
                    &given("size"),
                    object.size.and_then(|n| u64::try_from(n).ok()),
                )?,
                last_modified: lake.given(
                    Operation::List,
                    prefix,
                    &given("time"),
                    timestamp(object.last_modified.as_ref()),
                )?,
                key: lake.given(Operation::List, prefix, &given("key"), object.key)?,
                etag: ETag(lake.given(Operation::List, prefix, &given("ETag"), object.e_tag)?),
            });
        }
    }
    Ok(found)
}

/// The names of the folders directly below the prefix.
pub(super) async fn folders(lake: &S3Lake, prefix: &str) -> Result<Vec<String>, LakeError> {
    let request = lake
        .client
        .list_objects_v2()
        .bucket(&lake.bucket)
        .prefix(prefix)
        .delimiter("/");
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| lake.error(Operation::ListFolders, prefix, &e))?;
        let folders = page
            .common_prefixes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|p| p.prefix);
        found.extend(
            folders.filter_map(|p| Some(p.strip_prefix(prefix)?.strip_suffix('/')?.to_owned())),
        );
    }
    Ok(found)
}
