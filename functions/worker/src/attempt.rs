//! Committing an attempt: its evidence files, its parts, and the receipt last.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use soxauto_cloud::lake::{Lake, LakeError};
use soxauto_domain::{
    Failure, IpeState, PlannedIpe, Receipt, Sha256,
    catalog::Sample,
    layout::{self, Attempt, Layout},
    plan::Software,
    receipt::{
        FailureSchema, FileRecord, InvocationRecord, PartitionRecord, QueryRecord, ReceiptSchema,
        WitnessValue, WorkerRecord,
    },
};
use soxauto_extract::{Extracted, NamedValue};

use crate::{
    error::WorkerError,
    journal::Journal,
    suspended::{Suspended, partition_record},
};

/// What is written about an attempt besides the extraction's outcome.
pub struct AttemptRecord<'a> {
    /// Which attempt.
    pub attempt: &'a Attempt,
    /// The IPE as planned.
    pub ipe: &'a PlannedIpe,
    /// Digest of the plan.
    pub plan_sha256: Sha256,
    /// When the attempt began: in this invocation, or in the first of several.
    pub started_at: Timestamp,
    /// When this invocation began.
    pub invoked_at: Timestamp,
    /// The value of `_extracted_at`.
    pub extracted_at: Timestamp,
    /// The invocation.
    pub worker: WorkerRecord,
    /// The program.
    pub software: Software,
}

/// Writes evidence files in an attempt's folder, remembering what was written.
struct Folder<'a> {
    lake: &'a Arc<dyn Lake>,
    layout: &'a Layout,
    attempt: &'a Attempt,
    /// Whether an earlier invocation may have begun to commit the same attempt.
    resumed: bool,
    files: Vec<FileRecord>,
}

impl Folder<'_> {
    async fn write(
        &mut self,
        path: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<(), WorkerError> {
        let key = self.layout.file(self.attempt, path);
        let bytes = Bytes::from(bytes);
        let written = self.lake.create(&key, bytes.clone(), content_type).await;
        let stored = match written {
            // A worker that died while it committed has told its own times; the rest is as it was.
            Err(LakeError::AlreadyExists(_)) if self.resumed && TELL_TIMES.contains(&path) => {
                self.lake
                    .get(&self.layout.file(self.attempt, path))
                    .await?
                    .bytes
            }
            Err(LakeError::AlreadyExists(_)) if self.resumed => {
                return Err(WorkerError::Unresumable {
                    ipe: self.attempt.ipe_id.clone(),
                    attempt: self.attempt.number,
                    reason: format!("{path} is there and says something else"),
                });
            }
            other => other.map(|_| bytes)?,
        };
        self.files.push(FileRecord {
            path: path.to_owned(),
            size: stored.len() as u64,
            sha256: Sha256::of(&stored),
            rows: None,
        });
        Ok(())
    }

    async fn json(&mut self, path: &str, value: &impl Serialize) -> Result<(), WorkerError> {
        self.write(path, JSON, serde_json::to_vec_pretty(value)?)
            .await
    }
}

const JSON: &str = "application/json";
/// Files that say how long the worker took.
const TELL_TIMES: [&str; 2] = ["summary.json", "log.jsonl"];

/// Commits what was extracted; the receipt is written last and makes the attempt exist.
///
/// # Errors
/// [`WorkerError`]; without a receipt the attempt does not count. A rival that wrote first is `OBJECT_EXISTS`.
pub async fn commit(
    lake: &Arc<dyn Lake>,
    layout: &Layout,
    record: &AttemptRecord<'_>,
    suspended: Option<&Suspended>,
    mut extracted: Extracted,
    journal: &Journal,
    finished_at: Timestamp,
) -> Result<Receipt, WorkerError> {
    let invocation = InvocationRecord {
        segment: None,
        ranges: if suspended.is_none() {
            extracted.ranges.as_ref().map_or(0, |r| r.done.len())
        } else {
            0
        },
        started_at: record.invoked_at,
        ended_at: finished_at,
        worker: record.worker.clone(),
    };
    let partition = match (&record.ipe.partition, &extracted.ranges) {
        (Some(planned), Some(ranges)) => Some(partition_record(
            &planned.column,
            ranges,
            suspended,
            invocation,
        )),
        _ => None,
    };
    let segments = suspended.map_or(&[][..], |s| &s.files);
    let outcome = write(
        lake,
        layout,
        record,
        (partition, segments),
        &mut extracted,
        journal,
        finished_at,
    )
    .await;
    if outcome.is_err() {
        // Dropped uploads are aborted in the background, and a function that has answered has none.
        extracted.abort_uploads().await;
    }
    outcome
}

