//! Starting a run: plan, marker, messages; each step finds what an earlier try has done.

use bytes::Bytes;
use jiff::ToSpan as _;
use serde::{Deserialize, Serialize};
use soxauto_cloud::{
    lake::{ETag, LakeError},
    queue::OutgoingMessage,
    telemetry::events,
};
use soxauto_domain::{
    Cutoff, IpeId, IpeState, Job, Plan, PlannedIpe, RunId, Sha256,
    catalog::Catalog,
    facts::Stored,
    layout::state,
    message::PlanPointer,
    plan::{PlanSchema, Stage},
    start::{StartRequest, TriggerSource},
};
use soxauto_runs::OpenRun;
use soxauto_tsql::baseline;

use crate::{context::Context, error::DispatcherError};

const JSON: &str = "application/json";

/// What a start answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Started {
    /// The run.
    pub run_id: RunId,
    /// Whether this event made it; `false` when it existed already.
    pub created: bool,
    /// Messages sent by this event.
    pub enqueued: usize,
    /// The IPEs of the plan.
    pub ipes: Vec<IpeId>,
    /// The plan.
    pub plan: PlanPointer,
    /// Paths of the function URL.
    pub links: Links,
}

/// Paths of the function URL.
#[derive(Debug, Serialize, Deserialize)]
pub struct Links {
    /// State of the run.
    pub status: String,
}

/// Starts the run that is asked for, or continues it.
///
/// # Errors
/// [`DispatcherError`]; before the plan is written nothing has happened, after it the next try continues.
pub async fn start(context: &Context, request: &StartRequest) -> Result<Started, DispatcherError> {
    let catalog = context.catalog()?;
    let cutoff = cutoff(context, catalog, request)?;
    let wanted = wanted(catalog, request)?;
    let (plan, created) = find_or_plan(context, catalog, request, cutoff, &wanted).await?;
    let pointer = PlanPointer {
        key: context.reader.layout().plan(&plan.document.run_id),
        sha256: plan.sha256,
    };
    let enqueued = dispatch(context, &plan.document, &pointer).await?;
    let run_id = plan.document.run_id.clone();
    if created {
        context.telemetry.emit(&events::RunPlanned {
            run_id: &run_id,
            ipes: wanted.len(),
        });
    }
    Ok(Started {
        links: Links {
            status: format!("/runs/{run_id}"),
        },
        ipes: plan
            .document
            .ipes
            .iter()
            .map(|ipe| ipe.id.clone())
            .collect(),
        run_id,
        created,
        enqueued,
        plan: pointer,
    })
}

/// The cutoff asked for, or the first day of the month in which the schedule was due.
fn cutoff(
    context: &Context,
    catalog: &Catalog,
    request: &StartRequest,
) -> Result<Cutoff, DispatcherError> {
    let now = context.clock.now();
    let cutoff = match request.cutoff {
        Some(cutoff) => cutoff,
        None => Cutoff::current(
            request.trigger.scheduled_time.unwrap_or(now),
            &catalog.time_zone,
        )?,
    };
    // The period has ended when the cutoff's day has begun in the control's zone.
    if cutoff.date() > now.to_zoned(catalog.time_zone.clone()).date() {
        return Err(DispatcherError::Future(cutoff));
    }
    Ok(cutoff)
}

/// The IPEs asked for, in the order of the catalog.
fn wanted(catalog: &Catalog, request: &StartRequest) -> Result<Vec<IpeId>, DispatcherError> {
    let Some(asked) = &request.ipes else {
        return Ok(catalog.ipes.iter().map(|ipe| ipe.id.clone()).collect());
    };
    if let Some(unknown) = asked.iter().find(|id| catalog.ipe(id).is_none()) {
        return Err(DispatcherError::Ipe(format!(
            "{unknown} is not in the catalog of {}",
            catalog.control_id
        )));
    }
    if asked.is_empty() {
        return Err(DispatcherError::Ipe("the list of IPEs is empty".to_owned()));
    }
    Ok(catalog
        .ipes
        .iter()
        .filter(|ipe| asked.contains(&ipe.id))
        .map(|ipe| ipe.id.clone())
        .collect())
}

