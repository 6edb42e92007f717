//! The rows: decoding, encoding and uploading at the same time, with bounded queues between them.
//!
//! ```text
//! driver → batches (at most 2 waiting) → checks, digests, sample, Parquet → chunks (at most 8 waiting) → uploads
//!          this task                       a blocking thread                                          this task
//! ```

use std::future::pending;

use arrow_array::RecordBatch;
use soxauto_content::ContentDigest;
use soxauto_domain::{PlannedIpe, Sha256, receipt::FileRecord};
use tokio::sync::mpsc;

use crate::{
    batch::{self, BatchSink, Out},
    checks::{Seen, StreamChecks},
    error::ExtractError,
    parquet_parts::{self, Message, PartOptions, PartWriter, Trace},
    pipeline::PendingUpload,
    progress::Progress,
    sample::Sample,
    source::{RowSink, Source},
    store::PartStore,
};

/// Batches that may wait for the encoder.
const BATCHES: usize = 2;
/// Chunks that may wait for the upload.
const CHUNKS: usize = 8;

/// What came of the rows.
pub(crate) struct Rows {
    pub(crate) decoded: u64,
    pub(crate) seen: Seen,
    pub(crate) content: Sha256,
    pub(crate) files: Vec<FileRecord>,
    pub(crate) sample: Vec<u8>,
    pub(crate) peak_batch_bytes: usize,
    pub(crate) peak_writer_bytes: usize,
}

struct Encoded {
    seen: Seen,
    content: Sha256,
    files: Vec<FileRecord>,
    sample: Vec<u8>,
    peak_writer_bytes: usize,
}

/// What to do with the rows.
pub(crate) struct Work<'w> {
    pub(crate) ipe: &'w PlannedIpe,
    pub(crate) checks: StreamChecks,
    pub(crate) content: ContentDigest,
    pub(crate) trace: Trace,
    pub(crate) options: PartOptions,
}

/// Runs the extraction query. What was begun to upload is in `uploads`, also after an error.
pub(crate) async fn run(
    work: Work<'_>,
    source: &mut dyn Source,
    store: &dyn PartStore,
    uploads: &mut Vec<PendingUpload>,
    progress: &dyn Progress,
) -> Result<Rows, ExtractError> {
    let Work {
        ipe,
        checks,
        content,
        trace,
        options,
    } = work;
    let (batches, received) = mpsc::channel(BATCHES);
    let (messages, outgoing) = mpsc::channel(CHUNKS);
    let parts = PartWriter::new(&batch::schema(&ipe.columns), &trace, options, messages);
    let sample = Sample::new(&ipe.columns);
    let encoder =
        tokio::task::spawn_blocking(move || encode(received, checks, content, sample, parts));

    let decoding = async {
        let mut sink = BatchSink::new(&ipe.columns, |_| true, Out::Channel(batches, progress));
        let outcome = async {
            let rows = source.read(&ipe.extraction, &mut sink).await?;
            sink.flush().await?;
            Ok((rows, sink.peak_bytes()))
        }
        .await;
        // The queue is closed now, so that the encoder ends.
        drop(sink);
        stand_aside(outcome, batch::ENCODER_ENDED).await
    };
    let encoding = async {
        let outcome = encoder
            .await
            .unwrap_or_else(|e| Err(ExtractError::Internal(format!("the encoder died: {e}"))));
        stand_aside(outcome, parquet_parts::UPLOAD_ENDED).await
    };
    let uploading = upload(outgoing, store, uploads, progress);
    // The first error ends all three: the channels close, and the encoder's thread with them.
    let ((), encoded, (decoded, peak_batch_bytes)) =
        tokio::try_join!(uploading, encoding, decoding)?;
    Ok(Rows {
        decoded,
        seen: encoded.seen,
        content: encoded.content,
        files: encoded.files,
        sample: encoded.sample,
        peak_batch_bytes,
        peak_writer_bytes: encoded.peak_writer_bytes,
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

fn encode(
    mut batches: mpsc::Receiver<RecordBatch>,
    mut checks: StreamChecks,
    mut content: ContentDigest,
    mut sample: Sample,
    mut parts: PartWriter,
) -> Result<Encoded, ExtractError> {
    while let Some(batch) = batches.blocking_recv() {
        checks.observe(&batch)?;
        content.update(&batch)?;
        sample.observe(&batch)?;
        parts.write(&batch)?;
    }
    let written = parts.finish()?;
    Ok(Encoded {
        seen: checks.finish()?,
        content: content.finish()?,
        files: written.files,
        sample: sample.finish(),
        peak_writer_bytes: written.peak_bytes,
    })
}

async fn upload(
    mut messages: mpsc::Receiver<Message>,
    store: &dyn PartStore,
    uploads: &mut Vec<PendingUpload>,
    progress: &dyn Progress,
) -> Result<(), ExtractError> {
    let mut bytes = 0;
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
