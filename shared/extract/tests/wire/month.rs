//! A whole extraction over the wire: what passes, what is rejected, what is an error; and nothing visible too early.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use soxauto_content::ContentDigest;
use soxauto_domain::{
    Code, PlannedIpe, RunId,
    plan::{PlannedWitness, Stage},
};
use soxauto_extract::{
    ExtractError, Extracted, Extraction, Limits, MemoryStore, Options, PartOptions, PartStore,
    PartUpload, Progress, StoreError, extract,
};
use soxauto_tds::{Cell, Fault, Request, Rows, Script, ScriptedBackend, SqlError, Step};

use super::{
    DRIVER,
    server::{Fixture, column, limits},
};
use crate::plan;

const ROWS: i64 = 30_000;
/// Days from 0001-01-01 to 2024-04-01.
const APRIL: i64 = 738_976;

/// Something to change in the answers.
#[derive(Clone, Default)]
struct Defect {
    /// Rows that the extraction does not return.
    missing: i64,
    /// The perturbed query forgets its filter.
    filter_ignored: bool,
    /// The second completeness answer counts one more.
    moved: bool,
    can_write: bool,
    fault: Option<(u64, Fault)>,
    witness_absent: bool,
    wide_name: bool,
}

fn entry_columns(wide: bool) -> Vec<soxauto_tds::Column> {
    vec![
        column("Entry No_", "int").not_null(),
        column("Amount (LCY)", "decimal(38,20)"),
        column("Posting Date", "datetime"),
        column(
            "Name",
            if wide {
                "nvarchar(100)"
            } else {
                "nvarchar(50)"
            },
        ),
        column("Account", "nvarchar(20)"),
    ]
}

fn entry(n: i64) -> Vec<Cell<'static>> {
    let account = if n % 2 == 0 { "13003" } else { "13004" };
    vec![
        Cell::Int(n),
        Cell::Decimal(i128::from(n) - 100),
        Cell::DateTime {
            days: APRIL + n % 30,
            ticks: 0,
        },
        if n % 5 == 0 {
            Cell::Null
        } else {
            Cell::text(format!("Customer {n}, \"é\""))
        },
        Cell::text(account),
    ]
}

fn answer(request: &Request, defect: &Defect) -> Option<Script> {
    if request.sql.contains("ORIGINAL_LOGIN()") {
        return Script::identity(defect.can_write).ok();
    }
    if request.sql == plan::WITNESS {
        let columns = vec![
            column("Entry No_", "int"),
            column("Posting Date", "datetime"),
        ];
        let rows = vec![vec![
            Cell::Int(7),
            Cell::DateTime {
                days: APRIL + 7,
                ticks: 0,
            },
        ]];
        return Some(Script::rows(Rows::cells(
            columns,
            if defect.witness_absent { vec![] } else { rows },
        )));
    }
    if request.sql == plan::COMPLETENESS {
        let columns = vec![
            column("rows", "bigint"),
            column("amount", "decimal(38,20)"),
            column("last", "datetime"),
        ];
        let sum: i128 = (1..=ROWS).map(|n| i128::from(n) - 100).sum();
        let answer = |rows: i64| {
            let row = vec![
                Cell::Int(rows),
                Cell::Decimal(sum),
                Cell::DateTime {
                    days: APRIL + 29,
                    ticks: 0,
                },
            ];
            Script::rows(Rows::cells(columns.clone(), vec![row]))
        };
        let moved = answer(ROWS + i64::from(defect.moved));
        return Some(moved.but_first(1, answer(ROWS)));
    }
    if !request.sql.contains("[Entries]") {
        return None;
    }
    let perturbed = !request.sql.contains("@accounts_1");
    let rows = (1..=ROWS - defect.missing)
        .filter(|n| !perturbed || defect.filter_ignored || n % 2 == 0)
        .map(entry)
        .collect();
    let mut rows = Rows::cells(entry_columns(defect.wide_name), rows);
    if let Some((after, fault)) = defect.fault.clone() {
        rows = rows.with_fault(after, fault);
    }
    Some(Script::rows(rows))
}

async fn fixture(defect: Defect) -> Fixture {
    Fixture::start(ScriptedBackend::new().on_request(move |request| answer(request, &defect))).await
}

fn run_id() -> RunId {
    "C-PG-1/2024-05-01/r1".parse().unwrap()
}

