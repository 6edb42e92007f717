//! Leases over conditional writes: who works on what, until when, and how far it is.
//!
//! A lease is one small object in the state bucket. It protects work, not truth: what a lease holder
//! commits is create-only, so two holders at once (a clock that jumps, a process that was frozen)
//! waste work but never spoil a result.

mod state;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use soxauto_domain::Code;

use state::{Acquire, Claim};
pub use state::{LeaseRecord, LeaseSchema, Progress};

use crate::{
    clock::Clock,
    lake::{ETag, Lake, LakeError},
};

const JSON: &str = "application/json";

/// A lease that cannot be had or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("{key} is held by {by} until {until}")]
    Held {
        /// Key of the lease.
        key: String,
        /// Who.
        by: String,
        /// Until when, unless renewed.
        until: Timestamp,
    },
    /// It expired and somebody else took it, or it was deleted: stop working.
    #[error("{key} is lost: somebody else took it or deleted it")]
    Lost {
        /// Key of the lease.
        key: String,
    },
    /// The object is not a lease that this release can read.
    #[error(
        "{key} is not a lease that this release can read: {reason}; delete it if nobody works on it"
    )]
    Invalid {
        /// Key of the lease.
        key: String,
        /// Why.
        reason: String,
    },
    /// The state bucket failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl LeaseError {
    /// The closed code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Held { .. } | Self::Lost { .. } => Code::LeaseHeld,
            Self::Invalid { .. } => Code::EvidenceInvalid,
            Self::Lake(error) => error.code(),
        }
    }
}

/// Gives leases out.
#[derive(Debug, Clone)]
pub struct Leases {
    lake: Arc<dyn Lake>,
    clock: Arc<dyn Clock>,
}

impl Leases {
    /// Leases in the bucket `lake`, timed by `clock`.
    #[must_use]
    pub fn new(lake: Arc<dyn Lake>, clock: Arc<dyn Clock>) -> Self {
        Self { lake, clock }
    }

