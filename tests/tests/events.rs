//! The deployed functions under events that come twice, come wrong, or ask for more: on one stack, in one order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use soxauto_cloud::queue::{OutgoingMessage, Queue as _, SqsQueue};
use soxauto_domain::{Code, IpeState, RunId, RunState, Sha256};
use soxauto_e2e::{CUTOFF, Laptop};
use soxauto_local::Function;

fn run(text: &str) -> RunId {
    text.parse().unwrap()
}

async fn request(laptop: &Laptop, method: &str, path: &str, body: &str) -> (u16, Value) {
    let response = laptop
        .stack
        .function_url_request(method, path, body.as_bytes().to_vec())
        .await
        .unwrap();
    (
        response.status,
        serde_json::from_slice(&response.body).unwrap_or(Value::Null),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_what_is_sent_to_it() {
    let laptop = Laptop::start().await;
    a_wrong_secret_fails_the_ipe_and_a_replay_completes_the_run(&laptop).await;
    the_same_event_twice_makes_one_run(&laptop).await;
    the_function_url_starts_and_shows_runs(&laptop).await;
    messages_that_are_no_jobs_are_refused(&laptop).await;
    no_log_shows_the_password(&laptop).await;
    laptop.stack.stop().await;
}

async fn the_same_event_twice_makes_one_run(laptop: &Laptop) {
    let ipes = ["IPE_07".to_owned(), "CR_04".to_owned()];
    let first = run("C-PG-1/2024-05-01/r1");
    for _ in 0..2 {
        laptop
            .stack
            .fire_month_schedule(Some(CUTOFF), &ipes)
            .await
            .unwrap();
    }
    let facts = laptop.closed(&first, 1).await;
    assert_eq!(facts.state(false), RunState::Complete);
    assert!(
        facts.ipes.iter().all(|ipe| ipe.attempts.len() == 1),
        "{:?}",
        facts.ipes
    );
    // Late deliveries: the event, a job, and the receipt's notification once more.
    laptop
        .stack
        .fire_month_schedule(Some(CUTOFF), &ipes)
        .await
        .unwrap();
    let plan = laptop.reader.plan(&first).await.unwrap().unwrap();
    let job = json!({"schema": "soxauto.job/1", "run_id": first, "ipe_id": "IPE_07",
        "plan": {"key": laptop.reader.layout().plan(&first), "sha256": plan.sha256}});
    let url = &laptop.stack.outputs().jobs_queue_url;
    laptop
        .clients
        .sqs
        .send_message()
        .queue_url(url)
        .message_body(job.to_string())
        .send()
        .await
        .unwrap();
    laptop.stack.fire_sweep_schedule().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let again = laptop.closed(&first, 1).await;
    assert_eq!(again.manifests, [1]);
    assert_eq!(again.objects, facts.objects);
    assert!(
        laptop
            .reader
            .facts(&run("C-PG-1/2024-05-01/r2"))
            .await
            .unwrap()
            .is_none()
    );
    let receipt = facts.ipes[0].deciding().unwrap().1.counts.parquet
        + facts.ipes[1].deciding().unwrap().1.counts.parquet;
    let count = |table: &str| {
        format!("(SELECT COUNT(*) FROM reconciliation.{table} WHERE _run_id = '{first}')")
    };
    let sql = format!(
        "SELECT CAST({} + {} AS VARCHAR)",
        count("pg01_validated_ipe_07"),
        count("pg01_validated_ipe_cr_04")
    );
    let loaded = laptop.warehouse_value(&sql).await;
    assert_eq!(loaded, receipt.to_string());
}

async fn the_function_url_starts_and_shows_runs(laptop: &Laptop) {
    assert_eq!(request(laptop, "GET", "/health", "").await.0, 200);
    let (status, answer) = request(
        laptop,
        "POST",
        "/",
        "{\"cutoff_date\": \"2024-04-01\", \"ipes\": [\"CR_05\"]}",
    )
    .await;
    assert_eq!(
        (status, &answer["run_id"]),
        (202, &json!("C-PG-1/2024-04-01/r1")),
        "{answer}"
    );
    let april = run("C-PG-1/2024-04-01/r1");
    laptop.closed(&april, 1).await;
    let (status, shown) = request(laptop, "GET", "/runs/C-PG-1/2024-04-01/r1", "").await;
    assert_eq!(
        (status, &shown["state"], &shown["ipes"][0]["state"]),
        (200, &json!("complete"), &json!("passed"))
    );
    // The next manifest of the control names the one before.
    let (_, before) = laptop.manifest(&run("C-PG-1/2024-05-01/r1"), 1).await;
    let (next, _) = laptop.manifest(&april, 1).await;
    assert_eq!(laptop.manifest_before(&next).await, Some(before));
    for (body, code) in [
        ("{\"cutoff_date\": \"2024-04-30\"}", Code::CutoffInvalid),
        ("{\"cutoff_date\": \"2999-01-01\"}", Code::CutoffInFuture),
        ("{\"ipes\": [\"IPE_99\"]}", Code::IpeUnknown),
        ("nonsense", Code::StartEventInvalid),
    ] {
        let (status, answer) = request(laptop, "POST", "/", body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(code)),
            "{body}"
        );
    }
}

async fn messages_that_are_no_jobs_are_refused(laptop: &Laptop) {
    // A run that is planned, with messages that lie about its plan.
    let first = run("C-PG-1/2024-05-01/r1");
    let before = laptop.reader.facts(&first).await.unwrap().unwrap();
    let plan = laptop.reader.plan(&first).await.unwrap().unwrap();
    let key = laptop.reader.layout().plan(&first);
    let job = |ipe: &str, key: &str, sha256: Sha256| {
        json!({"schema": "soxauto.job/1", "run_id": first, "ipe_id": ipe, "plan": {"key": key, "sha256": sha256}}).to_string()
    };
    for (body, code) in [
        ("not json".to_owned(), Code::MessageInvalid),
        ("{}".to_owned(), Code::MessageInvalid),
        (job("IPE_31", &key, plan.sha256), Code::IpeNotInPlan),
        (
            job("IPE_07", "evidence/plan.json", plan.sha256),
            Code::PlanInvalid,
        ),
        (
            job("IPE_07", &key, Sha256::of("another")),
            Code::PlanDigestMismatch,
        ),
    ] {
        let event = json!({"Records": [{"messageId": "m-1", "receiptHandle": "h-1", "body": body, "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn", "awsRegion": "eu-west-1"}]});
        let answer = laptop.stack.invoke(Function::Worker, &event).await.unwrap();
        assert_eq!(
            answer["batchItemFailures"][0]["itemIdentifier"], "m-1",
            "{body}: {answer}"
        );
        let lines = laptop.stack.function_logs(Function::Worker).await.unwrap();
        assert!(
            lines
                .iter()
                .any(|line| line.message.contains(code.as_str())),
            "{code} is not in the log"
        );
    }
    let facts = laptop.reader.facts(&first).await.unwrap().unwrap();
    assert_eq!(facts.state(false), RunState::Complete);
    assert_eq!(facts.objects, before.objects, "a lie adds nothing");
}

/// A wrong secret is named by its code and fails the IPE; the right one and a replay make the run complete.
async fn a_wrong_secret_fails_the_ipe_and_a_replay_completes_the_run(laptop: &Laptop) {
    let right = laptop.stack.connection_string();
    let secret = |connection: &str| {
        json!({"connection_string": connection, "ca_pem": laptop.stack.source_ca_pem()}).to_string()
    };
    let cases = [
        ("2024-02-01", "a sentence".to_owned(), Code::SecretInvalid),
        (
            "2023-12-01",
            json!({"connection_string": right}).to_string(),
            Code::SourceTls,
        ),
    ];
    for (cutoff, secret, code) in &cases {
        laptop.put_secret(secret).await;
        laptop
            .stack
            .fire_month_schedule(Some(cutoff), &["CR_04".to_owned()])
            .await
            .unwrap();
        let month = run(&format!("C-PG-1/{cutoff}/r1"));
        let facts = laptop.closed(&month, 1).await;
        assert_eq!(
            facts.ipes[0].final_failure().unwrap().code,
            *code,
            "{:?}",
            facts.ipes
        );
        let (first, _) = laptop.manifest(&month, 1).await;
        assert_eq!(first.predicate.state, RunState::Incomplete);
        assert!(
            first.predicate.ipes[0]
                .reason
                .as_ref()
                .unwrap()
                .contains(code.as_str())
        );
    }
    // The worker still holds the last secret: it finds out by itself that there is a new one.
    laptop.put_secret(&secret(&right)).await;
    for (cutoff, ..) in &cases {
        let month = run(&format!("C-PG-1/{cutoff}/r1"));
        replay(laptop, &month, "CR_04").await;
        let facts = laptop.closed(&month, 2).await;
        assert_eq!(facts.ipes[0].state(), IpeState::Passed);
        let (second, _) = laptop.manifest(&month, 2).await;
        assert_eq!(second.predicate.state, RunState::Complete);
        assert!(
            second.predicate.ipes[0].attempts.len() >= 2,
            "the failed attempts stay in the record"
        );
    }
}

/// A replay by hand: the message goes from the dead-letter queue back to the jobs queue; the others stay.
async fn replay(laptop: &Laptop, run: &RunId, ipe: &str) {
    let outputs = laptop.stack.outputs();
    let jobs = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.jobs_queue_url);
    let dead = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.jobs_dead_letters_url);
    let wanted = |body: &str| body.contains(&run.to_string()) && body.contains(ipe);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        for message in dead.receive(10, Duration::from_secs(1)).await.unwrap() {
            if wanted(&message.body) {
                jobs.send_batch(vec![OutgoingMessage {
                    id: "replay".to_owned(),
                    body: message.body.clone(),
                }])
                .await
                .unwrap();
                dead.delete(&message.receipt_handle).await.unwrap();
                return;
            }
            dead.change_visibility(&message.receipt_handle, Duration::ZERO)
                .await
                .unwrap();
        }
    }
    panic!("{ipe} of {run} is not in the dead-letter queue");
}

async fn no_log_shows_the_password(laptop: &Laptop) {
    let connection = laptop.stack.connection_string();
    let password = connection
        .split(';')
        .find_map(|part| part.strip_prefix("PWD="))
        .unwrap();
    for function in [Function::Dispatcher, Function::Worker, Function::Finalizer] {
        let lines = laptop.stack.function_logs(function).await.unwrap();
        assert!(!lines.is_empty());
        assert!(
            lines.iter().all(|line| !line.message.contains(password)),
            "a password is in the log of {function:?}"
        );
    }
}
