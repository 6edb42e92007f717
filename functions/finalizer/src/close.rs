//! Closing a run: the manifest revision, its place in the chain, and its publication.

use std::{collections::BTreeSet, time::Instant};

use soxauto_cloud::{lake::ETag, telemetry::events};
use soxauto_domain::{
    Plan, RunState, Sha256,
    facts::{AttemptFacts, RunFacts},
    layout::{Object, state},
    manifest::{ManifestLink, Predicate, Statement, Subject},
};
use soxauto_evidence::{
    ChainHead, Unsigned, envelope,
    report::{self, Report},
    statement::{self, Closing},
};

use crate::{
    chain::{self, Staged},
    context::Context,
    error::FinalizerError,
    history,
    marker::{self, Marker},
    publish, settled, subjects,
};

/// Closes the run if nothing more will happen to it by itself; returns its state.
///
/// # Errors
/// [`FinalizerError`]; the next call continues.
pub async fn close(
    context: &Context,
    facts: &RunFacts,
    past_deadline: bool,
    deadline: Instant,
) -> Result<RunState, FinalizerError> {
    let closing = Closing {
        revision: facts.manifests.last().map_or(1, |last| last + 1),
        previous: None,
        past_deadline,
        finished_at: context.clock.now(),
        software: context.software.clone(),
    };
    let state = statement::predicate(facts, &closing).state;
    if state == RunState::Open {
        return Ok(state);
    }
    let mut marker = marker::read(context, &facts.plan.run_id).await?;
    // An earlier call may have died between manifest and event: its marker is still there, and the alarm must not be
    // lost. Told twice is better than not told; but not at each sweep while a worker goes on.
    let was_marked = marker.exists();
    let (link, is_new) = manifest(context, facts, closing, &mut marker).await?;
    publish::publish(context, facts, &link, state, deadline).await?;
    settled::forget(context, &facts.plan.run_id).await?;
    if is_new || was_marked && !marker.is_told(link.revision) {
        context.telemetry.emit(&events::RunFinalized {
            run_id: &facts.plan.run_id,
            state,
            revision: link.revision,
            seconds: context
                .clock
                .now()
                .duration_since(facts.plan.created_at)
                .as_secs_f64(),
        });
    }
    // A worker that outlives the deadline, or a rival's receipt, may still write, and die without a record: the sweep looks
    // again once its lease is over, and names what it left.
    if is_worked_on(context, facts).await? {
        marker.keep(context, facts, link.revision).await?;
        return Ok(state);
    }
    // Last of all: as long as the marker is there, the sweep looks at the run.
    marker.remove(context).await?;
    Ok(state)
}

