//! What follows from the evidence, decided by the code itself: the model's folders as the real facts of a run.

use std::{cell::RefCell, collections::HashMap};

use soxauto_domain::{
    Failure, IpeState, Receipt, RunState, Sha256,
    facts::{AttemptFacts, IpeFacts, Stored},
    load::LoadRecord,
};

use crate::world::Attempts;

/// What the real code says about one IPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// [`IpeFacts::state`].
    pub state: IpeState,
    /// [`IpeFacts::arrived`].
    pub arrived: IpeState,
    /// The number of [`IpeFacts::deciding`].
    pub deciding: Option<u8>,
    /// [`IpeFacts::next_attempt`].
    pub next_attempt: u8,
    /// The attempt in whose folder the finalizer records a lost worker: [`IpeFacts::lost_attempt`].
    pub lost_attempt: u8,
}

thread_local! {
    static KNOWN: RefCell<HashMap<Vec<u8>, Decided>> = RefCell::default();
}

/// Asks the real code; who wrote an object does not matter to it.
#[must_use]
pub fn decide(attempts: &Attempts) -> Decided {
    let key: Vec<u8> = attempts
        .iter()
        .map(|folder| {
            u8::from(folder.exists())
                | folder.receipt.map_or(0, |r| 2 | u8::from(r.passed) << 2)
                | folder.failure.map_or(0, |f| 8 | u8::from(f.is_final) << 4)
                | u8::from(folder.load.is_some()) << 5
        })
        .collect();
    KNOWN.with_borrow_mut(|known| *known.entry(key).or_insert_with(|| of(&facts(attempts))))
}

/// The run's state by the real code.
#[must_use]
pub fn run_state(ipes: &[Attempts], late: bool) -> RunState {
    RunState::of(ipes.iter().map(|attempts| decide(attempts).arrived), late)
}

fn of(facts: &IpeFacts) -> Decided {
    let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    Decided {
        state: facts.state(),
        arrived: facts.arrived(),
        deciding: facts.deciding().map(|(attempt, _)| small(attempt.number)),
        next_attempt: small(facts.next_attempt()),
        lost_attempt: small(facts.lost_attempt()),
    }
}

#[allow(clippy::expect_used, reason = "the documents below are constants")]
fn facts(attempts: &Attempts) -> IpeFacts {
    let there = attempts.iter().zip(1u32..).filter(|(f, _)| f.exists());
    let attempts = there.map(|(folder, number)| AttemptFacts {
        number,
        segments: 0,
        receipt: folder.receipt.map(|r| {
            let mut receipt: Receipt = serde_json::from_str(RECEIPT).expect("a receipt");
            receipt.attempt = number;
            receipt.state = if r.passed {
                IpeState::Passed
            } else {
                IpeState::Rejected
            };
            stored(receipt)
        }),
        failure: folder.failure.map(|f| {
            let mut failure: Failure = serde_json::from_str(FAILURE).expect("a failure record");
            failure.attempt = number;
            failure.is_final = f.is_final;
            stored(failure)
        }),
        load: folder.load.map(|_| {
            let mut load: LoadRecord = serde_json::from_str(LOAD).expect("a load record");
            load.attempt = number;
            stored(load)
        }),
    });
    IpeFacts {
        id: "IPE_07".parse().expect("an IPE"),
        attempts: attempts.collect(),
    }
}

fn stored<T>(document: T) -> Stored<T> {
    Stored {
        document,
        sha256: Sha256::from_bytes([0; 32]),
        size: 0,
    }
}

const RECEIPT: &str = r#"{"schema": "soxauto.receipt/1", "run_id": "C-PG-1/2024-05-01/r1", "ipe_id": "IPE_07", "attempt": 1,
    "plan_sha256": "0000000000000000000000000000000000000000000000000000000000000000", "state": "passed",
    "started_at": "2024-05-01T07:00:00Z", "finished_at": "2024-05-01T07:00:00Z", "extracted_at": "2024-05-01T07:00:00Z",
    "source": {"server": "s", "database": "d", "login": "l", "version": "v", "server_time": "t", "isolation": "i",
        "can_write": false, "write_rights": [], "tls": "verified"},
    "query": {"sha256": "0000000000000000000000000000000000000000000000000000000000000000", "parameters": []},
    "counts": {"source": 0, "decoded": 0, "parquet": 0},
    "content_sha256": "0000000000000000000000000000000000000000000000000000000000000000",
    "control_totals": [], "checks": [], "files": [],
    "software": {"name": "worker", "version": "0", "binary_sha256": "0000000000000000000000000000000000000000000000000000000000000000"},
    "worker": {"request_id": "r", "function": "f", "receive_count": 1}}"#;

const FAILURE: &str = r#"{"schema": "soxauto.failure/1", "run_id": "C-PG-1/2024-05-01/r1", "ipe_id": "IPE_07", "attempt": 1,
    "code": "INTERNAL", "message": "m", "remedy": "r", "retry": "queue", "final": false,
    "started_at": "2024-05-01T07:00:00Z", "failed_at": "2024-05-01T07:00:00Z",
    "software": {"name": "worker", "version": "0", "binary_sha256": "0000000000000000000000000000000000000000000000000000000000000000"},
    "worker": {"request_id": "r", "function": "f", "receive_count": 1}}"#;

const LOAD: &str = r#"{"schema": "soxauto.load/1", "run_id": "C-PG-1/2024-05-01/r1", "ipe_id": "IPE_07", "attempt": 1,
    "table": "t", "rows": 0, "totals": [], "statement_id": "s", "loaded_at": "2024-05-01T07:00:00Z"}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Failure, Folder, Receipt};

    #[test]
    fn the_real_code_decides() {
        let none = decide(&Vec::new());
        assert_eq!((none.state, none.next_attempt), (IpeState::Planned, 1));
        let failed = Folder {
            failure: Some(Failure {
                by: 0,
                is_final: true,
            }),
            ..Folder::default()
        };
        let passed = Folder {
            receipt: Some(Receipt {
                by: 1,
                passed: true,
            }),
            ..Folder::default()
        };
        let decided = decide(&vec![failed, passed]);
        assert_eq!(decided.state, IpeState::Passed);
        assert_eq!(decided.arrived, IpeState::Planned);
        assert_eq!((decided.deciding, decided.next_attempt), (Some(2), 3));
        assert_eq!(decide(&vec![failed]).state, IpeState::Failed);
    }
}
