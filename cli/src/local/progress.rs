//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere; always on standard error.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use soxauto_domain::{IpeId, IpeState, facts::IpeFacts};
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
    started: Instant,
}

struct IpeLine {
    bar: Option<ProgressBar>,
    shown: Option<(IpeState, bool, usize)>,
    /// When the IPE was seen to end, for the table.
    ended: Option<Duration>,
}

impl RunProgress {
    /// A display of a run that begins now.
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            run: None,
            ipes: BTreeMap::new(),
            started: Instant::now(),
        }
    }

    /// Shows what was seen.
    pub(crate) fn show(&mut self, seen: &Seen) {
        let total = seen.facts.ipes.len();
        let done = seen.facts.ipes.iter().filter(|ipe| is_done(ipe)).count();
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
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(style("{prefix:<16} {spinner} {msg}"));
                bar.set_prefix(ipe.id.to_string());
                bar
            }),
            shown: None,
            ended: None,
        });
        if is_done(ipe) && line.ended.is_none() {
            line.ended = Some(self.started.elapsed());
        }
        let text = describe(ipe, seen);
        if let Some(bar) = &line.bar {
            bar.set_message(text.clone());
            bar.tick();
        }
        let now = (ipe.state(), is_done(ipe), ipe.attempts.len());
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

/// Whether nothing more is expected of the IPE: loaded, rejected or failed.
fn is_done(ipe: &IpeFacts) -> bool {
    match (ipe.state(), ipe.deciding()) {
        (IpeState::Passed, Some((attempt, _))) => attempt.load.is_some(),
        (state, _) => state.is_terminal(),
    }
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