/// Runs with small parts, a small key buffer and whatever is changed.
async fn run_with(
    fixture: &Fixture,
    store: &dyn PartStore,
    ipe: &PlannedIpe,
    stage: Stage,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<Extracted, ExtractError> {
    let settings = fixture.settings();
    let run_id = run_id();
    let request = Extraction {
        ipe,
        run_id: &run_id,
        extracted_at: "2024-05-02T07:00:00Z".parse().unwrap(),
        stage,
        driver: &DRIVER,
        settings: &settings,
        limits,
        options: Options {
            parts: PartOptions {
                part_bytes: 100_000,
                row_group_bytes: 500_000,
                ..PartOptions::default()
            },
            sorted_in_memory: 4_000,
            ..Options::default()
        },
        last_published_rows: Some(ROWS.unsigned_abs()),
    };
    extract(request, store, progress).await
}

async fn run(fixture: &Fixture, store: &MemoryStore) -> Result<Extracted, ExtractError> {
    run_with(fixture, store, &plan::ipe(), Stage::Prod, limits(), &()).await
}

fn failed(extracted: &Extracted) -> Vec<String> {
    extracted
        .checks
        .iter()
        .filter(|c| !c.passed())
        .map(|c| c.id())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_month_passes_and_becomes_visible_only_when_completed() {
    #[derive(Default)]
    struct Watching(AtomicU64, AtomicU64, AtomicU64);
    impl Progress for Watching {
        fn step(&self, _: soxauto_extract::Step) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn rows(&self, rows: u64) {
            self.1.store(rows, Ordering::Relaxed);
        }
        fn bytes(&self, bytes: u64) {
            self.2.store(bytes, Ordering::Relaxed);
        }
    }
    let fixture = fixture(Defect::default()).await;
    let store = MemoryStore::default();
    let progress = Watching::default();
    let mut extracted = run_with(
        &fixture,
        &store,
        &plan::ipe(),
        Stage::Prod,
        limits(),
        &progress,
    )
    .await
    .unwrap();
    assert_eq!(failed(&extracted), Vec::<String>::new());
    assert!(extracted.passed() && extracted.checks.len() == 14);
    let rows = ROWS.unsigned_abs();
    assert_eq!(
        (
            extracted.counts.source,
            extracted.counts.decoded,
            extracted.counts.parquet
        ),
        (rows, rows, rows)
    );
    assert_eq!(extracted.identity.login, "reader");
    assert_eq!(
        extracted.control_totals[0].extracted,
        extracted.control_totals[0].source_after
    );
    assert_eq!(
        extracted.control_totals[1].extracted.as_deref(),
        Some("2024-04-30T00:00:00")
    );
    assert_eq!(extracted.peaks.scratch_runs, 8);
    assert_eq!(extracted.timings.steps.len(), 8);
    assert_eq!(progress.0.load(Ordering::Relaxed), 8);
    assert_eq!(progress.1.load(Ordering::Relaxed), rows);
    let size: u64 = extracted.files.iter().map(|f| f.size).sum();
    assert_eq!(progress.2.load(Ordering::Relaxed), size);

    assert!(store.objects().is_empty());
    let files = extracted.files.clone();
    assert!(files.len() > 1, "{files:?}");
    assert_eq!(
        extracted
            .uploads
            .iter()
            .map(|u| u.path().to_owned())
            .collect::<Vec<_>>(),
        files.iter().map(|f| f.path.clone()).collect::<Vec<_>>()
    );
    extracted.complete_uploads().await.unwrap();
    let objects = store.objects();
    assert_eq!(objects.len(), files.len());
    let mut next = 1;
    let mut batches = Vec::new();
    for file in &files {
        let bytes = &objects[&file.path];
        assert_eq!(
            (file.size, file.sha256),
            (bytes.len() as u64, soxauto_domain::Sha256::of(bytes))
        );
        for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes.clone()))
            .unwrap()
            .build()
            .unwrap()
        {
            let batch = batch.unwrap();
            next += batch.num_rows() as u64;
            batches.push(batch);
        }
    }
    assert_eq!(next, rows + 1);
    // What the Parquet files hold has the digest that was computed in the stream, from the last part to the first.
    let mut content =
        ContentDigest::new(&batches[0].schema(), &std::env::temp_dir(), 1_000_000).unwrap();
    for batch in batches.iter().rev() {
        content.update(batch).unwrap();
    }
    assert_eq!(content.finish().unwrap(), extracted.content_sha256);

    let sample = String::from_utf8(extracted.sample_csv).unwrap();
    let lines: Vec<&str> = sample.split("\r\n").collect();
    assert_eq!(lines.len(), 1_002);
    assert_eq!(
        lines[0],
        "Entry No_,Amount (LCY),Posting Date,Name,Account,_row_number"
    );
    assert_eq!(
        lines[1],
        "1,-0.00000000000000000099,2024-04-02T00:00:00,***,13004,1"
    );
    assert_eq!(
        lines[5],
        "5,-0.00000000000000000095,2024-04-06T00:00:00,,13004,5"
    );
    assert!(!sample.contains("Customer"));
}

