//! The name of a call: who asks which service for what, of which kind of thing.

use std::fmt;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use soxauto_domain::{
    IpeId, RunId,
    layout::{Layout, Object},
};
use soxauto_local::Function;

use super::{http1::Message, process::Caller};

/// What a call is, without the names of runs and reports: the same in every run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// `dispatcher`, `worker`, `finalizer`; `other` for anybody else.
    pub function: &'static str,
    /// The service's name for the operation, such as `PutObject`.
    pub operation: String,
    /// The kind of thing it is about, such as `receipt.json`; empty when the operation says it all.
    pub kind: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.operation)?;
        if self.kind.is_empty() {
            return Ok(());
        }
        write!(f, " {}", self.kind)
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it is.
    pub name: Name,
    /// The process that makes it; `None` for a program that is no deployed function.
    pub caller: Option<Caller>,
    /// `s3`, `sqs`, `secretsmanager`, `kms`, `redshift-data`, or what the request says.
    pub service: String,
    /// The key or prefix of an S3 call; empty for others.
    pub key: String,
    /// The run that the key is about.
    pub run: Option<RunId>,
    /// The report that the key is about.
    pub ipe: Option<IpeId>,
    /// The body.
    pub body: Bytes,
}

/// The name of a function in names of calls.
#[must_use]
pub fn function_name(function: Function) -> &'static str {
    match function {
        Function::Dispatcher => "dispatcher",
        Function::Worker => "worker",
        Function::Finalizer => "finalizer",
    }
}

/// The prefix of evidence in the deployed stack.
const PREFIX: &str = "evidence";

impl Call {
    pub(super) fn read(request: &Message, caller: Option<Caller>) -> Self {
        let function = caller
            .as_ref()
            .map_or("other", |c| function_name(c.function));
        let named = match request.header("x-amz-target") {
            Some(target) => json(target, &request.body),
            None => s3(request),
        };
        Self {
            name: Name {
                function,
                operation: named.operation,
                kind: named.kind,
            },
            caller,
            service: named.service,
            key: named.key,
            run: named.run,
            ipe: named.ipe,
            body: request.body.clone(),
        }
    }

    /// Whether the service speaks JSON (and not XML).
    pub(super) fn is_json(&self) -> bool {
        self.service != "s3"
    }
}

/// A body for a call that makes a message come back later than after so many seconds, so that it comes then; `None` for
/// any other call. SQS may deliver a message again at any time: whoever works on it must be safe.
#[must_use]
pub fn sooner(call: &Call, seconds: u64) -> Option<Bytes> {
    if call.name.operation != "ChangeMessageVisibility" {
        return None;
    }
    let mut body: Value = serde_json::from_slice(&call.body).ok()?;
    if body["VisibilityTimeout"].as_u64()? <= seconds {
        return None;
    }
    body["VisibilityTimeout"] = seconds.into();
    Some(Bytes::from(body.to_string()))
}

#[derive(Default)]
struct Named {
    service: String,
    operation: String,
    kind: String,
    key: String,
    run: Option<RunId>,
    ipe: Option<IpeId>,
}

/// A call of a JSON service: `AmazonSQS.SendMessageBatch`.
fn json(target: &str, body: &Bytes) -> Named {
    let (prefix, operation) = target.rsplit_once('.').unwrap_or(("", target));
    let service = match prefix {
        "AmazonSQS" => "sqs",
        "TrentService" => "kms",
        "RedshiftData" => "redshift-data",
        other => other,
    };
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let kind = match service {
        "sqs" => queue(body["QueueUrl"].as_str().unwrap_or_default()),
        "redshift-data" => transaction(&body),
        _ => String::new(),
    };
    Named {
        service: service.to_owned(),
        operation: operation.to_owned(),
        kind,
        ..Named::default()
    }
}

/// `jobs`, `receipts`, `jobs-dlq`, …: the queue's name without that of the stack.
fn queue(url: &str) -> String {
    let name = url.rsplit('/').next().unwrap_or_default();
    name.trim_start_matches("soxauto-local-").to_owned()
}

/// What a transaction is for.
fn transaction(body: &Value) -> String {
    let sqls = body["Sqls"].as_array().cloned().unwrap_or_default();
    let has = |start: &str| {
        let mut texts = sqls.iter().filter_map(Value::as_str);
        texts.any(|sql| sql.starts_with(start))
    };
    let kind = match (has("LOCK") || has("COPY"), has("INSERT")) {
        _ if sqls.is_empty() => "",
        // A load takes a lock and deletes first; publishing inserts the run's row.
        (_, true) => "publication",
        (true, false) => "load",
        (false, false) => "tables",
    };
    kind.to_owned()
}

fn s3(request: &Message) -> Named {
    let (method, target) = request.request();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let has = |name: &str| {
        let mut pairs = query.split('&');
        pairs.any(|pair| pair.split('=').next() == Some(name))
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let key = path.trim_start_matches('/').split_once('/');
    let key = decoded(key.map_or("", |(_, key)| key));
    let operation = match method {
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if key.is_empty() => "ListObjectsV2",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        other => other,
    };
    let prefix = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("prefix="));
    let key = if key.is_empty() {
        decoded(prefix.unwrap_or_default())
    } else {
        key
    };
    let mut named = if operation.starts_with("List") {
        listing(&key)
    } else {
        object(&key)
    };
    "s3".clone_into(&mut named.service);
    operation.clone_into(&mut named.operation);
    named.key = key;
    named
}

fn of(kind: &str, run: Option<RunId>, ipe: Option<IpeId>) -> Named {
    Named {
        kind: kind.to_owned(),
        run,
        ipe,
        ..Named::default()
    }
}

