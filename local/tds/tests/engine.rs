//! The backend that asks the SQL engine, against an engine of this test that speaks the same protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use common::{client_config, connect, connect_with, start};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use soxauto_tds::EngineBackend;
use tiberius::EncryptionLevel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

async fn send(stream: &mut TcpStream, kind: u8, payload: &[u8]) {
    stream.write_u8(kind).await.unwrap();
    stream.write_u32(payload.len() as u32).await.unwrap();
    stream.write_all(payload).await.unwrap();
}

async fn send_json(stream: &mut TcpStream, kind: u8, payload: Value) {
    send(stream, kind, payload.to_string().as_bytes()).await;
}

async fn receive(stream: &mut TcpStream) -> Option<(u8, Value)> {
    let kind = stream.read_u8().await.ok()?;
    let length = stream.read_u32().await.unwrap();
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    let value = if payload.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&payload).unwrap()
    };
    Some((kind, value))
}

fn ipc(from: i32, rows: i32) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(from..from + rows));
    let amounts: ArrayRef = Arc::new(
        Decimal128Array::from_iter_values(
            (from..from + rows).map(|n| i128::from(n) * 10_i128.pow(20)),
        )
        .with_precision_and_scale(38, 20)
        .unwrap(),
    );
    let texts: ArrayRef = Arc::new(StringArray::from_iter(
        (from..from + rows).map(|n| (n % 2 == 0).then(|| format!("n°{n}"))),
    ));
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int32, false),
        Field::new("a", DataType::Decimal128(38, 20), true),
        Field::new("t", DataType::Utf8, true),
    ]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers, amounts, texts]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    bytes
}

fn columns() -> Value {
    json!([
        {"name": "n", "type": "int", "nullable": false},
        {"name": "a", "type": "decimal(38,20)", "nullable": true},
        {"name": "t", "type": "nvarchar(20)", "nullable": true},
    ])
}

/// An engine: tells what it was sent, and answers by the first word of the statement.
async fn engine() -> (SocketAddr, mpsc::UnboundedReceiver<(u8, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
            tokio::spawn(async move {
                while let Some((kind, value)) = receive(&mut stream).await {
                    told.send((kind, value.clone())).unwrap();
                    answer(&mut stream, kind, &value, &told).await;
                }
            });
        }
    });
    (address, heard)
}

async fn answer(
    stream: &mut TcpStream,
    kind: u8,
    value: &Value,
    told: &mpsc::UnboundedSender<(u8, Value)>,
) {
    if kind == b'L' {
        if value["database"] == "missing" {
            return send_json(stream, b'E', json!({"number": 4060, "state": 1, "class": 11, "message": "Cannot open", "line": 1})).await;
        }
        return send_json(stream, b'D', json!({})).await;
    }
    if kind == b'P' {
        send_json(stream, b'C', columns()).await;
        return send_json(stream, b'D', json!({})).await;
    }
    let sql = value["sql"].as_str().unwrap_or_default();
    match sql.split_whitespace().next().unwrap_or_default() {
        "rows" => {
            send_json(stream, b'C', columns()).await;
            for part in 0..10 {
                send(stream, b'B', &ipc(part * 100, 100)).await;
            }
            send_json(stream, b'R', json!({"rows": 1000})).await;
            send_json(stream, b'R', json!({"rows": 5})).await;
            send_json(stream, b'D', json!({})).await;
        }
        "fail" => {
            send_json(stream, b'C', columns()).await;
            send(stream, b'B', &ipc(0, 10)).await;
            send_json(stream, b'E', json!({"number": 8134, "state": 1, "class": 16, "message": "Divide by zero error encountered.", "line": 3})).await;
        }
        "use" => {
            send_json(stream, b'V', json!({"database": "AIG_Nav_DW"})).await;
            send_json(stream, b'D', json!({})).await;
        }
        "wrong" => {
            send_json(stream, b'C', json!([{"name": "n", "type": "tinyint"}, {"name": "a", "type": "decimal(38,20)"}, {"name": "t", "type": "nvarchar(20)"}])).await;
            send(stream, b'B', &ipc(250, 10)).await;
            until_cancelled(stream, told).await;
        }
        "endless" => {
            send_json(stream, b'C', columns()).await;
            let mut part = 0;
            loop {
                // Rows until the cancel arrives.
                let mut one = [0];
                let waiting =
                    tokio::time::timeout(Duration::from_millis(1), stream.peek(&mut one)).await;
                if waiting.is_ok() {
                    return until_cancelled(stream, told).await;
                }
                send(stream, b'B', &ipc(part * 100 % 1_000_000, 100)).await;
                part += 1;
            }
        }
        "silent" => until_cancelled(stream, told).await,
        "vanish" => stream.shutdown().await.unwrap(),
        "nonsense" => send(stream, b'?', b"{}").await,
        _ => send_json(stream, b'D', json!({})).await,
    }
}