    /// Takes the lease for `ttl`: one that nobody has, or one whose time is over.
    ///
    /// # Errors
    /// [`LeaseError::Held`] when somebody has it, also when a rival was faster.
    pub async fn acquire(
        &self,
        key: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Lease, LeaseError> {
        let id = uuid::Uuid::new_v4().to_string();
        let claim = Claim {
            id: &id,
            owner,
            ttl,
        };
        // A rival may come or go between the reading and the writing; whoever lost looks once more, to say who won.
        for _ in 0..2 {
            let current = self.fetch(key).await?;
            let decision = state::acquire(
                current.as_ref().map(|(record, _)| record),
                claim,
                self.clock.now(),
            );
            let (record, written) = match (decision, current) {
                (Acquire::Held { by, until }, _) => return Err(held(key, by, until)),
                (Acquire::TakeOver(record), Some((_, etag))) => {
                    let written = self
                        .lake
                        .replace(key, encode(key, &record)?, JSON, &etag)
                        .await;
                    (record, written)
                }
                (Acquire::Create(record) | Acquire::TakeOver(record), _) => {
                    let written = self.lake.create(key, encode(key, &record)?, JSON).await;
                    (record, written)
                }
            };
            match written {
                Ok(etag) => return Ok(self.lease(key, record, etag, ttl)),
                Err(
                    LakeError::AlreadyExists(_)
                    | LakeError::Precondition(_)
                    | LakeError::NotFound(_),
                ) => {}
                // The write may have had its effect although no answer came: then the lease is this holder's, and until its
                // time is over nobody's else. Its id says.
                Err(error) => {
                    return match self.fetch(key).await {
                        Ok(Some((found, etag))) if found.id == record.id => {
                            Ok(self.lease(key, found, etag, ttl))
                        }
                        _ => Err(error.into()),
                    };
                }
            }
        }
        Err(held(
            key,
            "a rival that was faster".to_owned(),
            self.clock.now(),
        ))
    }

    /// The lease as it is now, for watchers; `None` when nobody has it. It may be expired.
    ///
    /// # Errors
    /// [`LeaseError::Invalid`] for an object that is not a lease, [`LeaseError::Lake`].
    pub async fn read(&self, key: &str) -> Result<Option<LeaseRecord>, LeaseError> {
        Ok(self.fetch(key).await?.map(|(record, _)| record))
    }

    /// Takes away a lease that has been over for `dead_for`: its holder died. Whether it did.
    ///
    /// # Errors
    /// [`LeaseError::Invalid`] for an object that is not a lease, [`LeaseError::Lake`].
    pub async fn clear(&self, key: &str, dead_for: Duration) -> Result<bool, LeaseError> {
        let Some((record, etag)) = self.fetch(key).await? else {
            return Ok(false);
        };
        if !state::is_over_for(&record, dead_for, self.clock.now()) {
            return Ok(false);
        }
        match self.lake.delete_if(key, &etag).await {
            Ok(()) => Ok(true),
            // Somebody has renewed or taken it after all.
            Err(LakeError::Precondition(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn fetch(&self, key: &str) -> Result<Option<(LeaseRecord, ETag)>, LeaseError> {
        let object = match self.lake.get(key).await {
            Ok(object) => object,
            Err(LakeError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice(&object.bytes) {
            Ok(record) => Ok(Some((record, object.etag))),
            Err(error) => Err(invalid(key, &error)),
        }
    }

    fn lease(&self, key: &str, record: LeaseRecord, etag: ETag, ttl: Duration) -> Lease {
        Lease {
            leases: self.clone(),
            key: key.to_owned(),
            record,
            etag,
            ttl,
        }
    }
}

/// A lease that is held. Dropping it does nothing: it expires.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    key: String,
    record: LeaseRecord,
    etag: ETag,
    ttl: Duration,
}

impl Lease {
    /// Key of the lease.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The record as last written.
    #[must_use]
    pub fn record(&self) -> &LeaseRecord {
        &self.record
    }

    /// Holds the lease for its time again, from now, and says how far the work is; `None` repeats
    /// what was said last.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody took it; [`LeaseError::Lake`] when the bucket failed, after
    /// which it may be tried again.
    pub async fn renew(&mut self, progress: Option<Progress>) -> Result<(), LeaseError> {
        let next = state::renew(&self.record, self.ttl, progress, self.leases.clock.now());
        let bytes = encode(&self.key, &next)?;
        match self
            .leases
            .lake
            .replace(&self.key, bytes, JSON, &self.etag)
            .await
        {
            Ok(etag) => {
                self.etag = etag;
                self.record = next;
                Ok(())
            }
            Err(LakeError::Precondition(_) | LakeError::NotFound(_)) => self.adopt_or_lose().await,
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody took it meanwhile.
    pub async fn release(mut self) -> Result<(), LeaseError> {
        match self.leases.lake.delete_if(&self.key, &self.etag).await {
            Err(LakeError::Precondition(_)) => self.adopt_or_lose().await?,
            outcome => return Ok(outcome?),
        }
        // The last renewal had its effect although its answer was lost: now the tag is known.
        match self.leases.lake.delete_if(&self.key, &self.etag).await {
            Err(LakeError::Precondition(_)) => Err(LeaseError::Lost { key: self.key }),
            outcome => Ok(outcome?),
        }
    }

    /// A renewal whose answer was lost may have had its effect, so that the tag is not the one we know
    /// although the lease is ours still: its id says.
    async fn adopt_or_lose(&mut self) -> Result<(), LeaseError> {
        match self.leases.fetch(&self.key).await? {
            Some((record, etag)) if record.id == self.record.id => {
                self.record = record;
                self.etag = etag;
                Ok(())
            }
            _ => Err(LeaseError::Lost {
                key: self.key.clone(),
            }),
        }
    }
}

fn encode(key: &str, record: &LeaseRecord) -> Result<Bytes, LeaseError> {
    serde_json::to_vec(record)
        .map(Bytes::from)
        .map_err(|error| invalid(key, &error))
}

fn invalid(key: &str, error: &serde_json::Error) -> LeaseError {
    LeaseError::Invalid {
        key: key.to_owned(),
        reason: error.to_string(),
    }
}

fn held(key: &str, by: String, until: Timestamp) -> LeaseError {
    LeaseError::Held {
        key: key.to_owned(),
        by,
        until,
    }
}

#[cfg(test)]
mod tests;
