//! One invocation: read the event, start the run or answer the request.

use serde_json::{Value, json};

use crate::{context::Context, dry_run, error::DispatcherError, event::Event, http, start};

/// Handles one invocation. HTTP requests are always answered; every other event that is refused is an error, so that
/// the service that sent it knows.
///
/// # Errors
/// [`DispatcherError`] with its code.
pub async fn handle(
    context: &Context,
    event: Value,
    request_id: &str,
) -> Result<Value, DispatcherError> {
    let is_http = event.pointer("/requestContext/http").is_some();
    let outcome = match Event::read(event, request_id) {
        Ok(Event::Start(request)) => start::start(context, &request)
            .await
            .and_then(|started| Ok(serde_json::to_value(started)?)),
        Ok(Event::DryRun) => dry_run::look(context)
            .await
            .and_then(|report| Ok(serde_json::to_value(report)?)),
        Ok(Event::Http(request)) => http::answer(context, &request).await,
        Err(e) => Err(e),
    };
    if let Err(error) = &outcome {
        let code = error.code();
        tracing::error!(
            code = code.as_str(),
            remedy = code.remedy(),
            request_id,
            "{error}"
        );
    }
    match outcome {
        Err(error) if is_http => Ok(http::response(
            error.status(),
            &json!({"error": {"code": error.code(), "message": error.to_string(), "remedy": error.code().remedy()}}),
        )),
        other => other,
    }
}
