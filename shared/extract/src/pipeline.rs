//! One extraction from connection to outcomes: the list of steps.

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use soxauto_content::{ContentDigest, SORTED_IN_MEMORY};
use soxauto_domain::{
    CheckOutcome, PlannedIpe, RunId, Sha256,
    plan::{PlannedWitness, Stage},
    receipt::{ControlTotal, Counts, Decoder, FileRecord, SourceIdentity},
};

use crate::{
    batch::{self, BatchSink, Out},
    checks::{self, Matching, StreamChecks, outcomes::Evidence},
    completeness::Completeness,
    connection::ConnectionSettings,
    contract,
    error::{ExtractError, RowsFound},
    one_row::NamedValue,
    parquet_parts::{PartOptions, Trace},
    progress::{Progress, Step, Timings, Tracker},
    rows::{self, Rows, Work},
    source::{DescribedColumn, Driver, Limits, RowSink, Source},
    store::{PartStore, PartUpload, StoreError},
};

/// What is asked for.
pub struct Extraction<'a> {
    /// As the plan pins it.
    pub ipe: &'a PlannedIpe,
    /// The run, which names the cutoff.
    pub run_id: &'a RunId,
    /// The value of `_extracted_at` in every row.
    pub extracted_at: Timestamp,
    /// In prod, a login that can write is refused.
    pub stage: Stage,
    /// How to reach the source.
    pub driver: &'a dyn Driver,
    /// Where it is.
    pub settings: &'a ConnectionSettings,
    /// How long it may take.
    pub limits: Limits,
    /// Sizes.
    pub options: Options,
    /// Rows of the last published run of this IPE, if there is one.
    pub last_published_rows: Option<u64>,
}

/// Sizes and places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Parquet parts.
    pub parts: PartOptions,
    /// Folder of the scratch files of the key check (24 bytes per row) and of the content digest (32 bytes per row),
    /// for extracts of more rows than are sorted in memory.
    pub scratch: PathBuf,
    /// Rows that are sorted in memory, at 56 bytes each.
    pub sorted_in_memory: usize,
}

impl Default for Options {
    /// 128 MiB parts; scratch in the system's temporary folder; a million rows (56 MB) sorted in memory.
    fn default() -> Self {
        Self {
            parts: PartOptions::default(),
            scratch: std::env::temp_dir(),
            sorted_in_memory: SORTED_IN_MEMORY,
        }
    }
}

/// What was extracted. The parts are uploaded, but not visible until they are completed. `Debug` shows no data.
pub struct Extracted {
    /// Who answered.
    pub identity: SourceIdentity,
    /// Which program decoded the rows.
    pub decoder: Option<Decoder>,
    /// Rows at three hops.
    pub counts: Counts,
    /// Control totals.
    pub control_totals: Vec<ControlTotal>,
    /// Digest of what the rows hold, in whatever order they came.
    pub content_sha256: Sha256,
    /// Every check, passed or not.
    pub checks: Vec<CheckOutcome>,
    /// The witness that was looked for; empty when there is none.
    pub witness: Vec<NamedValue>,
    /// `data/part-NNNNN.parquet`, in order.
    pub files: Vec<FileRecord>,
    /// Their uploads, in the same order.
    pub uploads: Vec<PendingUpload>,
    /// The first rows, masked.
    pub sample_csv: Vec<u8>,
    /// The columns as the server described them.
    pub columns: Vec<DescribedColumn>,
    /// How long the steps took.
    pub timings: Timings,
    /// What was in memory at most.
    pub peaks: Peaks,
}

impl std::fmt::Debug for Extracted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extracted")
            .field("counts", &self.counts)
            .field("control_totals", &self.control_totals)
            .field("content_sha256", &self.content_sha256)
            .field("passed", &self.passed())
            .field("files", &self.files)
            .field("peaks", &self.peaks)
            .finish_non_exhaustive()
    }
}

