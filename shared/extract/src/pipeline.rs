//! One extraction from connection to outcomes: the list of steps.

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use soxauto_content::SORTED_IN_MEMORY;
use soxauto_domain::{
    BoundQuery, CheckOutcome, PlannedIpe, RunId, Sha256,
    partition::Span,
    plan::{PlannedWitness, Stage},
    receipt::{ControlTotal, Counts, Decoder, FileRecord, SourceIdentity},
    segment::SegmentRange,
};

use crate::{
    batch::{BatchSink, Out},
    checks::{self, Matching, outcomes::Evidence},
    completeness::Completeness,
    connection::ConnectionSettings,
    contract,
    error::{ExtractError, RowsFound},
    observers::{Observed, Observers},
    one_row::NamedValue,
    parquet_parts::{PartOptions, Trace},
    progress::{Progress, Step, Timings, Tracker},
    rows::{self, Behind, Work},
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
    /// Rows that are sorted in memory, at 64 bytes each.
    pub sorted_in_memory: usize,
}

impl Default for Options {
    /// 128 MiB parts; scratch in the system's temporary folder; 229,376 rows (14 MiB) sorted in memory.
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
    /// How the rows were cut, if they were.
    pub ranges: Option<Ranges>,
    /// What was in memory at most.
    pub peaks: Peaks,
}

/// How the rows of an extract were cut into key ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    /// The values of the partition column; `None` without rows.
    pub span: Option<Span>,
    /// In order.
    pub done: Vec<SegmentRange>,
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
        complete(std::mem::take(&mut self.uploads)).await
    }

    /// Drops all parts.
    pub async fn abort_uploads(&mut self) {
        abort(std::mem::take(&mut self.uploads)).await;
    }
}

/// What was in memory at most, besides buffers of fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Peaks {
    /// Bytes of one batch of rows; at most six batches exist at a time.
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

/// Makes uploads visible, in order; those that were not reached after an error are dropped.
pub(crate) async fn complete(uploads: Vec<PendingUpload>) -> Result<(), StoreError> {
    let mut uploads = uploads.into_iter();
    while let Some(upload) = uploads.next() {
        if let Err(e) = upload.complete().await {
            abort(uploads).await;
            return Err(e);
        }
    }
    Ok(())
}

/// Drops uploads.
pub(crate) async fn abort(uploads: impl IntoIterator<Item = PendingUpload>) {
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
    if ipe.partition.is_some() {
        return Err(ExtractError::Internal(
            "an IPE with key ranges is not extracted by one query".into(),
        ));
    }
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
    let before = completeness(source, ipe, &ipe.completeness.query).await?;

    tracker.step(Step::Witness);
    let witness = witness(source, ipe, None, &before).await?;

    tracker.step(Step::Rows);
    let work = Work {
        ipe,
        query: Some(&ipe.extraction),
        observers: Some(Observers::new(ipe, &witness, &request.options)?),
        behind: Behind::default(),
        even_empty: true,
        within: None,
        trace: request.trace(),
        options: request.options.parts,
    };
    let rows = rows::run(work, source, store, uploads, tracker).await?;
    let observed = match rows.observers {
        Some(observers) => observers.finish_apart().await?,
        None => return Err(ExtractError::Internal("nobody looked at the rows".into())),
    };

    tracker.step(Step::CompletenessAfter);
    let after = completeness(source, ipe, &ipe.completeness.query).await?;
    before.still(&after, &ipe.completeness)?;

    tracker.step(Step::Negative);
    let (perturbed_rows, perturbed) = negative(source, ipe, &ipe.negative.query).await?;

    let judged = Judged {
        identity,
        decoder: source.decoder(),
        columns,
        before,
        after,
        witness,
        perturbed: (perturbed_rows, perturbed),
        observed,
        decoded: rows.decoded,
        files: rows.files,
        ranges: None,
        peak_batch_bytes: rows.peak_batch_bytes,
        peak_writer_bytes: rows.peak_writer_bytes,
    };
    judged.into_extracted(request, tracker.timings())
}

