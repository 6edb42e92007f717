//! An extraction by key ranges: as many as fit into the caller's time, and a word about where to go on.
//!
//! Each range is one query, and its rows end at the end of a part. When all ranges fit into one invocation, the rows are
//! judged as they stream, and the result is that of one query. When they do not, what is done is handed over: the next
//! invocation goes on behind it, and the last one reads everything back and judges it as a whole ([`crate::conclude`]).

use std::time::{Duration, Instant};

use soxauto_domain::{
    PlannedIpe,
    partition::{Cursor, KeyRange, Span},
    plan::PlannedPartition,
    receipt::{Decoder, FileRecord, SourceIdentity},
    segment::{Perturbed, Resumed, SegmentRange, SourceAnswer},
};

use crate::{
    checks,
    completeness::Completeness,
    contract,
    error::ExtractError,
    observers::Observers,
    one_row::NamedValue,
    pipeline::{
        self, Extracted, Extraction, Judged, PendingUpload, Ranges, below_mark, completeness,
        negative, refuse_writer, witness,
    },
    progress::{Progress, Step, Tracker},
    rows::{self, Behind, Within, Work},
    source::{DescribedColumn, Source},
    store::{PartStore, StoreError},
};

/// Invocations in succession that may end without a finished range, each trying half of the one before or less: what does
/// not fit then is the query's own time, which no narrower range shortens.
const MOST_FRUITLESS: u32 = 6;
/// Ranges that are to fit into one invocation, by what came of the one that did not.
const FITTING: u64 = 4;

/// What came of it.
#[derive(Debug)]
pub enum Ranged {
    /// All ranges, in one invocation: judged, and ready to be committed.
    Whole(Box<Extracted>),
    /// What this invocation has done, for another to go on.
    Part(Box<RangesDone>),
}

/// Ranges that are done, their parts uploaded but not visible.
#[derive(Debug)]
pub struct RangesDone {
    /// Who answered when the attempt began.
    pub identity: SourceIdentity,
    /// Which program decoded the rows.
    pub decoder: Option<Decoder>,
    /// The independent answer when the attempt began.
    pub answer: SourceAnswer,
    /// The values that there are.
    pub span: Span,
    /// Done by this invocation, in order.
    pub ranges: Vec<SegmentRange>,
    /// Where to go on.
    pub cursor: Cursor,
    /// Invocations in succession, this one included, without a finished range.
    pub fruitless: u32,
    /// The uploads of the parts, in order.
    uploads: Vec<PendingUpload>,
}

impl RangesDone {
    /// Whether there is nothing left to extract.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.cursor.next(self.span).is_none()
    }

    /// Makes all parts visible, in order. Those that were not reached after an error are dropped.
    ///
    /// # Errors
    /// The first [`StoreError`]; `OBJECT_EXISTS` only for a part with other content.
    pub async fn complete_uploads(&mut self) -> Result<(), StoreError> {
        pipeline::complete(std::mem::take(&mut self.uploads)).await
    }

    /// Drops all parts.
    pub async fn abort_uploads(&mut self) {
        pipeline::abort(std::mem::take(&mut self.uploads)).await;
    }
}

/// Extracts key ranges until all are done or time is short; `so_far` is what earlier invocations of the attempt did.
///
/// # Errors
/// [`ExtractError`] with its closed code; all uploads of this invocation are dropped then. [`ExtractError::Deadline`] when
/// not one range fits, however narrow.
pub async fn extract_ranges(
    request: Extraction<'_>,
    so_far: Option<&Resumed>,
    store: &dyn PartStore,
    progress: &dyn Progress,
) -> Result<Ranged, ExtractError> {
    let tracker = Tracker::new(progress);
    let mut share = Share::default();
    let deadline = tokio::time::Instant::from_std(request.limits.deadline);
    let steps = run(&request, so_far, store, &tracker, &mut share);
    let outcome = tokio::time::timeout_at(deadline, steps)
        .await
        .unwrap_or_else(|_| {
            Err(ExtractError::Deadline {
                during: tracker.current(),
                rows: tracker.decoded(),
            })
        });
    // The rows of a range that was cut off are thrown away.
    pipeline::abort(std::mem::take(&mut share.current)).await;
    match outcome {
        Ok(Some(extracted)) => Ok(Ranged::Whole(Box::new(Extracted {
            uploads: share.uploads,
            timings: tracker.timings(),
            ..*extracted
        }))),
        Ok(None) => share.handed_over(so_far, &tracker).map(Ranged::Part),
        Err(e @ ExtractError::Deadline { .. }) => match share.handed_over(so_far, &tracker) {
            Ok(done) => Ok(Ranged::Part(done)),
            Err(_) => Err(e.during(tracker.current())),
        },
        Err(e) => {
            pipeline::abort(share.uploads).await;
            Err(e.during(tracker.current()))
        }
    }
}

