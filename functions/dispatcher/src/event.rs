//! The accepted events, read strictly: Scheduler input, EventBridge event, direct invocation, function-URL request.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use soxauto_domain::{
    Approval, IpeId,
    calendar::Cutoff,
    dry_run::DryRun,
    start::{StartRequest, Trigger, TriggerSource},
};

use crate::error::DispatcherError;

/// What an invocation asks for.
#[derive(Debug)]
pub enum Event {
    /// Start a run.
    Start(StartRequest),
    /// Answer an HTTP request.
    Http(HttpRequest),
    /// Say whether a run could be started.
    DryRun,
}

/// A function-URL request, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    /// Path, percent-decoded by the service.
    pub path: String,
    /// Body as text.
    pub body: String,
    /// Identifier of the request.
    pub id: String,
    /// ARN of the caller.
    pub principal: Option<String>,
}

/// What a start event says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    schema: Option<String>,
    source: Option<String>,
    scheduled_time: Option<String>,
    execution_id: Option<String>,
    cutoff_date: Option<String>,
    ipes: Option<Vec<String>>,
    #[serde(default)]
    supersede: bool,
    principal: Option<String>,
    approval: Option<Approval>,
}

/// Schema of the Scheduler's input.
const START_SCHEMA: &str = "soxauto.start/1";

impl Event {
    /// Reads the event of the invocation `request_id`.
    ///
    /// # Errors
    /// A code and what is wrong with the event.
    pub fn read(event: Value, request_id: &str) -> Result<Self, DispatcherError> {
        if let Some(http) = event.pointer("/requestContext/http") {
            return http_request(&event, http, request_id).map(Self::Http);
        }
        if let Some(detail) = event.get("detail") {
            let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
            if !event.get("detail-type").is_some_and(Value::is_string) {
                return Err(DispatcherError::event(
                    "an EventBridge event without detail-type",
                ));
            }
            let trigger = Trigger {
                source: TriggerSource::EventBridge,
                id: text("id")
                    .ok_or_else(|| DispatcherError::event("an EventBridge event without id"))?,
                scheduled_time: text("time").and_then(|t| t.parse().ok()),
                principal: None,
            };
            let detail = if detail.is_null() {
                Value::Object(serde_json::Map::new())
            } else {
                detail.clone()
            };
            return body(detail)?.request(trigger).map(Self::Start);
        }
        if DryRun::read(&event).is_some() {
            return Ok(Self::DryRun);
        }
        let start = body(event)?;
        let trigger = start.trigger(request_id)?;
        start.request(trigger).map(Self::Start)
    }
}

fn body(value: Value) -> Result<StartBody, DispatcherError> {
    StartBody::deserialize(value)
        .map_err(|e| DispatcherError::event(format!("the event cannot be read: {e}")))
}

impl StartBody {
    /// Reads the body of an HTTP request; an empty one asks for the defaults.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn parse(text: &str) -> Result<Self, DispatcherError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text)
            .map_err(|e| DispatcherError::event(format!("the body cannot be read: {e}")))
    }

    /// Scheduler input names itself by its schema; everything else is a direct invocation.
    fn trigger(&self, request_id: &str) -> Result<Trigger, DispatcherError> {
        let direct = Trigger {
            source: TriggerSource::Direct,
            id: request_id.to_owned(),
            scheduled_time: None,
            // Lambda does not say who invoked: what the operator's tool says of itself is better than nothing.
            principal: self.principal.clone(),
        };
        match (self.schema.as_deref(), self.source.as_deref()) {
            (None, None) => Ok(direct),
            (Some(START_SCHEMA), Some("schedule")) => Ok(Trigger {
                source: TriggerSource::Schedule,
                id: resolved(self.execution_id.as_deref())
                    .unwrap_or(request_id)
                    .to_owned(),
                scheduled_time: match resolved(self.scheduled_time.as_deref()) {
                    None => None,
                    Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                        DispatcherError::event(format!("scheduled_time {text:?} is not an instant"))
                    })?),
                },
                ..direct
            }),
            (schema, source) => Err(DispatcherError::event(format!(
                "schema {schema:?} with source {source:?} is not known"
            ))),
        }
    }

    /// The request with its texts checked.
    ///
    /// # Errors
    /// [`DispatcherError`] for a bad date or identifier.
    pub fn request(self, trigger: Trigger) -> Result<StartRequest, DispatcherError> {
        // Where AWS names the caller, or nobody asked, an event must not claim one.
        if self.principal.is_some() && trigger.source != TriggerSource::Direct {
            return Err(DispatcherError::event(
                "principal is taken from a direct invocation only",
            ));
        }
        let cutoff = self
            .cutoff_date
            .map(|text| text.parse::<Cutoff>())
            .transpose()?;
        let ipes = self
            .ipes
            .map(|list| {
                list.into_iter()
                    .map(|id| {
                        id.parse::<IpeId>()
                            .map_err(|e| DispatcherError::Ipe(e.to_string()))
                    })
                    .collect()
            })
            .transpose()?;
        Ok(StartRequest {
            cutoff,
            ipes,
            supersede: self.supersede,
            approval: self
                .approval
                .map(Approval::checked)
                .transpose()
                .map_err(|e| DispatcherError::event(e.to_string()))?,
            trigger,
        })
    }
}

/// A Scheduler attribute that the service has filled in; a literal placeholder counts as absent.
fn resolved(text: Option<&str>) -> Option<&str> {
    text.filter(|t| !t.starts_with("<aws.scheduler."))
}

