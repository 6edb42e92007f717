//! What goes wrong on purpose: cuts, stalls, errors, cancellation, and clients that do not keep to the protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use common::{TestClient, column, connect, start};
use futures_util::TryStreamExt;
use soxauto_tds::{Column, Fault, Recording, Rows, Script, ScriptedBackend, SqlError, Step};

fn columns() -> Vec<Column> {
    vec![column("n", "bigint"), column("t", "nvarchar(40)")]
}

fn batch(from: i64, rows: i64) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8, true),
    ]);
    let numbers = Int64Array::from_iter_values(from..from + rows);
    let texts = StringArray::from_iter(
        (from..from + rows).map(|n| (n % 7 != 0).then(|| format!("row {n}"))),
    );
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
}

/// `batches` times a thousand rows.
fn thousands(batches: i64) -> Rows {
    Rows::generated(columns(), move || {
        Box::new((0..batches).map(|number| batch(number * 1000, 1000)))
    })
}

/// Rows until the end, and how it ended.
async fn read(client: &mut TestClient, sql: &str) -> (i64, Result<(), tiberius::error::Error>) {
    let mut stream = match client.simple_query(sql).await {
        Ok(stream) => stream.into_row_stream(),
        Err(error) => return (0, Err(error)),
    };
    let mut rows = 0;
    loop {
        match stream.try_next().await {
            Ok(Some(row)) => {
                assert_eq!(row.get::<i64, _>("n"), Some(rows));
                rows += 1;
            }
            Ok(None) => return (rows, Ok(())),
            Err(error) => return (rows, Err(error)),
        }
    }
}

#[tokio::test]
async fn cuts_come_where_they_are_asked_for() {
    let backend = ScriptedBackend::new()
        .on(
            "between",
            Script::rows(thousands(10).with_fault(5500, Fault::Cut)),
        )
        .on(
            "inside",
            Script::rows(thousands(10).with_fault(5500, Fault::CutMidRow)),
        )
        .on(
            "first",
            Script::rows(thousands(10).with_fault(0, Fault::CutMidRow)),
        )
        .on(
            "after",
            Script::rows(thousands(1).with_fault(1_000_000, Fault::Cut)),
        )
        .on("at once", Script::new().then(Step::Cut));
    let server = start(backend).await;
    for (sql, expected) in [
        ("between", 5500),
        ("inside", 5500),
        ("first", 0),
        ("after", 1000),
        ("at once", 0),
    ] {
        let mut client = connect(&server).await;
        let (rows, end) = read(&mut client, sql).await;
        assert_eq!(rows, expected, "{sql}");
        assert!(end.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn stalls_last_as_long_as_they_are_asked_to() {
    let time = Duration::from_millis(300);
    let backend = ScriptedBackend::new()
        .on(
            "between",
            Script::rows(thousands(2).with_fault(1500, Fault::Stall(time))),
        )
        .on(
            "inside",
            Script::rows(thousands(2).with_fault(1500, Fault::StallMidRow(time))),
        )
        .on(
            "slow",
            Script::new()
                .then(Step::Wait(time))
                .then(Step::Rows(thousands(2))),
        );
    let server = start(backend).await;
    let mut client = connect(&server).await;
    for sql in ["between", "inside", "slow"] {
        let started = Instant::now();
        let (rows, end) = read(&mut client, sql).await;
        assert_eq!(rows, 2000, "{sql}");
        end.unwrap();
        assert!(started.elapsed() >= time, "{sql}");
    }
}

#[tokio::test]
async fn errors_come_in_the_middle_and_for_the_first_attempts() {
    let backend = ScriptedBackend::new()
        .on(
            "middle",
            Script::rows(
                thousands(3).with_fault(2500, Fault::Error(SqlError::deadlock_victim(51))),
            ),
        )
        .on(
            "twice",
            Script::rows(thousands(1)).but_first(2, Script::error(SqlError::deadlock_victim(51))),
        );
    let server = start(backend).await;
    let mut client = connect(&server).await;
    let (rows, end) = read(&mut client, "middle").await;
    assert_eq!((rows, end.unwrap_err().code()), (2500, Some(1205)));
    for _ in 0..2 {
        assert_eq!(
            read(&mut client, "twice").await.1.unwrap_err().code(),
            Some(1205)
        );
    }
    assert_eq!(read(&mut client, "twice").await.0, 1000);
    let (_, end) = read(&mut client, "unknown").await;
    assert_eq!(end.unwrap_err().code(), Some(50000));
}

#[tokio::test]
async fn a_cancelled_request_leaves_the_session_usable() {
    let hour = Duration::from_secs(3600);
    let backend = ScriptedBackend::new()
        .on("endless", Script::rows(thousands(i64::MAX / 1000)))
        .on(
            "stalled",
            Script::rows(thousands(1).with_fault(500, Fault::Stall(hour))),
        )
        .on(
            "half",
            Script::rows(thousands(1).with_fault(500, Fault::StallMidRow(hour))),
        )
        .on("waiting", Script::new().then(Step::Wait(hour)))
        .on("short", Script::rows(thousands(1)));
    let server = start(backend).await;
    let mut client = connect(&server).await;
    for sql in ["endless", "stalled", "half"] {
        {
            let mut stream = client.simple_query(sql).await.unwrap().into_row_stream();
            for _ in 0..400 {
                stream.try_next().await.unwrap().unwrap();
            }
        }
        let started = Instant::now();
        client
            .cancel_query()
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(started.elapsed() < Duration::from_secs(5), "{sql}");
        assert_eq!(read(&mut client, "short").await.0, 1000, "{sql}");
    }
    // With nothing running, an attention is acknowledged too.
    client.cancel_query().await.unwrap();
    assert_eq!(read(&mut client, "short").await.0, 1000);
}

#[tokio::test]
async fn a_recording_is_replayed() {
    let recording = Recording::new(columns(), [batch(0, 1000)], 50).unwrap();
    assert_eq!(recording.rows(), 50_000);
    let backend = ScriptedBackend::new().on("replay", Script::new().then(Step::Replay(recording)));
    let server = start(backend).await;
    let mut client = connect(&server).await;
    let rows = client
        .simple_query("replay")
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    assert_eq!(rows.len(), 50_000);
    assert_eq!(rows[49_999].get::<i64, _>("n"), Some(999));
    assert_eq!(rows[49_993].get::<&str, _>("t"), Some("row 993"));
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_server_back() {
    use std::sync::atomic::{AtomicI64, Ordering};
    let made = Arc::new(AtomicI64::new(0));
    let counter = Arc::clone(&made);
    let rows = Rows::generated(columns(), move || {
        let counter = Arc::clone(&counter);
        Box::new((0..100_000).map(move |number| {
            counter.fetch_add(1, Ordering::SeqCst);
            batch(number * 1000, 1000)
        }))
    });
    let server = start(ScriptedBackend::new().on("big", Script::rows(rows))).await;
    let mut client = connect(&server).await;
    let mut stream = client.simple_query("big").await.unwrap().into_row_stream();
    stream.try_next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = made.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        made.load(Ordering::SeqCst),
        before,
        "rows are made that nobody reads"
    );
    assert!(
        before < 2000,
        "{before} batches in the buffers of the sockets"
    );
}
