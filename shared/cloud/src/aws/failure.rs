//! What an SDK error means: the five services' errors become one small vocabulary.

use std::error::Error;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The meaning of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The thing that was named does not exist.
    NotFound,
    /// A condition of the request does not hold (412).
    Precondition,
    /// A concurrent request on the same thing was under way (409).
    Conflict,
    /// Policy, role or credentials refuse.
    Denied,
    /// Too many requests.
    Throttled,
    /// Network, timeout or a failure of the service: the request may or may not have had its effect.
    Unavailable,
    /// The request itself is wrong, or something else.
    Other,
}

/// A failed call in one line, without headers and bodies.
#[derive(Debug, Clone)]
pub(crate) struct ServiceFailure {
    /// What it means.
    pub(crate) meaning: Meaning,
    /// The service's own code.
    pub(crate) code: String,
    /// The service's code, message, status and request id, or the chain of causes.
    pub(crate) detail: String,
}

/// Reads an SDK error.
pub(crate) fn read<E>(error: &SdkError<E, HttpResponse>) -> ServiceFailure
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(context) = error else {
        let meaning = match error {
            SdkError::TimeoutError(_)
            | SdkError::DispatchFailure(_)
            | SdkError::ResponseError(_) => Meaning::Unavailable,
            _ => Meaning::Other,
        };
        let detail = chain(error);
        // No credentials is found out before anything is sent, yet is reported as a dispatch failure.
        let meaning = if detail.contains("credential") {
            Meaning::Denied
        } else {
            meaning
        };
        return ServiceFailure {
            meaning,
            code: String::new(),
            detail,
        };
    };
    let status = context.raw().status().as_u16();
    let service = context.err();
    let code = service.code().unwrap_or_default().to_owned();
    let headers = context.raw().headers();
    let request = headers
        .get("x-amz-request-id")
        .or_else(|| headers.get("x-amzn-requestid"))
        .unwrap_or("-");
    let message = first_line(service.message().unwrap_or("no message"));
    let name = if code.is_empty() { "error" } else { &code };
    ServiceFailure {
        meaning: meaning(&code, status),
        detail: format!("{name}: {message} (HTTP {status}, request {request})"),
        code,
    }
}

/// What a service says of a wrong signature goes on, on further lines, with the request as it should have been signed: with
/// the session token in it.
fn first_line(message: &str) -> &str {
    const QUOTED: [&str; 3] = [
        "The Canonical String",
        "The String-to-Sign",
        "x-amz-security-token",
    ];
    let line = message.trim().lines().next().unwrap_or_default();
    let ends = QUOTED.iter().filter_map(|quoted| line.find(quoted)).min();
    line.get(..ends.unwrap_or(line.len()))
        .unwrap_or_default()
        .trim_end()
}

fn meaning(code: &str, status: u16) -> Meaning {
    match code {
        "NoSuchKey"
        | "NoSuchBucket"
        | "NotFound"
        | "NoSuchUpload"
        | "ResourceNotFoundException"
        | "NotFoundException"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDoesNotExist" => Meaning::NotFound,
        "PreconditionFailed" => Meaning::Precondition,
        "ConditionalRequestConflict" | "OperationAborted" => Meaning::Conflict,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "LimitExceededException"
        | "ActiveStatementsExceededException"
        | "ActiveSessionsExceededException"
        | "ActiveWaitingRequestsExceededException"
        | "OverLimit"
        | "KmsThrottled" => Meaning::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "KMS.DisabledException"
        | "KmsDisabled" => Meaning::Denied,
        _ => match status {
            404 => Meaning::NotFound,
            412 => Meaning::Precondition,
            409 => Meaning::Conflict,
            401 | 403 => Meaning::Denied,
            429 => Meaning::Throttled,
            408 | 500.. => Meaning::Unavailable,
            _ => Meaning::Other,
        },
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_win_over_statuses() {
        assert_eq!(meaning("NoSuchKey", 404), Meaning::NotFound);
        assert_eq!(meaning("", 412), Meaning::Precondition);
        assert_eq!(
            meaning("ConditionalRequestConflict", 409),
            Meaning::Conflict
        );
        assert_eq!(meaning("SlowDown", 503), Meaning::Throttled);
        assert_eq!(meaning("InternalError", 500), Meaning::Unavailable);
        assert_eq!(meaning("AccessDenied", 403), Meaning::Denied);
        assert_eq!(meaning("ValidationException", 400), Meaning::Other);
    }

    #[test]
    fn the_request_that_a_service_quotes_is_not_passed_on() {
        let said = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                    Access Key and signing method.\n\nThe Canonical String for this request should have \
                    been\n'POST\n/\n\nx-amz-security-token:FwoGZXIvYXdz\n'";
        for message in [said.to_owned(), said.replace('\n', " ")] {
            let told = first_line(&message);
            assert!(told.ends_with("signing method."), "{told}");
        }
        assert_eq!(first_line("Rate exceeded"), "Rate exceeded");
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(
            chain(&Outer(std::io::Error::other("inner"))),
            "outer: inner"
        );
    }
}