impl Extracted {
    /// Whether every check holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(CheckOutcome::passed)
    }

    /// Makes all parts visible, in order. Those that were not reached after an error are dropped.
    ///
    /// # Errors
    /// The first [`StoreError`]; parts before it stay visible, without a receipt they mean nothing.
    pub async fn complete_uploads(&mut self) -> Result<(), StoreError> {
        let mut uploads = std::mem::take(&mut self.uploads).into_iter();
        while let Some(upload) = uploads.next() {
            if let Err(e) = upload.complete().await {
                abort(uploads).await;
                return Err(e);
            }
        }
        Ok(())
    }

    /// Drops all parts.
    pub async fn abort_uploads(&mut self) {
        abort(std::mem::take(&mut self.uploads)).await;
    }
}

/// What was in memory at most, besides buffers of fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Peaks {
    /// Bytes of one batch of rows; at most five batches exist at a time.
    pub batch_bytes: usize,
    /// Bytes that the Parquet writer held.
    pub writer_bytes: usize,
    /// Sorted runs in the scratch file of the key check, and as many in that of the content digest.
    pub scratch_runs: usize,
}

/// A part that is uploaded but not visible.
pub struct PendingUpload {
    path: String,
    upload: Box<dyn PartUpload>,
}

impl std::fmt::Debug for PendingUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingUpload")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl PendingUpload {
    pub(crate) fn new(path: String, upload: Box<dyn PartUpload>) -> Self {
        Self { path, upload }
    }

    /// Relative to the attempt's folder.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.upload.write(chunk).await
    }

    /// Makes the object visible.
    ///
    /// # Errors
    /// `OBJECT_EXISTS`, or the store's error.
    pub async fn complete(self) -> Result<(), StoreError> {
        self.upload.complete().await
    }

    /// Drops the object.
    pub async fn abort(self) {
        self.upload.abort().await;
    }
}

async fn abort(uploads: impl IntoIterator<Item = PendingUpload>) {
    for upload in uploads {
        upload.abort().await;
    }
}

/// Extracts one IPE.
///
/// A query that differs from its contract, a value that is not exact, a source that moved: these are errors, and all
/// uploads are dropped. A check that does not hold is an outcome: the extract is complete, and rejected.
///
/// # Errors
/// [`ExtractError`] with its closed code.
pub async fn extract(
    request: Extraction<'_>,
    store: &dyn PartStore,
    progress: &dyn Progress,
) -> Result<Extracted, ExtractError> {
    let tracker = Tracker::new(progress);
    let mut uploads = Vec::new();
    let deadline = tokio::time::Instant::from_std(request.limits.deadline);
    let steps = run(&request, store, &tracker, &mut uploads);
    let outcome = tokio::time::timeout_at(deadline, steps)
        .await
        .unwrap_or_else(|_| {
            Err(ExtractError::Deadline {
                during: tracker.current(),
                rows: tracker.decoded(),
            })
        });
    match outcome {
        Ok(extracted) => Ok(Extracted {
            uploads,
            timings: tracker.timings(),
            ..extracted
        }),
        Err(e) => {
            abort(uploads).await;
            Err(e.during(tracker.current()))
        }
    }
}

async fn run(
    request: &Extraction<'_>,
    store: &dyn PartStore,
    tracker: &Tracker<'_>,
    uploads: &mut Vec<PendingUpload>,
) -> Result<Extracted, ExtractError> {
    let ipe = request.ipe;
    tracker.step(Step::Connect);
    let mut source = request
        .driver
        .connect(request.settings, &ipe.database, &request.limits)
        .await?;
    let source = source.as_mut();

    tracker.step(Step::Identity);
    let identity = source.identity().await?;
    refuse_writer(request.stage, &identity)?;

    tracker.step(Step::Describe);
    let columns = source.describe(&ipe.extraction).await?;
    contract::check(&columns, &ipe.columns)?;

    tracker.step(Step::CompletenessBefore);
    let before = completeness(source, ipe).await?;

    tracker.step(Step::Witness);
    let witness = witness(source, ipe, &before).await?;

    tracker.step(Step::Rows);
    let options = &request.options;
    let checks = StreamChecks::new(ipe, &witness, &options.scratch, options.sorted_in_memory)?;
    let content = ContentDigest::new(
        &batch::schema(&ipe.columns),
        &options.scratch,
        options.sorted_in_memory,
    )?;
    let trace = Trace {
        run_id: request.run_id.clone(),
        ipe_id: ipe.id.clone(),
        cutoff: request.run_id.cutoff(),
        extracted_at: request.extracted_at,
    };
    let work = Work {
        ipe,
        checks,
        content,
        trace,
        options: options.parts,
    };
    let rows = rows::run(work, source, store, uploads, tracker).await?;
    let counts = counts(&before, &rows)?;

    tracker.step(Step::CompletenessAfter);
    let after = completeness(source, ipe).await?;
    before.still(&after, &ipe.completeness)?;

    tracker.step(Step::Negative);
    let (perturbed_rows, perturbed) = negative(source, ipe).await?;

    let evidence = Evidence {
        ipe,
        before: &before,
        after: &after,
        perturbed: (perturbed_rows, &perturbed),
        last_published_rows: request.last_published_rows,
    };
    Ok(Extracted {
        identity,
        decoder: source.decoder(),
        counts,
        control_totals: evidence.control_totals(&rows.seen),
        content_sha256: rows.content,
        checks: evidence.outcomes(&rows.seen),
        witness,
        peaks: Peaks {
            batch_bytes: rows.peak_batch_bytes,
            writer_bytes: rows.peak_writer_bytes,
            scratch_runs: rows.seen.duplicates.runs,
        },
        files: rows.files,
        uploads: Vec::new(),
        sample_csv: rows.sample,
        columns,
        timings: tracker.timings(),
    })
}

