//! What is known of a run: its plan and what its folder holds, and the states that follow from it.
//!
//! Every reader of a run (dispatcher, worker, finalizer, command line) derives the same states from the same facts.

use crate::{
    digest::Sha256,
    id::IpeId,
    load::LoadRecord,
    manifest::{AttemptOutcome, AttemptSummary},
    plan::Plan,
    receipt::{Failure, Receipt},
    run::{IpeState, RunState},
};

/// A run's plan and attempts.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The plan.
    pub plan: Plan,
    /// Digest of `plan.json`.
    pub plan_sha256: Sha256,
    /// Bytes of `plan.json`.
    pub plan_size: u64,
    /// One for each IPE of the plan, in its order.
    pub ipes: Vec<IpeFacts>,
    /// Revisions of the manifest that exist, ascending.
    pub manifests: Vec<u32>,
    /// Every object of the run's folder: path relative to the folder, and bytes; in order of path.
    pub objects: Vec<(String, u64)>,
}

/// The attempts at one IPE.
#[derive(Debug, Clone)]
pub struct IpeFacts {
    /// The IPE.
    pub id: IpeId,
    /// In order of their number.
    pub attempts: Vec<AttemptFacts>,
}

/// What an attempt's folder holds.
#[derive(Debug, Clone)]
pub struct AttemptFacts {
    /// From 1.
    pub number: u32,
    /// The receipt with the digest of its bytes.
    pub receipt: Option<Stored<Receipt>>,
    /// The failure record with the digest of its bytes.
    pub failure: Option<Stored<Failure>>,
    /// The load record with the digest of its bytes.
    pub load: Option<Stored<LoadRecord>>,
    /// Segment records: invocations that stopped at the end of a range, for another to go on.
    pub segments: u32,
}

/// A document as it is stored.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// The document.
    pub document: T,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
}

impl RunFacts {
    /// The facts of one IPE.
    #[must_use]
    pub fn ipe(&self, id: &IpeId) -> Option<&IpeFacts> {
        self.ipes.iter().find(|ipe| ipe.id == *id)
    }

    /// The state that the run has reached, as its manifest says it: what passed counts once the warehouse holds it.
    #[must_use]
    pub fn state(&self, past_deadline: bool) -> RunState {
        RunState::of(self.ipes.iter().map(IpeFacts::arrived), past_deadline)
    }
}

impl IpeFacts {
    /// The attempt that counts: the first that passed and is loaded, else the first that passed, else the last that was
    /// rejected.
    ///
    /// Two attempts may both pass when a worker outlived its lease, and their receipts may come in any order: what is
    /// loaded stays what counts, so that a late receipt changes nothing.
    #[must_use]
    pub fn deciding(&self) -> Option<(&AttemptFacts, &Receipt)> {
        let receipts = || {
            self.attempts
                .iter()
                .filter_map(|a| a.receipt.as_ref().map(|r| (a, &r.document)))
        };
        let passed = || receipts().filter(|(_, r)| r.state == IpeState::Passed);
        passed()
            .find(|(a, _)| a.load.is_some())
            .or_else(|| passed().next())
            .or_else(|| receipts().rfind(|(_, r)| r.state == IpeState::Rejected))
    }

    /// The failure record that the queue will not follow up, if the last attempt has one.
    #[must_use]
    pub fn final_failure(&self) -> Option<&Failure> {
        let last = self.attempts.last()?;
        last.failure
            .as_ref()
            .map(|f| &f.document)
            .filter(|f| f.is_final)
    }

    /// The state of the extraction.
    #[must_use]
    pub fn state(&self) -> IpeState {
        match self.deciding() {
            Some((_, receipt)) => receipt.state,
            None if self.final_failure().is_some() => IpeState::Failed,
            None => IpeState::Planned,
        }
    }

    /// The state that counts for the run: passed only once the warehouse has proven it.
    #[must_use]
    pub fn arrived(&self) -> IpeState {
        match (self.state(), self.deciding()) {
            (IpeState::Passed, Some((attempt, _))) if attempt.load.is_none() => IpeState::Planned,
            (state, _) => state,
        }
    }

