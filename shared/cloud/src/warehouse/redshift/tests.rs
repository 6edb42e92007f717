//! The Data API's protocol, over real HTTP, with a server that answers from a script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::aws::{Clients, Emulator};

/// Requests as (operation, body), and the answers to come as (operation, status, body). The last
/// answer for an operation is repeated.
#[derive(Default)]
struct Script {
    answers: VecDeque<(&'static str, u16, Value)>,
    asked: Vec<(String, Value)>,
}

struct DataApi {
    warehouse: RedshiftWarehouse,
    script: Arc<Mutex<Script>>,
}

impl DataApi {
    async fn start(answers: Vec<(&'static str, u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            answers: answers.into(),
            asked: Vec::new(),
        }));
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        let emulator = Emulator {
            endpoint,
            redshift_endpoint: None,
            region: "eu-west-1".into(),
        };
        let target = WarehouseTarget {
            compute: Compute::Workgroup("wg".into()),
            database: "db".into(),
            secret_arn: Some("arn:secret".into()),
        };
        let warehouse =
            RedshiftWarehouse::new(Clients::of_emulator(&emulator).await.redshift, target);
        Self { warehouse, script }
    }

    fn asked(&self, operation: &str) -> Vec<Value> {
        let script = self.script.lock().unwrap();
        script
            .asked
            .iter()
            .filter(|(name, _)| name == operation)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut operation, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            match line.trim().split_once(": ") {
                Some(("x-amz-target", target)) => {
                    operation = target.trim_start_matches("RedshiftData.").to_owned()
                }
                Some(("content-length", n)) => length = n.parse().unwrap(),
                None if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let (status, answer) = next(&script, &operation, serde_json::from_slice(&body).unwrap());
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all((head + &answer).as_bytes()).await.unwrap();
    }
}

fn next(script: &Mutex<Script>, operation: &str, body: Value) -> (u16, Value) {
    let mut script = script.lock().unwrap();
    script.asked.push((operation.to_owned(), body));
    let matching: Vec<_> = script
        .answers
        .iter()
        .enumerate()
        .filter(|(_, a)| a.0 == operation)
        .map(|(i, _)| i)
        .collect();
    let (_, status, answer) = match matching.as_slice() {
        [] => panic!("{operation} was not expected"),
        [last] => script.answers[*last].clone(),
        [first, ..] => script.answers.remove(*first).unwrap(),
    };
    (status, answer)
}

fn started() -> (&'static str, u16, Value) {
    ("BatchExecuteStatement", 200, json!({"Id": "t-1"}))
}

fn state(status: &str, parts: Value) -> (&'static str, u16, Value) {
    (
        "DescribeStatement",
        200,
        json!({"Id": "t-1", "Status": status, "SubStatements": parts, "Error": "as a whole"}),
    )
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

#[tokio::test]
async fn a_transaction_is_one_request_that_is_waited_for() {
    let parts = json!([
        {"Id": "t-1:1", "Status": "FINISHED", "ResultRows": 12, "RedshiftQueryId": 77, "HasResultSet": false},
        {"Id": "t-1:2", "Status": "FINISHED", "ResultRows": -1, "RedshiftQueryId": -1, "HasResultSet": true},
    ]);
    let unavailable = (
        "DescribeStatement",
        400,
        json!({"__type": "ActiveWaitingRequestsExceededException", "Message": "wait"}),
    );
    let api = DataApi::start(vec![
        started(),
        state("SUBMITTED", json!([])),
        unavailable,
        state("STARTED", json!([])),
        state("FINISHED", parts),
    ])
    .await;
    let statements = [
        Statement::new("delete from t where r = :run").bind("run", "r1"),
        Statement::new("select count(*) n from t where r = :run").bind("run", "r1"),
    ];
    let done = api
        .warehouse
        .transaction(&statements, "token-1", far())
        .await
        .unwrap();
    assert_eq!(done.statement_id, "t-1");
    assert_eq!(
        done.statements[0],
        SubStatement {
            id: "t-1:1".into(),
            rows: Some(12),
            has_rows: false,
            query_id: Some(77)
        }
    );
    assert_eq!(
        done.statements[1],
        SubStatement {
            id: "t-1:2".into(),
            rows: None,
            has_rows: true,
            query_id: None
        }
    );
    let sent = api.asked("BatchExecuteStatement");
    assert_eq!(sent.len(), 1);
    let expected = json!({
        "Sqls": ["delete from t where r = :run", "select count(*) n from t where r = :run"],
        "Parameters": [{"name": "run", "value": "r1"}], "WorkgroupName": "wg", "Database": "db", "SecretArn": "arn:secret", "ClientToken": "token-1",
    });
    assert_eq!(sent[0], expected);
    assert_eq!(api.asked("DescribeStatement")[0]["WaitTimeSeconds"], 10);
}

#[tokio::test]
async fn a_failed_statement_is_named_with_its_message() {
    let parts = json!([
        {"Id": "t-1:1", "Status": "ABORTED"},
        {"Id": "t-1:2", "Status": "FAILED", "Error": "ERROR: column \"x\" does not exist"},
    ]);
    let api = DataApi::start(vec![started(), state("FAILED", parts)]).await;
    let statements = [Statement::new("select 1"), Statement::new("select x")];
    let error = api
        .warehouse
        .transaction(&statements, "t", far())
        .await
        .unwrap_err();
    let expected = WarehouseError::Statement {
        statement_id: "t-1".into(),
        index: Some(1),
        sql: "select x".into(),
        message: "ERROR: column \"x\" does not exist".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "statement 2 of the transaction failed: ERROR: column \"x\" does not exist (select x; id t-1)"
    );
}

#[tokio::test]
async fn at_the_deadline_it_is_cancelled() {
    let soon = || Deadline::after(Duration::from_millis(150));
    let cancelled = ("CancelStatement", 200, json!({"Status": true}));
    let api = DataApi::start(vec![
        started(),
        state("STARTED", json!([])),
        state("STARTED", json!([])),
        state("ABORTED", json!([])),
        cancelled.clone(),
    ])
    .await;
    let error = api
        .warehouse
        .transaction(&[Statement::new("select 1")], "t", soon())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, WarehouseError::Cancelled { statement_id, .. } if statement_id == "t-1"),
        "{error}"
    );
    assert_eq!(api.asked("CancelStatement"), [json!({"Id": "t-1"})]);

    // It committed while it was being cancelled: what happened counts.
    let refused = (
        "CancelStatement",
        400,
        json!({"__type": "ValidationException", "Message": "it has finished"}),
    );
    let parts =
        json!([{"Id": "t-1:1", "Status": "FINISHED", "ResultRows": 1, "RedshiftQueryId": 1}]);
    let api = DataApi::start(vec![
        started(),
        state("STARTED", json!([])),
        state("STARTED", json!([])),
        state("FINISHED", parts),
        refused,
    ])
    .await;
    api.warehouse
        .transaction(&[Statement::new("select 1")], "t", soon())
        .await
        .unwrap();
    assert_eq!(api.asked("CancelStatement").len(), 1);
}

