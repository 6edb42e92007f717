//! What the page shows, brought together from manifest, plan and earlier months; the templates only lay it out.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use soxauto_domain::{
    IpeState, PlannedIpe,
    bind::{BoundParameter, BoundQuery},
    calendar::{Cutoff, Period},
    catalog::TotalFunction,
    load::LoadedTotal,
    manifest::{AttemptOutcome, AttemptSummary, ManifestIpe},
    plan::{PlannedWitness, Stage},
    receipt::ControlTotal,
};

use super::{
    Report,
    chart::{self, Chart},
    figures::{day, difference},
    history::{Earlier, EarlierIpe, Month},
    timeline::{self, Timeline},
    words::{self, Family, Verdict},
};

/// Fields of the manifest that have their own place on the page. What a later release adds is shown among "Further
/// facts" until it has one.
const PLACED: [&str; 15] = [
    "run_id",
    "revision",
    "state",
    "previous",
    "supersedes",
    "control",
    "stage",
    "trigger",
    "plan_sha256",
    "catalog_sha256",
    "started_at",
    "finished_at",
    "software",
    "ipes",
    "approval",
];
const PLACED_IPE: [&str; 15] = [
    "id",
    "title",
    "state",
    "reason",
    "attempt",
    "attempts",
    "query_sha256",
    "counts",
    "control_totals",
    "warehouse_totals",
    "checks",
    "source",
    "warehouse",
    "baseline",
    "lineage",
];
const PLACED_SOFTWARE: [&str; 2] = ["name", "version"];
const PLACED_SOURCE: [&str; 8] = [
    "server",
    "database",
    "login",
    "version",
    "server_time",
    "isolation",
    "can_write",
    "tls",
];

/// The page.
#[derive(Debug, Serialize)]
pub(crate) struct Page<'a> {
    verdict: Verdict,
    /// `April 2024`.
    month: String,
    period: Period,
    /// Whether the stage is what auditors rely on.
    is_prod: bool,
    trigger: &'static str,
    passed: usize,
    /// IPEs whose queries are not the approved ones.
    unapproved: Vec<String>,
    checks_held: usize,
    checks: usize,
    rows: u64,
    attempts: usize,
    attempts_not_passed: usize,
    /// How long it took from plan to manifest.
    took: String,
    troubles: Vec<Trouble<'a>>,
    timeline: Timeline,
    ipes: Vec<IpeView<'a>>,
    months: Vec<MonthView<'a>>,
    further: Vec<Fact>,
}

/// An earlier month that the page compares with.
#[derive(Debug, Serialize)]
struct MonthView<'a> {
    month: String,
    found: &'a Earlier,
}

/// Something that did not go well, and what came of it.
#[derive(Debug, Serialize)]
struct Trouble<'a> {
    ipe: String,
    attempt: &'a AttemptSummary,
    outcome: &'static str,
    meaning: Option<&'static str>,
    took: Option<String>,
    then: String,
}

/// One IPE.
#[derive(Debug, Serialize)]
struct IpeView<'a> {
    m: &'a ManifestIpe,
    plan: Option<&'a PlannedIpe>,
    state_words: &'static str,
    baseline: &'static str,
    is_approved: bool,
    tls: &'static str,
    hops: Vec<Hop>,
    /// Whether all that are known are equal.
    hops_equal: bool,
    hops_known: usize,
    totals: Vec<TotalView<'a>>,
    charts: Vec<Chart>,
    series: Vec<Series>,
    families: Vec<Family<'a>>,
    failed: Vec<words::Check<'a>>,
    held: usize,
    parameters: Vec<Parameter<'a>>,
    queries: Vec<Query<'a>>,
    attempts: Vec<AttemptView<'a>>,
    further: Vec<Fact>,
}

/// Rows at one hop.
#[derive(Debug, Serialize)]
struct Hop {
    name: &'static str,
    note: &'static str,
    rows: Option<u64>,
}

/// A total at its four places.
#[derive(Debug, Serialize)]
struct TotalView<'a> {
    name: String,
    /// Without one, only the warehouse speaks of it.
    total: Option<&'a ControlTotal>,
    warehouse: Option<&'a str>,
    loaded: bool,
    equal: bool,
}

/// The figures behind a chart.
#[derive(Debug, Serialize)]
struct Series {
    title: String,
    points: Vec<Point>,
}

/// The figure of one month.
#[derive(Debug, Serialize)]
struct Point {
    month: String,
    value: Option<String>,
    moved: Option<String>,
}

/// A parameter as it was bound, in words.
#[derive(Debug, Serialize)]
struct Parameter<'a> {
    bound: &'a BoundParameter,
    meaning: String,
}

/// A query that ran.
#[derive(Debug, Serialize)]
struct Query<'a> {
    title: String,
    note: String,
    query: &'a BoundQuery,
    parameters: Vec<Parameter<'a>>,
}