/// Refuses a login that can change data, where the stage does.
///
/// # Errors
/// [`ExtractError::LoginCanWrite`].
pub fn refuse_writer(stage: Stage, identity: &SourceIdentity) -> Result<(), ExtractError> {
    if stage == Stage::Prod && identity.can_write {
        return Err(ExtractError::LoginCanWrite {
            login: identity.login.clone(),
            database: identity.database.clone(),
            rights: identity.write_rights.join(", "),
        });
    }
    Ok(())
}

async fn completeness(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
) -> Result<Completeness, ExtractError> {
    let row = source.single_row(&ipe.completeness.query).await?;
    Completeness::read(&ipe.completeness, &row)
}

async fn witness(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
    before: &Completeness,
) -> Result<Vec<NamedValue>, ExtractError> {
    match &ipe.witness {
        PlannedWitness::Match { values } => Ok(values
            .iter()
            .map(|(name, value)| NamedValue {
                name: name.clone(),
                value: Some(value.clone()),
            })
            .collect()),
        PlannedWitness::Query { query } => match source.single_row(query).await {
            // Where there is no row there is no witness; the checks judge whether no row is right.
            Err(ExtractError::NotOneRow {
                found: RowsFound::None,
                ..
            }) if before.rows == 0 => Ok(Vec::new()),
            other => other,
        },
    }
}

/// Runs the perturbed query; its rows are only counted.
async fn negative(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
) -> Result<(u64, Matching), ExtractError> {
    let mut matcher = match checks::negative(ipe) {
        Ok(matcher) => matcher,
        Err(why) => return Ok((0, Err(why))),
    };
    let wanted: Vec<String> = ipe
        .columns
        .iter()
        .filter(|c| matcher.looks_at(&c.name))
        .map(|c| c.name.clone())
        .collect();
    let mut take = |batch: &arrow_array::RecordBatch| matcher.observe(batch);
    let mut sink = BatchSink::new(
        &ipe.columns,
        |c| wanted.contains(&c.name),
        Out::Inline(&mut take),
    );
    let rows = source.read(&ipe.negative.query, &mut sink).await?;
    sink.flush().await?;
    drop(sink);
    Ok((rows, Ok(matcher)))
}

/// The counts at the hops that are seen here. That the source's differs is for a check to say; that ours differ is a
/// defect of this program, and nothing of it may be kept.
fn counts(before: &Completeness, rows: &Rows) -> Result<Counts, ExtractError> {
    let parquet: u64 = rows.files.iter().filter_map(|file| file.rows).sum();
    if rows.decoded != parquet || rows.decoded != rows.seen.rows {
        return Err(ExtractError::Internal(format!(
            "{} rows decoded, {} checked, {parquet} in the Parquet footers",
            rows.decoded, rows.seen.rows
        )));
    }
    Ok(Counts {
        source: before.rows,
        decoded: rows.decoded,
        parquet,
    })
}
