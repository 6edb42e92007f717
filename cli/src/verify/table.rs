//! The result for people: per run every check with its status, then what does not hold, then what was not performed.

use std::{collections::BTreeMap, fmt::Write as _};

use soxauto_verify::{CheckReport, Status, Verification};

/// Findings of one check that are shown; the JSON has more.
const SHOWN: usize = 5;

/// The table.
pub(crate) fn table(found: &Verification) -> String {
    let mut text = String::new();
    for run in &found.runs {
        let name = run
            .run_id
            .as_ref()
            .map_or_else(|| run.folder.clone(), ToString::to_string);
        let says = match (run.revision, run.state) {
            (Some(revision), Some(state)) => {
                format!("revision {revision} says {}", state.as_str())
            }
            _ => "no manifest is believed".to_owned(),
        };
        let digest = run
            .manifest_sha256
            .map_or_else(String::new, |d| format!(", manifest {d}"));
        let _ = writeln!(text, "{name}: {says}{digest}");
        part(&mut text, &run.checks);
    }
    for chain in &found.chains {
        let head = chain.head.as_ref().map_or_else(
            || "no newest manifest".to_owned(),
            |h| format!("newest {} revision {} {}", h.run_id, h.revision, h.sha256),
        );
        let _ = writeln!(
            text,
            "chain of {}: {} manifests, {head}",
            chain.control, chain.manifests
        );
        part(&mut text, &chain.checks);
    }
    let _ = writeln!(text, "{}", found.place);
    part(&mut text, &found.checks);
    summary(&mut text, found);
    text
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Holds => "holds",
        Status::Partly => "partly",
        Status::Failed => "FAILED",
        Status::NotPerformed => "not performed",
    }
}

fn part(text: &mut String, checks: &[CheckReport]) {
    for check in checks {
        let name = check.check.as_str();
        let status = word(check.status);
        let count = match check.failed {
            0 => check.held.to_string(),
            failed => format!("{failed} of {}", check.held + failed),
        };
        let _ = writeln!(text, "  {name:<22} {status:<14} {count:>9}");
        for finding in check.failures.iter().take(SHOWN) {
            let _ = writeln!(text, "    {}: {}", finding.file, finding.reason);
        }
        let hidden = check.failed.saturating_sub(SHOWN as u64);
        if hidden > 0 {
            let _ = writeln!(text, "    and {hidden} more; --format json shows them");
        }
        // The same reason for many files is one line.
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &check.not_performed {
            *reasons.entry(finding.reason.as_str()).or_default() += 1;
        }
        for (reason, files) in reasons.iter().take(SHOWN) {
            let times = if *files > 1 {
                format!(" ({files} files)")
            } else {
                String::new()
            };
            let _ = writeln!(text, "    {reason}{times}");
        }
    }
    text.push('\n');
}

fn summary(text: &mut String, found: &Verification) {
    let count = |status: Status| found.all_checks().filter(|c| c.status == status).count();
    for key in &found.keys {
        let _ = writeln!(text, "key {key} (SHA-256 of its DER)");
    }
    let _ = writeln!(
        text,
        "{} runs: {} checks hold, {} partly, {} were not performed, {} failed",
        found.runs.len(),
        count(Status::Holds),
        count(Status::Partly),
        count(Status::NotPerformed),
        count(Status::Failed)
    );
    let _ = writeln!(
        text,
        "{}",
        if found.holds {
            "VERIFIED: everything that was checked holds"
        } else {
            "NOT VERIFIED"
        }
    );
}