async fn until_cancelled(stream: &mut TcpStream, told: &mpsc::UnboundedSender<(u8, Value)>) {
    let (kind, value) = receive(stream).await.unwrap();
    assert_eq!(kind, b'X');
    told.send((kind, value)).unwrap();
    send_json(
        stream,
        b'E',
        json!({"number": 0, "state": 1, "class": 11, "message": "cancelled", "line": 1}),
    )
    .await;
}

#[tokio::test]
async fn rows_counts_and_parameters_pass_through() {
    let (address, mut heard) = engine().await;
    let server = start(EngineBackend::new(address)).await;
    let mut config = client_config(&server, EncryptionLevel::On);
    config.database("AIG_Nav_DW");
    let mut client = connect_with(&server, config).await.unwrap();
    let (kind, login) = heard.recv().await.unwrap();
    assert_eq!(kind, b'L');
    assert_eq!(login["login"], "reader");
    assert_eq!(login["database"], "AIG_Nav_DW");
    assert_eq!(login["can_write"], false);
    let rows = client
        .query(
            "EXEC sp_executesql @P1, @P2, @cutoff = @P3",
            &[&"rows @cutoff", &"@cutoff date", &"2024-05-01"],
        )
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    assert_eq!(rows.len(), 1000);
    assert_eq!(rows[998].get::<i32, _>("n"), Some(998));
    assert_eq!(rows[998].get::<&str, _>("t"), Some("n°998"));
    assert_eq!(rows[999].get::<&str, _>("t"), None);
    assert_eq!(
        rows[999]
            .get::<tiberius::numeric::Numeric, _>("a")
            .unwrap()
            .value(),
        999 * 10_i128.pow(20)
    );
    assert_eq!(
        heard.recv().await.unwrap(),
        (
            b'Q',
            json!({"sql": "rows @cutoff", "params": [{"name": "@cutoff", "type": "date", "value": "2024-05-01"}]})
        )
    );
    assert_eq!(
        client.execute("rows", &[]).await.unwrap().rows_affected(),
        [1000, 5]
    );
}

#[tokio::test]
async fn errors_and_descriptions_pass_through() {
    let (address, mut heard) = engine().await;
    let server = start(EngineBackend::new(address)).await;
    let mut client = connect(&server).await;
    let error = client
        .simple_query("fail")
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap_err();
    let tiberius::error::Error::Server(token) = error else {
        panic!("{error:?}")
    };
    assert_eq!((token.code(), token.line()), (8134, 3));
    client
        .simple_query("use AIG_Nav_DW")
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    let rows = client
        .query(
            "EXEC sp_describe_first_result_set @tsql = @P1, @params = @P2",
            &[&"rows @x", &"@x int"],
        )
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    let types: Vec<_> = rows
        .iter()
        .map(|row| row.get::<&str, _>("system_type_name").unwrap())
        .collect();
    assert_eq!(types, ["int", "decimal(38,20)", "nvarchar(20)"]);
    let mut last = None;
    while let Ok(frame) = heard.try_recv() {
        last = Some(frame);
    }
    assert_eq!(
        last,
        Some((b'P', json!({"sql": "rows @x", "params": "@x int"})))
    );
}

#[tokio::test]
async fn a_cancel_reaches_the_engine_and_the_session_lives_on() {
    let (address, mut heard) = engine().await;
    let server = start(EngineBackend::new(address)).await;
    let mut client = connect(&server).await;
    {
        let mut stream = client
            .simple_query("endless")
            .await
            .unwrap()
            .into_row_stream();
        for _ in 0..50_000 {
            stream.try_next().await.unwrap().unwrap();
        }
    }
    let started = Instant::now();
    client.cancel_query().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    let rows = client
        .simple_query("rows")
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    assert_eq!(rows.len(), 1000);
    // A value that does not fit its declared type: the client gets an error, and the engine is told to stop.
    let error = client
        .simple_query("wrong")
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(8115));
    let rows = client
        .simple_query("rows")
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    assert_eq!(rows.len(), 1000);
    let mut cancels = 0;
    while let Ok((kind, _)) = heard.try_recv() {
        cancels += usize::from(kind == b'X');
    }
    assert_eq!(cancels, 2);
}

#[tokio::test]
async fn an_engine_that_fails_ends_the_session() {
    let (address, _heard) = engine().await;
    let server = start(EngineBackend::new(address)).await;
    let mut missing = client_config(&server, EncryptionLevel::On);
    missing.database("missing");
    assert_eq!(
        connect_with(&server, missing).await.err().unwrap().code(),
        Some(4060)
    );
    for sql in ["vanish", "nonsense"] {
        let mut client = connect(&server).await;
        let error = match client.simple_query(sql).await {
            Ok(stream) => stream.into_results().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), Some(596), "{sql}");
    }
    // No engine at all.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let server = start(EngineBackend::new(nobody)).await;
    let error = connect_with(&server, client_config(&server, EncryptionLevel::On))
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), Some(40613));
}
