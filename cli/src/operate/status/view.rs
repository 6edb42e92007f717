//! A status for people.

use std::{fmt::Write as _, io};

use jiff::{SignedDuration, Timestamp};
use soxauto_domain::manifest::AttemptOutcome;

use super::{Depth, IpeStatus, RunStatus, Status};
use crate::{operate::standing::Standing, table};

/// The whole status; with `colours`, states stand out.
///
/// # Errors
/// Never: memory takes everything.
pub(super) fn table(status: &Status, colours: bool) -> io::Result<String> {
    let mut text = String::new();
    for run in &status.runs {
        let _ = writeln!(text, "{}", headline(run, status.at, colours));
        let rows: Vec<[String; 5]> = run.ipes.iter().map(|ipe| row(ipe, status.at)).collect();
        let mut lines = Vec::new();
        table::print(
            ["IPE", "STATE", "ROWS", "ATTEMPTS", "WHY"],
            &rows,
            table::width(),
            &mut lines,
        )?;
        for line in String::from_utf8_lossy(&lines).lines() {
            let _ = writeln!(text, "{}", paint(line, colours));
        }
        text.push('\n');
    }
    let queues = &status.queues;
    let rows = [
        ("jobs", queues.jobs),
        ("jobs, dead letters", queues.jobs_dead),
        ("receipts", queues.receipts),
        ("receipts, dead letters", queues.receipts_dead),
        ("starts, dead letters", queues.starts_dead),
    ]
    .map(|(name, Depth { waiting, in_flight })| {
        [name.to_owned(), waiting.to_string(), in_flight.to_string()]
    });
    let mut lines = Vec::new();
    table::print(
        ["QUEUE", "WAITING", "IN FLIGHT"],
        &rows,
        table::width(),
        &mut lines,
    )?;
    text.push_str(&String::from_utf8_lossy(&lines));
    if !status.next.is_empty() {
        text.push_str("\nWhat to do next:\n");
    }
    for advice in &status.next {
        let about = match (&advice.run_id, &advice.ipe_id) {
            (Some(run), Some(ipe)) => format!("{run} {ipe}: "),
            (Some(run), None) => format!("{run}: "),
            (None, _) => String::new(),
        };
        let _ = writeln!(text, "- {about}{}\n  {}", advice.problem, advice.remedy);
        if let Some(command) = &advice.command {
            let _ = writeln!(text, "    {command}");
        }
    }
    Ok(text)
}

/// One line per run, for whoever watches.
pub(super) fn progress(status: &Status) -> String {
    let mut text = String::new();
    for run in &status.runs {
        let ended = run
            .ipes
            .iter()
            .filter(|ipe| !matches!(ipe.standing, Standing::Waiting | Standing::Working { .. }))
            .count();
        let _ = write!(
            text,
            "{} is {}: {ended} of {} IPEs have ended",
            run.run_id,
            run.state.as_str(),
            run.ipes.len()
        );
        for ipe in &run.ipes {
            if let Standing::Working { stage, rows, .. } = &ipe.standing {
                let _ = write!(text, "; {} {stage}, {rows} rows", ipe.id);
            }
        }
        text.push('\n');
    }
    text
}

fn headline(run: &RunStatus, now: Timestamp, colours: bool) -> String {
    let manifest = match run.published {
        Some(published) => format!(
            "manifest {} says {}",
            published.revision,
            published.state.as_str()
        ),
        None => "no manifest yet".to_owned(),
    };
    let deadline = match (run.settled, run.past_deadline) {
        (true, _) => "closed".to_owned(),
        (false, true) => "past its deadline".to_owned(),
        (false, false) => format!("{} left", span(run.deadline.duration_since(now))),
    };
    format!(
        "{} is {}; {manifest}; started {} ago, {deadline}",
        run.run_id,
        colour(run.state.as_str(), colours),
        span(SignedDuration::from_secs(run.age_seconds)),
    )
}

fn row(ipe: &IpeStatus, now: Timestamp) -> [String; 5] {
    let (state, detail) = match &ipe.standing {
        Standing::Passed { loaded: true } => ("passed", String::new()),
        Standing::Passed { loaded: false } => ("passed", "not loaded yet".to_owned()),
        Standing::Rejected => ("rejected", String::new()),
        Standing::Failed { .. } => ("failed", String::new()),
        Standing::Working {
            stage,
            rows,
            seen_at,
            ..
        } => (
            "working",
            format!(
                "step {stage}, {rows} rows, sign of life {} ago",
                span(now.duration_since(*seen_at))
            ),
        ),
        Standing::Waiting => ("waiting", String::new()),
    };
    let letter = ipe.dead_letter.then(|| "dead letter".to_owned());
    let reason = match ipe.standing {
        Standing::Working { .. } => None,
        _ => ipe.reason.clone(),
    };
    let replays = ipe.attempts.iter().filter_map(|attempt| {
        let by = attempt.replayed_by.as_ref()?;
        Some(format!("attempt {} replayed by {by}", attempt.attempt))
    });
    let why: Vec<String> = [Some(detail).filter(|text| !text.is_empty()), letter, reason]
        .into_iter()
        .flatten()
        .chain(replays)
        .collect();
    let attempts: Vec<String> = ipe
        .attempts
        .iter()
        .map(|attempt| match (attempt.outcome, attempt.code) {
            (_, Some(code)) => code.to_string(),
            (AttemptOutcome::Passed, None) => "passed".to_owned(),
            (AttemptOutcome::Rejected, None) => "rejected".to_owned(),
            (AttemptOutcome::Failed, None) => "failed".to_owned(),
            (AttemptOutcome::Abandoned, None) => "abandoned".to_owned(),
            (AttemptOutcome::Suspended, None) => "suspended".to_owned(),
        })
        .collect();
    [
        ipe.id.to_string(),
        state.to_owned(),
        ipe.rows.map_or_else(|| "-".to_owned(), |n| n.to_string()),
        attempts.join(" "),
        why.join("; "),
    ]
}

/// Hours and minutes, minutes and seconds, or seconds.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// Colours the state, which is the second word of a row.
fn paint(line: &str, colours: bool) -> String {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some(first), Some(state)) if line.starts_with(first) => {
            let (before, after) = line.split_at(first.len());
            format!(
                "{before}{}",
                after.replacen(state, &colour(state, colours), 1)
            )
        }
        _ => line.to_owned(),
    }
}

fn colour(state: &str, colours: bool) -> String {
    let code = match state {
        "passed" | "complete" => 32,
        "failed" | "rejected" | "incomplete" => 31,
        "working" | "waiting" | "open" => 33,
        _ => return state.to_owned(),
    };
    if colours {
        format!("\u{1b}[{code}m{state}\u{1b}[0m")
    } else {
        state.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_there_when_wanted_and_only_on_the_state() {
        let line = "IPE_07  failed  -  LOGIN_REFUSED";
        assert_eq!(paint(line, false), line);
        assert_eq!(
            paint(line, true),
            "IPE_07  \u{1b}[31mfailed\u{1b}[0m  -  LOGIN_REFUSED"
        );
        assert_eq!(paint("IPE  STATE", true), "IPE  STATE");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (7, "7 s"),
            (61, "1 min 1 s"),
            (7_300, "2 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }
}
