//! The lease as a pure state machine: what may follow from what was read and the time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Schema of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LeaseSchema {
    /// The only one.
    #[default]
    #[serde(rename = "soxauto.lease/1")]
    V1,
}

/// What a lease's object holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    /// Always `soxauto.lease/1`.
    pub schema: LeaseSchema,
    /// Names this holding: another for each acquisition, so that no two records are ever equal.
    pub id: String,
    /// Who holds it, in words: function and request id.
    pub owner: String,
    /// When it was acquired.
    pub acquired_at: Timestamp,
    /// When it was last renewed.
    pub renewed_at: Timestamp,
    /// From when on others may take it.
    pub expires_at: Timestamp,
    /// How often it was renewed.
    pub renewals: u64,
    /// How far the holder is; absent until it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far the holder of a lease is, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The step of the work, such as `extracting`.
    pub stage: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Rows done.
    pub rows: u64,
    /// Rows expected, once they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_total: Option<u64>,
    /// Bytes written.
    pub bytes: u64,
}

/// Somebody who wants a lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'c> {
    pub(super) id: &'c str,
    pub(super) owner: &'c str,
    pub(super) ttl: Duration,
}

/// What a claim leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acquire {
    /// Nobody has it: create this record.
    Create(LeaseRecord),
    /// Its time is over: put this record in place of the one that was read.
    TakeOver(LeaseRecord),
    /// Somebody has it.
    Held {
        /// Who.
        by: String,
        /// Until when.
        until: Timestamp,
    },
}

/// What `claim` leads to, given the record that was read.
pub(super) fn acquire(current: Option<&LeaseRecord>, claim: Claim<'_>, now: Timestamp) -> Acquire {
    let fresh = LeaseRecord {
        schema: LeaseSchema::V1,
        id: claim.id.to_owned(),
        owner: claim.owner.to_owned(),
        acquired_at: now,
        renewed_at: now,
        expires_at: after(now, claim.ttl),
        renewals: 0,
        progress: None,
    };
    match current {
        None => Acquire::Create(fresh),
        Some(record) if record.expires_at <= now => Acquire::TakeOver(fresh),
        Some(record) => Acquire::Held {
            by: record.owner.clone(),
            until: record.expires_at,
        },
    }
}

/// Whether the lease has been over for `time`.
pub(super) fn is_over_for(record: &LeaseRecord, time: Duration, now: Timestamp) -> bool {
    after(record.expires_at, time) <= now
}

/// The record after a renewal. A lease that expired and that nobody took may still be renewed: the
/// condition on the object's tag decides, not the clock. Time never runs backwards in a record.
pub(super) fn renew(
    record: &LeaseRecord,
    ttl: Duration,
    progress: Option<Progress>,
    now: Timestamp,
) -> LeaseRecord {
    let now = now.max(record.renewed_at);
    LeaseRecord {
        renewed_at: now,
        expires_at: after(now, ttl),
        renewals: record.renewals.saturating_add(1),
        progress: progress.or_else(|| record.progress.clone()),
        ..record.clone()
    }
}

fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
    now.saturating_add(ttl).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn claim<'c>(id: &'c str) -> Claim<'c> {
        Claim {
            id,
            owner: id,
            ttl: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_lease_is_taken_only_when_its_time_is_over() {
        let Acquire::Create(record) = acquire(None, claim("a"), at(0)) else {
            panic!()
        };
        assert_eq!((record.expires_at, record.renewals), (at(60), 0));
        let held = Acquire::Held {
            by: "a".into(),
            until: at(60),
        };
        assert_eq!(acquire(Some(&record), claim("b"), at(59)), held);
        // Not even its owner gets it twice: it may be a second process.
        assert_eq!(acquire(Some(&record), claim("a"), at(59)), held);
        let Acquire::TakeOver(next) = acquire(Some(&record), claim("b"), at(60)) else {
            panic!()
        };
        assert_eq!((next.owner.as_str(), next.acquired_at), ("b", at(60)));
    }

    #[test]
    fn a_renewal_moves_the_end_and_keeps_the_progress() {
        let Acquire::Create(record) = acquire(None, claim("a"), at(0)) else {
            panic!()
        };
        let progress = Progress {
            stage: "extracting".into(),
            rows: 7,
            ..Progress::default()
        };
        let once = renew(
            &record,
            Duration::from_secs(60),
            Some(progress.clone()),
            at(30),
        );
        assert_eq!(
            (once.expires_at, once.renewals, once.acquired_at),
            (at(90), 1, at(0))
        );
        let twice = renew(&once, Duration::from_secs(60), None, at(20));
        assert_eq!((twice.renewed_at, twice.progress), (at(30), Some(progress)));
    }

    #[test]
    fn the_json_is_stable() {
        let Acquire::Create(record) = acquire(None, claim("a"), at(0)) else {
            panic!()
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            r#"{"schema":"soxauto.lease/1","id":"a","owner":"a","acquired_at":"2023-11-14T22:13:20Z","renewed_at":"2023-11-14T22:13:20Z","expires_at":"2023-11-14T22:14:20Z","renewals":0}"#
        );
        assert_eq!(serde_json::from_str::<LeaseRecord>(&json).unwrap(), record);
    }
}
