//! The page's sentences: verdicts, checks, states and outcomes for a reader who is not technical.

use serde::Serialize;
use soxauto_domain::{
    CheckKind, CheckOutcome, IpeState, RunState,
    manifest::{AttemptOutcome, Predicate},
    receipt::TlsRecord,
    start::TriggerSource,
};

/// The verdict on top of the page.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// `good`, `bad` or `wait`.
    pub(crate) tone: &'static str,
    /// One word.
    pub(crate) word: &'static str,
    /// One sentence.
    pub(crate) sentence: String,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What to do, in order.
    pub(crate) steps: Vec<String>,
}

/// The verdict of a manifest; `month` is the period in words.
pub(crate) fn verdict(m: &Predicate, month: &str) -> Verdict {
    let all = m.ipes.len();
    let reports = |n: usize| format!("{n} {}", if n == 1 { "report" } else { "reports" });
    let of_state = |state: IpeState| -> Vec<String> {
        let ids = m.ipes.iter().filter(|ipe| ipe.state == state);
        ids.map(|ipe| ipe.id.to_string()).collect()
    };
    let rejected = of_state(IpeState::Rejected);
    let failed = of_state(IpeState::Failed);
    let planned = of_state(IpeState::Planned);
    let verify = "Check it yourself: see “How to verify”.".to_owned();
    let review = "Have someone other than the preparer review it and sign the review. Until then this manifest is a draft.".to_owned();
    match m.state {
        RunState::Complete => Verdict {
            tone: "good",
            word: "Complete",
            sentence: format!("All {} of {month} were extracted, passed every check, and are in the warehouse with the same rows and totals.", reports(all)),
            meaning: "The figures are published. They are complete and accurate as far as the checks below can show.",
            steps: vec![review, verify],
        },
        RunState::Rejected => Verdict {
            tone: "bad",
            word: "Rejected",
            sentence: format!("{} of {all} for {month} did not pass {} checks: {}.", reports(rejected.len()), if rejected.len() == 1 { "its" } else { "their" }, rejected.join(", ")),
            meaning: "The data were read, but at least one check says that they cannot be relied on. Nothing of this run is published, and what was published before stays as it is. The extracted data are kept as evidence.",
            steps: vec![
                format!("Read the checks that failed, under {}.", rejected.join(", ")),
                "Correct the cause: in the source system, or in the query by a reviewed release.".to_owned(),
                "Start a new run for the same cutoff. It supersedes this one, which is kept.".to_owned(),
            ],
        },
        RunState::Missing => Verdict {
            tone: "bad",
            word: "Missing month",
            sentence: format!("Nobody ran {month}: when this was written, no run had been started."),
            meaning: "The control has no evidence for this month, and nothing is published. This page stays, also when the month is run later.",
            steps: vec!["Find out why nothing started the run, then start it by hand.".to_owned()],
        },
        RunState::Incomplete if m.ipes.iter().all(|ipe| ipe.attempts.is_empty()) => Verdict {
            tone: "bad",
            word: "Missing month",
            sentence: format!("Nothing was extracted for {month}."),
            meaning: "No report of the period was even tried before the deadline. The control has no evidence for this month, and nothing is published.",
            steps: vec![
                "Find out why no worker ran: look at the alarms and at the queues.".to_owned(),
                "Start the run again. A later revision of this report will say what came of it.".to_owned(),
            ],
        },
        RunState::Incomplete => Verdict {
            tone: "bad",
            word: "Incomplete",
            sentence: format!("{} of {all} for {month} {} missing: {}.", reports(failed.len() + planned.len()), if failed.len() + planned.len() == 1 { "is" } else { "are" }, [failed.clone(), planned].concat().join(", ")),
            meaning: "At least one report could not be extracted and loaded in time. Nothing of this run is published. What did succeed is kept and need not run again.",
            steps: vec![
                "Follow the remedies under “What failed or was replayed”.".to_owned(),
                "Replay the missing reports. A later revision of this report will say what came of it and point back to this one.".to_owned(),
            ],
        },
        RunState::Open => Verdict {
            tone: "wait",
            word: "Open",
            sentence: format!("The run for {month} has not ended: {} of {all} still {} to come.", reports(planned.len()), if planned.len() == 1 { "has" } else { "have" }),
            meaning: "Nothing is published yet.",
            steps: vec!["Wait until the run has ended or its deadline has passed.".to_owned()],
        },
    }
}

