//! SQL in every text that comes from outside: it stays text, at the source, in the warehouse and in events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use serde_json::{Value, json};
use soxauto_domain::{RunState, catalog, layout::state};
use soxauto_e2e::{
    Laptop,
    load::{self, Place, dispatch, until_closed},
};
use soxauto_finalizer::sql;

const CUTOFF: &str = "2024-05-01";
/// A column of this name is allowed: without quotes, but with all that would matter outside of them.
const COLUMN: &str = "region); DROP TABLE reconciliation.pg01_runs; --";

#[tokio::test(flavor = "multi_thread")]
async fn sql_stays_text() {
    let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
    names_and_values_of_a_catalog(&laptop).await;
    texts_of_the_warehouse(&laptop).await;
    fields_of_events(&laptop).await;
    laptop.stack.stop().await;
}

/// A name that would drop a table, and a perturbed value that would match every row if it were put into the text: then
/// nothing would vanish, and the negative would fail.
async fn names_and_values_of_a_catalog(laptop: &Laptop) {
    let mut files = load::files(1);
    for (name, text) in &mut files {
        *text = text
            .replace("AS region", &format!("AS [{COLUMN}]"))
            .replace("name = \"region\"", &format!("name = \"{COLUMN}\""));
        if name == "LOAD_0000.toml" {
            *text = text.replace("replace = \"Average\"", "replace = \"' OR 1=1--\"");
            assert!(text.contains("OR 1=1"));
        }
    }
    let catalog = catalog::read(&files).unwrap();
    let place = Place::of(laptop);
    let started = dispatch(&place, catalog, CUTOFF.parse().unwrap(), "injection").await;
    until_closed(laptop, &started.run_id, Duration::from_secs(120)).await;
    let facts = laptop.reader.facts(&started.run_id).await.unwrap().unwrap();
    assert_eq!(
        facts.state(true),
        RunState::Complete,
        "{:?}",
        facts.ipes[0].reason()
    );
    let table = sql::table("reconciliation", "pg01_validated_ipe_load_0000");
    let column = sql::identifier(COLUMN);
    let found = laptop
        .warehouse_value(&format!("SELECT COUNT({column}) FROM {table}"))
        .await;
    assert_eq!(found, "18");
    assert_eq!(runs(laptop).await, "1");
}

/// Rows of the table of runs, which is still there.
async fn runs(laptop: &Laptop) -> String {
    laptop
        .warehouse_value("SELECT COUNT(*) FROM reconciliation.pg01_runs")
        .await
}

/// What the finalizer quotes comes back as it was.
async fn texts_of_the_warehouse(laptop: &Laptop) {
    for hostile in [
        "o'clock",
        "''",
        r"\",
        r"\'",
        r"\'; DROP TABLE reconciliation.pg01_runs; --",
        r"'; DROP TABLE reconciliation.pg01_runs; --",
        r"\\' OR '1'='1",
        "$1 :x @y ? {z} %s",
        "é漢😀\n\t\"",
    ] {
        let found = laptop
            .warehouse_value(&format!("SELECT {} AS v", sql::text(hostile)))
            .await;
        assert_eq!(found, hostile);
    }
    assert_eq!(runs(laptop).await, "1");
}

/// Requests and events with SQL in their fields are refused, and leave nothing.
async fn fields_of_events(laptop: &Laptop) {
    let before = laptop.state.list(state::OPEN_RUNS).await.unwrap().len();
    for body in [
        json!({"cutoff_date": "2024-05-01'; DROP TABLE x; --"}),
        json!({"cutoff_date": CUTOFF, "ipes": ["IPE_07' OR '1'='1"]}),
        json!({"cutoff_date": CUTOFF, "ipes": ["../../IPE_07"]}),
        json!({"cutoff_date": CUTOFF, "ipes": ["IPE_07"], "table": "x"}),
    ] {
        let response = laptop
            .stack
            .function_url_request("POST", "/", body.to_string().into_bytes())
            .await
            .unwrap();
        assert_eq!(response.status, 400, "{body}");
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert!(answer["error"]["code"].is_string(), "{answer}");
    }
    for path in [
        "/runs/C-PG-1/2024-05-01/r1'%20OR%20'1'='1",
        "/runs/..%2f..%2fr1",
    ] {
        let response = laptop
            .stack
            .function_url_request("GET", path, Vec::new())
            .await
            .unwrap();
        assert!((400..500).contains(&response.status), "{path}");
    }
    assert_eq!(
        laptop.state.list(state::OPEN_RUNS).await.unwrap().len(),
        before
    );
    assert_eq!(runs(laptop).await, "1");
}
