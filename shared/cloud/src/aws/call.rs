//! One signed request to a service of which a single operation is needed.
//!
//! The SDKs of CloudFormation and Lambda would add two thirds to what the first build compiles of AWS, for one call each
//! (docs/decisions/0015). Signing, timeouts, retries and TLS are the SDK's own; only the request and its answer are
//! written and read here.

use std::time::{Duration, SystemTime};

use aws_config::{SdkConfig, retry::RetryConfig};
use aws_sdk_s3::config::{Credentials, ProvideCredentials as _};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        behavior_version::BehaviorVersion,
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::SdkError,
    },
};
use aws_smithy_types::{
    body::SdkBody,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
    timeout::TimeoutConfig,
};

/// Time to an answer: a function that is called may work for its 60 s.
const ANSWER: Duration = Duration::from_secs(65);

/// What is asked of a service, by POST.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Name of the service in endpoints and signatures.
    pub(super) service: &'static str,
    /// Name of the operation, for messages.
    pub(super) operation: &'static str,
    /// Path with its query.
    pub(super) path: String,
    /// Type of the body.
    pub(super) content_type: &'static str,
    /// The body.
    pub(super) body: Vec<u8>,
    /// Whether the call may be repeated when its answer is lost.
    pub(super) repeatable: bool,
}

/// An answer of success.
#[derive(Debug)]
pub(super) struct Answer {
    /// Lambda's word that the function, not the service, failed.
    pub(super) function_error: bool,
    /// The body.
    pub(super) body: String,
}

/// An answer of refusal.
#[derive(Debug, thiserror::Error)]
#[error("{}", meta.message().unwrap_or("no message"))]
pub(super) struct Refusal {
    meta: ErrorMetadata,
}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.meta
    }
}

/// Sends the call with the credentials, region and endpoint of `config`.
///
/// # Errors
/// As every call of an SDK; the answer's code and message are the service's.
pub(super) async fn send(
    config: &SdkConfig,
    call: Call,
) -> Result<Answer, SdkError<Refusal, HttpResponse>> {
    let region = config
        .region()
        .ok_or_else(|| {
            SdkError::construction_failure(
                "no region is set: give --region or set AWS_REGION".to_owned(),
            )
        })?
        .to_string();
    let endpoint = endpoint(config, call.service, &region);
    let provider = config
        .credentials_provider()
        .ok_or_else(|| SdkError::construction_failure("no credentials are set".to_owned()))?;
    let credentials = provider
        .provide_credentials()
        .await
        .map_err(SdkError::construction_failure)?;
    let retries = config
        .retry_config()
        .cloned()
        .unwrap_or_else(RetryConfig::standard);
    let tries = if call.repeatable {
        retries.max_attempts()
    } else {
        1
    };
    let url = endpoint.clone();
    let operation = Operation::builder()
        .service_name(call.service)
        .operation_name(call.operation)
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&endpoint)
        .no_auth()
        .standard_retry(&retries.with_max_attempts(tries))
        .retry_classifier(TransientErrorClassifier::<Refusal>::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .timeout_config(
            config
                .timeout_config()
                .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
                .read_timeout(ANSWER)
                .build(),
        )
        .serializer(move |call: Call| signed(&call, &url, &region, &credentials))
        .deserializer(|answer: &HttpResponse| read(answer))
        .build();
    operation.invoke(call).await
}

/// The service's endpoint: the one that the environment gives for all services, or AWS's own.
fn endpoint(config: &SdkConfig, service: &str, region: &str) -> String {
    if let Some(url) = config.endpoint_url() {
        return url.trim_end_matches('/').to_owned();
    }
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{suffix}")
}

fn signed(
    call: &Call,
    endpoint: &str,
    region: &str,
    credentials: &Credentials,
) -> Result<HttpRequest, BoxError> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(call.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new(
        "POST",
        format!("{endpoint}{}", call.path),
        [("content-type", call.content_type)].into_iter(),
        SignableBody::Bytes(&call.body),
    )?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(call.body.clone()));
    request.set_method("POST")?;
    request.set_uri(call.path.as_str())?;
    let headers = request.headers_mut();
    headers.insert("content-type", call.content_type);
    for (name, value) in instructions.headers() {
        headers.insert(name.to_owned(), value.to_owned());
    }
    Ok(request)
}

fn read(answer: &HttpResponse) -> Result<Answer, OrchestratorError<Refusal>> {
    let bytes = answer.body().bytes().unwrap_or_default();
    let body = String::from_utf8_lossy(bytes).into_owned();
    if answer.status().is_success() {
        return Ok(Answer {
            function_error: answer.headers().get("x-amz-function-error").is_some(),
            body,
        });
    }
    let (code, message) = refusal(&body);
    let named = answer
        .headers()
        .get("x-amzn-errortype")
        .map(|code| code.split(':').next().unwrap_or_default().to_owned());
    Err(OrchestratorError::operation(Refusal {
        meta: ErrorMetadata::builder()
            .code(named.unwrap_or(code))
            .message(message)
            .build(),
    }))
}

/// Code and message of a refusal, which is XML or JSON.
fn refusal(body: &str) -> (String, String) {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(body) {
        let text = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| json.get(name).and_then(serde_json::Value::as_str))
                .unwrap_or_default()
                .to_owned()
        };
        return (text(["__type", "Code"]), text(["Message", "message"]));
    }
    let text = |name| {
        super::account::texts(body, name)
            .into_iter()
            .next()
            .unwrap_or_default()
    };
    (text("Code"), text("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_both_forms() {
        let xml = "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
                   <Message>Stack with id x does not exist</Message></Error></ErrorResponse>";
        assert_eq!(
            refusal(xml),
            (
                "ValidationError".to_owned(),
                "Stack with id x does not exist".to_owned()
            )
        );
        let json = "{\"Type\": \"User\", \"__type\": \"ResourceNotFoundException\", \"Message\": \"gone\"}";
        assert_eq!(
            refusal(json),
            ("ResourceNotFoundException".to_owned(), "gone".to_owned())
        );
        assert_eq!(refusal("<html>"), (String::new(), String::new()));
    }

    #[test]
    fn a_request_is_signed_with_host_date_and_type() {
        let call = Call {
            service: "sts",
            operation: "GetCallerIdentity",
            path: "/".to_owned(),
            content_type: "text/plain",
            body: b"x".to_vec(),
            repeatable: true,
        };
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let request = signed(
            &call,
            "https://sts.eu-west-1.amazonaws.com",
            "eu-west-1",
            &credentials,
        )
        .unwrap();
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let authorization = header("authorization");
        assert!(
            authorization.contains("/eu-west-1/sts/aws4_request")
                && authorization.contains("content-type;host;x-amz-date;x-amz-security-token"),
            "{authorization}"
        );
        assert!(!authorization.contains("secret"));
        assert_eq!(header("x-amz-security-token"), "token");
    }
}