/// A family of checks, with the ones of it.
#[derive(Debug, Serialize)]
pub(crate) struct Family<'a> {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) checks: Vec<Check<'a>>,
}

/// One check in words.
#[derive(Debug, Serialize)]
pub(crate) struct Check<'a> {
    pub(crate) name: &'static str,
    pub(crate) outcome: &'a CheckOutcome,
    pub(crate) passed: bool,
}

/// The checks of an IPE by family, those that failed first.
pub(crate) fn families(outcomes: &[CheckOutcome]) -> Vec<Family<'_>> {
    let named = [
        ("Completeness", "Is everything there?"),
        ("Accuracy", "Are they the right entries?"),
        ("Form", "Is each entry as it was declared?"),
    ];
    let family = |(name, question)| {
        let of = outcomes
            .iter()
            .filter(|outcome| check_words(outcome.check).0 == name);
        let mut checks: Vec<Check<'_>> = of
            .map(|outcome| Check {
                name: check_words(outcome.check).1,
                passed: outcome.passed(),
                outcome,
            })
            .collect();
        checks.sort_by_key(|check| check.passed);
        Family {
            name,
            question,
            checks,
        }
    };
    let found = named.into_iter().map(family);
    found.filter(|family| !family.checks.is_empty()).collect()
}

/// Family and name of a check.
fn check_words(kind: CheckKind) -> (&'static str, &'static str) {
    match kind {
        CheckKind::NotEmpty => ("Completeness", "There are entries"),
        CheckKind::CompletenessRows => ("Completeness", "As many rows as an independent count"),
        CheckKind::CompletenessTotal => ("Completeness", "The total of an independent query"),
        CheckKind::RowVariance => ("Completeness", "Not suddenly more or fewer rows"),
        CheckKind::AccuracyPositive => ("Accuracy", "A known transaction is in it"),
        CheckKind::AccuracyNegative => ("Accuracy", "The filter takes away what it should"),
        CheckKind::Contract => ("Form", "The columns are the declared ones"),
        CheckKind::KeyUnique => ("Form", "No entry appears twice"),
        CheckKind::NotNull => ("Form", "Never empty"),
        CheckKind::AcceptedValues => ("Form", "Only values that are allowed"),
        CheckKind::Range => ("Form", "Within its bounds"),
        CheckKind::Period => ("Form", "Only dates of the period"),
    }
}

/// The state of an IPE in words.
pub(crate) fn state(state: IpeState) -> &'static str {
    match state {
        IpeState::Passed => "Every check holds, and the warehouse has it.",
        IpeState::Rejected => "It was extracted, but a check says no. It is not loaded.",
        IpeState::Failed => "It could not be extracted.",
        IpeState::Planned => "It is missing: it did not get as far as the warehouse.",
    }
}

/// What started the run.
pub(crate) fn trigger(source: TriggerSource) -> &'static str {
    match source {
        TriggerSource::Schedule => "the monthly schedule",
        TriggerSource::EventBridge => "an EventBridge event",
        TriggerSource::Direct => "a direct invocation by an operator",
        TriggerSource::FunctionUrl => "a request to the function's address",
    }
}

/// How the connection was protected.
pub(crate) fn tls(tls: TlsRecord) -> &'static str {
    match tls {
        TlsRecord::Verified => "encrypted, certificate verified",
        TlsRecord::Unverified => "encrypted, but the certificate was not verified",
        TlsRecord::Off => "not encrypted",
    }
}

/// How an attempt ended, as a word.
pub(crate) fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Passed => "passed",
        AttemptOutcome::Rejected => "rejected",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Abandoned => "abandoned",
        AttemptOutcome::Suspended => "suspended",
    }
}

/// How an attempt ended, in a sentence about it.
pub(crate) fn ended(outcome_of: AttemptOutcome) -> &'static str {
    match outcome_of {
        AttemptOutcome::Abandoned => "ended without a word",
        AttemptOutcome::Suspended => "stopped between two key ranges",
        other => outcome(other),
    }
}
