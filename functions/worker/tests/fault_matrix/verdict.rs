//! What is there in the end, against what the cell says, and against what an undisturbed worker would have left.

use std::{collections::BTreeSet, time::Duration};

use soxauto_cloud::lake::Lake as _;
use soxauto_domain::{
    IpeState, Receipt, RunState, Sha256, facts::IpeFacts, manifest::AttemptOutcome,
};
use soxauto_e2e::faults::Cell;

use crate::{reports::Report, support::RUN, world::World};

/// What an operator is told of an IPE whose worker was lost in its last delivery.
const LOST: &str = "its worker was killed in the last delivery";

/// What is not as the cell says.
pub(crate) async fn hold(world: &World, cell: &Cell, answers: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differs = |what: &str, found: &str, said: &str| {
        if found != said {
            wrong.push(format!("{what}: {found:?}, not {said:?}"));
        }
    };
    let facts = world.facts().await;
    let state = facts.state();
    differs("invocations", answers, &cell.invocations);
    let said = cell.attempts.as_deref().unwrap_or("passed");
    differs("attempts", &attempts(&facts), said);
    differs("the IPE", state.as_str(), &cell.ipe);
    // What passed is loaded by the finalizer, whose matrix says how.
    let run = RunState::of([state], true);
    differs("the run", run.as_str(), &cell.run);
    let exit = match run {
        RunState::Complete => 0,
        RunState::Rejected => 2,
        _ => 3,
    };
    differs("exit", &exit.to_string(), &cell.exit.to_string());
    // A dead letter without a last word: what `soxauto status` says then, until the sweep has written that word.
    let reason = match state {
        IpeState::Planned if world.dead_letters().await > 0 => LOST.to_owned(),
        _ => facts.reason().unwrap_or_default(),
    };
    if reason.is_empty() != cell.says.is_empty() || !reason.contains(&cell.says) {
        differs("status says", &reason, &cell.says);
    }
    wrong
}

/// The attempts as the matrix writes them: `failed STORAGE_FAILED, passed`.
fn attempts(facts: &IpeFacts) -> String {
    let told = facts
        .summaries()
        .into_iter()
        .map(|attempt| match (attempt.outcome, attempt.code) {
            (AttemptOutcome::Failed, Some(code)) => format!("failed {code}"),
            (AttemptOutcome::Failed, None) => "failed".to_owned(),
            (AttemptOutcome::Passed, _) => "passed".to_owned(),
            (AttemptOutcome::Rejected, _) => "rejected".to_owned(),
            (AttemptOutcome::Suspended, _) => "suspended".to_owned(),
            (AttemptOutcome::Abandoned, _) => "abandoned".to_owned(),
        });
    told.collect::<Vec<_>>().join(", ")
}

/// What differs from what an undisturbed worker leaves.
pub(crate) async fn compare(world: &World, report: Report, cell: &Cell) -> Vec<String> {
    let mut wrong = Vec::new();
    // Whatever lease is left is over when its time is.
    world.clock.advance(Duration::from_secs(61));
    let facts = world.facts().await;
    let held = world.held().await;
    let letters = world.dead_letters().await;
    if facts.state() != IpeState::Passed {
        if letters != 1 {
            wrong.push(format!(
                "{letters} dead letters of a report that has not passed"
            ));
        }
        return wrong;
    }
    if letters != 0 || !held.is_empty() {
        wrong.push(format!("{letters} dead letters, leases held: {held:?}"));
    }
    for attempt in facts.attempts.iter() {
        let Some(receipt) = &attempt.receipt else {
            continue;
        };
        let folder = format!("evidence/{RUN}/IPE_07/attempt-{}/", attempt.number);
        let undisturbed = Report::receipt(asked_for(world, &receipt.document)).await;
        wrong.extend(same_rows(&receipt.document, &undisturbed));
        wrong.extend(true_files(world, &folder, &receipt.document, cell).await);
    }
    if report == Report::Ranges {
        wrong.extend(no_gap(&facts));
    }
    // The message comes once more, a day later.
    let before = world.evidence.keys();
    let late = world.deliver_late().await;
    if late != "found" || world.evidence.keys() != before {
        wrong.push(format!("a late delivery: {late}"));
    }
    wrong
}

/// The entries of the source, as far as the receipt's extraction was to read them.
fn asked_for(world: &World, receipt: &Receipt) -> BTreeSet<i64> {
    let span = receipt.partition.as_ref().and_then(|p| p.span);
    let mark = span.map_or(i64::MAX, |span| span.high_water_mark);
    let entries = world.source.entries().into_iter();
    entries.filter(|id| *id <= mark).collect()
}

/// The rows are those of the undisturbed extraction, and so is what was found out about them.
fn same_rows(receipt: &Receipt, undisturbed: &Receipt) -> Vec<String> {
    let sample = |r: &Receipt| {
        r.files
            .iter()
            .find(|f| f.path == "sample.csv")
            .map(|f| f.sha256)
    };
    let same = receipt.content_sha256 == undisturbed.content_sha256
        && receipt.counts == undisturbed.counts
        && receipt.checks == undisturbed.checks
        && sample(receipt) == sample(undisturbed);
    if same {
        Vec::new()
    } else {
        vec![format!("attempt {} has other rows", receipt.attempt)]
    }
}

/// The receipt tells the truth about every file of its folder.
async fn true_files(world: &World, folder: &str, receipt: &Receipt, cell: &Cell) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in &receipt.files {
        let key = format!("{folder}{}", file.path);
        match world.evidence.get(&key).await {
            Ok(object) if Sha256::of(&object.bytes) == file.sha256 => {}
            _ => wrong.push(format!("{key} is not what the receipt says")),
        }
    }
    let here = world.evidence.keys();
    for key in here.iter().filter_map(|key| key.strip_prefix(folder)) {
        // Who lost to a rival keeps silent; who does not know that its receipt is there says that it failed.
        let known = key == "receipt.json" || key == "failure.json" && cell.fault == "answers lost";
        if !known && !receipt.files.iter().any(|file| file.path == key) {
            wrong.push(format!("{folder}{key} is in no receipt"));
        }
    }
    wrong
}

/// The ranges of the receipt that counts follow each other without gap or overlap.
fn no_gap(facts: &IpeFacts) -> Vec<String> {
    let Some(partition) = facts
        .deciding()
        .and_then(|(_, receipt)| receipt.partition.as_ref())
    else {
        return vec!["there are no ranges".to_owned()];
    };
    let Some(span) = partition.span else {
        return vec!["there is no span".to_owned()];
    };
    let mut at = span.lowest - 1;
    for range in &partition.ranges {
        if range.after != at {
            return vec![format!("a range begins after {}, not {at}", range.after)];
        }
        at = range.upto;
    }
    match at == span.high_water_mark {
        true => Vec::new(),
        false => vec![format!("the ranges end at {at}")],
    }
}
