//! The report: one self-contained HTML page about one manifest revision, for a reader who is not technical.
//!
//! Everything on it is in the manifest, the plan that the manifest pins, or the manifests of earlier months that it names.
//! Nothing is computed but sums of counts, differences and the geometry of the charts; the same inputs give the same
//! bytes. The page has no script and asks nothing of any network, which its content security policy enforces.

mod chart;
mod figures;
pub mod history;
mod text;
mod timeline;
mod view;
mod words;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{
    Timestamp,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Value, context,
    syntax::SyntaxConfig,
    value::{Serde, ValueKind},
};
use soxauto_domain::{Plan, Sha256, manifest::Predicate};

pub use history::{Earlier, EarlierIpe, Month};

const TEMPLATES: [(&str, &str); 4] = [
    (
        "report.html",
        include_str!("../../templates/report/report.html"),
    ),
    (
        "macros.html",
        include_str!("../../templates/report/macros.html"),
    ),
    ("run.html", include_str!("../../templates/report/run.html")),
    ("ipe.html", include_str!("../../templates/report/ipe.html")),
];
const STYLE: &str = include_str!("../../templates/report/report.css");

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The manifest.
    pub predicate: &'a Predicate,
    /// The plan that the manifest pins by its digest; `None` where there is none.
    pub plan: Option<&'a Plan>,
    /// Earlier months, oldest first.
    pub history: &'a [Month],
}

/// The report cannot be rendered: a defect of the template.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be rendered: {0}")]
pub struct ReportError(#[from] Error);

/// Renders a report. The same inputs give the same bytes.
///
/// # Errors
/// [`ReportError`] for a defect of the template.
pub fn render(report: &Report<'_>) -> Result<String, ReportError> {
    let zone = zone(&report.predicate.control.time_zone);
    let environment = environment(zone)?;
    // A run's id has no character that could end the string.
    let style = STYLE.replace(
        "RUN AND REVISION",
        &format!(
            "{} · manifest revision {}",
            report.predicate.run_id, report.predicate.revision
        ),
    );
    let style_hash = STANDARD.encode(Sha256::of(&style).as_bytes());
    let page = view::page(report);
    let html = environment.get_template("report.html")?.render(context! {
        page => Serde(&page),
        m => Serde(report.predicate),
        plan => Serde(report.plan),
        style => Value::from_safe_string(style),
        style_hash => style_hash,
    })?;
    Ok(html)
}

/// The zone as this program knows it, not as the machine does: the page must not depend on where it is made.
fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled()
        .get(name)
        .unwrap_or(TimeZone::UTC)
}

fn environment(zone: TimeZone) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.set_formatter(|out, _, value| {
        match value.kind() {
            ValueKind::String if !value.is_safe() => {
                out.write_str(&text::escape(value.as_str().unwrap_or_default()))
            }
            ValueKind::Undefined | ValueKind::None => {
                return Err(Error::new(ErrorKind::InvalidOperation, "nothing to show"));
            }
            _ => out.write_str(&value.to_string()),
        }
        .map_err(Error::from)
    });
    environment.add_filter("count", |n: u64| {
        let digits = n.to_string();
        Value::from_safe_string(format!(
            "<data value=\"{digits}\">{}</data>",
            figures::grouped(&digits)
        ))
    });
    environment.add_filter("amount", |text: String| {
        Value::from_safe_string(figures::amount_html(&text))
    });
    environment.add_filter("figures", |text: String| {
        Value::from_safe_string(figures::words_html(&text))
    });
    environment.add_filter("day", |text: String| {
        parsed(&text, |date: Date| figures::day(date))
    });
    let here = zone.clone();
    environment.add_filter("moment", move |text: String| {
        parsed(&text, |at: Timestamp| figures::moment_html(at, &here)).map(safe)
    });
    environment.add_filter("clock", move |text: String| {
        parsed(&text, |at: Timestamp| figures::clock_html(at, &zone)).map(safe)
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

fn safe(html: String) -> Value {
    Value::from_safe_string(html)
}

fn parsed<T: std::str::FromStr>(text: &str, show: impl FnOnce(T) -> String) -> Result<String, Error>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map(show)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("{text:?}: {e}")))
}
