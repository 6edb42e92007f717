//! Earlier months for the report: of each of the twelve before, the last complete manifest of the same control.
//!
//! Bounded: one listing of the control's folder, and for each month one listing of its runs and, of at most three runs,
//! one listing and one manifest.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use soxauto_domain::{RunId, calendar::Cutoff, layout::Object};
use soxauto_evidence::report::{
    Earlier, Month,
    history::{MONTHS, belongs},
};

use crate::{context::Context, error::FinalizerError};

/// A month whose third last run is complete but not the two after it has a story that its own reports tell.
const RUNS: usize = 3;

/// The months before `run`'s, oldest first; those without any run are left out.
///
/// # Errors
/// [`FinalizerError`] when a bucket or the signer does not answer. A manifest that is not believed is no error.
pub async fn before(context: &Context, run: &RunId) -> Result<Vec<Month>, FinalizerError> {
    let folder = context.reader.layout().control_folder(run.control());
    let folders = context.evidence.list_folders(&folder).await?;
    let mut cutoffs: Vec<Cutoff> = folders
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(|cutoff| belongs(*cutoff, run.cutoff()))
        .collect();
    cutoffs.sort_unstable();
    if cutoffs.is_empty() {
        return Ok(Vec::new());
    }
    let public_key = context.signer.public_key_pem().await?;
    stream::iter(cutoffs)
        .map(|cutoff| month(context, run, cutoff, &public_key))
        .buffered(MONTHS)
        .try_filter_map(async |month| Ok(month))
        .try_collect()
        .await
}

async fn month(
    context: &Context,
    of: &RunId,
    cutoff: Cutoff,
    public_key: &str,
) -> Result<Option<Month>, FinalizerError> {
    let any = RunId::new(of.control().clone(), cutoff, 1);
    let folders = context
        .evidence
        .list_folders(&context.reader.layout().cutoff_folder(&any))
        .await?;
    let mut runs: Vec<RunId> = folders
        .iter()
        .filter_map(|name| format!("{}/{cutoff}/{name}", of.control()).parse().ok())
        .collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.number()));
    let mut found = None;
    for run in runs.iter().take(RUNS) {
        let last = last(context, run, public_key).await?;
        let is_complete = last.as_ref().is_some_and(Earlier::is_complete);
        // What is not believed is told, unless a manifest that is believed has the month's figures.
        if is_complete || !matches!(found, Some(Earlier::NotBelieved { .. })) {
            found = last.or(found);
        }
        if is_complete {
            break;
        }
    }
    Ok(found.map(|found| Month { cutoff, found }))
}

/// The newest manifest of a run, believed or not; `None` without one.
async fn last(
    context: &Context,
    run: &RunId,
    public_key: &str,
) -> Result<Option<Earlier>, FinalizerError> {
    let layout = context.reader.layout();
    let prefix = format!("{}manifest-", layout.run_folder(run));
    let listing = context.evidence.list(&prefix).await?;
    let revisions = listing.iter().filter_map(|o| match layout.parse(&o.key)? {
        Object::Manifest(_, revision) => Some(revision),
        _ => None,
    });
    let Some(revision) = revisions.max() else {
        return Ok(None);
    };
    let key = layout.manifest(run, revision);
    let bytes = context.evidence.get(&key).await?.bytes;
    Ok(Some(Earlier::read(run, revision, &bytes, public_key)))
}