    /// The last attempt, if it has neither ended nor to begin anew: segments are done, and the next delivery goes on.
    #[must_use]
    pub fn suspended(&self) -> Option<&AttemptFacts> {
        self.attempts
            .last()
            .filter(|a| a.segments > 0 && a.receipt.is_none() && a.failure.is_none())
    }

    /// Attempts that failed since one failed for good.
    #[must_use]
    pub fn failures_in_succession(&self) -> usize {
        let failures = self
            .attempts
            .iter()
            .rev()
            .filter_map(|a| a.failure.as_ref());
        failures.take_while(|f| !f.document.is_final).count()
    }

    /// Number of the next attempt.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.attempts
            .last()
            .map_or(1, |a| a.number.saturating_add(1))
    }

    /// Number of the attempt that was lost with its worker: the last one if it ended without a word, else the next, of
    /// which nothing was written.
    #[must_use]
    pub fn lost_attempt(&self) -> u32 {
        match self.attempts.last() {
            Some(last) if last.receipt.is_none() && last.failure.is_none() => last.number,
            _ => self.next_attempt(),
        }
    }

    /// Why the IPE is not passed, in words.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match (
            self.deciding(),
            self.attempts.last().and_then(|a| a.failure.as_ref()),
        ) {
            (Some((_, receipt)), _) if receipt.state == IpeState::Rejected => {
                Some(failed_checks(receipt))
            }
            (Some(_), _) => None,
            (None, Some(failure)) => Some(format!(
                "{}: {}",
                failure.document.code, failure.document.message
            )),
            (None, None) if self.attempts.is_empty() => Some("no attempt has ended".to_owned()),
            (None, None) if self.suspended().is_some() => Some(
                "an invocation stopped at the end of a key range; another goes on with it"
                    .to_owned(),
            ),
            (None, None) => Some(
                "the last worker ended without a word; the queue delivers the message again"
                    .to_owned(),
            ),
        }
    }

    /// Every attempt in short.
    #[must_use]
    pub fn summaries(&self) -> Vec<AttemptSummary> {
        self.attempts.iter().map(AttemptFacts::summary).collect()
    }
}

impl AttemptFacts {
    fn summary(&self) -> AttemptSummary {
        let receipt = self.receipt.as_ref().map(|stored| &stored.document);
        // A receipt is the commit point: beside it, a failure record is the word of a rival that came too late.
        let failure = match receipt {
            Some(_) => None,
            None => self.failure.as_ref().map(|stored| &stored.document),
        };
        let worker = receipt
            .map(|r| &r.worker)
            .or_else(|| failure.map(|f| &f.worker));
        AttemptSummary {
            attempt: self.number,
            outcome: match (receipt, failure) {
                (Some(r), _) if r.state == IpeState::Passed => AttemptOutcome::Passed,
                (Some(_), _) => AttemptOutcome::Rejected,
                (None, Some(_)) => AttemptOutcome::Failed,
                (None, None) if self.segments > 0 => AttemptOutcome::Suspended,
                (None, None) => AttemptOutcome::Abandoned,
            },
            code: failure.map(|f| f.code),
            message: failure.map(|f| f.message.clone()),
            remedy: failure.map(|f| f.remedy.clone()),
            is_final: failure.is_some_and(|f| f.is_final),
            receive_count: worker.map(|w| w.receive_count),
            started_at: receipt
                .map(|r| r.started_at)
                .or_else(|| failure.map(|f| f.started_at)),
            ended_at: receipt
                .map(|r| r.finished_at)
                .or_else(|| failure.map(|f| f.failed_at)),
            replayed_by: worker.and_then(|w| w.replayed_by.clone()),
        }
    }
}

/// The checks that said no, with what they expected and measured.
fn failed_checks(receipt: &Receipt) -> String {
    let failed: Vec<String> = receipt
        .checks
        .iter()
        .filter(|c| !c.passed())
        .map(|c| {
            format!(
                "{}: expected {}, measured {}",
                c.id(),
                c.expected,
                c.measured
            )
        })
        .collect();
    failed.join("; ")
}
