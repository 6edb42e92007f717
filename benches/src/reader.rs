//! Our own reader: the whole extraction of the table, with checks, digests and everything.

use std::time::{Duration, Instant};

use soxauto_domain::{PlannedIpe, plan::Stage};
use soxauto_extract::{
    ConnectionSettings, Driver, ExtractError, Extracted, Extraction, Limits, Options, PartStore,
    Progress, Step, extract,
};

use crate::Failure;

/// A limit that no measurement reaches.
#[must_use]
pub fn an_hour() -> Limits {
    Limits::until(Instant::now() + Duration::from_secs(3600))
}

struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step) {}
    fn rows(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
}

/// Extracts into `store`; the parts are not completed.
///
/// # Errors
/// [`ExtractError`], which for a table with values that are too long is what is to be measured.
pub async fn read(
    driver: &dyn Driver,
    settings: &ConnectionSettings,
    ipe: &PlannedIpe,
    store: &dyn PartStore,
) -> Result<Result<Extracted, ExtractError>, Failure> {
    let request = Extraction {
        ipe,
        run_id: &"BENCH/2024-05-01/r1".parse()?,
        extracted_at: "2024-05-01T09:00:00Z".parse()?,
        stage: Stage::Dev,
        driver,
        settings,
        limits: an_hour(),
        options: Options::default(),
        last_published_rows: None,
    };
    Ok(extract(request, store, &Silent).await)
}
