//! Key ranges: what a receipt says of how its extraction was cut, against plan, parts and the records of the invocations.

use arrow_array::RecordBatch;
use soxauto_content::Cells;
use soxauto_domain::{
    Sha256,
    layout::{self, Attempt as Place},
    partition::KeyRange,
    plan::PlannedPartition,
    receipt::{PartitionRecord, RangeRecord, Receipt},
    segment::{Resumed, Segment, SegmentRange},
};

use crate::{attempts::Attempt, check::Check, run::Run};

const CHECK: Check = Check::Partition;

/// Looks at an attempt's ranges, if it has any or should have.
pub(crate) async fn records(run: &mut Run<'_>, attempt: &Attempt, plan_sha256: Sha256) {
    let (receipt, file) = (&attempt.receipt, attempt.file.as_str());
    match (&attempt.planned.partition, &receipt.partition) {
        (None, None) => {}
        (Some(_), None) => run.ledger.fail(
            CHECK,
            file,
            "the plan cuts the extraction into key ranges, and it tells of none",
        ),
        (None, Some(_)) => run.ledger.fail(
            CHECK,
            file,
            "it tells of key ranges, and the plan has one query",
        ),
        (Some(planned), Some(found)) => {
            let problems = problems(planned, found, receipt);
            if problems.is_empty() {
                run.ledger.holds(CHECK);
            }
            for problem in problems {
                run.ledger.fail(CHECK, file, problem);
            }
            segments(run, attempt, found, plan_sha256).await;
        }
    }
}

/// What the receipt says wrong by itself.
fn problems(planned: &PlannedPartition, found: &PartitionRecord, receipt: &Receipt) -> Vec<String> {
    let mut problems = Vec::new();
    if found.column != planned.column {
        problems.push(format!(
            "the ranges are of {:?}, the plan says {:?}",
            found.column, planned.column
        ));
    }
    let mut at = found.span.map(|span| span.lowest.saturating_sub(1));
    for range in &found.ranges {
        if at != Some(range.after) || range.upto <= range.after {
            problems.push(format!(
                "the range {} does not follow what ends at {at:?}",
                range.range()
            ));
        }
        at = Some(range.upto);
    }
    if at != found.span.map(|span| span.high_water_mark) {
        problems.push(format!(
            "the ranges end at {at:?}, the high-water mark is {:?}",
            found.span.map(|span| span.high_water_mark)
        ));
    }
    let parts: Vec<(&str, u64)> = receipt
        .files
        .iter()
        .filter_map(|file| Some((file.path.as_str(), file.rows?)))
        .collect();
    let rows_of = |range: &RangeRecord| {
        let rows = |path: &String| parts.iter().find(|(p, _)| p == path).map(|(_, rows)| *rows);
        let known = range.files.iter().map(rows).collect::<Option<Vec<u64>>>();
        known.map(|rows| rows.into_iter().fold(0, u64::saturating_add))
    };
    for range in found.ranges.iter().filter(|r| rows_of(r) != Some(r.rows)) {
        problems.push(format!(
            "the range {} is said to have {} rows, its parts have {:?}",
            range.range(),
            range.rows,
            rows_of(range)
        ));
    }
    let mut named: Vec<&str> = found
        .ranges
        .iter()
        .flat_map(|range| range.files.iter().map(String::as_str))
        .collect();
    // Without rows there is a part that no range made.
    let is_empty = found.ranges.is_empty() && receipt.counts.parquet == 0;
    if is_empty && named.is_empty() {
        named = parts.iter().map(|(path, _)| *path).collect();
    }
    if !named
        .iter()
        .copied()
        .eq(parts.iter().map(|(path, _)| *path))
    {
        problems.push("the parts of the ranges are not the parts of the receipt".to_owned());
    }
    let rows = found
        .ranges
        .iter()
        .map(|r| r.rows)
        .fold(0, u64::saturating_add);
    if rows != receipt.counts.decoded {
        problems.push(format!(
            "the ranges have {rows} rows together, {} were decoded",
            receipt.counts.decoded
        ));
    }
    problems.extend(invocations(found, receipt));
    problems
}

/// The invocations: in order, the first as old as the attempt, the last the one that wrote the receipt.
fn invocations(found: &PartitionRecord, receipt: &Receipt) -> Vec<String> {
    let mut problems = Vec::new();
    let all = &found.invocations;
    let ranges = all.iter().map(|i| i.ranges).fold(0, usize::saturating_add);
    if ranges != found.ranges.len() {
        problems.push(format!(
            "the invocations did {ranges} ranges, there are {}",
            found.ranges.len()
        ));
    }
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return vec!["no invocation took part".to_owned()];
    };
    let segments = all.iter().filter_map(|i| i.segment);
    let counted = segments.zip(1..).all(|(segment, number)| segment == number)
        && all.iter().rev().skip(1).all(|i| i.segment.is_some());
    if !counted {
        problems.push("the segments of the invocations do not count from 1".to_owned());
    }
    let ordered = all.iter().all(|i| i.started_at <= i.ended_at)
        && first.started_at == receipt.started_at
        && last.ended_at <= receipt.finished_at;
    if !ordered {
        problems.push("the times of the invocations are not those of the attempt".to_owned());
    }
    if last.worker.request_id != receipt.worker.request_id {
        problems.push("another invocation wrote the receipt than the last one".to_owned());
    }
    problems
}