#[tokio::test]
async fn the_same_month_gives_the_same_files_on_one_thread() {
    let mut digests = Vec::new();
    for _ in 0..2 {
        let fixture = fixture(Defect::default()).await;
        let extracted = run(&fixture, &MemoryStore::default()).await.unwrap();
        digests.push(extracted.files);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn defects_are_rejected_and_not_errors() {
    let missing = fixture(Defect {
        missing: 1,
        ..Defect::default()
    })
    .await;
    let extracted = run(&missing, &MemoryStore::default()).await.unwrap();
    assert_eq!(
        failed(&extracted),
        ["completeness_rows", "completeness_total:amount"]
    );
    assert_eq!(
        (extracted.counts.source, extracted.counts.decoded),
        (30_000, 29_999)
    );
    let ignored = fixture(Defect {
        filter_ignored: true,
        ..Defect::default()
    })
    .await;
    assert_eq!(
        failed(&run(&ignored, &MemoryStore::default()).await.unwrap()),
        ["accuracy_negative"]
    );
}

/// The error's code; nothing is visible, and every upload begun is dropped.
async fn error(defect: Defect, stage: Stage, limits: Limits) -> (Code, String) {
    let fixture = fixture(defect).await;
    let store = MemoryStore::default();
    let error = run_with(&fixture, &store, &plan::ipe(), stage, limits, &())
        .await
        .unwrap_err();
    let (started, aborted) = store.started_and_aborted();
    assert_eq!(started, aborted);
    assert!(store.objects().is_empty());
    (error.code(), error.to_string())
}

#[tokio::test]
async fn a_source_that_moves_is_an_error_to_try_again() {
    let (code, text) = error(
        Defect {
            moved: true,
            ..Defect::default()
        },
        Stage::Dev,
        limits(),
    )
    .await;
    assert_eq!(code, Code::SourceMoved);
    assert!(text.contains("rows was 30000, is 30001"), "{text}");
}

#[tokio::test]
async fn a_login_that_can_write_is_recorded_and_in_prod_refused() {
    let writer = Defect {
        can_write: true,
        ..Defect::default()
    };
    let (code, text) = error(writer.clone(), Stage::Prod, limits()).await;
    assert_eq!(code, Code::LoginCanWrite);
    assert!(text.contains("UPDATE") && text.contains("reader"), "{text}");
    let fixture = fixture(writer).await;
    let extracted = run_with(
        &fixture,
        &MemoryStore::default(),
        &plan::ipe(),
        Stage::Dev,
        limits(),
        &(),
    )
    .await
    .unwrap();
    assert!(extracted.identity.can_write && extracted.passed());
}

#[tokio::test]
async fn a_wider_column_a_missing_witness_and_faults_have_their_codes() {
    let (code, text) = error(
        Defect {
            wide_name: true,
            ..Defect::default()
        },
        Stage::Prod,
        limits(),
    )
    .await;
    assert_eq!(code, Code::ContractMismatch);
    assert!(
        text.contains("\"Name\" is nvarchar(100), declared nvarchar(50)"),
        "{text}"
    );
    let (code, text) = error(
        Defect {
            witness_absent: true,
            ..Defect::default()
        },
        Stage::Prod,
        limits(),
    )
    .await;
    assert_eq!(code, Code::ControlQueryInvalid);
    assert!(text.contains("witness"), "{text}");
    for (fault, expected) in [
        (Fault::Cut, Code::ConnectionLost),
        (Fault::CutMidRow, Code::ConnectionLost),
        (
            Fault::Error(SqlError::new(1205, 13, "Deadlock.")),
            Code::DeadlockVictim,
        ),
    ] {
        let (code, text) = error(
            Defect {
                fault: Some((20_000, fault)),
                ..Defect::default()
            },
            Stage::Prod,
            limits(),
        )
        .await;
        assert_eq!(code, expected);
        assert!(text.contains("extraction"), "{text}");
    }
    let patience = Limits {
        stall: Duration::from_millis(300),
        ..limits()
    };
    let stalled = Defect {
        fault: Some((20_000, Fault::Stall(Duration::from_secs(30)))),
        ..Defect::default()
    };
    assert_eq!(
        error(stalled.clone(), Stage::Prod, patience).await.0,
        Code::SourceStalled
    );
    let near = Limits {
        deadline: Instant::now() + Duration::from_millis(2_500),
        ..limits()
    };
    let (code, text) = error(stalled, Stage::Prod, near).await;
    assert_eq!(code, Code::DeadlineNear, "{text}");
    assert!(text.contains("extraction"), "{text}");
}

/// A store whose uploads fail after some bytes.
struct Failing(MemoryStore, usize);
struct FailingUpload(Box<dyn PartUpload>, usize);

#[async_trait]
impl PartStore for Failing {
    async fn start(&self, path: &str) -> Result<Box<dyn PartUpload>, StoreError> {
        if self.1 == 0 {
            return Err(StoreError::new(Code::StorageFailed, path, "denied"));
        }
        Ok(Box::new(FailingUpload(self.0.start(path).await?, self.1)))
    }
}

#[async_trait]
impl PartUpload for FailingUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        if chunk.len() > self.1 {
            return Err(StoreError::new(
                Code::StorageFailed,
                "data/part-00000.parquet",
                "no space",
            ));
        }
        self.1 -= chunk.len();
        self.0.write(chunk).await
    }
    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        self.0.complete().await
    }
    async fn abort(self: Box<Self>) {
        self.0.abort().await;
    }
}