/// The run that exists for the cutoff, or a new one. Of two rivals one writes the plan and the other follows it.
async fn find_or_plan(
    context: &Context,
    catalog: &Catalog,
    request: &StartRequest,
    cutoff: Cutoff,
    wanted: &[IpeId],
) -> Result<(Stored<Plan>, bool), DispatcherError> {
    let latest = context.reader.latest(&catalog.control_id, cutoff).await?;
    let run = match &latest {
        None => RunId::new(catalog.control_id.clone(), cutoff, 1),
        Some(run) => {
            if let Some(plan) = context.reader.plan(run).await? {
                if !request.supersede || is_same_event(&plan, request) {
                    return follow(plan, request, wanted);
                }
                run.next()
            } else {
                run.clone()
            }
        }
    };
    let plan = plan(
        context,
        catalog,
        request,
        &run,
        latest.filter(|earlier| *earlier != run),
        wanted,
    )?;
    let bytes = Bytes::from(serde_json::to_vec_pretty(&plan)?);
    let stored = Stored {
        sha256: Sha256::of(&bytes),
        size: bytes.len() as u64,
        document: plan,
    };
    match context
        .evidence
        .create(&context.reader.layout().plan(&run), bytes, JSON)
        .await
    {
        Ok(_) => Ok((stored, true)),
        Err(LakeError::AlreadyExists(_)) => {
            let plan = context
                .reader
                .plan(&run)
                .await?
                .ok_or_else(|| DispatcherError::RunNotFound(run.to_string()))?;
            follow(plan, request, wanted)
        }
        Err(e) => Err(e.into()),
    }
}

fn is_same_event(plan: &Stored<Plan>, request: &StartRequest) -> bool {
    plan.document.trigger.id == request.trigger.id
        && plan.document.trigger.source == request.trigger.source
}

/// An existing plan answers the request if the same event made it, or if it holds the same IPEs.
///
/// The schedule names none: for it, any run that holds them all is the month's run. A run of only some is not, or the
/// others would be missing without a word.
fn follow(
    plan: Stored<Plan>,
    request: &StartRequest,
    wanted: &[IpeId],
) -> Result<(Stored<Plan>, bool), DispatcherError> {
    let same = plan
        .document
        .ipes
        .iter()
        .map(|ipe| &ipe.id)
        .eq(wanted.iter());
    let holds_all = wanted.iter().all(|id| plan.document.ipe(id).is_some());
    let scheduled = request.trigger.source == TriggerSource::Schedule;
    // Who names none means all of the catalog, which may have grown since the event was first delivered.
    let answered = is_same_event(&plan, request) || (scheduled && holds_all);
    if same || (request.ipes.is_none() && answered) {
        return Ok((plan, false));
    }
    let ipes: Vec<&str> = plan
        .document
        .ipes
        .iter()
        .map(|ipe| ipe.id.as_str())
        .collect();
    Err(DispatcherError::Conflict {
        run: plan.document.run_id.clone(),
        ipes: ipes.join(", "),
    })
}

fn plan(
    context: &Context,
    catalog: &Catalog,
    request: &StartRequest,
    run: &RunId,
    supersedes: Option<RunId>,
    wanted: &[IpeId],
) -> Result<Plan, DispatcherError> {
    let period = run.cutoff().period();
    let mut ipes = Vec::with_capacity(wanted.len());
    for ipe in catalog.ipes.iter().filter(|ipe| wanted.contains(&ipe.id)) {
        let resolved = ipe
            .resolve(&period)
            .map_err(|source| DispatcherError::Bind {
                ipe: ipe.id.clone(),
                source,
            })?;
        ipes.push(PlannedIpe {
            baseline: baseline::status(ipe),
            ..resolved
        });
    }
    if context.settings.stage == Stage::Prod && request.approval.is_none() {
        approved(&ipes)?;
    }
    let created_at = context.clock.now();
    Ok(Plan {
        schema: PlanSchema,
        run_id: run.clone(),
        supersedes,
        control: catalog.planned_control(),
        period,
        created_at,
        deadline: created_at
            .saturating_add(i64::from(catalog.control.deadline_hours).hours())
            .unwrap_or(created_at),
        trigger: request.trigger.clone(),
        approval: request.approval.clone(),
        stage: context.settings.stage,
        software: context.software.clone(),
        catalog_sha256: catalog.sha256,
        ipes,
    })
}