/// What stays of an invocation when its time is over at any point.
#[derive(Default)]
struct Share {
    began: Option<Began>,
    decoder: Option<Decoder>,
    ranges: Vec<SegmentRange>,
    cursor: Option<Cursor>,
    /// The range under way, and the rows before it.
    attempted: Option<(KeyRange, u64)>,
    uploads: Vec<PendingUpload>,
    /// Uploads of the range under way.
    current: Vec<PendingUpload>,
    /// The part without rows of an extract without ranges.
    empty: Vec<FileRecord>,
}

/// What was true when the attempt began.
struct Began {
    identity: SourceIdentity,
    before: Completeness,
    span: Option<Span>,
}

impl Share {
    /// What another invocation goes on with.
    fn handed_over(
        self,
        so_far: Option<&Resumed>,
        tracker: &Tracker<'_>,
    ) -> Result<Box<RangesDone>, ExtractError> {
        let nothing = || ExtractError::Deadline {
            during: "extraction",
            rows: 0,
        };
        let (Some(began), Some(cursor)) = (self.began, self.cursor) else {
            return Err(nothing());
        };
        // Where there are no rows, there is nothing that could be lost.
        let Some(span) = began.span else {
            return Err(nothing());
        };
        let left = cursor.next(span).is_some();
        let (cursor, fruitless) = if !self.ranges.is_empty() || !left {
            (cursor, 0)
        } else {
            let fruitless = so_far.map_or(0, |done| done.last().fruitless) + 1;
            let narrower = self.attempted.and_then(|(range, rows_before)| {
                let seen = tracker.decoded().saturating_sub(rows_before);
                cursor.narrowed(range, times_too_wide(span, range, began.before.rows, seen))
            });
            match narrower.filter(|_| fruitless <= MOST_FRUITLESS) {
                Some(narrower) => (narrower, fruitless),
                None => return Err(nothing()),
            }
        };
        Ok(Box::new(RangesDone {
            identity: began.identity,
            decoder: self.decoder,
            answer: began.before.record(),
            span,
            ranges: self.ranges,
            cursor,
            fruitless,
            uploads: self.uploads,
        }))
    }
}