fn http_request(
    event: &Value,
    http: &Value,
    request_id: &str,
) -> Result<HttpRequest, DispatcherError> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let raw = text(event.get("body")).unwrap_or_default();
    let body = if event
        .get("isBase64Encoded")
        .and_then(Value::as_bool)
        .unwrap_or(false)
    {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD
            .decode(&raw)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| DispatcherError::event("the body is not UTF-8 in base64"))?
    } else {
        raw
    };
    Ok(HttpRequest {
        method: text(http.get("method"))
            .unwrap_or_default()
            .to_ascii_uppercase(),
        path: text(event.get("rawPath"))
            .or_else(|| text(http.get("path")))
            .unwrap_or_else(|| "/".to_owned()),
        body,
        id: text(event.pointer("/requestContext/requestId"))
            .unwrap_or_else(|| request_id.to_owned()),
        principal: text(event.pointer("/requestContext/authorizer/iam/userArn")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start(event: Value) -> StartRequest {
        match Event::read(event, "req-1").unwrap() {
            Event::Start(request) => request,
            other => panic!("not a start: {other:?}"),
        }
    }

    #[test]
    fn the_schedulers_input() {
        let request = start(
            json!({"schema": "soxauto.start/1", "source": "schedule", "scheduled_time": "2024-05-01T07:00:00Z",
            "execution_id": "e-1", "cutoff_date": null}),
        );
        assert_eq!(request.trigger.source, TriggerSource::Schedule);
        assert_eq!(request.trigger.id, "e-1");
        assert!(request.cutoff.is_none() && request.ipes.is_none() && !request.supersede);
        // An emulator that leaves the placeholders alone starts a run all the same.
        let request = start(
            json!({"schema": "soxauto.start/1", "source": "schedule", "scheduled_time": "<aws.scheduler.scheduled-time>",
            "execution_id": "<aws.scheduler.execution-id>"}),
        );
        assert_eq!(
            (request.trigger.id.as_str(), request.trigger.scheduled_time),
            ("req-1", None)
        );
    }

    #[test]
    fn an_eventbridge_event() {
        let request = start(
            json!({"version": "0", "id": "ev-1", "detail-type": "Start", "source": "finance", "time": "2024-05-01T07:00:00Z",
            "detail": {"cutoff_date": "2024-05-01", "ipes": ["IPE_07"]}}),
        );
        assert_eq!(request.trigger.source, TriggerSource::EventBridge);
        assert_eq!(request.cutoff.unwrap().to_string(), "2024-05-01");
        assert_eq!(request.ipes.unwrap()[0].as_str(), "IPE_07");
    }

    #[test]
    fn a_direct_invocation_and_its_mistakes() {
        assert_eq!(start(json!({})).trigger.source, TriggerSource::Direct);
        for (event, code) in [
            (json!({"cutoff_date": "2024-05-31"}), "CUTOFF_INVALID"),
            (json!({"cutoff_date": "01/05/2024"}), "CUTOFF_INVALID"),
            (json!({"cutoff": "2024-05-01"}), "START_EVENT_INVALID"),
            (json!({"ipes": "IPE_07"}), "START_EVENT_INVALID"),
            (json!({"ipes": ["../etc"]}), "IPE_UNKNOWN"),
            (json!([1]), "START_EVENT_INVALID"),
            (json!({"detail": {}, "id": "x"}), "START_EVENT_INVALID"),
            (
                json!({"schema": "soxauto.start/2", "source": "schedule"}),
                "START_EVENT_INVALID",
            ),
        ] {
            let error = Event::read(event.clone(), "req").unwrap_err();
            assert_eq!(error.code().as_str(), code, "{event}");
        }
    }

    #[test]
    fn only_a_direct_invocation_names_its_principal() {
        let who = "arn:aws:iam::1:user/o";
        let request = start(json!({"principal": who}));
        assert_eq!(request.trigger.principal.as_deref(), Some(who));
        for event in [
            json!({"schema": "soxauto.start/1", "source": "schedule", "principal": who}),
            json!({"detail": {"principal": who}, "detail-type": "Start", "id": "ev-1"}),
        ] {
            let error = Event::read(event.clone(), "req").unwrap_err();
            assert_eq!(error.code().as_str(), "START_EVENT_INVALID", "{event}");
        }
    }

    #[test]
    fn a_dry_run_is_nothing_else() {
        let event = json!({"schema": "soxauto.check/1"});
        assert!(matches!(Event::read(event, "req"), Ok(Event::DryRun)));
        let event = json!({"schema": "soxauto.check/1", "supersede": true});
        let error = Event::read(event, "req").unwrap_err();
        assert_eq!(error.code().as_str(), "START_EVENT_INVALID");
    }

    #[test]
    fn a_function_url_request() {
        let event = json!({"version": "2.0", "rawPath": "/runs/C-PG-1/2024-05-01/r1", "body": "e30=", "isBase64Encoded": true,
            "requestContext": {"requestId": "r-1", "http": {"method": "get", "path": "/"},
                "authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/a"}}}});
        let Event::Http(request) = Event::read(event, "req").unwrap() else {
            panic!("not HTTP")
        };
        assert_eq!(
            (request.method.as_str(), request.body.as_str()),
            ("GET", "{}")
        );
        assert_eq!(request.principal.as_deref(), Some("arn:aws:iam::1:user/a"));
    }
}
