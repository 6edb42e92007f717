//! The movement of one figure over the months, as the geometry of a small bar chart.
//!
//! Only the bars' heights are approximate. Every figure stands exactly in the chart's text alternative and in the table
//! beside it.

use serde::Serialize;
use soxauto_domain::calendar::Cutoff;

use super::{
    figures::{amount, difference},
    history::{MONTHS, months_between},
};

/// Width of the drawing; one unit is one CSS pixel where there is room.
const WIDTH: f64 = 312.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 78.0;

/// One figure over the months.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The figure of this month in words, and how it moved.
    pub(crate) movement: String,
    /// All of it in words.
    pub(crate) alternative: String,
    pub(crate) bars: Vec<Bar>,
    /// Where zero is.
    pub(crate) zero: f64,
    pub(crate) width: f64,
}

/// One month.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) middle: f64,
    pub(crate) current: bool,
    /// Whether there is a figure.
    pub(crate) known: bool,
    /// `May`.
    pub(crate) month: String,
    /// `2024`, where the year begins or the chart does.
    pub(crate) year: Option<String>,
}

/// A chart of `points`, the last of which is this month's. `None` where no earlier month has a figure to compare with.
pub(crate) fn chart(title: String, points: &[(Cutoff, Option<String>)]) -> Option<Chart> {
    let ((now, latest), earlier) = points.split_last()?;
    let latest = latest.as_deref()?;
    let (before, previous) = earlier
        .iter()
        .rev()
        .find_map(|(cutoff, value)| Some((*cutoff, value.as_deref()?)))?;
    let first = earlier.first().map_or(*now, |(cutoff, _)| *cutoff);
    let slots = months_between(first, *now).clamp(0, MONTHS as i32) + 1;
    let slot = (WIDTH / f64::from(slots)).min(40.0);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
    let values: Vec<f64> = points
        .iter()
        .filter_map(|(_, value)| number(value.as_deref()?))
        .collect();
    let high = values.iter().copied().fold(0.0, f64::max);
    let low = values.iter().copied().fold(0.0, f64::min);
    let span = if high > low { high - low } else { 1.0 };
    let y = |value: f64| tenth(TOP + (high - value) / span * (BOTTOM - TOP));
    let zero = y(0.0);
    let bars = (0..slots).map(|at| {
        let month = points.iter().find(|(c, _)| months_between(first, *c) == at);
        let value = month.and_then(|(_, value)| number(value.as_deref()?));
        let closing = shifted(first, at);
        let year = closing.strftime("%Y").to_string();
        let x = tenth(f64::from(at) * slot + slot * 0.14);
        let width = tenth(slot * 0.72);
        let (top, bottom) = value.map_or((zero, zero), |v| (y(v).min(zero), y(v).max(zero)));
        Bar {
            x,
            y: top,
            width,
            // A figure of zero is a line, not nothing.
            height: if value.is_some() {
                tenth((bottom - top).max(1.0))
            } else {
                0.0
            },
            middle: tenth(x + width / 2.0),
            current: at == slots - 1,
            known: value.is_some(),
            month: closing.strftime("%b").to_string(),
            year: (at == 0 || closing.month() == 1).then_some(year),
        }
    });
    let shown = |text: &str| amount(text).unwrap_or_else(|| text.to_owned());
    let month = |cutoff: Cutoff| cutoff.period().closing_date.strftime("%B %Y").to_string();
    let listed: Vec<String> = points
        .iter()
        .map(|(c, v)| {
            format!(
                "{} {}",
                month(*c),
                v.as_deref().map_or("no figure".to_owned(), shown)
            )
        })
        .collect();
    Some(Chart {
        movement: format!(
            "{}: {}",
            shown(latest),
            moved(latest, previous, &month(before))
        ),
        alternative: format!("{title} by month. {}.", listed.join("; ")),
        title,
        bars: bars.collect(),
        zero,
        width: tenth(slot * f64::from(slots)),
    })
}

/// How a figure moved, exactly, and about how much that is.
pub(crate) fn moved(latest: &str, previous: &str, month: &str) -> String {
    let Some(moved) = difference(latest, previous) else {
        return if latest == previous {
            format!("as in {month}")
        } else {
            format!("{previous} in {month}")
        };
    };
    let size = amount(moved.trim_start_matches('-')).unwrap_or_default();
    let word = if moved.starts_with('-') {
        "less"
    } else {
        "more"
    };
    let share = match (moved.parse::<f64>(), previous.parse::<f64>()) {
        (Ok(by), Ok(of)) if of != 0.0 => {
            let percent = by / of.abs() * 100.0;
            format!(
                " (about {}{:.1} %)",
                if percent < 0.0 { "−" } else { "+" },
                percent.abs()
            )
        }
        _ => String::new(),
    };
    if moved == "0" {
        format!("as in {month}")
    } else {
        format!("{size} {word} than in {month}{share}")
    }
}

fn shifted(first: Cutoff, months: i32) -> jiff::civil::Date {
    let closing = first.period().closing_date;
    closing
        .checked_add(jiff::Span::new().months(months))
        .unwrap_or(closing)
}

/// One digit after the point is finer than any screen, and the same on every machine.
fn tenth(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(&str, Option<&str>)]) -> Vec<(Cutoff, Option<String>)> {
        values
            .iter()
            .map(|(c, v)| (c.parse().unwrap(), v.map(str::to_owned)))
            .collect()
    }

    #[test]
    fn a_month_without_a_figure_is_a_gap_and_the_movement_is_exact() {
        let chart = chart(
            "Sum".into(),
            &points(&[
                ("2024-01-01", Some("-10.000000000000000001")),
                ("2024-02-01", None),
                ("2024-04-01", Some("20")),
                ("2024-05-01", Some("30.00")),
            ]),
        )
        .unwrap();
        let months: Vec<(&str, bool)> = chart
            .bars
            .iter()
            .map(|b| (b.month.as_str(), b.known))
            .collect();
        assert_eq!(
            months,
            [
                ("Dec", true),
                ("Jan", false),
                ("Feb", false),
                ("Mar", true),
                ("Apr", true)
            ]
        );
        assert_eq!(
            chart.movement,
            "30.00: 10 more than in March 2024 (about +50.0 %)"
        );
        assert!(
            chart
                .alternative
                .contains("December 2023 −10.000000000000000001;")
        );
        // The negative one hangs below zero, the others stand on it.
        assert_eq!(chart.bars[0].y, chart.zero);
        assert!(chart.bars[4].y < chart.zero);
    }

    #[test]
    fn nothing_to_compare_with_is_no_chart() {
        assert!(chart("Rows".into(), &points(&[("2024-05-01", Some("3"))])).is_none());
        assert!(
            chart(
                "Rows".into(),
                &points(&[("2024-04-01", None), ("2024-05-01", Some("3"))])
            )
            .is_none()
        );
    }
}