/// Refuses queries that nobody has approved as they are.
fn approved(ipes: &[PlannedIpe]) -> Result<(), DispatcherError> {
    let unapproved: Vec<String> = ipes
        .iter()
        .filter(|ipe| !ipe.baseline.is_approved())
        .map(|ipe| format!("{} ({})", ipe.id, ipe.baseline.statement()))
        .collect();
    if unapproved.is_empty() {
        return Ok(());
    }
    Err(DispatcherError::Unapproved(unapproved.join(", ")))
}

/// Sends the messages that an earlier try has not sent; returns how many.
async fn dispatch(
    context: &Context,
    plan: &Plan,
    pointer: &PlanPointer,
) -> Result<usize, DispatcherError> {
    let key = state::open_run(&plan.run_id);
    let Some((marker, etag)) = open_marker(context, plan, pointer, &key).await? else {
        return Ok(0);
    };
    if marker.dispatched_at.is_some() {
        return Ok(0);
    }
    let facts = context
        .reader
        .facts(&plan.run_id)
        .await?
        .ok_or_else(|| DispatcherError::RunNotFound(plan.run_id.to_string()))?;
    let mut messages = Vec::new();
    for ipe in facts
        .ipes
        .iter()
        .filter(|ipe| ipe.state() == IpeState::Planned)
    {
        let job = Job::new(plan.run_id.clone(), ipe.id.clone(), pointer.clone());
        messages.push(OutgoingMessage {
            id: ipe.id.as_str().to_owned(),
            body: serde_json::to_string(&job)?,
        });
    }
    let total = messages.len();
    // What the queue did not take is sent by the next try, which finds the marker still open.
    context.jobs.send_batch(messages).await?;
    context.telemetry.emit(&events::JobsEnqueued {
        run_id: &plan.run_id,
        messages: total,
    });
    let dispatched = OpenRun {
        dispatched_at: Some(context.clock.now()),
        ..marker
    };
    match context
        .state
        .replace(
            &key,
            Bytes::from(serde_json::to_vec(&dispatched)?),
            JSON,
            &etag,
        )
        .await
    {
        // A rival has sent them too, or the run is closed already: workers do each IPE once.
        Ok(_) | Err(LakeError::Precondition(_) | LakeError::NotFound(_)) => Ok(total),
        Err(e) => Err(e.into()),
    }
}

/// The run's marker, made if it is missing; `None` if the run is closed.
async fn open_marker(
    context: &Context,
    plan: &Plan,
    pointer: &PlanPointer,
    key: &str,
) -> Result<Option<(OpenRun, ETag)>, DispatcherError> {
    let read = async || -> Result<Option<(OpenRun, ETag)>, DispatcherError> {
        match context.state.get(key).await {
            Ok(object) => Ok(Some((serde_json::from_slice(&object.bytes)?, object.etag))),
            Err(LakeError::NotFound(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    };
    if let Some(found) = read().await? {
        return Ok(Some(found));
    }
    // A run with a manifest was closed, and its marker taken away.
    let closed = context
        .reader
        .facts(&plan.run_id)
        .await?
        .is_some_and(|facts| !facts.manifests.is_empty());
    if closed {
        return Ok(None);
    }
    let marker = OpenRun {
        run_id: plan.run_id.clone(),
        plan: pointer.clone(),
        deadline: plan.deadline,
        dispatched_at: None,
        closing: None,
        told_revision: None,
    };
    match context
        .state
        .create(key, Bytes::from(serde_json::to_vec(&marker)?), JSON)
        .await
    {
        Ok(etag) => Ok(Some((marker, etag))),
        Err(LakeError::AlreadyExists(_)) => read().await,
        Err(e) => Err(e.into()),
    }
}
