//! Lines as CloudWatch gets them.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use soxauto_domain::{Code, plan::Stage};

use super::{events::*, *};
use crate::secrets::SecretText;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(filter: &str, log: impl FnOnce()) -> Vec<Value> {
    let captured = Captured::default();
    let writer = captured.clone();
    tracing::subscriber::with_default(subscriber("worker", filter, move || writer.clone()), log);
    let bytes = captured.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn failed(is_final: bool) -> impl Fn(&Telemetry) {
    move |telemetry| {
        telemetry.emit(&AttemptFailed {
            run_id: &"C-PG-1/2024-05-01/r1".parse().unwrap(),
            ipe_id: &"IPE_07".parse().unwrap(),
            attempt: 2,
            code: Code::LoginRefused,
            is_final,
        });
    }
}

#[test]
fn fields_of_all_spans_are_members_of_the_line() {
    let lines = lines("", || {
        let outer = tracing::info_span!(
            "invocation",
            request_id = "r-1",
            level = "x",
            late = tracing::field::Empty
        );
        let _outer = outer.enter();
        outer.record("late", 7);
        let _inner =
            tracing::info_span!("job", run = %"C-PG-1/2024-05-01/r1", attempt = 1).entered();
        tracing::info!(attempt = 2, ok = true, error = %"a \"quoted\"\nline", "hello {}", "world");
        tracing::debug!("not at info");
    });
    assert_eq!(lines.len(), 1);
    let mut line = lines[0].as_object().unwrap().clone();
    assert!(
        line.remove("timestamp")
            .unwrap()
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert!(
        line.remove("target")
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("soxauto_cloud")
    );
    let expected = json!({
        "level": "INFO", "service": "worker", "message": "hello world", "request_id": "r-1", "field_level": "x", "late": 7,
        "run": "C-PG-1/2024-05-01/r1", "attempt": 2, "ok": true, "error": "a \"quoted\"\nline",
    });
    assert_eq!(Value::Object(line), expected);
}

#[test]
fn an_event_is_one_line_with_its_metric_whatever_the_filter() {
    for filter in ["", "error", "off", "soxauto_worker=debug"] {
        let lines = lines(filter, || failed(true)(&Telemetry::for_tests()));
        assert_eq!(lines.len(), 1, "{filter}");
        let line = &lines[0];
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["event"], "AttemptFailed");
        assert_eq!(
            (&line["code"], &line["ipe_id"], &line["final"]),
            (&json!("LOGIN_REFUSED"), &json!("IPE_07"), &json!(true))
        );
        assert_eq!(
            (&line["Stage"], &line["Control"], &line["IpeFailed"]),
            (&json!("dev"), &json!("C-PG-1"), &json!(1))
        );
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"]),
            (&json!("soxauto"), &json!([["Stage", "Control"]]))
        );
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric}"
            );
        }
    }
    let lines = lines("", || failed(false)(&Telemetry { stage: Stage::Prod }));
    assert_eq!(
        (&lines[0]["level"], lines[0].get("IpeFailed")),
        (&json!("WARN"), None)
    );
    assert_eq!(lines[0]["Stage"], "prod");
}

#[test]
fn others_are_silent_below_info_drivers_altogether_and_secrets_have_no_text() {
    let secret = SecretText::new("Pwd=hunter2");
    for filter in [
        "trace",
        "aws_smithy_runtime=trace,tiberius=trace,nobody=debug",
    ] {
        let lines = lines(&format!("{filter},soxauto_worker=trace"), || {
            tracing::trace!(target: "aws_smithy_runtime::client", "Authorization: hunter2");
            tracing::debug!(target: "a_library_of_next_year", "body: hunter2");
            tracing::debug!(target: "tiberius::client", "login hunter2");
            tracing::error!(target: "tiberius::tds::stream::token", "Login failed for 'hunter2'");
            tracing::error!(target: "mssql_tds::token", "Login failed for 'hunter2'");
            let span = tracing::debug_span!(target: "hyper::client", "call", body = "hunter2");
            let _span = span.enter();
            tracing::debug!(target: "soxauto_worker", ?secret, "connecting");
            tracing::warn!(target: "aws_config::meta", "no credentials");
        });
        let said: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
        let expected = if filter == "trace" {
            vec!["connecting", "no credentials"]
        } else {
            vec!["connecting"]
        };
        assert_eq!(said, expected, "{filter}");
        assert!(!format!("{lines:?}").contains("hunter2"));
    }
}

#[test]
fn names_of_metrics_are_unique() {
    let mut names: Vec<_> = metrics::ALL.iter().map(|m| m.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), metrics::ALL.len());
}