impl Extraction<'_> {
    /// What the traceability columns say.
    pub(crate) fn trace(&self) -> Trace {
        Trace {
            run_id: self.run_id.clone(),
            ipe_id: self.ipe.id.clone(),
            cutoff: self.run_id.cutoff(),
            extracted_at: self.extracted_at,
        }
    }
}

/// Everything from which the verdicts follow.
pub(crate) struct Judged {
    pub(crate) identity: SourceIdentity,
    pub(crate) decoder: Option<Decoder>,
    pub(crate) columns: Vec<DescribedColumn>,
    pub(crate) before: Completeness,
    pub(crate) after: Completeness,
    pub(crate) witness: Vec<NamedValue>,
    pub(crate) perturbed: (u64, Matching),
    pub(crate) observed: Observed,
    pub(crate) decoded: u64,
    pub(crate) files: Vec<FileRecord>,
    pub(crate) ranges: Option<Ranges>,
    pub(crate) peak_batch_bytes: usize,
    pub(crate) peak_writer_bytes: usize,
}

impl Judged {
    /// Counts, verdicts and totals.
    pub(crate) fn into_extracted(
        self,
        request: &Extraction<'_>,
        timings: Timings,
    ) -> Result<Extracted, ExtractError> {
        let Observed {
            seen,
            content,
            sample,
        } = self.observed;
        let counts = counts(&self.before, self.decoded, &self.files, seen.rows)?;
        let evidence = Evidence {
            ipe: request.ipe,
            before: &self.before,
            after: &self.after,
            perturbed: (self.perturbed.0, &self.perturbed.1),
            last_published_rows: request.last_published_rows,
        };
        Ok(Extracted {
            counts,
            control_totals: evidence.control_totals(&seen),
            checks: evidence.outcomes(&seen),
            peaks: Peaks {
                batch_bytes: self.peak_batch_bytes,
                writer_bytes: self.peak_writer_bytes,
                scratch_runs: seen.duplicates.runs,
            },
            content_sha256: content,
            sample_csv: sample,
            identity: self.identity,
            decoder: self.decoder,
            witness: self.witness,
            files: self.files,
            uploads: Vec::new(),
            columns: self.columns,
            timings,
            ranges: self.ranges,
        })
    }
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

/// Asks for the independent count and totals.
pub(crate) async fn completeness(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
    query: &BoundQuery,
) -> Result<Completeness, ExtractError> {
    let row = source.single_row(query).await?;
    Completeness::read(&ipe.completeness, &row)
}

/// Asks for the witness, or takes the one that the plan names.
pub(crate) async fn witness(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
    span: Option<Span>,
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
        PlannedWitness::Query { query } => {
            match source.single_row(&below_mark(ipe, query, span)).await {
                // Where there is no row there is no witness; the checks judge whether no row is right.
                Err(ExtractError::NotOneRow {
                    found: RowsFound::None,
                    ..
                }) if before.rows == 0 => Ok(Vec::new()),
                other => other,
            }
        }
    }
}

/// The query as it runs below the high-water mark, where the IPE has one.
pub(crate) fn below_mark(ipe: &PlannedIpe, query: &BoundQuery, span: Option<Span>) -> BoundQuery {
    ipe.partition
        .as_ref()
        .map_or_else(|| query.clone(), |p| p.below_mark(query, span))
}

/// Runs the perturbed query; its rows are only counted.
pub(crate) async fn negative(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
    query: &BoundQuery,
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
    let rows = source.read(query, &mut sink).await?;
    sink.flush().await?;
    drop(sink);
    Ok((rows, Ok(matcher)))
}

/// The counts at the hops that are seen here. That the source's differs is for a check to say; that ours differ is a
/// defect of this program, and nothing of it may be kept.
fn counts(
    before: &Completeness,
    decoded: u64,
    files: &[FileRecord],
    checked: u64,
) -> Result<Counts, ExtractError> {
    let parquet: u64 = files.iter().filter_map(|file| file.rows).sum();
    if decoded != parquet || decoded != checked {
        return Err(ExtractError::Internal(format!(
            "{decoded} rows decoded, {checked} checked, {parquet} in the Parquet footers"
        )));
    }
    Ok(Counts {
        source: before.rows,
        decoded,
        parquet,
    })
}
