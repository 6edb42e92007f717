//! The twins run the suites.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    lake::{FaultyLake, MemoryLake},
    queue::MemoryQueue,
    secrets::MemorySecrets,
    signer::LocalSigner,
};

#[tokio::test(flavor = "multi_thread")]
async fn memory_lake() {
    let bucket = Arc::new(MemoryLake::new("twin"));
    lake::suite(bucket.clone(), "suite/").await;
    lake::lists_of_many_pages(bucket, "many/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_lake_without_faults_is_the_lake_inside() {
    lake::suite(Arc::new(FaultyLake::new(MemoryLake::new("twin"))), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_in_memory() {
    lease::suite(Arc::new(MemoryLake::new("twin")), "leases/").await;
}

#[tokio::test(start_paused = true)]
async fn memory_queue() {
    let dead_letters = MemoryQueue::new("dead", Duration::from_secs(30));
    let jobs = MemoryQueue::new("jobs", Duration::from_secs(2)).with_dead_letters(3, &dead_letters);
    queue::suite(&jobs, &dead_letters).await;
}

#[tokio::test]
async fn memory_secrets() {
    let store = MemorySecrets::default();
    store.put("source", "Server=x;Pwd=y");
    secrets::suite(&store, "source", "Server=x;Pwd=y", "other").await;
}

#[tokio::test]
async fn local_signer() {
    signer::suite(&LocalSigner::new([7; 32])).await;
}
