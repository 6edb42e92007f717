//! The few requests that the launcher itself sends to the emulator. No SDK: they would cost minutes of build time.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::environment::REGION;
use crate::error::StackError;

const LIMIT: Duration = Duration::from_secs(70);

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// One line of a function's log.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When it was written, in milliseconds since 1970.
    pub timestamp: i64,
    /// The line.
    pub message: String,
    /// The stream: the emulator makes one per invocation.
    #[serde(default)]
    pub log_stream_name: String,
}

/// The emulator's HTTP interface.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    pub(crate) address: SocketAddr,
}

/// What is sent.
pub(crate) struct Call<'a> {
    /// For error messages.
    pub(crate) action: &'a str,
    /// The signing name of the service.
    pub(crate) service: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Another host name than the address, for function URLs.
    pub(crate) host: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Vec<u8>,
}

impl Emulator {
    /// Sends one request and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Response, StackError> {
        let failed = |reason: String| StackError::Request {
            action: call.action.to_owned(),
            reason,
        };
        let exchange = async {
            let stream = TcpStream::connect(self.address)
                .await
                .map_err(|error| error.to_string())?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let host = call
                .host
                .map_or_else(|| self.address.to_string(), str::to_owned);
            // The emulator reads region and service from the credential scope and does not check signatures.
            let mut request = Request::builder()
                .method(call.method)
                .uri(call.path)
                .header("Host", host)
                .header("X-Amz-Date", "20260101T000000Z")
                .header(
                    "Authorization",
                    format!(
                        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{}/aws4_request, SignedHeaders=host, Signature=0",
                        call.service
                    ),
                );
            for (name, value) in call.headers {
                request = request.header(*name, *value);
            }
            let request = request
                .body(Full::new(Bytes::from(call.body)))
                .map_err(|error| error.to_string())?;
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes()
                .to_vec();
            Ok::<_, String>(Response { status, body })
        };
        match timeout(LIMIT, exchange).await {
            Err(_) => Err(failed(format!("no answer within {} s", LIMIT.as_secs()))),
            Ok(Err(reason)) => Err(failed(reason)),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// Like [`send`](Self::send), but any status outside 200 to 299 is an error.
    pub(crate) async fn expect_success(&self, call: Call<'_>) -> Result<Response, StackError> {
        let action = call.action.to_owned();
        let response = self.send(call).await?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        Err(StackError::Refused {
            action,
            status: response.status,
            body: String::from_utf8_lossy(&response.body).into_owned(),
        })
    }

    /// Queues an asynchronous invocation of a function's live version: what Scheduler does.
    pub(crate) async fn invoke_later(
        &self,
        function: &str,
        event: &Value,
    ) -> Result<(), StackError> {
        self.invoke(function, event, "Event").await.map(drop)
    }

    /// Invokes a function's live version and waits for its answer.
    pub(crate) async fn invoke_now(
        &self,
        function: &str,
        event: &Value,
    ) -> Result<Value, StackError> {
        let response = self.invoke(function, event, "RequestResponse").await?;
        parse("read the function's answer", &response.body)
    }

    async fn invoke(
        &self,
        function: &str,
        event: &Value,
        kind: &str,
    ) -> Result<Response, StackError> {
        self.expect_success(Call {
            action: &format!("invoke {function}"),
            service: "lambda",
            method: Method::POST,
            path: &format!("/2015-03-31/functions/{function}/invocations?Qualifier=live"),
            host: None,
            headers: &[
                ("X-Amz-Invocation-Type", kind),
                ("Content-Type", "application/json"),
            ],
            body: event.to_string().into_bytes(),
        })
        .await
    }

    /// A deployed schedule, as Scheduler's API shows it.
    pub(crate) async fn schedule(&self, name: &str) -> Result<Value, StackError> {
        let response = self
            .expect_success(Call {
                action: &format!("read the schedule {name}"),
                service: "scheduler",
                method: Method::GET,
                path: &format!("/schedules/{name}"),
                host: None,
                headers: &[],
                body: Vec::new(),
            })
            .await?;
        parse("read the schedule", &response.body)
    }

    /// All lines of a log group, oldest first.
    pub(crate) async fn log_lines(&self, group: &str) -> Result<Vec<LogLine>, StackError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            events: Vec<LogLine>,
            next_token: Option<String>,
        }
        let mut lines = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut question = json!({"logGroupName": group, "limit": 10_000});
            if let Some(token) = &token {
                question["nextToken"] = json!(token);
            }
            let response = self
                .expect_success(Call {
                    action: &format!("read the log {group}"),
                    service: "logs",
                    method: Method::POST,
                    path: "/",
                    host: None,
                    headers: &[
                        ("X-Amz-Target", "Logs_20140328.FilterLogEvents"),
                        ("Content-Type", "application/x-amz-json-1.1"),
                    ],
                    body: question.to_string().into_bytes(),
                })
                .await?;
            let page: Page = parse("read the log", &response.body)?;
            lines.extend(page.events);
            if page.next_token.is_none() || page.next_token == token {
                return Ok(lines);
            }
            token = page.next_token;
        }
    }
}

/// Reads JSON out of an answer.
fn parse<T: serde::de::DeserializeOwned>(action: &str, body: &[u8]) -> Result<T, StackError> {
    serde_json::from_slice(body).map_err(|error| StackError::Request {
        action: action.to_owned(),
        reason: error.to_string(),
    })
}