#[tokio::test]
async fn rows_come_from_all_pages_as_text() {
    let page = |records: Value, next: Value| {
        let columns = json!([{"name": "id"}, {"name": "amount"}, {"name": "note"}]);
        (
            "GetStatementResult",
            200,
            json!({"ColumnMetadata": columns, "Records": records, "NextToken": next}),
        )
    };
    let first = json!([[{"longValue": 1}, {"stringValue": "-12.3400"}, {"isNull": true}]]);
    let second = json!([[{"longValue": 2}, {"doubleValue": 0.1}, {"stringValue": ""}], [{"longValue": 3}, {"booleanValue": true}, {"stringValue": "é"}]]);
    let api = DataApi::start(vec![
        ("ExecuteStatement", 200, json!({"Id": "q-1"})),
        (
            "DescribeStatement",
            200,
            json!({"Id": "q-1", "Status": "FINISHED", "HasResultSet": true}),
        ),
        page(first, json!("more")),
        page(second, Value::Null),
    ])
    .await;
    let rows = api
        .warehouse
        .query(
            &Statement::new("select * from t where a = :a").bind("a", "x"),
            far(),
        )
        .await
        .unwrap();
    assert_eq!(rows.columns, ["id", "amount", "note"]);
    let text = |row: [Option<&str>; 3]| row.map(|v| v.map(str::to_owned)).to_vec();
    assert_eq!(
        rows.rows,
        [
            text([Some("1"), Some("-12.3400"), None]),
            text([Some("2"), Some("0.1"), Some("")]),
            text([Some("3"), Some("true"), Some("é")])
        ]
    );
    assert_eq!(
        api.asked("GetStatementResult"),
        [
            json!({"Id": "q-1"}),
            json!({"Id": "q-1", "NextToken": "more"})
        ]
    );
    assert_eq!(
        api.asked("ExecuteStatement")[0]["Parameters"],
        json!([{"name": "a", "value": "x"}])
    );
}

#[tokio::test]
async fn errors_are_named_by_meaning() {
    for (kind, meant) in [
        ("AccessDeniedException", "denies"),
        ("ValidationException", "not valid"),
        ("ResourceNotFoundException", "does not know"),
    ] {
        let api = DataApi::start(vec![(
            "BatchExecuteStatement",
            400,
            json!({"__type": kind, "Message": "because"}),
        )])
        .await;
        let error = api
            .warehouse
            .transaction(&[Statement::new("select 1")], "t", far())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(meant) && error.contains("because"),
            "{error}"
        );
    }
}

#[test]
fn values_have_one_text() {
    let known = [
        (Field::IsNull(true), None),
        (Field::LongValue(-12), Some("-12")),
        (
            Field::BlobValue(aws_sdk_redshiftdata::primitives::Blob::new([0xab, 1])),
            Some("ab01"),
        ),
    ];
    for (field, expected) in known {
        assert_eq!(text(field).unwrap().as_deref(), expected);
    }
}
