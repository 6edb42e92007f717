//! Closing a run: the manifest revision, its place in the chain, and its publication.

use std::time::Instant;

use soxauto_cloud::telemetry::events;
use soxauto_domain::{
    RunState, Sha256,
    facts::RunFacts,
    layout::state,
    manifest::{ManifestLink, Statement},
    plan::Software,
};
use soxauto_evidence::{
    Unsigned, envelope, report,
    statement::{self, Closing},
};

use crate::{
    chain::{self, Staged},
    context::Context,
    error::FinalizerError,
    publish, subjects,
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
        software: Software {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    };
    let state = statement::predicate(facts, &closing).state;
    if state == RunState::Open {
        return Ok(state);
    }
    let (link, is_new) = manifest(context, facts, closing).await?;
    publish::publish(context, facts, &link, state, deadline).await?;
    if is_new {
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
    // Last of all: as long as the marker is there, the sweep looks at the run.
    match context
        .state
        .delete(&state::open_run(&facts.plan.run_id))
        .await
    {
        Ok(()) => {}
        Err(e) if e.is_not_found() => {}
        Err(e) => return Err(e.into()),
    }
    Ok(state)
}

/// The manifest that says what is known: the last one if it says so already, or a new revision.
async fn manifest(
    context: &Context,
    facts: &RunFacts,
    mut closing: Closing,
) -> Result<(ManifestLink, bool), FinalizerError> {
    let run = &facts.plan.run_id;
    loop {
        // Finishing a reservation may write this run's own manifest: only then is the last revision known.
        let (head, etag) = chain::head(context, run.control()).await?;
        if let Some((link, last)) = last(context, facts, head.head.as_ref()).await? {
            if statement::same_content(&last.predicate, &statement::predicate(facts, &closing)) {
                return Ok((link, false));
            }
            closing.revision = link.revision + 1;
        }
        closing.previous = head.head.clone();
        let predicate = statement::predicate(facts, &closing);
        let html = report::render(&predicate)?;
        let mut files = subjects::of_run(context, facts).await?;
        let name = format!("report-{}.html", closing.revision);
        files.retain(|file| file.name != name);
        files.push(statement::subject(
            name,
            html.len() as u64,
            Sha256::of(&html),
        ));
        let unsigned = Unsigned::new(&statement::build(predicate, files))?;
        let signature = context
            .signer
            .sign_digest(*unsigned.digest().as_bytes())
            .await?;
        let bytes = unsigned.signed(context.signer.key_id(), &signature)?;
        let link = ManifestLink {
            run_id: run.clone(),
            revision: closing.revision,
            sha256: Sha256::of(&bytes),
        };
        let envelope =
            String::from_utf8(bytes).map_err(|e| envelope::EnvelopeError::Form(e.to_string()))?;
        if chain::append(
            context,
            run.control(),
            &head,
            &etag,
            &link,
            &Staged {
                envelope,
                report: html,
            },
        )
        .await?
        {
            return Ok((link, true));
        }
    }
}

/// The run's last manifest: the listing's, or the chain's head if that is newer than the listing.
async fn last(
    context: &Context,
    facts: &RunFacts,
    head: Option<&ManifestLink>,
) -> Result<Option<(ManifestLink, Statement)>, FinalizerError> {
    let run = &facts.plan.run_id;
    let listed = facts.manifests.last().copied();
    let in_chain = head
        .filter(|link| link.run_id == *run)
        .map(|link| link.revision);
    let Some(revision) = listed.max(in_chain) else {
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