async fn write(
    lake: &Arc<dyn Lake>,
    layout: &Layout,
    record: &AttemptRecord<'_>,
    (partition, segments): (Option<PartitionRecord>, &[FileRecord]),
    extracted: &mut Extracted,
    journal: &Journal,
    finished_at: Timestamp,
) -> Result<Receipt, WorkerError> {
    let state = if extracted.passed() {
        IpeState::Passed
    } else {
        IpeState::Rejected
    };
    let AttemptRecord { attempt, ipe, .. } = record;
    let mut folder = Folder {
        lake,
        layout,
        attempt,
        resumed: !segments.is_empty(),
        files: segments.to_vec(),
    };
    folder
        .write(
            "query.sql",
            "application/sql",
            ipe.extraction.sql.clone().into_bytes(),
        )
        .await?;
    folder
        .json(
            layout::PARAMETERS,
            &ipe.parameters_document(partition.as_ref()),
        )
        .await?;
    folder
        .write(
            "sample.csv",
            "text/csv; charset=utf-8",
            std::mem::take(&mut extracted.sample_csv),
        )
        .await?;
    folder.json("checks.json", &extracted.checks).await?;
    let columns: Vec<_> = extracted
        .columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.sql_type.to_string(), "nullable": c.nullable}))
        .collect();
    let summary = json!({
        "ipe": ipe.id,
        "title": ipe.title,
        "state": state,
        "rows": extracted.counts.decoded,
        "bytes": extracted.files.iter().map(|f| f.size).sum::<u64>(),
        "parts": extracted.files.len(),
        "checks": {"passed": extracted.checks.iter().filter(|c| c.passed()).count(), "total": extracted.checks.len()},
        "columns": columns,
        "timings": extracted.timings,
    });
    folder.json("summary.json", &summary).await?;
    journal.note(
        "commit",
        json!({"state": state, "parts": extracted.files.len()}),
    );
    folder
        .write(
            "log.jsonl",
            "application/x-ndjson",
            journal.lines().into_bytes(),
        )
        .await?;
    extracted.complete_uploads().await?;
    let mut files = folder.files;
    files.append(&mut extracted.files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let receipt = Receipt {
        schema: ReceiptSchema,
        run_id: attempt.run_id.clone(),
        ipe_id: attempt.ipe_id.clone(),
        attempt: attempt.number,
        plan_sha256: record.plan_sha256,
        state,
        started_at: record.started_at,
        finished_at,
        extracted_at: record.extracted_at,
        source: extracted.identity.clone(),
        query: QueryRecord {
            sha256: ipe.extraction.sha256,
            parameters: ipe.extraction.parameters.clone(),
            decoder: extracted.decoder,
        },
        counts: extracted.counts,
        content_sha256: extracted.content_sha256,
        control_totals: extracted.control_totals.clone(),
        checks: extracted.checks.clone(),
        witness: witness(ipe, &extracted.witness),
        partition,
        files,
        software: record.software.clone(),
        worker: record.worker.clone(),
    };
    lake.create(
        &layout.file(attempt, layout::RECEIPT),
        Bytes::from(serde_json::to_vec_pretty(&receipt)?),
        JSON,
    )
    .await?;
    Ok(receipt)
}

/// The witness for the receipt, without the values that the sample masks too.
fn witness(ipe: &PlannedIpe, found: &[NamedValue]) -> Vec<WitnessValue> {
    let values = found.iter().map(|named| {
        let masked = ipe
            .column(&named.name)
            .is_some_and(|column| column.sample == Sample::Mask);
        WitnessValue {
            column: named.name.clone(),
            value: named.value.clone().filter(|_| !masked),
            masked,
        }
    });
    values.collect()
}

/// An attempt that failed, as its record tells it.
#[derive(Debug)]
pub struct FailedAttempt<'a> {
    /// Which one.
    pub attempt: &'a Attempt,
    /// Why.
    pub error: &'a WorkerError,
    /// Whether the queue will not deliver the message again.
    pub is_final: bool,
    /// When the worker began.
    pub started_at: Timestamp,
    /// When it ended.
    pub failed_at: Timestamp,
    /// The invocation.
    pub worker: WorkerRecord,
    /// The program.
    pub software: Software,
}

/// Writes the record of an attempt that failed.
///
/// # Errors
/// [`WorkerError`] when the bucket does not take it; the log has the same words.
pub async fn record_failure(
    lake: &Arc<dyn Lake>,
    layout: &Layout,
    failed: FailedAttempt<'_>,
) -> Result<(), WorkerError> {
    let FailedAttempt { attempt, error, .. } = failed;
    let code = error.code();
    let failure = Failure {
        schema: FailureSchema,
        run_id: attempt.run_id.clone(),
        ipe_id: attempt.ipe_id.clone(),
        attempt: attempt.number,
        code,
        message: error.to_string(),
        remedy: code.remedy().to_owned(),
        retry: error.retry(),
        is_final: failed.is_final,
        started_at: failed.started_at,
        failed_at: failed.failed_at,
        software: failed.software,
        worker: failed.worker,
    };
    lake.create(
        &layout.file(attempt, layout::FAILURE),
        Bytes::from(serde_json::to_vec_pretty(&failure)?),
        JSON,
    )
    .await?;
    Ok(())
}