/// `None` when the rest is for another invocation.
async fn run(
    request: &Extraction<'_>,
    so_far: Option<&Resumed>,
    store: &dyn PartStore,
    tracker: &Tracker<'_>,
    share: &mut Share,
) -> Result<Option<Box<Extracted>>, ExtractError> {
    let ipe = request.ipe;
    let plan = planned(ipe)?;
    let (mut source, identity, columns) = open(request, tracker).await?;
    let source = source.as_mut();

    let mut asking = Duration::ZERO;
    let mut fresh = None;
    match so_far {
        Some(done) => {
            let first = done.first();
            same_source(&first.source, &identity)?;
            share.cursor = Some(done.last().cursor);
            share.began = Some(Began {
                identity: first.source.clone(),
                before: Completeness::recorded(&first.completeness),
                span: first.span,
            });
        }
        None => {
            let asked = Instant::now();
            let (before, span) = beginning(source, ipe, plan, tracker).await?;
            asking = asked.elapsed();
            tracker.step(Step::Witness);
            let witness = witness(source, ipe, span, &before).await?;
            let observers = Observers::new(ipe, &witness, &request.options)?;
            fresh = Some((witness, observers));
            share.cursor = Some(span.map_or(Cursor { after: 0, width: 1 }, |span| {
                Cursor::first(span, before.rows, plan.rows_per_range)
            }));
            share.began = Some(Began {
                identity: identity.clone(),
                before,
                span,
            });
        }
    }

    tracker.step(Step::Rows);
    share.decoder = source.decoder();
    let (witness, observers) = fresh.map_or((None, None), |(w, o)| (Some(w), Some(o)));
    let mut reader = Reader {
        request,
        plan,
        store,
        tracker,
        behind: Behind {
            parts: so_far.map_or(0, |done| done.files().count()),
            rows: so_far.map_or(0, Resumed::rows),
            bytes: so_far.map_or(0, |done| done.files().map(|file| file.size).sum()),
        },
        observers,
        peak_batch_bytes: 0,
        peak_writer_bytes: 0,
    };
    if !reader.all(source, share).await? {
        return Ok(None);
    }
    // A continuation judges nothing: the last invocation does, over all rows.
    let (Some(witness), Some(observers), Some(began)) =
        (witness, reader.observers.take(), &share.began)
    else {
        return Ok(None);
    };
    if little_time(request, asking) {
        return Ok(None);
    }
    tracker.step(Step::CompletenessAfter);
    let query = below_mark(ipe, &ipe.completeness.query, began.span);
    let after = completeness(source, ipe, &query).await?;
    began.before.still(&after, &ipe.completeness)?;
    let judged = Judged {
        identity,
        decoder: source.decoder(),
        columns,
        before: began.before.clone(),
        after,
        witness,
        perturbed: perturbed(ipe, &share.ranges),
        observed: observers.finish_apart().await?,
        decoded: reader.behind.rows,
        files: share
            .ranges
            .iter()
            .flat_map(|range| range.files.clone())
            .chain(std::mem::take(&mut share.empty))
            .collect(),
        ranges: Some(Ranges {
            span: began.span,
            done: share.ranges.clone(),
        }),
        peak_batch_bytes: reader.peak_batch_bytes,
        peak_writer_bytes: reader.peak_writer_bytes,
    };
    judged
        .into_extracted(request, tracker.timings())
        .map(|extracted| Some(Box::new(extracted)))
}

/// The partition that the plan pins.
pub(crate) fn planned(ipe: &PlannedIpe) -> Result<&PlannedPartition, ExtractError> {
    ipe.partition
        .as_ref()
        .ok_or_else(|| ExtractError::Internal("an IPE without key ranges has one query".into()))
}

/// Connects, and looks at what must be so in every invocation: who answers, and that the query still gives the contract.
pub(crate) async fn open(
    request: &Extraction<'_>,
    tracker: &Tracker<'_>,
) -> Result<(Box<dyn Source>, SourceIdentity, Vec<DescribedColumn>), ExtractError> {
    let ipe = request.ipe;
    let plan = planned(ipe)?;
    tracker.step(Step::Connect);
    let mut source = request
        .driver
        .connect(request.settings, &ipe.database, &request.limits)
        .await?;
    tracker.step(Step::Identity);
    let identity = source.identity().await?;
    refuse_writer(request.stage, &identity)?;
    tracker.step(Step::Describe);
    // The server must know every parameter; which value it has does not change the columns.
    let any = KeyRange { after: 0, upto: 0 };
    let columns = source.describe(&plan.within(&ipe.extraction, any)).await?;
    contract::check(&columns, &ipe.columns)?;
    Ok((source, identity, columns))
}

/// Refuses to go on with what another server, or another login, began.
pub(crate) fn same_source(
    began: &SourceIdentity,
    now: &SourceIdentity,
) -> Result<(), ExtractError> {
    let fields = [
        ("server", &began.server, &now.server),
        ("database", &began.database, &now.database),
        ("login", &began.login, &now.login),
    ];
    let differences: Vec<String> = fields
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name} was {before}, is {after}"))
        .collect();
    if differences.is_empty() {
        Ok(())
    } else {
        Err(ExtractError::Moved { differences })
    }
}

