//! The run over time: one line for each IPE, with its attempts, as the geometry of a chart.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use soxauto_domain::manifest::{AttemptSummary, ManifestIpe, Predicate};

use super::{figures::duration, words};

/// Width of a line in its own units; it is stretched to the page.
const WIDTH: f64 = 1000.0;
/// Narrower bars would not be seen.
const NARROWEST: f64 = 5.0;

/// The run over time.
#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    pub(crate) lines: Vec<Line>,
    pub(crate) ticks: Vec<Tick>,
    /// Where the deadline is, if the run lasted that long.
    pub(crate) deadline: Option<f64>,
}

/// A moment on the axis.
#[derive(Debug, Serialize)]
pub(crate) struct Tick {
    pub(crate) x: f64,
    /// Since the plan was made.
    pub(crate) label: String,
}

/// One IPE.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) bars: Vec<Span>,
    /// Where the warehouse had it.
    pub(crate) loaded: Option<f64>,
    /// In words.
    pub(crate) alternative: String,
    pub(crate) short: String,
}

/// One attempt.
#[derive(Debug, Serialize)]
pub(crate) struct Span {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) outcome: &'static str,
}

/// The timeline of a run whose deadline is given.
pub(crate) fn timeline(m: &Predicate, deadline: Option<Timestamp>) -> Timeline {
    // A month that nobody ran has no beginning.
    let start = m.started_at.unwrap_or(m.finished_at);
    let attempts = || m.ipes.iter().flat_map(|ipe| &ipe.attempts);
    let end = attempts()
        .filter_map(|a| a.ended_at)
        .chain(
            m.ipes
                .iter()
                .filter_map(|ipe| Some(ipe.warehouse.as_ref()?.loaded_at)),
        )
        .chain([m.finished_at])
        .fold(start, Timestamp::max);
    let whole = end
        .duration_since(start)
        .max(SignedDuration::from_millis(1));
    let x = |at: Timestamp| {
        let share = at.duration_since(start).as_secs_f64() / whole.as_secs_f64();
        tenth(share.clamp(0.0, 1.0) * WIDTH)
    };
    let ticks = (0..=4).map(|quarter| Tick {
        x: f64::from(quarter) * 25.0,
        label: if quarter == 0 {
            "start".to_owned()
        } else {
            format!("+{}", duration(whole * quarter / 4))
        },
    });
    Timeline {
        lines: m.ipes.iter().map(|ipe| line(ipe, &x)).collect(),
        ticks: ticks.collect(),
        deadline: deadline.filter(|at| *at <= end).map(x),
    }
}

fn line(ipe: &ManifestIpe, x: &impl Fn(Timestamp) -> f64) -> Line {
    let mut known_until = 0.0;
    let spans = ipe.attempts.iter().map(|attempt| {
        // Of a worker that died nothing is known but its place among the others.
        let from = attempt.started_at.map_or(known_until, x);
        let to = attempt.ended_at.map_or(from + 4.0 * NARROWEST, x);
        known_until = to;
        Span {
            x: from.min(WIDTH - NARROWEST),
            width: tenth((to - from).max(NARROWEST)),
            outcome: words::outcome(attempt.outcome),
        }
    });
    let bars = spans.collect();
    let told: Vec<String> = ipe.attempts.iter().map(told).collect();
    let end = match (&ipe.warehouse, told.is_empty()) {
        (Some(_), _) => "then loaded into the warehouse",
        (None, true) => "no attempt",
        (None, false) => "not loaded",
    };
    let short = match ipe.attempts.as_slice() {
        [] => "no attempt".to_owned(),
        [one] => format!(
            "{}{}",
            words::outcome(one.outcome),
            took(one).map_or(String::new(), |t| format!(", {t}"))
        ),
        many => {
            let last = many.last().map_or("", |a| words::outcome(a.outcome));
            format!("{last} at attempt {}", many.len())
        }
    };
    Line {
        id: ipe.id.to_string(),
        state: ipe.state.as_str(),
        bars,
        loaded: ipe.warehouse.as_ref().map(|w| x(w.loaded_at)),
        alternative: [told.as_slice(), &[end.to_owned()]].concat().join(", "),
        short,
    }
}

/// How long an attempt took, if that is known.
pub(crate) fn took(attempt: &AttemptSummary) -> Option<String> {
    Some(duration(
        attempt.ended_at?.duration_since(attempt.started_at?),
    ))
}

fn told(attempt: &AttemptSummary) -> String {
    let word = words::ended(attempt.outcome);
    let after = took(attempt).map_or(String::new(), |took| format!(" after {took}"));
    format!("attempt {} {word}{after}", attempt.attempt)
}

fn tenth(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}
