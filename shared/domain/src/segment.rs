//! The segment record: what one invocation has done of an attempt that others go on with.
//!
//! `segment-<k>.json` is written once, after the parts that it lists have become objects. The records of an attempt are the
//! truth about how far it is; a message in the queue only makes somebody look. [`Resumed`] is what they say together,
//! and it exists only if they agree.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256,
    id::{IpeId, RunId},
    layout::Attempt,
    partition::{Cursor, KeyRange, Span},
    plan::Software,
    receipt::{Decoder, FileRecord, SourceIdentity, WorkerRecord},
    schema_tag::schema_tag,
};

schema_tag! {
    /// Schema of `segment-<k>.json`.
    SegmentSchema = "soxauto.segment/1"
}

/// `segment-<k>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Always `soxauto.segment/1`.
    pub schema: SegmentSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE.
    pub ipe_id: IpeId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// From 1 within the attempt.
    pub segment: u32,
    /// Digest of the plan that is followed.
    pub plan_sha256: Sha256,
    /// When the invocation began.
    pub started_at: Timestamp,
    /// When it stopped.
    pub ended_at: Timestamp,
    /// The value of `_extracted_at` in every row of the attempt.
    pub extracted_at: Timestamp,
    /// Who answered when the attempt began.
    pub source: SourceIdentity,
    /// Which program decoded the rows of this invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Decoder>,
    /// The source's independent answer when the attempt began.
    pub completeness: SourceAnswer,
    /// The values of the partition column when the attempt began; `None` when there are no rows.
    pub span: Option<Span>,
    /// The ranges that this invocation has done, in order.
    pub ranges: Vec<SegmentRange>,
    /// Where the next invocation goes on.
    pub cursor: Cursor,
    /// Invocations in succession, this one included, that could not finish a range.
    pub fruitless: u32,
    /// The program.
    pub software: Software,
    /// The invocation.
    pub worker: WorkerRecord,
}

/// One answer of the completeness query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceAnswer {
    /// The independent row count.
    pub rows: u64,
    /// In the order of the plan's totals; `None` is NULL.
    pub totals: Vec<Option<String>>,
}

/// One range that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRange {
    /// The value behind which it begins.
    pub after: i64,
    /// Its last value.
    pub upto: i64,
    /// Rows extracted.
    pub rows: u64,
    /// What the perturbed query returned for the same range.
    pub perturbed: Perturbed,
    /// Its Parquet parts: completed objects.
    pub files: Vec<FileRecord>,
}

impl SegmentRange {
    /// Its bounds.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange {
            after: self.after,
            upto: self.upto,
        }
    }
}

/// What the perturbed query returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturbed {
    /// All its rows.
    pub rows: u64,
    /// Those that had to be gone.
    pub matching: u64,
}

/// The name of the n-th Parquet part (from 0) in an attempt's folder.
#[must_use]
pub fn part_path(number: usize) -> String {
    format!("data/part-{number:05}.parquet")
}

/// What the segment records of an attempt say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    segments: Vec<Segment>,
}

impl Resumed {
    /// Brings the records of an attempt together, in order of their number.
    ///
    /// # Errors
    /// In words, when they do not fit together: nothing may be built on them then.
    pub fn of(
        attempt: &Attempt,
        plan_sha256: Sha256,
        segments: Vec<Segment>,
    ) -> Result<Self, String> {
        let Some(first) = segments.first() else {
            return Err("there is none".to_owned());
        };
        let mut at = first.span.map(|span| span.lowest - 1);
        let mut parts = 0;
        for (number, segment) in (1..).zip(&segments) {
            let wrong = |what: String| Err(format!("segment {number}: {what}"));
            if (&segment.run_id, &segment.ipe_id, segment.attempt)
                != (&attempt.run_id, &attempt.ipe_id, attempt.number)
                || segment.segment != number
            {
                return wrong("it is about another place".to_owned());
            }
            if segment.plan_sha256 != plan_sha256 {
                return wrong("it followed another plan".to_owned());
            }
            if segment.span != first.span
                || segment.extracted_at != first.extracted_at
                || segment.completeness != first.completeness
                || segment.source != first.source
            {
                return wrong("it says another beginning of the attempt".to_owned());
            }
            for done in &segment.ranges {
                if at != Some(done.after) || done.after >= done.upto {
                    return wrong(format!("{} does not follow {at:?}", done.range()));
                }
                at = Some(done.upto);
                let rows = done.files.iter().filter_map(|file| file.rows);
                let rows = rows.fold(0, u64::saturating_add);
                let named = (parts..)
                    .zip(&done.files)
                    .all(|(n, file)| file.path == part_path(n));
                if rows != done.rows || !named {
                    return wrong(format!("the parts of {} are not its rows", done.range()));
                }
                parts += done.files.len();
            }
            if at.is_some_and(|at| at != segment.cursor.after)
                || segment
                    .span
                    .zip(at)
                    .is_some_and(|(s, at)| at > s.high_water_mark)
            {
                return wrong("its cursor is elsewhere".to_owned());
            }
        }
        Ok(Self { segments })
    }

    /// The records, in order; at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What was true when the attempt began, as the first record says it.
    #[must_use]
    pub fn first(&self) -> &Segment {
        &self.segments[0]
    }

    /// The newest record.
    #[must_use]
    pub fn last(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    /// Every range that is done, in order.
    pub fn ranges(&self) -> impl Iterator<Item = &SegmentRange> {
        self.segments.iter().flat_map(|segment| &segment.ranges)
    }

    /// Every part, in order.
    pub fn files(&self) -> impl Iterator<Item = &FileRecord> {
        self.ranges().flat_map(|range| &range.files)
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.ranges()
            .map(|range| range.rows)
            .fold(0, u64::saturating_add)
    }

    /// Which program decoded the rows, if it was one and the same in all invocations that had any.
    #[must_use]
    pub fn decoder(&self) -> Option<Decoder> {
        let with_rows = self.segments.iter().filter(|s| !s.ranges.is_empty());
        let mut decoders = with_rows.map(|segment| segment.decoder);
        let first = decoders.next()??;
        decoders.all(|other| other == Some(first)).then_some(first)
    }

    /// The next range; `None` when all are done.
    #[must_use]
    pub fn next(&self) -> Option<KeyRange> {
        self.last().cursor.next(self.first().span?)
    }
}

#[cfg(test)]
mod tests;
