//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere; always on standard error.

use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use soxauto_domain::{IpeId, IpeState, facts::IpeFacts};
use soxauto_extract::Step as WorkStep;
use soxauto_local::Step;

use super::watch::Seen;

/// Shows the start of the stack.
pub(crate) struct StackProgress;

impl soxauto_local::Progress for StackProgress {
    fn started(&self, step: Step, detail: &str) {
        if !detail.is_empty() {
            eprintln!("  {step}: {detail}");
        }
    }

    fn finished(&self, step: Step, elapsed: Duration, detail: &str) {
        eprintln!("  {step} ready in {:.1} s {detail}", elapsed.as_secs_f64());
    }
}

/// Shows a run.
pub(crate) struct RunProgress {
    bars: Option<MultiProgress>,
    run: Option<ProgressBar>,
    ipes: BTreeMap<IpeId, IpeLine>,
}

struct IpeLine {
    bar: Option<ProgressBar>,
    shown: Option<(IpeState, bool, usize)>,
}

impl RunProgress {
    /// A display of a run that begins now.
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            run: None,
            ipes: BTreeMap::new(),
        }
    }

    /// Shows what was seen.
    pub(crate) fn show(&mut self, seen: &Seen) {
        let total = seen.facts.ipes.len();
        let done = seen
            .facts
            .ipes
            .iter()
            .filter(|ipe| ipe.arrived().is_terminal())
            .count();
        if let Some(bars) = &self.bars
            && self.run.is_none()
        {
            let bar = bars.add(ProgressBar::new(total as u64));
            bar.set_style(style("{prefix:<16} [{bar:28}] {pos}/{len} {msg} {elapsed}"));
            bar.set_prefix(seen.facts.plan.run_id.cutoff().to_string());
            self.run = Some(bar);
        }
        if let Some(run) = &self.run {
            run.set_position(done as u64);
            run.set_message(if done == total { "closing" } else { "IPEs" });
            run.tick();
        }
        for ipe in &seen.facts.ipes {
            self.show_ipe(ipe, seen);
        }
    }

    fn show_ipe(&mut self, ipe: &IpeFacts, seen: &Seen) {
        let bars = self.bars.as_ref();
        let line = self.ipes.entry(ipe.id.clone()).or_insert_with(|| IpeLine {
            bar: bars.map(|bars| {
                let bar = bars.add(ProgressBar::new(LOADED));
                bar.set_style(style("{prefix:<16} [{bar:28}] {msg}"));
                bar.set_prefix(ipe.id.to_string());
                bar
            }),
            shown: None,
        });
        let text = describe(ipe, seen);
        if let Some(bar) = &line.bar {
            bar.set_position(position(ipe, seen));
            bar.set_message(text.clone());
        }
        let now = (ipe.state(), ipe.arrived().is_terminal(), ipe.attempts.len());
        if line.bar.is_none()
            && line.shown != Some(now)
            && (line.shown.is_some() || ipe.state() != IpeState::Planned)
        {
            eprintln!("  {} {text}", ipe.id);
        }
        line.shown = Some(now);
    }

    /// Leaves the screen as it is.
    pub(crate) fn finish(&self) {
        for bar in self
            .ipes
            .values()
            .filter_map(|line| line.bar.as_ref())
            .chain(self.run.as_ref())
        {
            bar.abandon();
        }
    }
}

/// A template that is known to be right; a wrong one would be a plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Where a report's bar stands when its receipt is there: every step of the worker is behind it.
const RECEIPT: u64 = WorkStep::ALL.len() as u64 + 1;
/// Where it ends.
const LOADED: u64 = RECEIPT + 1;

/// How far the report is: one part of the bar for each step of the worker, one for the load.
fn position(ipe: &IpeFacts, seen: &Seen) -> u64 {
    if ipe.arrived().is_terminal() {
        return LOADED;
    }
    if ipe.deciding().is_some() {
        return RECEIPT;
    }
    let step = seen
        .progress
        .get(&ipe.id)
        .map(|progress| progress.stage.as_str());
    let reached = WorkStep::ALL
        .iter()
        .position(|one| Some(one.as_str()) == step);
    reached.map_or(0, |index| index as u64 + 1)
}

fn describe(ipe: &IpeFacts, seen: &Seen) -> String {
    if let Some((attempt, receipt)) = ipe.deciding() {
        let rows = receipt.counts.decoded;
        return match receipt.state {
            IpeState::Passed if attempt.load.is_some() => format!("passed, {rows} rows, loaded"),
            IpeState::Passed => format!("passed, {rows} rows, loading"),
            _ => format!(
                "rejected, {rows} rows: {}",
                ipe.reason().unwrap_or_default()
            ),
        };
    }
    match (ipe.state(), seen.progress.get(&ipe.id)) {
        (IpeState::Failed, _) => format!("failed: {}", ipe.reason().unwrap_or_default()),
        (_, Some(progress)) => format!("{}, {} rows", progress.stage, progress.rows),
        (_, None) if !ipe.attempts.is_empty() => {
            format!("again: {}", ipe.reason().unwrap_or_default())
        }
        _ => "waiting".to_owned(),
    }
}