/// The independent answer, and the values that there are.
///
/// Where the answer is bounded by the high-water mark, it is asked without that bound first: a mark that is too low would
/// hide rows from extraction and count alike.
async fn beginning(
    source: &mut dyn Source,
    ipe: &PlannedIpe,
    plan: &PlannedPartition,
    tracker: &Tracker<'_>,
) -> Result<(Completeness, Option<Span>), ExtractError> {
    let query = &ipe.completeness.query;
    let unbounded = plan.without_mark(query);
    tracker.step(Step::CompletenessBefore);
    let all = completeness(source, ipe, &unbounded).await?;
    tracker.step(Step::Bounds);
    let row = source.single_row(&plan.query).await?;
    let span = span(plan, &row)?;
    if unbounded == *query {
        return Ok((all, span));
    }
    let below = completeness(source, ipe, &plan.below_mark(query, span)).await?;
    match all.still(&below, &ipe.completeness) {
        Err(ExtractError::Moved { mut differences }) => {
            differences.push(
                "asked without and with the high-water mark: rows arrived between, or the bounds query leaves rows out"
                    .to_owned(),
            );
            Err(ExtractError::Moved { differences })
        }
        other => other.map(|()| (below, span)),
    }
}

/// Reads the one row of the bounds query.
fn span(plan: &PlannedPartition, row: &[NamedValue]) -> Result<Option<Span>, ExtractError> {
    let wrong = |reason: String| ExtractError::ControlQuery {
        query: "bounds",
        reason,
    };
    let (lowest, highest) = (PlannedPartition::LOWEST, PlannedPartition::HIGHEST);
    let (low, high) = match row {
        [low, high] if low.name == lowest && high.name == highest => (&low.value, &high.value),
        _ => {
            let names: Vec<&str> = row.iter().map(|v| v.name.as_str()).collect();
            return Err(wrong(format!(
                "it must return {lowest} and {highest}; it returns {names:?}"
            )));
        }
    };
    let (low, high) = match (low, high) {
        (None, None) => return Ok(None),
        (Some(low), Some(high)) => (low, high),
        _ => return Err(wrong("one of the two values is NULL".to_owned())),
    };
    let span = low
        .parse()
        .ok()
        .zip(high.parse().ok())
        .and_then(|(low, high)| Span::new(low, high))
        .ok_or_else(|| wrong(format!("{low} to {high} is no span of integers")))?;
    let fits = plan.open().iter().all(|open| {
        let (least, most) = open.bounds();
        least < span.lowest && span.high_water_mark <= most
    });
    if !fits {
        return Err(wrong(format!(
            "{low} to {high} does not fit the types of the bounds' parameters"
        )));
    }
    Ok(Some(span))
}

/// What the perturbed query returned in all ranges.
pub(crate) fn perturbed<'r>(
    ipe: &PlannedIpe,
    ranges: impl IntoIterator<Item = &'r SegmentRange>,
) -> (u64, checks::Matching) {
    let mut sum = Perturbed::default();
    for range in ranges {
        sum.rows += range.perturbed.rows;
        sum.matching += range.perturbed.matching;
    }
    let matching = checks::negative(ipe).map(|mut matcher| {
        matcher.found = sum.matching;
        matcher
    });
    (sum.rows, matching)
}

/// How many times a range was too wide, of which only so many rows were `seen` before time was over.
fn times_too_wide(span: Span, range: KeyRange, rows: u64, seen: u64) -> u64 {
    let width = Span::new(range.after.saturating_add(1), range.upto).map_or(1, |r| r.width());
    let expected = u128::from(rows) * u128::from(width) / u128::from(span.width());
    let expected = u64::try_from(expected).unwrap_or(u64::MAX);
    // Without a row, nobody knows.
    let times = expected
        .checked_div(seen)
        .map_or(2, |times| (times + 1) * FITTING);
    times.clamp(2, 64)
}

/// Whether something that took so long before is not likely to end in time.
fn little_time(request: &Extraction<'_>, took: Duration) -> bool {
    let left = request
        .limits
        .deadline
        .saturating_duration_since(Instant::now());
    left < took + took / 4
}

/// Reads range after range.
struct Reader<'r> {
    request: &'r Extraction<'r>,
    plan: &'r PlannedPartition,
    store: &'r dyn PartStore,
    tracker: &'r Tracker<'r>,
    behind: Behind,
    observers: Option<Observers>,
    peak_batch_bytes: usize,
    peak_writer_bytes: usize,
}

