//! An attempt that takes several invocations: what earlier ones left, and what this one leaves.
//!
//! The segment records are the truth. Any delivery of the job that finds them goes on; the message that is sent at the end
//! of an invocation only makes somebody look, and may come twice or get lost together with the worker that was to send it.

use bytes::Bytes;
use soxauto_cloud::queue::OutgoingMessage;
use soxauto_domain::{
    Code, Job, Sha256,
    facts::IpeFacts,
    layout::{self, Attempt},
    receipt::{FileRecord, InvocationRecord, PartitionRecord, RangeRecord},
    segment::{Resumed, Segment, SegmentRange, SegmentSchema},
};
use soxauto_extract::{Ranges, RangesDone};
use soxauto_runs::RunsError;

use crate::{attempt::AttemptRecord, context::Context, error::WorkerError};

/// Segments of an attempt, and the files that hold them.
#[derive(Debug, Clone)]
pub struct Suspended {
    /// What they say together.
    pub resumed: Resumed,
    /// `segment-<k>.json`, in order.
    pub files: Vec<FileRecord>,
}

/// What earlier invocations left of the IPE's last attempt; `None` when a new attempt is to begin.
///
/// # Errors
/// [`WorkerError::Unresumable`] when the records cannot be built on, or the bucket does not answer.
pub async fn find(
    context: &Context,
    job: &Job,
    facts: &IpeFacts,
) -> Result<Option<Suspended>, WorkerError> {
    let Some(last) = facts.suspended() else {
        return Ok(None);
    };
    let attempt = Attempt {
        run_id: job.run_id.clone(),
        ipe_id: job.ipe_id.clone(),
        number: last.number,
    };
    let unusable = |reason: String| WorkerError::Unresumable {
        ipe: job.ipe_id.clone(),
        attempt: last.number,
        reason,
    };
    let stored = match context.reader.segments(&attempt, last.segments).await {
        Ok(stored) => stored,
        Err(RunsError::Lake(e)) if e.is_not_found() => return Err(unusable(e.to_string())),
        Err(e @ RunsError::Document { .. }) => return Err(unusable(e.to_string())),
        Err(e) => return Err(e.into()),
    };
    let files = (1..).zip(&stored).map(|(number, stored)| FileRecord {
        path: layout::segment(number),
        size: stored.size,
        sha256: stored.sha256,
        rows: None,
    });
    let files = files.collect();
    let segments: Vec<Segment> = stored.into_iter().map(|stored| stored.document).collect();
    let resumed = Resumed::of(&attempt, job.plan.sha256, segments).map_err(unusable)?;
    Ok(Some(Suspended { resumed, files }))
}

/// Makes what this invocation has done last: its parts become objects, then the record says so.
///
/// A worker that was killed between the two has left parts without a record. The ranges depend on nothing but the
/// records, so this worker has made the same bytes again; other bytes under a part's name end the attempt.
///
/// # Errors
/// [`WorkerError::Unresumable`] for a part that is there with other content; `OBJECT_EXISTS` when a rival was first.
pub async fn keep(
    context: &Context,
    record: &AttemptRecord<'_>,
    before: Option<&Suspended>,
    mut done: RangesDone,
) -> Result<Suspended, WorkerError> {
    let attempt = record.attempt;
    let unusable = |reason: String| WorkerError::Unresumable {
        ipe: attempt.ipe_id.clone(),
        attempt: attempt.number,
        reason,
    };
    match done.complete_uploads().await {
        // Where nothing is recorded, the part is that of a rival who began the same attempt.
        Err(e) if e.code == Code::ObjectExists && before.is_some() => {
            return Err(unusable(format!("{} is there with other rows", e.path)));
        }
        other => other?,
    }
    let mut segments: Vec<Segment> =
        before.map_or_else(Vec::new, |b| b.resumed.segments().to_vec());
    let number = before.map_or(1, |b| b.resumed.last().segment + 1);
    let segment = Segment {
        schema: SegmentSchema,
        run_id: attempt.run_id.clone(),
        ipe_id: attempt.ipe_id.clone(),
        attempt: attempt.number,
        segment: number,
        plan_sha256: record.plan_sha256,
        started_at: record.invoked_at,
        ended_at: context.clock.now(),
        extracted_at: record.extracted_at,
        source: done.identity,
        decoder: done.decoder,
        completeness: done.answer,
        span: Some(done.span),
        ranges: done.ranges,
        cursor: done.cursor,
        fruitless: done.fruitless,
        software: record.software.clone(),
        worker: record.worker.clone(),
    };
    let bytes = serde_json::to_vec_pretty(&segment)?;
    let layout = context.reader.layout();
    let path = layout::segment(number);
    let mut files = before.map_or_else(Vec::new, |b| b.files.clone());
    files.push(FileRecord {
        path: path.clone(),
        size: bytes.len() as u64,
        sha256: Sha256::of(&bytes),
        rows: None,
    });
    segments.push(segment);
    // Nobody may be led to build on what the next invocation would refuse.
    let resumed = Resumed::of(attempt, record.plan_sha256, segments).map_err(unusable)?;
    context
        .evidence
        .create(
            &layout.file(attempt, &path),
            Bytes::from(bytes),
            "application/json",
        )
        .await?;
    Ok(Suspended { resumed, files })
}

/// Sends the job once more, for another invocation to go on.
///
/// # Errors
/// [`WorkerError::Queue`]; this delivery then comes back and goes on itself.
pub async fn pass_on(context: &Context, job: &Job) -> Result<(), WorkerError> {
    let message = OutgoingMessage {
        id: "continuation".to_owned(),
        body: serde_json::to_string(job)?,
    };
    Ok(context.jobs.send_batch(vec![message]).await?)
}

/// How the receipt tells of the ranges, and of the invocations that did them.
#[must_use]
pub fn partition_record(
    column: &str,
    ranges: &Ranges,
    suspended: Option<&Suspended>,
    this: InvocationRecord,
) -> PartitionRecord {
    let segments = suspended.map_or(&[][..], |s| s.resumed.segments());
    let mut invocations: Vec<InvocationRecord> = segments
        .iter()
        .map(|segment| InvocationRecord {
            segment: Some(segment.segment),
            ranges: segment.ranges.len(),
            started_at: segment.started_at,
            ended_at: segment.ended_at,
            worker: segment.worker.clone(),
        })
        .collect();
    let is_known = segments
        .last()
        .is_some_and(|last| last.worker.request_id == this.worker.request_id);
    if !is_known {
        invocations.push(this);
    }
    let range = |done: &SegmentRange| RangeRecord {
        after: done.after,
        upto: done.upto,
        rows: done.rows,
        files: done.files.iter().map(|file| file.path.clone()).collect(),
    };
    PartitionRecord {
        column: column.to_owned(),
        span: ranges.span,
        ranges: ranges.done.iter().map(range).collect(),
        invocations,
    }
}
