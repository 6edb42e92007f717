//! Parquet parts of evidence that came from elsewhere: read as the verifier reads them, with every check over the rows.
//!
//! The library that decodes Parquet may panic over hostile bytes. The verifier contains that in a thread, and reports the
//! file; so does this target. What must not be is a hang, or memory without bound.

use std::{
    cell::Cell,
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Once},
};

use parquet::file::metadata::ParquetMetaDataReader;
use soxauto_content::{ContentDigest, SORTED_IN_MEMORY};
use soxauto_domain::Plan;
use soxauto_extract::{Claims, NamedValue, Reperformance, read_part};

static PLAN: LazyLock<Plan> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../corpus/plan.json")).unwrap());

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Reads the bytes as a part of the first IPE of the plan in the corpus.
pub(crate) fn run(data: &[u8]) {
    quiet();
    let ipe = Arc::new(PLAN.ipes[0].clone());
    let scratch = std::env::temp_dir();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let witness: Vec<NamedValue> = Vec::new();
    let mut rows = Reperformance::new(
        Arc::clone(&ipe),
        &PLAN.run_id,
        "2024-05-02T07:00:00Z".parse().unwrap(),
        &witness,
        &scratch,
        1_000_000,
    )
    .unwrap();
    let schema = Arc::clone(rows.schema());
    let mut content = ContentDigest::new(&schema, &scratch, SORTED_IN_MEMORY).unwrap();
    CONTAINED.set(true);
    let read = catch_unwind(AssertUnwindSafe(|| {
        let claimed = claimed(&file);
        read_part::<()>(&file, &schema, claimed, |batch| {
            CONTAINED.set(false);
            content.update(batch).map_err(|_| ())?;
            rows.observe(batch).map_err(|_| ())?;
            CONTAINED.set(true);
            Ok(())
        })
        .is_ok()
    }));
    CONTAINED.set(false);
    if read.unwrap_or(false) {
        let claims = Claims {
            source_rows: 1,
            control_totals: &[],
            last_published_rows: None,
        };
        let _ = rows.finish(&claims);
        let _ = content.finish();
    }
}

/// The rows that a receipt would claim: those of the footer, so that more than the footer is reached.
fn claimed(file: &File) -> u64 {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file);
    metadata.map_or(1, |found| {
        u64::try_from(found.file_metadata().num_rows()).unwrap_or(1)
    })
}

/// A panic of the library that decodes is contained; any other is told as before.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            if !CONTAINED.get() {
                before(what);
            }
        }));
    });
}