impl Reader<'_> {
    /// All ranges that are left; `false` when time is short before the last.
    async fn all(
        &mut self,
        source: &mut dyn Source,
        share: &mut Share,
    ) -> Result<bool, ExtractError> {
        let (Some(span), Some(mut cursor)) =
            (share.began.as_ref().map(|began| began.span), share.cursor)
        else {
            return Err(ExtractError::Internal("nothing has begun".into()));
        };
        let Some(span) = span else {
            let done = self.read(source, None, true, share).await?;
            share.empty = done;
            return Ok(true);
        };
        let mut slowest = Duration::ZERO;
        while let Some(range) = cursor.next(span) {
            if !share.ranges.is_empty() && little_time(self.request, slowest) {
                return Ok(false);
            }
            let began = Instant::now();
            let rows_before = self.behind.rows;
            share.attempted = Some((range, rows_before));
            let is_last = range.upto == span.high_water_mark;
            let even_empty = is_last && self.behind.parts == 0;
            let files = self.read(source, Some(range), even_empty, share).await?;
            let ipe = self.request.ipe;
            let query = self.plan.within(&ipe.negative.query, range);
            let (rows, matching) = negative(source, ipe, &query).await?;
            // From here to the end of the loop nothing waits: a range is done wholly or not at all.
            share.uploads.append(&mut share.current);
            share.ranges.push(SegmentRange {
                after: range.after,
                upto: range.upto,
                rows: self.behind.rows - rows_before,
                perturbed: Perturbed {
                    rows,
                    matching: matching.map_or(0, |matcher| matcher.found),
                },
                files,
            });
            cursor = cursor.past(range);
            share.cursor = Some(cursor);
            slowest = slowest.max(began.elapsed());
        }
        Ok(true)
    }

    /// The rows of one range into parts of their own.
    async fn read(
        &mut self,
        source: &mut dyn Source,
        range: Option<KeyRange>,
        even_empty: bool,
        share: &mut Share,
    ) -> Result<Vec<FileRecord>, ExtractError> {
        let request = self.request;
        let query = range.map(|range| self.plan.within(&request.ipe.extraction, range));
        let judges = self.observers.is_some();
        let work = Work {
            ipe: request.ipe,
            query: query.as_ref(),
            observers: self.observers.take(),
            behind: self.behind,
            even_empty,
            within: range.map(|range| Within {
                column: self.plan.column.clone(),
                range,
            }),
            trace: request.trace(),
            options: request.options.parts,
        };
        let done = rows::run(work, source, self.store, &mut share.current, self.tracker).await?;
        if judges && done.observers.is_none() {
            return Err(ExtractError::Internal("nobody looked at the rows".into()));
        }
        self.observers = done.observers;
        let parquet: u64 = done.files.iter().filter_map(|file| file.rows).sum();
        if parquet != done.decoded {
            return Err(ExtractError::Internal(format!(
                "{} rows decoded, {parquet} in the Parquet footers",
                done.decoded
            )));
        }
        self.behind.parts += done.files.len();
        self.behind.rows += done.decoded;
        self.behind.bytes += done.files.iter().map(|file| file.size).sum::<u64>();
        self.peak_batch_bytes = self.peak_batch_bytes.max(done.peak_batch_bytes);
        self.peak_writer_bytes = self.peak_writer_bytes.max(done.peak_writer_bytes);
        if range.is_none() {
            share.uploads.append(&mut share.current);
        }
        Ok(done.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_narrowed_by_what_came_of_it() {
        let span = Span::new(1, 1_000).unwrap();
        let whole = KeyRange {
            after: 0,
            upto: 1_000,
        };
        let tenth = KeyRange {
            after: 0,
            upto: 100,
        };
        // 700 of 4,000 rows came in the time: a quarter of that is to be a range.
        assert_eq!(times_too_wide(span, whole, 4_000, 700), 24);
        assert_eq!(times_too_wide(span, tenth, 4_000, 700), 4);
        assert_eq!(times_too_wide(span, whole, 4_000, 0), 2);
        assert_eq!(times_too_wide(span, whole, 4_000_000, 1), 64);
        assert_eq!(times_too_wide(span, whole, 0, 0), 2);
    }
}
