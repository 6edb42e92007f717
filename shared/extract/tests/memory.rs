//! Promise 6: memory does not grow with the rows. The whole pipeline, a source of cheap rows, a counting allocator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Counting allocations is only possible from inside the allocator.
#![allow(unsafe_code)]

#[path = "support/plan.rs"]
#[allow(dead_code, unreachable_pub)]
mod plan;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use soxauto_domain::{
    BoundQuery,
    plan::{ColumnContract, Stage},
    receipt::{SourceIdentity, TlsRecord},
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, DescribedType, Driver, ExtractError, Extraction, Flow,
    Limits, NamedValue, Options, PartOptions, PartStore, PartUpload, RowSink, Source, StoreError,
    extract,
};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged; only counters are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts bytes and keeps none.
struct Nowhere;

#[async_trait]
impl PartStore for Nowhere {
    async fn start(&self, _: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        Ok(Box::new(Nowhere))
    }
}

#[async_trait]
impl PartUpload for Nowhere {
    async fn write(&mut self, _: Bytes) -> Result<(), StoreError> {
        Ok(())
    }
    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
    async fn abort(self: Box<Self>) {}
}

/// A source of so many rows.
#[derive(Clone, Copy)]
struct Generator {
    rows: i32,
}

#[async_trait]
impl Driver for Generator {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        Ok(Box::new(*self))
    }
}

#[async_trait]
impl Source for Generator {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        Ok(SourceIdentity {
            server: "s".into(),
            database: "d".into(),
            login: "l".into(),
            version: "v".into(),
            server_time: "2024-05-01T00:00:00Z".into(),
            isolation: "READ COMMITTED".into(),
            can_write: false,
            write_rights: vec![],
            tls: TlsRecord::Verified,
        })
    }

    async fn describe(&mut self, _: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        let column = |c: ColumnContract| DescribedColumn {
            name: c.name,
            sql_type: DescribedType::Known(c.sql_type),
            nullable: true,
        };
        Ok(plan::columns().into_iter().map(column).collect())
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let columns = plan::columns();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        sink.start(&names)?;
        let perturbed = query.parameters.len() < 3;
        let mut rows = 0;
        for n in 0..self.rows {
            if perturbed && n % 2 == 1 {
                continue;
            }
            rows += 1;
            sink.int(n)?;
            sink.decimal(i128::from(n) * 1_000_003, 20)?;
            sink.datetime(19_814 + n % 30, 0)?;
            sink.text("Somebody")?;
            sink.text(if n % 2 == 0 { "13003" } else { "13004" })?;
            if sink.end_row()? == Flow::Full {
                sink.flush().await?;
            }
        }
        Ok(rows)
    }

    async fn single_row(&mut self, query: &BoundQuery) -> Result<Vec<NamedValue>, ExtractError> {
        let value = |name: &str, value: String| NamedValue {
            name: name.into(),
            value: Some(value),
        };
        if query.sql == plan::WITNESS {
            return Ok(vec![value("Entry No_", "7".into())]);
        }
        let sum: i128 = (0..self.rows).map(|n| i128::from(n) * 1_000_003).sum();
        Ok(vec![
            value("rows", self.rows.to_string()),
            value("amount", soxauto_domain::value::format_decimal(sum, 20)),
            value("last", "2024-04-30".into()),
        ])
    }
}

/// The most bytes on the heap beyond what was there before.
async fn peak(rows: i32) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let request = Extraction {
        ipe: &plan::ipe(),
        run_id: &"C-PG-1/2024-05-01/r1".parse().unwrap(),
        extracted_at: "2024-05-02T07:00:00Z".parse().unwrap(),
        stage: Stage::Prod,
        driver: &Generator { rows },
        settings: &ConnectionSettings::parse("Server=h;UID=u;PWD=p").unwrap(),
        limits: Limits::until(Instant::now() + Duration::from_secs(300)),
        options: Options {
            parts: PartOptions {
                part_bytes: 4 << 20,
                row_group_bytes: 4 << 20,
                ..PartOptions::default()
            },
            sorted_in_memory: 50_000,
            ..Options::default()
        },
        last_published_rows: None,
    };
    let mut extracted = extract(request, &Nowhere, &()).await.unwrap();
    let failed: Vec<_> = extracted.checks.iter().filter(|c| !c.passed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(extracted.counts.parquet, u64::from(rows.unsigned_abs()));
    assert!(extracted.peaks.scratch_runs >= (rows / 50_000) as usize);
    extracted.abort_uploads().await;
    PEAK.load(Ordering::Relaxed) - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_times_the_rows_need_no_more_memory() {
    // The first run pays for what is made once per process.
    peak(1_000).await;
    let some = peak(300_000).await;
    let many = peak(1_200_000).await;
    // Each run of 50,000 rows adds a block of 16 KiB to each of two merges: 18 more of them here, and room for chance.
    assert!(
        many < some + 6 * 1024 * 1024,
        "{some} bytes for 300,000 rows, {many} for 1,200,000"
    );
    assert!(many < 64 * 1024 * 1024, "{many}");
}