/// The records that the invocations left: they say of source, mark, ranges and parts what the receipt says.
async fn segments(
    run: &mut Run<'_>,
    attempt: &Attempt,
    found: &PartitionRecord,
    plan_sha256: Sha256,
) {
    let receipt = &attempt.receipt;
    let numbers: Vec<u32> = found.invocations.iter().filter_map(|i| i.segment).collect();
    for file in &receipt.files {
        let number = layout::segment_number(&file.path);
        let told = number.is_none_or(|number| numbers.contains(&number));
        run.ledger.check(CHECK, &attempt.file, told, || {
            format!("{} is listed, and no invocation left it", file.path)
        });
    }
    if numbers.is_empty() {
        return;
    }
    let mut segments = Vec::new();
    for number in numbers {
        let name = format!("{}{}", attempt.folder, layout::segment(number));
        let read = run.document(&name).await;
        let read = read.and_then(|bytes| {
            serde_json::from_slice::<Segment>(&bytes).map_err(|e| format!("it cannot be read: {e}"))
        });
        match read {
            Ok(segment) => segments.push(segment),
            Err(why) => {
                run.ledger.fail(CHECK, &name, why);
                return;
            }
        }
    }
    let place = Place {
        run_id: attempt.run_id.clone(),
        ipe_id: receipt.ipe_id.clone(),
        number: receipt.attempt,
    };
    let file = attempt.file.as_str();
    match Resumed::of(&place, plan_sha256, segments) {
        Err(why) => run.ledger.fail(CHECK, file, why),
        Ok(resumed) => {
            let differences = differences(&resumed, found, receipt);
            run.ledger.check(CHECK, file, differences.is_empty(), || {
                format!("the segment records say other {}", differences.join(", "))
            });
        }
    }
}

fn differences(resumed: &Resumed, found: &PartitionRecord, receipt: &Receipt) -> Vec<&'static str> {
    let first = resumed.first();
    let range = |done: &SegmentRange| RangeRecord {
        after: done.after,
        upto: done.upto,
        rows: done.rows,
        files: done.files.iter().map(|file| file.path.clone()).collect(),
    };
    let before = receipt.control_totals.iter().map(|t| &t.source_before);
    let invocations = found.invocations.iter().filter(|i| i.segment.is_some());
    let same = [
        ("sources", first.source == receipt.source),
        ("decoders", resumed.decoder() == receipt.query.decoder),
        (
            "times in the rows",
            first.extracted_at == receipt.extracted_at,
        ),
        ("marks", first.span == found.span),
        (
            "independent answers",
            first.completeness.rows == receipt.counts.source
                && before.eq(first.completeness.totals.iter()),
        ),
        (
            "ranges",
            resumed.ranges().map(range).eq(found.ranges.iter().cloned()),
        ),
        (
            "parts",
            resumed
                .files()
                .eq(receipt.files.iter().filter(|file| file.rows.is_some())),
        ),
        (
            "invocations",
            resumed
                .segments()
                .iter()
                .zip(invocations)
                .all(|(segment, told)| {
                    segment.started_at == told.started_at
                        && segment.ended_at == told.ended_at
                        && segment.ranges.len() == told.ranges
                        && segment.worker == told.worker
                }),
        ),
    ];
    let different = same.into_iter().filter(|(_, same)| !same);
    different.map(|(what, _)| what).collect()
}

/// Looks at the rows of the parts, each of which belongs to a range.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    column: String,
    ranges: Vec<(String, KeyRange)>,
    current: Option<KeyRange>,
    rows: u64,
    first: Option<String>,
}

impl Strays {
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        let partition = receipt.partition.as_ref()?;
        let ranges = partition.ranges.iter().flat_map(|range| {
            let of_part = |file: &String| (file.clone(), range.range());
            range.files.iter().map(of_part)
        });
        Some(Self {
            column: partition.column.clone(),
            ranges: ranges.collect(),
            ..Self::default()
        })
    }

    /// A part begins.
    pub(crate) fn part(&mut self, path: &str) {
        let range = self.ranges.iter().find(|(part, _)| part == path);
        self.current = range.map(|(_, range)| *range);
    }

    pub(crate) fn observe(&mut self, batch: &RecordBatch) {
        let Some(range) = self.current else {
            self.stray(batch.num_rows() as u64, || "a part of no range".to_owned());
            return;
        };
        let column = self.column.clone();
        let array = batch.column_by_name(&column);
        let cells = array.and_then(|array| Cells::new(array.as_ref()));
        for row in 0..batch.num_rows() {
            let value = cells.as_ref().and_then(|cells| integer(cells, row));
            if !value.is_some_and(|value| range.contains(value)) {
                self.stray(1, || format!("{column} {value:?} in the range {range}"));
            }
        }
    }

    fn stray(&mut self, rows: u64, what: impl FnOnce() -> String) {
        self.rows += rows;
        if rows > 0 && self.first.is_none() {
            self.first = Some(what());
        }
    }

    /// Tells what was found.
    pub(crate) fn report(&self, run: &mut Run<'_>, file: &str) {
        run.ledger
            .check(Check::DataPartition, file, self.rows == 0, || {
                format!(
                    "{} rows are not where they belong: {}",
                    self.rows,
                    self.first.as_deref().unwrap_or_default()
                )
            });
    }
}

fn integer(cells: &Cells<'_>, row: usize) -> Option<i64> {
    if cells.is_null(row) {
        return None;
    }
    match cells {
        Cells::UInt8(a) => Some(a.value(row).into()),
        Cells::Int16(a) => Some(a.value(row).into()),
        Cells::Int32(a) => Some(a.value(row).into()),
        Cells::Int64(a) => Some(a.value(row)),
        _ => None,
    }
}
