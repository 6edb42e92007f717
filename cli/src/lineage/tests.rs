//! A run's folder as events: one IPE that is loaded, one that failed, one that has not begun.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};
use soxauto_domain::{Cutoff, Sha256, catalog::Catalog};

use super::*;

/// Writes a run of three IPEs of the catalog.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let catalog: Catalog = soxauto_catalog::load().unwrap();
    let period = "2024-05-01".parse::<Cutoff>().unwrap().period();
    let ipes: Vec<_> = catalog.ipes[..3]
        .iter()
        .map(|ipe| ipe.resolve(&period).unwrap())
        .collect();
    let put = |path: &str, value: &Value| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    };
    let (run, sha) = ("C-PG-1/2024-05-01/r1", Sha256::of("x"));
    let software = json!({"name": "t", "version": "0", "binary_sha256": sha});
    put(
        "plan.json",
        &json!({
            "schema": "soxauto.plan/1", "run_id": run,
            "control": {"id": "C-PG-1", "title": "t", "time_zone": "Europe/Paris", "warehouse_schema": "reconciliation"},
            "period": period, "created_at": "2024-05-01T07:00:00Z", "deadline": "2024-05-01T19:00:00Z",
            "trigger": {"source": "direct", "id": "t"}, "stage": "dev", "software": software,
            "catalog_sha256": catalog.sha256, "ipes": ipes,
        }),
    );
    put(
        "CR_03/attempt-1/receipt.json",
        &json!({
            "schema": "soxauto.receipt/1", "run_id": run, "ipe_id": "CR_03", "attempt": 1, "plan_sha256": sha, "state": "passed",
            "started_at": "2024-05-01T07:00:05Z", "finished_at": "2024-05-01T07:01:00Z", "extracted_at": "2024-05-01T07:00:05Z",
            "source": {"server": "NAV01", "database": "d", "login": "l", "version": "v", "server_time": "2024-05-01T07:00:05Z",
                "isolation": "read committed", "can_write": false, "write_rights": [], "tls": "verified"},
            "query": {"sha256": sha, "parameters": []}, "counts": {"source": 7, "decoded": 7, "parquet": 7}, "content_sha256": sha,
            "control_totals": [], "checks": [],
            "files": [{"path": "data/part-00000.parquet", "size": 900, "sha256": sha, "rows": 7}, {"path": "log.jsonl", "size": 9, "sha256": sha}],
            "software": software, "worker": {"request_id": "r", "function": "f", "receive_count": 1},
        }),
    );
    put(
        "CR_03/attempt-1/load.json",
        &json!({"schema": "soxauto.load/1", "run_id": run, "ipe_id": "CR_03", "attempt": 1, "table": "t", "rows": 7, "totals": [],
            "statement_id": "s", "loaded_at": "2024-05-01T07:02:00Z"}),
    );
    put(
        "CR_04/attempt-1/failure.json",
        &json!({"schema": "soxauto.failure/1", "run_id": run, "ipe_id": "CR_04", "attempt": 1, "code": "LOGIN_REFUSED",
            "message": "no", "remedy": "r", "retry": "fatal", "final": true, "started_at": "2024-05-01T07:02:30Z", "failed_at": "2024-05-01T07:03:00Z",
            "software": software, "worker": {"request_id": "r", "function": "f", "receive_count": 3}}),
    );
    dir
}

fn events(place: &str) -> Vec<Value> {
    let namespaces = Namespaces {
        source: None,
        warehouse: "redshift://c.eu-west-1:5439".to_owned(),
    };
    let mut out = Vec::new();
    export(place, &namespaces, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn each_ipe_that_has_begun_starts_and_ends() {
    let dir = folder();
    let place = dir.path().to_str().unwrap();
    let events = events(place);
    let told: Vec<(&str, &str, &str)> = events
        .iter()
        .map(|event| {
            let text = |at: &str| event.pointer(at).unwrap().as_str().unwrap();
            (text("/eventType"), text("/job/name"), text("/eventTime"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("START", "C-PG-1.CR_03", "2024-05-01T07:00:05Z"),
            ("COMPLETE", "C-PG-1.CR_03", "2024-05-01T07:02:00Z"),
            ("START", "C-PG-1.CR_04", "2024-05-01T07:00:00Z"),
            ("FAIL", "C-PG-1.CR_04", "2024-05-01T07:03:00Z"),
        ]
    );
    let complete = &events[1];
    let at = |path: &str| complete.pointer(path).unwrap();
    let amount = "/outputs/0/facets/columnLineage/fields/amount_lcy/inputFields/0";
    assert_eq!(at(&format!("{amount}/namespace")), "mssql://NAV01");
    assert_eq!(
        at(&format!("{amount}/name")),
        "AIG_Nav_DW.dbo.Detailed G_L Entry"
    );
    assert_eq!(at(&format!("{amount}/field")), "Amount");
    assert_eq!(
        at("/outputs/0/name"),
        "reconciliation.pg01_validated_ipe_cr_03"
    );
    assert_eq!(
        at("/outputs/0/outputFacets/outputStatistics/rowCount"),
        &json!(7)
    );
    assert_eq!(
        at("/outputs/0/outputFacets/outputStatistics/size"),
        &json!(900)
    );
    assert!(at("/inputs").as_array().unwrap().len() >= 4);
    // Start and end are of one run, which has the control's run above it.
    assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
    assert_ne!(events[0]["run"]["runId"], events[2]["run"]["runId"]);
    assert_eq!(
        events[0].pointer("/run/facets/parent/run"),
        events[3].pointer("/run/facets/parent/run")
    );
    assert_eq!(
        events[3]
            .pointer("/run/facets/errorMessage/message")
            .unwrap(),
        "LOGIN_REFUSED: no"
    );
}

#[test]
fn what_is_no_run_is_an_error() {
    let namespaces = Namespaces {
        source: None,
        warehouse: "redshift".to_owned(),
    };
    let empty = tempfile::tempdir().unwrap();
    let tell = |place: &str| {
        export(place, &namespaces, &mut Vec::new())
            .unwrap_err()
            .to_string()
    };
    assert!(tell(empty.path().to_str().unwrap()).contains("plan.json"));
    for address in [
        "s3://bucket",
        "s3://bucket/evidence/C-PG-1",
        "s3://bucket/x/y/z",
    ] {
        assert!(
            tell(address).contains("does not end with a run"),
            "{address}"
        );
    }
    let broken = folder();
    fs::write(broken.path().join("CR_03/attempt-1/receipt.json"), "{}").unwrap();
    assert!(tell(broken.path().to_str().unwrap()).contains("receipt.json"));
}
