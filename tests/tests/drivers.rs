//! Both drivers over the whole sample: every IPE of the month, extracted by each, holds what the month published. The rows
//! of a query without an order come in any, so that the digest of the content is compared, not the files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use soxauto_domain::{
    Plan, Receipt, RunId,
    layout::{Attempt, Layout, RECEIPT},
};
use soxauto_e2e::{CUTOFF, Laptop};
use soxauto_extract::{
    BulkDriver, ConnectionSettings, ExtractError, Extracted, Extraction, Limits, MemoryStore,
    Options, Ranged, extract, extract_ranges,
};

/// All of an IPE, by its key ranges where it has them.
async fn whole(request: Extraction<'_>) -> Result<Extracted, ExtractError> {
    let store = MemoryStore::default();
    if request.ipe.partition.is_none() {
        return extract(request, &store, &()).await;
    }
    match extract_ranges(request, None, &store, &()).await? {
        Ranged::Whole(extracted) => Ok(*extracted),
        Ranged::Part(done) => panic!("there was time for more than {done:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ipe_of_the_sample_is_the_same_with_both() {
    let laptop = Laptop::start().await;
    laptop
        .stack
        .fire_month_schedule(Some(CUTOFF), &[])
        .await
        .unwrap();
    let run: RunId = format!("C-PG-1/{CUTOFF}/r1").parse().unwrap();
    laptop.closed(&run, 1).await;
    let layout = Layout::new(&laptop.stack.outputs().evidence_prefix);
    let plan = laptop.evidence.get(&layout.plan(&run)).await.unwrap();
    let plan: Plan = serde_json::from_slice(&plan.bytes).unwrap();
    let secret = laptop
        .clients
        .secrets
        .get_secret_value()
        .secret_id(&laptop.stack.outputs().source_secret_arn)
        .send()
        .await
        .unwrap();
    let settings = ConnectionSettings::parse(secret.secret_string().unwrap()).unwrap();

    assert_eq!(plan.ipes.len(), 12);
    for ipe in &plan.ipes {
        let attempt = Attempt {
            run_id: run.clone(),
            ipe_id: ipe.id.clone(),
            number: 1,
        };
        let receipt = laptop
            .evidence
            .get(&layout.file(&attempt, RECEIPT))
            .await
            .unwrap();
        let receipt: Receipt = serde_json::from_slice(&receipt.bytes).unwrap();
        for driver in BulkDriver::ALL {
            let request = Extraction {
                ipe,
                run_id: &run,
                extracted_at: receipt.extracted_at,
                stage: plan.stage,
                driver: &driver,
                settings: &settings,
                limits: Limits::until(Instant::now() + Duration::from_secs(900)),
                options: Options::default(),
                last_published_rows: None,
            };
            let extracted = whole(request)
                .await
                .unwrap_or_else(|e| panic!("{} with {}: {e}", ipe.id, driver.name()));
            assert_eq!(
                extracted.content_sha256,
                receipt.content_sha256,
                "{} with {}",
                ipe.id,
                driver.name()
            );
        }
    }
    laptop.stack.stop().await;
}