/// What an object is.
fn object(key: &str) -> Named {
    match Layout::new(PREFIX).parse(key) {
        Some(Object::Plan(run)) => return of("plan.json", Some(run), None),
        Some(Object::Manifest(run, _)) => return of("manifest", Some(run), None),
        Some(Object::Report(run, _)) => return of("report", Some(run), None),
        Some(Object::Review(run, ..)) => return of("review", Some(run), None),
        Some(Object::Attempt(attempt, path)) => {
            let kind = if path.starts_with("data/") {
                "data part"
            } else {
                path.as_str()
            };
            return of(kind, Some(attempt.run_id), Some(attempt.ipe_id));
        }
        None => {}
    }
    let name = key.rsplit('/').next().unwrap_or_default();
    let folder = key.split('/').next().unwrap_or_default();
    let inside = key.split_once('/').map_or("", |(_, rest)| rest);
    let run = |text: &str| {
        let parts: Vec<&str> = text.split('/').take(3).collect();
        parts.join("/").trim_end_matches(".json").parse().ok()
    };
    match folder {
        "open" => of("marker", run(inside), None),
        "settled" => of("settled reports", run(inside), None),
        "leases" if name == "finalizer.json" => of("run's lease", run(inside), None),
        "leases" => {
            let ipe = name.trim_end_matches(".json").parse().ok();
            of("IPE's lease", run(inside), ipe)
        }
        "chain" if name == "head.json" => of("chain head", None, None),
        "chain" => of("staged manifest", None, None),
        "copy" => {
            let ipe = inside.split('/').nth(3).and_then(|ipe| ipe.parse().ok());
            of("COPY list", run(inside), ipe)
        }
        _ => of(name, None, None),
    }
}

/// What a listing is of.
fn listing(prefix: &str) -> Named {
    let folders: Vec<&str> = prefix.split('/').collect();
    let run = || {
        let text = folders.get(1..4)?.join("/");
        RunId::parse_chained(&text).ok()
    };
    match folders.as_slice() {
        [PREFIX, _] => of("controls", None, None),
        [PREFIX, _, ""] => of("control's folder", None, None),
        [PREFIX, _, _, ""] => of("cutoff's folder", None, None),
        [PREFIX, _, _, _, ""] => of("run's folder", run(), None),
        [PREFIX, _, _, _, ipe, ""] => of("IPE's folder", run(), ipe.parse().ok()),
        [PREFIX, _, _, _, file] if file.starts_with("manifest-") => of("manifests", run(), None),
        [PREFIX, _, _, _, file] if file.starts_with("report-") => of("reports", run(), None),
        ["open", ..] => of("markers", None, None),
        ["leases", ..] => of("leases", None, None),
        _ => of(prefix, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &str, target: Option<&str>, body: &'static str) -> String {
        let headers = target.map(|t| ("X-Amz-Target".to_owned(), t.to_owned()));
        let message = Message {
            start: format!("{start} HTTP/1.1"),
            headers: headers.into_iter().collect(),
            body: Bytes::from_static(body.as_bytes()),
        };
        Call::read(&message, None).name.to_string()
    }

    #[test]
    fn calls_have_names() {
        let run = "evidence/C-PG-1/2024-05-01/r1";
        for (start, expected) in [
            (
                format!("PUT /b/{run}/plan.json?x-id=PutObject"),
                "PutObject plan.json",
            ),
            (
                format!("PUT /b/{run}/IPE_07/attempt-1/receipt.json"),
                "PutObject receipt.json",
            ),
            (
                format!(
                    "PUT /b/{run}/IPE_07/attempt-1/data/part-00000.parquet?partNumber=1&uploadId=u"
                ),
                "UploadPart data part",
            ),
            (
                format!("POST /b/{run}/IPE_07/attempt-1/data/part-00000.parquet?uploads"),
                "CreateMultipartUpload data part",
            ),
            (
                format!("PUT /b/{run}/manifest-1.dsse.json"),
                "PutObject manifest",
            ),
            (
                format!("GET /b/?list-type=2&prefix={}%2F", run.replace('/', "%2F")),
                "ListObjectsV2 run's folder",
            ),
            (
                "PUT /s/leases/C-PG-1/2024-05-01/r1/IPE_07.json".into(),
                "PutObject IPE's lease",
            ),
            (
                "PUT /s/leases/C-PG-1/2024-05-01/r1/finalizer.json".into(),
                "PutObject run's lease",
            ),
            (
                "DELETE /s/open/C-PG-1/2024-05-01/r1.json".into(),
                "DeleteObject marker",
            ),
            (
                "PUT /s/chain/C-PG-1/head.json".into(),
                "PutObject chain head",
            ),
            (
                "PUT /s/chain/C-PG-1/staged/00.json".into(),
                "PutObject staged manifest",
            ),
            (
                "PUT /s/copy/C-PG-1/2024-05-01/r1/IPE_07/attempt-1.manifest".into(),
                "PutObject COPY list",
            ),
        ] {
            assert_eq!(name(&start, None, ""), format!("other: {expected}"));
        }
        let send = name(
            "POST /",
            Some("AmazonSQS.SendMessageBatch"),
            "{\"QueueUrl\":\"http://localhost:1/0/soxauto-local-jobs\"}",
        );
        assert_eq!(send, "other: SendMessageBatch jobs");
        let load = name(
            "POST /",
            Some("RedshiftData.BatchExecuteStatement"),
            "{\"Sqls\":[\"LOCK t\",\"DELETE FROM t\"]}",
        );
        assert_eq!(load, "other: BatchExecuteStatement load");
        assert_eq!(
            name("POST /", Some("TrentService.Sign"), "{}"),
            "other: Sign"
        );
    }
}