/// One attempt.
#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    a: &'a AttemptSummary,
    outcome: &'static str,
    took: Option<String>,
    replay: bool,
}

/// A fact by its path.
#[derive(Debug, Clone, Serialize)]
struct Fact {
    name: String,
    value: String,
}

/// Brings the page together.
pub(crate) fn page<'a>(report: &Report<'a>) -> Page<'a> {
    let m = report.predicate;
    let month = month(m.run_id.cutoff());
    let attempts = || m.ipes.iter().flat_map(|ipe| &ipe.attempts);
    let checks = || m.ipes.iter().flat_map(|ipe| &ipe.checks);
    let view = serde_json::to_value(m).unwrap_or_default();
    Page {
        period: m.run_id.cutoff().period(),
        verdict: words::verdict(m, &month),
        is_prod: m.stage == Stage::Prod,
        trigger: m
            .trigger
            .as_ref()
            .map_or("nobody", |trigger| words::trigger(trigger.source)),
        passed: m
            .ipes
            .iter()
            .filter(|ipe| ipe.state == IpeState::Passed)
            .count(),
        unapproved: m
            .ipes
            .iter()
            .filter(|ipe| !ipe.baseline.is_approved())
            .map(|ipe| ipe.id.to_string())
            .collect(),
        checks_held: checks().filter(|check| check.passed()).count(),
        checks: checks().count(),
        rows: m
            .ipes
            .iter()
            .filter_map(|ipe| Some(ipe.counts?.decoded))
            .sum(),
        attempts: attempts().count(),
        attempts_not_passed: attempts()
            .filter(|a| a.outcome != AttemptOutcome::Passed)
            .count(),
        took: super::figures::duration(
            m.finished_at
                .duration_since(m.started_at.unwrap_or(m.finished_at)),
        ),
        troubles: m.ipes.iter().flat_map(troubles).collect(),
        timeline: timeline::timeline(m, report.plan.map(|plan| plan.deadline)),
        ipes: m
            .ipes
            .iter()
            .map(|ipe| ipe_view(report, ipe, &view))
            .collect(),
        months: report
            .history
            .iter()
            .map(|earlier| MonthView {
                month: self::month(earlier.cutoff),
                found: &earlier.found,
            })
            .collect(),
        further: [
            further(&view, &PLACED, ""),
            further(&view["software"], &PLACED_SOFTWARE, "software."),
        ]
        .concat(),
        month,
    }
}

/// The month that a cutoff closes: `April 2024`.
fn month(cutoff: Cutoff) -> String {
    cutoff.period().closing_date.strftime("%B %Y").to_string()
}

fn troubles(ipe: &ManifestIpe) -> impl Iterator<Item = Trouble<'_>> {
    let attempts = ipe.attempts.iter().enumerate();
    attempts
        .filter(|(_, a)| {
            matches!(
                a.outcome,
                AttemptOutcome::Failed | AttemptOutcome::Abandoned
            )
        })
        .map(|(at, attempt)| {
            let next = ipe.attempts.get(at + 1);
            let ended = |next: &AttemptSummary| {
                format!("attempt {} {}", next.attempt, words::ended(next.outcome))
            };
            let then = match (next, attempt.is_final) {
                (Some(next), is_final) => match &next.replayed_by {
                    Some(who) => format!("{who} replayed it: {}.", ended(next)),
                    None if is_final => format!("Somebody replayed it: {}.", ended(next)),
                    None => format!("It was tried again by itself: {}.", ended(next)),
                },
                (None, true) => {
                    "It is not tried again by itself: correct the cause, then replay it.".to_owned()
                }
                (None, false) => {
                    "No later attempt had ended when this manifest was made.".to_owned()
                }
            };
            Trouble {
                ipe: ipe.id.to_string(),
                outcome: words::outcome(attempt.outcome),
                meaning: attempt.code.map(soxauto_domain::Code::meaning),
                took: timeline::took(attempt),
                attempt,
                then,
            }
        })
}

