//! The function URL: start a run, see its state.

use serde::Serialize;
use serde_json::{Value, json};
use soxauto_domain::{
    IpeId, IpeState, RunId, RunState,
    start::{Trigger, TriggerSource},
};

use crate::{
    context::Context,
    error::DispatcherError,
    event::{HttpRequest, StartBody},
    start,
};

/// State of a run, as `GET /runs/{id}` answers.
#[derive(Debug, Serialize)]
struct RunStatus {
    run_id: RunId,
    state: RunState,
    created_at: jiff::Timestamp,
    deadline: jiff::Timestamp,
    manifests: Vec<u32>,
    ipes: Vec<IpeStatus>,
}

/// State of one IPE in a run.
#[derive(Debug, Serialize)]
struct IpeStatus {
    id: IpeId,
    state: IpeState,
    attempts: usize,
    rows: Option<u64>,
    reason: Option<String>,
}

/// Answers a request; the value is a function-URL response.
///
/// # Errors
/// [`DispatcherError`], which the handler turns into an answer with the error's status.
pub async fn answer(context: &Context, request: &HttpRequest) -> Result<Value, DispatcherError> {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/") => {
            let trigger = Trigger {
                source: TriggerSource::FunctionUrl,
                id: request.id.clone(),
                scheduled_time: None,
                principal: request.principal.clone(),
            };
            let started =
                start::start(context, &StartBody::parse(&request.body)?.request(trigger)?).await?;
            Ok(response(202, &serde_json::to_value(started)?))
        }
        ("GET", "/health") => {
            let catalog = context.catalog()?;
            Ok(response(
                200,
                &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "ipes": catalog.ipes.len()}),
            ))
        }
        ("GET", "/config") => Ok(response(200, &configuration(context)?)),
        ("GET", path) if path.starts_with("/runs/") => {
            let status = run_status(context, &path["/runs/".len()..]).await?;
            Ok(response(200, &serde_json::to_value(status)?))
        }
        (method, path) => Err(DispatcherError::Route {
            method: method.to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// A function-URL response with a JSON body.
#[must_use]
pub fn response(status: u16, body: &Value) -> Value {
    json!({
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

/// What is configured; there is no secret in it, since the dispatcher is given none.
fn configuration(context: &Context) -> Result<Value, DispatcherError> {
    let catalog = context.catalog()?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "stage": context.settings.stage,
        "evidence": {"bucket": context.settings.evidence_bucket, "prefix": context.settings.evidence_prefix},
        "control": {
            "id": catalog.control_id,
            "title": catalog.control.title,
            "time_zone": catalog.control.time_zone,
            "deadline_hours": catalog.control.deadline_hours,
        },
        "catalog_sha256": catalog.sha256,
        "ipes": catalog.ipes.iter().map(|ipe| json!({"id": ipe.id, "title": ipe.file.title})).collect::<Vec<_>>(),
    }))
}

async fn run_status(context: &Context, id: &str) -> Result<RunStatus, DispatcherError> {
    let not_found = || DispatcherError::RunNotFound(id.chars().take(80).collect());
    let run: RunId = id.parse().map_err(|_| not_found())?;
    let facts = context.reader.facts(&run).await?.ok_or_else(not_found)?;
    let past_deadline = context.clock.now() >= facts.plan.deadline;
    Ok(RunStatus {
        // Not by the extractions alone: what is not in the warehouse is not complete.
        state: facts.state(past_deadline),
        created_at: facts.plan.created_at,
        deadline: facts.plan.deadline,
        manifests: facts.manifests.clone(),
        ipes: facts
            .ipes
            .iter()
            .map(|ipe| IpeStatus {
                id: ipe.id.clone(),
                state: ipe.state(),
                attempts: ipe.attempts.len(),
                rows: ipe.deciding().map(|(_, receipt)| receipt.counts.decoded),
                reason: (ipe.state() != IpeState::Passed)
                    .then(|| ipe.reason())
                    .flatten(),
            })
            .collect(),
        run_id: run,
    })
}
