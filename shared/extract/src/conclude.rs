//! The end of an extraction that took several invocations: every part is read back, and the rows are judged as a whole, by
//! the very evaluators that judge an extraction of one query.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use soxauto_domain::{
    Code,
    receipt::FileRecord,
    segment::{Resumed, SegmentRange},
};

use crate::{
    batch,
    completeness::Completeness,
    error::ExtractError,
    observers::Observers,
    parquet_parts::with_traceability,
    part_reader::{PartFault, read_part},
    pipeline::{Extracted, Extraction, Judged, Ranges, below_mark, completeness, witness},
    progress::{Progress, Step, Tracker},
    ranged::{open, perturbed, planned, same_source},
    store::StoreError,
};

/// Where the parts of an attempt are read back from.
#[async_trait]
pub trait PartSource: Send + Sync {
    /// Begins to read the part at `path`, relative to the attempt's folder.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    async fn open(&self, path: &str) -> Result<Box<dyn PartDownload>, StoreError>;
}

/// A part on its way back.
#[async_trait]
pub trait PartDownload: Send {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`] of the store.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError>;
}

/// Judges an attempt of which every range is done. The parts are objects already; the result has no uploads.
///
/// The witness is asked for once more, since segment records hold no personal data.
///
/// # Errors
/// [`ExtractError`] with its closed code: `SOURCE_MOVED` when the independent answer is no longer what it was when the
/// attempt began, `EVIDENCE_INVALID` when a part is not the one that its record describes.
pub async fn conclude(
    request: Extraction<'_>,
    done: &Resumed,
    parts: &dyn PartSource,
    progress: &dyn Progress,
) -> Result<Extracted, ExtractError> {
    let tracker = Tracker::new(progress);
    let deadline = tokio::time::Instant::from_std(request.limits.deadline);
    let steps = run(&request, done, parts, &tracker);
    tokio::time::timeout_at(deadline, steps)
        .await
        .unwrap_or_else(|_| {
            Err(ExtractError::Deadline {
                during: tracker.current(),
                rows: tracker.decoded(),
            })
        })
        .map_err(|e| e.during(tracker.current()))
}

async fn run(
    request: &Extraction<'_>,
    done: &Resumed,
    parts: &dyn PartSource,
    tracker: &Tracker<'_>,
) -> Result<Extracted, ExtractError> {
    let ipe = request.ipe;
    planned(ipe)?;
    if done.next().is_some() {
        return Err(ExtractError::Internal("not every range is done".into()));
    }
    let (mut source, identity, columns) = open(request, tracker).await?;
    let source = source.as_mut();
    let first = done.first();
    same_source(&first.source, &identity)?;
    let before = Completeness::recorded(&first.completeness);

    // Before the parts are read back: when the source has moved, that would be for nothing.
    tracker.step(Step::CompletenessAfter);
    let query = below_mark(ipe, &ipe.completeness.query, first.span);
    let after = completeness(source, ipe, &query).await?;
    before.still(&after, &ipe.completeness)?;
    tracker.step(Step::Witness);
    let witness = witness(source, ipe, first.span, &before).await?;

    tracker.step(Step::ReadBack);
    let mut observers = Observers::new(ipe, &witness, &request.options)?;
    let mut rows = 0;
    for file in done.files() {
        let scratch = fetch(request, parts, file).await?;
        let contract = batch::schema(&ipe.columns);
        let file = file.clone();
        // In a thread of its own: decoding and checking take their time.
        let looked = tokio::task::spawn_blocking(move || {
            look(&scratch, &file, &contract, &mut observers).map(|rows| (observers, rows))
        });
        let (back, read) = looked
            .await
            .unwrap_or_else(|e| Err(ExtractError::Internal(format!("the reader died: {e}"))))?;
        observers = back;
        rows += read;
        tracker.rows(rows);
    }
    let judged = Judged {
        identity: first.source.clone(),
        decoder: done.decoder(),
        columns,
        before,
        after,
        witness,
        perturbed: perturbed(ipe, done.ranges()),
        observed: observers.finish_apart().await?,
        decoded: done.rows(),
        files: done.files().cloned().collect(),
        ranges: Some(Ranges {
            span: first.span,
            done: done.ranges().cloned().collect::<Vec<SegmentRange>>(),
        }),
        peak_batch_bytes: 0,
        peak_writer_bytes: 0,
    };
    judged.into_extracted(request, tracker.timings())
}

/// Brings a part into a scratch file, which the system removes, and believes it only if it is the recorded one.
async fn fetch(
    request: &Extraction<'_>,
    parts: &dyn PartSource,
    record: &FileRecord,
) -> Result<File, ExtractError> {
    let folder = &request.options.scratch;
    let scratch_error = |e: io::Error| {
        ExtractError::Scratch(soxauto_content::ScratchError {
            folder: folder.display().to_string(),
            reason: e.to_string(),
        })
    };
    let mut file = tempfile::tempfile_in(folder).map_err(scratch_error)?;
    let mut download = parts.open(&record.path).await?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(bytes) = download.next().await? {
        hash.update(&bytes);
        size += bytes.len() as u64;
        file.write_all(&bytes).map_err(scratch_error)?;
    }
    let digest: [u8; 32] = hash.finalize().into();
    let found = soxauto_domain::Sha256::from_bytes(digest);
    if (size, found) != (record.size, record.sha256) {
        return Err(not_the_part(
            record,
            format!(
                "it has {size} bytes and digest {found}, its segment record says {} and {}",
                record.size, record.sha256
            ),
        ));
    }
    file.seek(SeekFrom::Start(0)).map_err(scratch_error)?;
    Ok(file)
}

fn not_the_part(record: &FileRecord, message: String) -> ExtractError {
    ExtractError::Store(StoreError::new(
        Code::EvidenceInvalid,
        &record.path,
        message,
    ))
}

/// Shows the rows of a part to the observers.
fn look(
    scratch: &File,
    record: &FileRecord,
    contract: &SchemaRef,
    observers: &mut Observers,
) -> Result<u64, ExtractError> {
    let rows = record.rows.unwrap_or(0);
    let columns: Vec<usize> = (0..contract.fields().len()).collect();
    let full = with_traceability(contract);
    read_part(scratch, &full, rows, |batch| {
        let rows = batch
            .project(&columns)
            .map_err(|e| ExtractError::Internal(format!("another schema: {e}")))?;
        observers.observe(&rows)
    })
    .map_err(|fault| match fault {
        PartFault::Taken(e) => e,
        PartFault::Footer(why) | PartFault::Schema(why) | PartFault::Rows(why) => {
            not_the_part(record, why)
        }
    })?;
    Ok(rows)
}