fn ipe_view<'a>(report: &Report<'a>, m: &'a ManifestIpe, manifest: &Value) -> IpeView<'a> {
    let plan = report.plan.and_then(|plan| plan.ipe(&m.id));
    let period = &report.predicate.run_id.cutoff().period();
    let hops = hops(m);
    let (charts, series) = movement(report, m);
    let families = words::families(&m.checks);
    let mut replayed = false;
    let json = manifest["ipes"]
        .as_array()
        .and_then(|ipes| ipes.iter().find(|ipe| ipe["id"] == m.id.as_str()))
        .cloned()
        .unwrap_or_default();
    IpeView {
        m,
        plan,
        state_words: words::state(m.state),
        baseline: m.baseline.statement(),
        is_approved: m.baseline.is_approved(),
        tls: m
            .source
            .as_ref()
            .map_or("", |source| words::tls(source.tls)),
        hops_equal: hops
            .iter()
            .filter_map(|hop| hop.rows)
            .all(|rows| hops[0].rows == Some(rows)),
        hops_known: hops.iter().filter(|hop| hop.rows.is_some()).count(),
        hops,
        totals: totals(m),
        charts,
        series,
        failed: words::families(&m.checks)
            .into_iter()
            .flat_map(|family| family.checks)
            .filter(|check| !check.passed)
            .collect(),
        families,
        held: m.checks.iter().filter(|check| check.passed()).count(),
        parameters: plan.map_or_else(Vec::new, |plan| parameters(&plan.extraction, period)),
        queries: plan.map_or_else(Vec::new, |plan| queries(plan, period)),
        attempts: m
            .attempts
            .iter()
            .map(|a| {
                let after_final = std::mem::replace(&mut replayed, a.is_final);
                let replay = a.replayed_by.is_some() || after_final;
                AttemptView {
                    a,
                    outcome: words::outcome(a.outcome),
                    took: timeline::took(a),
                    replay,
                }
            })
            .collect(),
        further: [
            further(&json, &PLACED_IPE, ""),
            further(&json["source"], &PLACED_SOURCE, "source."),
        ]
        .concat(),
    }
}

fn hops(m: &ManifestIpe) -> Vec<Hop> {
    let Some(counts) = m.counts else {
        return Vec::new();
    };
    let hop = |name, note, rows| Hop { name, note, rows };
    vec![
        hop(
            "Source",
            "counted there by another query",
            Some(counts.source),
        ),
        hop("Extracted", "read from the server", Some(counts.decoded)),
        hop(
            "Stored",
            "in the files kept as evidence",
            Some(counts.parquet),
        ),
        hop("Warehouse", "counted there after loading", counts.warehouse),
    ]
}

fn total_name(function: TotalFunction, column: &str) -> String {
    let function = match function {
        TotalFunction::Sum => "Sum",
        TotalFunction::Min => "Smallest",
        TotalFunction::Max => "Largest",
    };
    format!("{function} of {column}")
}

fn totals(m: &ManifestIpe) -> Vec<TotalView<'_>> {
    let asked = m.control_totals.iter().map(|total| {
        let of = |l: &&LoadedTotal| l.column == total.column && l.function == total.function;
        let loaded = m.warehouse_totals.iter().find(of);
        let warehouse = loaded.and_then(|l| l.value.as_deref());
        let same = |other: Option<&str>| match (other, total.extracted.as_deref()) {
            (Some(a), Some(b)) => a == b || difference(a, b).is_some_and(|d| d == "0"),
            (None, None) => true,
            _ => false,
        };
        TotalView {
            name: total_name(total.function, &total.column),
            warehouse,
            loaded: loaded.is_some(),
            equal: same(total.source_before.as_deref())
                && same(total.source_after.as_deref())
                && (loaded.is_none() || same(warehouse)),
            total: Some(total),
        }
    });
    let alone = m.warehouse_totals.iter().filter(|l| {
        let of = |t: &ControlTotal| l.column == t.column && l.function == t.function;
        !m.control_totals.iter().any(of)
    });
    asked
        .chain(alone.map(|loaded| TotalView {
            name: total_name(loaded.function, &loaded.column),
            total: None,
            warehouse: loaded.value.as_deref(),
            loaded: true,
            equal: false,
        }))
        .collect()
}

/// Rows and totals over the months. A total appears where this month has it.
fn movement(report: &Report<'_>, m: &ManifestIpe) -> (Vec<Chart>, Vec<Series>) {
    let Some(counts) = m.counts else {
        return (Vec::new(), Vec::new());
    };
    let now = report.predicate.run_id.cutoff();
    let mut charts = Vec::new();
    let mut series = Vec::new();
    let mut add =
        |title: String, value: Option<String>, of: &dyn Fn(&EarlierIpe) -> Option<String>| {
            let mut points: Vec<(Cutoff, Option<String>)> = report
                .history
                .iter()
                .map(|month| (month.cutoff, earlier(month, m).and_then(of)))
                .collect();
            points.push((now, value));
            charts.extend(chart::chart(title.clone(), &points));
            if points
                .iter()
                .rev()
                .skip(1)
                .any(|(_, value)| value.is_some())
            {
                series.push(Series {
                    title,
                    points: listed(&points),
                });
            }
        };
    add(
        "Rows".to_owned(),
        Some(counts.decoded.to_string()),
        &|ipe| Some(ipe.rows.to_string()),
    );
    for total in &m.control_totals {
        let name = total_name(total.function, &total.column);
        add(name, total.extracted.clone(), &|ipe| {
            let same = ipe
                .totals
                .iter()
                .find(|t| t.column == total.column && t.function == total.function);
            same?.extracted.clone()
        });
    }
    (charts, series)
}