#[tokio::test]
async fn a_store_that_fails_ends_the_extraction_with_its_own_error() {
    for room in [0, 1, 50_000] {
        let fixture = fixture(Defect::default()).await;
        let memory = MemoryStore::default();
        let store = Failing(memory.clone(), room);
        let began = Instant::now();
        let error = run_with(&fixture, &store, &plan::ipe(), Stage::Prod, limits(), &())
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::StorageFailed, "{room}: {error}");
        assert!(began.elapsed() < Duration::from_secs(20));
        let (started, aborted) = memory.started_and_aborted();
        assert_eq!(
            (started, aborted),
            (usize::from(room > 0), usize::from(room > 0))
        );
    }
}

#[tokio::test]
async fn an_object_that_exists_is_not_overwritten() {
    let store = MemoryStore::default();
    for turn in 0..2 {
        let fixture = fixture(Defect::default()).await;
        let mut extracted = run(&fixture, &store).await.unwrap();
        let outcome = extracted.complete_uploads().await;
        assert_eq!(
            outcome.map_err(|e| e.code),
            if turn == 0 {
                Ok(())
            } else {
                Err(Code::ObjectExists)
            }
        );
    }
    let mut third = run(&fixture(Defect::default()).await, &store)
        .await
        .unwrap();
    let before = store.started_and_aborted().1;
    let begun = third.uploads.len();
    third.abort_uploads().await;
    assert_eq!(store.started_and_aborted().1 - before, begun);
}

#[tokio::test]
async fn four_thousand_columns_duplicates_and_strange_types_are_refused_by_their_codes() {
    let wide: Vec<_> = (0..4_000)
        .map(|n| column(&format!("c{n}"), "int"))
        .collect();
    let twice = vec![column("Amount", "int"), column("amount", "int")];
    let strange = vec![column("v", "sql_variant")];
    for (columns, code) in [
        (wide, Code::TooManyColumns),
        (twice, Code::DuplicateColumn),
        (strange, Code::TypeUnsupported),
    ] {
        let rows = Script::rows(Rows::cells(columns, vec![]));
        let backend = ScriptedBackend::new().on_request(move |request| {
            if request.sql.contains("@accounts_0") {
                Some(rows.clone())
            } else {
                answer(request, &Defect::default())
            }
        });
        let fixture = Fixture::start(backend).await;
        let error = run(&fixture, &MemoryStore::default()).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn a_witness_named_in_the_catalog_and_a_control_query_without_its_column() {
    let fixture = fixture(Defect::default()).await;
    let mut ipe = plan::ipe();
    ipe.witness = PlannedWitness::Match {
        values: [("Entry No_".to_owned(), "30000".to_owned())].into(),
    };
    let extracted = run_with(
        &fixture,
        &MemoryStore::default(),
        &ipe,
        Stage::Prod,
        limits(),
        &(),
    )
    .await
    .unwrap();
    assert!(extracted.passed());
    ipe.completeness.rows = "n".into();
    let error = run_with(
        &fixture,
        &MemoryStore::default(),
        &ipe,
        Stage::Prod,
        limits(),
        &(),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), Code::ControlQueryInvalid);
    assert!(error.to_string().contains("\"n\""), "{error}");
}

#[tokio::test]
async fn a_query_that_fails_names_the_step_and_the_servers_words() {
    let backend = ScriptedBackend::new().on_request(|request| {
        (request.sql == plan::COMPLETENESS)
            .then(|| {
                Script::new().then(Step::Fail(SqlError::new(
                    208,
                    16,
                    "Invalid object name 'Entries'.",
                )))
            })
            .or_else(|| answer(request, &Defect::default()))
    });
    let fixture = Arc::new(Fixture::start(backend).await);
    let error = run(&fixture, &MemoryStore::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::QueryFailed);
    let text = error.to_string();
    assert!(
        text.contains("208")
            && text.contains("completeness before")
            && text.contains("Invalid object name"),
        "{text}"
    );
}
