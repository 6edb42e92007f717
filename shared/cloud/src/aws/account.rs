//! What the operator's tool asks of an account: where a stack's parts are, who is asking, and to call a function.

use std::{collections::BTreeMap, fmt::Write as _};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    call::{Answer, Call, Refusal, send},
    failure::{self, Meaning},
};

/// Why the account did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// There is no such stack or function.
    #[error("{what}: there is none of that name in this account and region: {detail}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// The service's words.
        detail: String,
    },
    /// Credentials are missing, wrong or expired, or policies refuse.
    #[error("{what}: access is denied; check your credentials and rights: {detail}")]
    Denied {
        /// What was asked for.
        what: String,
        /// The service's words.
        detail: String,
    },
    /// Throttling, network, timeout or service failure. A call that changes something may have had its effect.
    #[error("{what}: the service does not answer: {detail}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// The service's words.
        detail: String,
    },
    /// The function ran and refused; its code comes first.
    #[error("{what}: {code}: {message}")]
    Function {
        /// The function.
        what: String,
        /// The function's closed code.
        code: String,
        /// The function's words.
        message: String,
    },
    /// The request is wrong, or the answer is none that this release understands.
    #[error("{what}: {detail}")]
    Invalid {
        /// What was asked for.
        what: String,
        /// What is wrong.
        detail: String,
    },
}

/// An AWS account in one region, as one caller sees it.
#[derive(Debug, Clone)]
pub struct Account {
    config: SdkConfig,
}

impl Account {
    /// The account that the configuration's credentials lead to.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            config: config.clone(),
        }
    }

    /// The outputs of a CloudFormation stack, by their keys.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] without such a stack; else as every call.
    pub async fn stack_outputs(
        &self,
        stack: &str,
    ) -> Result<BTreeMap<String, String>, AccountError> {
        let what = format!("the stack {stack}");
        let answer = self
            .query(
                &what,
                ("cloudformation", "DescribeStacks", "2010-05-15"),
                &[("StackName", stack)],
            )
            .await
            .map_err(|error| match error {
                // CloudFormation has no code of its own for it.
                AccountError::Invalid { what, detail } if detail.contains("does not exist") => {
                    AccountError::NotFound { what, detail }
                }
                other => other,
            })?;
        outputs(&answer.body).map_err(|detail| AccountError::Invalid { what, detail })
    }

    /// The ARN of whoever these credentials belong to.
    ///
    /// # Errors
    /// As every call.
    pub async fn caller(&self) -> Result<String, AccountError> {
        let what = "the caller's identity".to_owned();
        let answer = self
            .query(&what, ("sts", "GetCallerIdentity", "2011-06-15"), &[])
            .await?;
        texts(&answer.body, "Arn")
            .into_iter()
            .next()
            .ok_or(AccountError::Invalid {
                what,
                detail: "the answer has no Arn".to_owned(),
            })
    }

    /// Calls the version of a function that an alias points to, and waits for its answer. Never repeated by itself:
    /// the caller knows whether twice is harmless.
    ///
    /// # Errors
    /// [`AccountError::Function`] when the function itself refused; else as every call.
    pub async fn invoke(
        &self,
        function: &str,
        alias: &str,
        event: &Value,
    ) -> Result<Value, AccountError> {
        let what = format!("the function {function}");
        let call = Call {
            service: "lambda",
            operation: "Invoke",
            path: format!("/2015-03-31/functions/{function}/invocations?Qualifier={alias}"),
            content_type: "application/json",
            body: event.to_string().into_bytes(),
            repeatable: false,
        };
        let answer = send(&self.config, call)
            .await
            .map_err(|e| refused(&what, &e))?;
        let value: Value =
            serde_json::from_str(&answer.body).map_err(|e| AccountError::Invalid {
                what: what.clone(),
                detail: format!("its answer is not JSON: {e}"),
            })?;
        if !answer.function_error {
            return Ok(value);
        }
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or("unknown")
                .to_owned()
        };
        Err(AccountError::Function {
            what,
            code: text("errorType"),
            message: text("errorMessage"),
        })
    }

    async fn query(
        &self,
        what: &str,
        (service, action, version): (&'static str, &'static str, &str),
        parameters: &[(&str, &str)],
    ) -> Result<Answer, AccountError> {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            let _ = write!(
                body,
                "&{name}={}",
                utf8_percent_encode(value, NON_ALPHANUMERIC)
            );
        }
        let call = Call {
            service,
            operation: action,
            path: "/".to_owned(),
            content_type: "application/x-www-form-urlencoded",
            body: body.into_bytes(),
            repeatable: true,
        };
        send(&self.config, call)
            .await
            .map_err(|e| refused(what, &e))
    }
}

fn refused(what: &str, error: &SdkError<Refusal, HttpResponse>) -> AccountError {
    let failure = failure::read(error);
    let (what, detail) = (what.to_owned(), failure.detail);
    match failure.meaning {
        Meaning::NotFound => AccountError::NotFound { what, detail },
        Meaning::Denied => AccountError::Denied { what, detail },
        Meaning::Throttled | Meaning::Unavailable | Meaning::Conflict => {
            AccountError::Unavailable { what, detail }
        }
        Meaning::Precondition | Meaning::Other => AccountError::Invalid { what, detail },
    }
}

/// The outputs in an answer of `DescribeStacks` about one stack.
fn outputs(xml: &str) -> Result<BTreeMap<String, String>, String> {
    let keys = texts(xml, "OutputKey");
    let values = texts(xml, "OutputValue");
    if keys.is_empty() || keys.len() != values.len() {
        return Err(format!(
            "the stack has {} outputs and {} values; is it one of soxauto, and is it up?",
            keys.len(),
            values.len()
        ));
    }
    Ok(keys.into_iter().zip(values).collect())
}

/// The texts of every element of that name, in order, at any depth; what is no XML has none.
pub(super) fn texts(xml: &str, name: &str) -> Vec<String> {
    let mut document = Document::new(xml);
    let mut found = Vec::new();
    if let Ok(mut root) = document.root_element() {
        collect(&mut root, name, &mut found);
    }
    found
}

fn collect(element: &mut ScopedDecoder<'_, '_>, name: &str, found: &mut Vec<String>) {
    while let Some(mut child) = element.next_tag() {
        if child.start_el().local() == name {
            found.push(
                try_data(&mut child)
                    .map(|text| text.into_owned())
                    .unwrap_or_default(),
            );
        } else {
            collect(&mut child, name, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_paired_whatever_stands_between() {
        let xml = "<?xml version=\"1.0\"?><DescribeStacksResponse xmlns=\"x\"><DescribeStacksResult><Stacks><member>\
            <StackName>s</StackName><Outputs><member><OutputKey>A</OutputKey><OutputValue>1 &amp; 2</OutputValue></member>\
            <member><Description>d</Description><OutputKey>B</OutputKey><OutputValue></OutputValue></member></Outputs>\
            </member></Stacks></DescribeStacksResult></DescribeStacksResponse>";
        let found = outputs(xml).unwrap();
        assert_eq!(
            found,
            BTreeMap::from([
                ("A".to_owned(), "1 & 2".to_owned()),
                ("B".to_owned(), String::new())
            ])
        );
    }

    #[test]
    fn a_stack_without_outputs_is_not_ours() {
        assert!(outputs("<DescribeStacksResponse/>").is_err());
        assert!(outputs("not XML").is_err());
    }
}