fn earlier<'m>(month: &'m Month, m: &ManifestIpe) -> Option<&'m EarlierIpe> {
    match &month.found {
        Earlier::Complete { ipes, .. } => ipes.iter().find(|ipe| ipe.id == m.id),
        Earlier::NotComplete | Earlier::NotBelieved { .. } => None,
    }
}

fn listed(points: &[(Cutoff, Option<String>)]) -> Vec<Point> {
    let mut before: Option<(String, &str)> = None;
    let mut listed = Vec::new();
    for (cutoff, value) in points {
        let month = month(*cutoff);
        let moved = match (&before, value.as_deref()) {
            (Some((name, previous)), Some(value)) => Some(chart::moved(value, previous, name)),
            _ => None,
        };
        if let Some(value) = value.as_deref() {
            before = Some((month.clone(), value));
        }
        listed.push(Point {
            month,
            value: value.clone(),
            moved,
        });
    }
    listed
}

fn parameters<'a>(query: &'a BoundQuery, period: &Period) -> Vec<Parameter<'a>> {
    let meaning = |bound: &BoundParameter| meaning(bound, period);
    query
        .parameters
        .iter()
        .map(|bound| Parameter {
            meaning: meaning(bound),
            bound,
        })
        .collect()
}

/// What a bound value stands for, where it is one of the period's dates or one of a list.
fn meaning(bound: &BoundParameter, period: &Period) -> String {
    let date = bound
        .value
        .get(..10)
        .and_then(|text| text.parse::<Date>().ok());
    let is_midnight = bound.value.get(10..).is_some_and(|rest| {
        rest.chars()
            .all(|c| matches!(c, 'T' | ' ' | '0' | ':' | '.'))
    });
    match date.filter(|_| is_midnight) {
        Some(date) if date == period.cutoff => {
            format!("the cutoff: everything before {}", day(date))
        }
        Some(date) if date == period.closing_date => {
            format!("the last day of the period, {}", day(date))
        }
        Some(date) if date == period.start => format!("the first day of the period, {}", day(date)),
        Some(date) if date == period.year_start => {
            format!("the first day of the year, {}", day(date))
        }
        Some(date) => day(date),
        None => match bound.name.rsplit_once('_') {
            Some((list, at)) if !at.is_empty() && at.bytes().all(|b| b.is_ascii_digit()) => {
                format!("one of the list {list}")
            }
            _ => "a fixed value".to_owned(),
        },
    }
}

fn queries<'a>(plan: &'a PlannedIpe, period: &Period) -> Vec<Query<'a>> {
    let query = |title: &str, note: String, query: &'a BoundQuery| Query {
        title: title.to_owned(),
        note,
        parameters: parameters(query, period),
        query,
    };
    let mut all = vec![
        query(
            "The query that extracted the report",
            "This exact text ran, and nothing else.".to_owned(),
            &plan.extraction,
        ),
        query(
            "The independent query for completeness",
            format!(
                "Another way to the same figures, asked before and after the extraction. Its column {} is the count of rows.",
                plan.completeness.rows
            ),
            &plan.completeness.query,
        ),
    ];
    if let Some(partition) = &plan.partition {
        all.push(query(
            "The query for the key ranges",
            format!(
                "The lowest and the highest {} when the extraction began. The extraction ran once for each range between them.",
                partition.column
            ),
            &partition.query,
        ));
    }
    if let PlannedWitness::Query { query: witness } = &plan.witness {
        all.push(query(
            "The query for the witness",
            "It names a known transaction that must be in the report.".to_owned(),
            witness,
        ));
    }
    let values: Vec<String> = plan
        .negative
        .values
        .iter()
        .map(|(k, v)| format!("{k} = {v}"))
        .collect();
    all.push(query(
        "The perturbed query",
        format!(
            "The same query with {} {}: rows with {} must be gone.",
            plan.negative.parameter,
            plan.negative.change,
            values.join(" and ")
        ),
        &plan.negative.query,
    ));
    all
}

/// The leaves of an object that have no place of their own.
fn further(object: &Value, placed: &[&str], path: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if !placed.contains(&name.as_str()) {
            leaves(value, format!("{path}{name}"), &mut facts);
        }
    }
    facts
}

fn leaves(value: &Value, name: String, facts: &mut Vec<Fact>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(value, format!("{name}.{key}"), facts)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, value)| leaves(value, format!("{name}[{at}]"), facts)),
        Value::String(text) => facts.push(Fact {
            name,
            value: text.clone(),
        }),
        Value::Bool(yes) => facts.push(Fact {
            name,
            value: if *yes { "yes" } else { "no" }.to_owned(),
        }),
        Value::Number(number) => facts.push(Fact {
            name,
            value: number.to_string(),
        }),
    }
}