/// Whether a worker is at an attempt that has no receipt yet; one that has written its receipt only gives its lease back.
async fn is_worked_on(context: &Context, facts: &RunFacts) -> Result<bool, FinalizerError> {
    let now = context.clock.now();
    let run = &facts.plan.run_id;
    let held = context.state.list(&state::run_leases(run)).await?;
    for ipe in &facts.ipes {
        let key = state::ipe_lease(run, &ipe.id);
        if !held.iter().any(|lease| lease.key == key) {
            continue;
        }
        if let Some(lease) = context.leases.read(&key).await?
            && lease.expires_at > now
        {
            let at = lease.progress.map(|progress| progress.attempt);
            let has_receipt = |a: &AttemptFacts| Some(a.number) == at && a.receipt.is_some();
            if !ipe.attempts.iter().any(has_receipt) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether the run's last manifest names every file that `facts` holds.
///
/// # Errors
/// [`FinalizerError`] when the bucket does not answer or the manifest cannot be read.
pub async fn is_told(context: &Context, facts: &RunFacts) -> Result<bool, FinalizerError> {
    let mut run = facts.clone();
    refresh(context, &mut run).await?;
    let Some((_, last)) = last(context, &run).await? else {
        return Ok(false);
    };
    let named: BTreeSet<&str> = last.subject.iter().map(|s| s.name.as_str()).collect();
    Ok(facts
        .objects
        .iter()
        .all(|(name, _)| named.contains(name.as_str())))
}

/// The manifest that says what is known: the last one if it says so already, or a new revision.
async fn manifest(
    context: &Context,
    facts: &RunFacts,
    mut closing: Closing,
    marker: &mut Marker,
) -> Result<(ManifestLink, bool), FinalizerError> {
    let run = &facts.plan.run_id;
    let mut facts = facts.clone();
    loop {
        // Finishing a reservation may write this run's own manifest, and another run's finalizer may have done so since
        // the facts were read: only now is the last revision known. What is written later moves the head, and then this
        // manifest is made anew.
        let (head, etag) = chain::head(context, run.control()).await?;
        refresh(context, &mut facts).await?;
        let facts = &facts;
        if let Some((link, last)) = last(context, facts).await? {
            if statement::same_content(&last.predicate, &statement::predicate(facts, &closing))
                && subjects::are_of_run(context, facts, &last.subject)
            {
                // Its finalizer may have died after the head was read here: the chain is finished before the run is closed.
                chain::head(context, run.control()).await?;
                return Ok((link, false));
            }
            closing.revision = link.revision + 1;
        }
        // Should this call die between manifest and publication, the sweep has to look at the run again.
        marker.claim(context, facts, closing.revision).await?;
        closing.previous = head.head.clone();
        let predicate = statement::predicate(facts, &closing);
        let files = subjects::of_run(context, facts).await?;
        if let Some(link) =
            sign_and_append(context, predicate, Some(&facts.plan), files, &head, &etag).await?
        {
            return Ok((link, true));
        }
    }
}

/// Renders the report, signs the manifest and puts it behind the head; `None` when the head moved meanwhile.
///
/// # Errors
/// [`FinalizerError`]; nothing is in the chain then, or the next look at the head finishes it.
pub async fn sign_and_append(
    context: &Context,
    predicate: Predicate,
    plan: Option<&Plan>,
    mut files: Vec<Subject>,
    head: &ChainHead,
    etag: &ETag,
) -> Result<Option<ManifestLink>, FinalizerError> {
    let (run_id, revision) = (predicate.run_id.clone(), predicate.revision);
    let history = history::before(context, &run_id).await?;
    let report = report::render(&Report {
        predicate: &predicate,
        plan,
        history: &history,
    })?;
    let name = format!("report-{revision}.html");
    files.retain(|file| file.name != name);
    files.push(statement::subject(
        name,
        report.len() as u64,
        Sha256::of(&report),
    ));
    let unsigned = Unsigned::new(&statement::build(predicate, files))?;
    let signature = context
        .signer
        .sign_digest(*unsigned.digest().as_bytes())
        .await?;
    let bytes = unsigned.signed(context.signer.key_id(), &signature)?;
    let link = ManifestLink {
        run_id,
        revision,
        sha256: Sha256::of(&bytes),
    };
    let envelope =
        String::from_utf8(bytes).map_err(|e| envelope::EnvelopeError::Form(e.to_string()))?;
    let staged = Staged { envelope, report };
    let control = link.run_id.control();
    Ok(chain::append(context, control, head, etag, &link, &staged)
        .await?
        .then_some(link))
}

/// Lists the run's manifests and reports anew.
async fn refresh(context: &Context, facts: &mut RunFacts) -> Result<(), FinalizerError> {
    let layout = context.reader.layout();
    let folder = layout.run_folder(&facts.plan.run_id);
    for kind in ["manifest-", "report-"] {
        for object in context.evidence.list(&format!("{folder}{kind}")).await? {
            match (layout.parse(&object.key), object.key.strip_prefix(&folder)) {
                (Some(Object::Manifest(_, revision)), _) => facts.manifests.push(revision),
                (Some(Object::Report(..)), Some(name)) => {
                    facts.objects.push((name.to_owned(), object.size));
                }
                _ => {}
            }
        }
    }
    facts.manifests.sort_unstable();
    facts.manifests.dedup();
    facts.objects.sort();
    facts.objects.dedup();
    Ok(())
}

/// The run's last manifest.
async fn last(
    context: &Context,
    facts: &RunFacts,
) -> Result<Option<(ManifestLink, Statement)>, FinalizerError> {
    let run = &facts.plan.run_id;
    let Some(revision) = facts.manifests.last().copied() else {
        return Ok(None);
    };
    let object = context
        .evidence
        .get(&context.reader.layout().manifest(run, revision))
        .await?;
    let link = ManifestLink {
        run_id: run.clone(),
        revision,
        sha256: Sha256::of(&object.bytes),
    };
    Ok(Some((link, envelope::read(&object.bytes)?)))
}
