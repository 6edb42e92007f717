//! The rows: decoding, looking at them, encoding and uploading at the same time, with bounded queues between them.
//!
//! ```text
//! driver → batches (2 may wait) → checks, digests, sample → batches (1) → Parquet, SHA-256 → chunks (4) → uploads
//!          this task              a blocking thread                       a blocking thread               this task
//! ```

use std::future::pending;

use arrow_array::RecordBatch;
use soxauto_domain::{BoundQuery, PlannedIpe, partition::KeyRange, receipt::FileRecord};
use tokio::sync::mpsc;

use crate::{
    batch::{self, BatchSink, Out},
    error::ExtractError,
    observers::Observers,
    parquet_parts::{self, Message, PartOptions, PartWriter, Trace, Written},
    pipeline::PendingUpload,
    progress::Progress,
    source::{RowSink, Source},
    store::PartStore,
    view::{Reading as _, cells},
};

/// Batches that may wait for the checks.
const DECODED: usize = 2;
/// Batches that may wait for the encoder.
const CHECKED: usize = 1;
/// Chunks that may wait for the upload.
const CHUNKS: usize = 4;

/// What came of the rows.
pub(crate) struct Rows {
    pub(crate) decoded: u64,
    /// Not ended yet: another query's rows may follow.
    pub(crate) observers: Option<Observers>,
    pub(crate) files: Vec<FileRecord>,
    pub(crate) peak_batch_bytes: usize,
    pub(crate) peak_writer_bytes: usize,
}

/// What is there already of the extract that the rows belong to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Behind {
    pub(crate) parts: usize,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The key range in which every row must be.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    pub(crate) column: String,
    pub(crate) range: KeyRange,
}

impl Within {
    /// A row elsewhere would be in the extract twice, or would be missing where it belongs.
    fn check(&self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let array = batch.column_by_name(&self.column).ok_or_else(|| {
            ExtractError::Internal(format!("no column {:?} in the batch", self.column))
        })?;
        let view = cells(array.as_ref())?;
        for row in 0..batch.num_rows() {
            let value = view.number(row).and_then(|n| i64::try_from(n).ok());
            if !value.is_some_and(|value| self.range.contains(value)) {
                let value = value.map_or("NULL".to_owned(), |value| value.to_string());
                return Err(ExtractError::ControlQuery {
                    query: "extraction",
                    reason: format!(
                        "it returned a row with {value} in {:?} where the values {} were asked for",
                        self.column, self.range
                    ),
                });
            }
        }
        Ok(())
    }
}

/// What to do with the rows.
pub(crate) struct Work<'w> {
    pub(crate) ipe: &'w PlannedIpe,
    /// What runs; without it there are no rows.
    pub(crate) query: Option<&'w BoundQuery>,
    /// Who looks at them.
    pub(crate) observers: Option<Observers>,
    pub(crate) behind: Behind,
    /// Whether no rows make a part.
    pub(crate) even_empty: bool,
    pub(crate) within: Option<Within>,
    pub(crate) trace: Trace,
    pub(crate) options: PartOptions,
}

/// Runs an extraction query. What was begun to upload is in `uploads`, also after an error.
pub(crate) async fn run(
    work: Work<'_>,
    source: &mut dyn Source,
    store: &dyn PartStore,
    uploads: &mut Vec<PendingUpload>,
    progress: &dyn Progress,
) -> Result<Rows, ExtractError> {
    let Work {
        ipe,
        query,
        observers,
        behind,
        even_empty,
        within,
        trace,
        options,
    } = work;
    let (batches, decoded) = mpsc::channel(DECODED);
    let (passed_on, checked) = mpsc::channel(CHECKED);
    let (messages, outgoing) = mpsc::channel(CHUNKS);
    let parts = PartWriter::new(&batch::schema(&ipe.columns), &trace, options, messages).behind(
        behind.parts,
        behind.rows,
        even_empty,
    );
    let observer =
        tokio::task::spawn_blocking(move || observe(decoded, observers, within, &passed_on));
    let encoder = tokio::task::spawn_blocking(move || encode(checked, parts));

    let decoding = async {
        let mut sink = BatchSink::new(&ipe.columns, |_| true, Out::Channel(batches, progress))
            .behind(behind.rows);
        let outcome = async {
            let rows = match query {
                Some(query) => source.read(query, &mut sink).await?,
                None => 0,
            };
            sink.flush().await?;
            Ok((rows, sink.peak_bytes()))
        }
        .await;
        // The queue is closed now, so that the encoder ends.
        drop(sink);
        stand_aside(outcome, batch::BATCHES_ENDED).await
    };
    let observing = async {
        let outcome = observer
            .await
            .unwrap_or_else(|e| Err(ExtractError::Internal(format!("the checks died: {e}"))));
        stand_aside(outcome, batch::BATCHES_ENDED).await
    };
    let encoding = async {
        let outcome = encoder
            .await
            .unwrap_or_else(|e| Err(ExtractError::Internal(format!("the encoder died: {e}"))));
        stand_aside(outcome, parquet_parts::UPLOAD_ENDED).await
    };
    let uploading = upload(outgoing, store, uploads, progress, behind.bytes);
    // The first error ends all: the channels close, and the threads with them.
    let ((), written, observers, (decoded, peak_batch_bytes)) =
        tokio::try_join!(uploading, encoding, observing, decoding)?;
    Ok(Rows {
        decoded,
        observers,
        files: written.files,
        peak_batch_bytes,
        peak_writer_bytes: written.peak_bytes,
    })
}

/// An error that only says that the next stage is gone waits for ever, so that the next stage's own error is the one
/// that is reported.
async fn stand_aside<T>(
    outcome: Result<T, ExtractError>,
    consequence: &str,
) -> Result<T, ExtractError> {
    match outcome {
        Err(ExtractError::Internal(text)) if text == consequence => pending().await,
        other => other,
    }
}

fn observe(
    mut batches: mpsc::Receiver<RecordBatch>,
    mut observers: Option<Observers>,
    within: Option<Within>,
    passed_on: &mpsc::Sender<RecordBatch>,
) -> Result<Option<Observers>, ExtractError> {
    while let Some(batch) = batches.blocking_recv() {
        if let Some(within) = &within {
            within.check(&batch)?;
        }
        if let Some(observers) = &mut observers {
            observers.observe(&batch)?;
        }
        passed_on
            .blocking_send(batch)
            .map_err(|_| ExtractError::Internal(batch::BATCHES_ENDED.into()))?;
    }
    Ok(observers)
}

fn encode(
    mut batches: mpsc::Receiver<RecordBatch>,
    mut parts: PartWriter,
) -> Result<Written, ExtractError> {
    while let Some(batch) = batches.blocking_recv() {
        parts.write(&batch)?;
    }
    parts.finish()
}

async fn upload(
    mut messages: mpsc::Receiver<Message>,
    store: &dyn PartStore,
    uploads: &mut Vec<PendingUpload>,
    progress: &dyn Progress,
    bytes_before: u64,
) -> Result<(), ExtractError> {
    let mut bytes = bytes_before;
    while let Some(message) = messages.recv().await {
        match message {
            Message::Start(path) => {
                let upload = store.start(&path).await?;
                uploads.push(PendingUpload::new(path, upload));
            }
            Message::Chunk(chunk) => {
                let size = chunk.len() as u64;
                let current = uploads
                    .last_mut()
                    .ok_or_else(|| ExtractError::Internal("bytes before a part".into()))?;
                current.write(chunk).await?;
                bytes += size;
                progress.bytes(bytes);
            }
        }
    }
    Ok(())
}
