//! What looks at every row of an extract, whichever query and whichever invocation it comes from.

use arrow_array::RecordBatch;
use soxauto_content::ContentDigest;
use soxauto_domain::{PlannedIpe, Sha256};

use crate::{
    batch,
    checks::{Seen, StreamChecks},
    error::ExtractError,
    one_row::NamedValue,
    pipeline::Options,
    sample::Sample,
};

/// Checks, content digest and sample.
pub(crate) struct Observers {
    checks: StreamChecks,
    content: ContentDigest,
    sample: Sample,
}

/// What they saw in all rows.
pub(crate) struct Observed {
    pub(crate) seen: Seen,
    pub(crate) content: Sha256,
    pub(crate) sample: Vec<u8>,
}

impl Observers {
    pub(crate) fn new(
        ipe: &PlannedIpe,
        witness: &[NamedValue],
        options: &Options,
    ) -> Result<Self, ExtractError> {
        let Options {
            scratch,
            sorted_in_memory,
            ..
        } = options;
        let schema = batch::schema(&ipe.columns);
        Ok(Self {
            checks: StreamChecks::new(ipe, witness, scratch, *sorted_in_memory)?,
            content: ContentDigest::new(&schema, scratch, *sorted_in_memory)?,
            sample: Sample::new(&ipe.columns),
        })
    }

    /// Looks at a batch of the contract's columns; batches come in the order of the rows.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        self.checks.observe(batch)?;
        self.content.update(batch)?;
        self.sample.observe(batch)
    }

    /// Ends: keys and digests are merged now. To be called where blocking is allowed.
    pub(crate) fn finish(self) -> Result<Observed, ExtractError> {
        Ok(Observed {
            seen: self.checks.finish()?,
            content: self.content.finish()?,
            sample: self.sample.finish(),
        })
    }

    /// Ends on a thread of its own.
    pub(crate) async fn finish_apart(self) -> Result<Observed, ExtractError> {
        tokio::task::spawn_blocking(move || self.finish())
            .await
            .unwrap_or_else(|e| Err(ExtractError::Internal(format!("the checks died: {e}"))))
    }
}
