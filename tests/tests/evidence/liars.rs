//! Liars: who holds the signing key, and says in the manifest something else than the records do.

use serde_json::{Value, json};

use crate::{
    forge::resign,
    tampering::{Case, case, manifest},
};

/// The finalizer's own key signs a manifest that says something else than the records.
pub(crate) fn liars_in_the_manifest() -> Vec<Case> {
    let lie = |name: &str, expected: &[&'static str], change: fn(&mut Value)| {
        case(format!("a liar: {name}"), expected, move |root, signer| {
            resign(signer, &manifest(root), change);
        })
    };
    vec![
        lie("the counts of a report", &["counts"], |p| {
            for hop in ["source", "decoded", "parquet", "warehouse"] {
                let count = &mut p["predicate"]["ipes"][0]["counts"][hop];
                *count = json!(count.as_u64().unwrap() + 1);
            }
        }),
        lie("the mark of the key ranges", &["partition"], |p| {
            p["predicate"]["ipes"][1]["partition"]["high_water_mark"] = 1.into();
        }),
        lie("a control total", &["control_totals"], |p| {
            p["predicate"]["ipes"][1]["control_totals"][0]["extracted"] = "1.00".into();
        }),
        lie("a check's measured value", &["outcomes"], |p| {
            p["predicate"]["ipes"][0]["checks"][1]["measured"] = "1 rows".into();
        }),
        lie("a check left out", &["outcomes"], |p| {
            drop(
                p["predicate"]["ipes"][0]["checks"]
                    .as_array_mut()
                    .unwrap()
                    .pop(),
            );
        }),
        lie("the state of the run", &["state"], |p| {
            p["predicate"]["state"] = "incomplete".into();
        }),
        lie("the state of a report", &["state"], |p| {
            p["predicate"]["ipes"][0]["state"] = "rejected".into();
        }),
        lie("a report left out", &["plan"], |p| {
            drop(p["predicate"]["ipes"].as_array_mut().unwrap().pop());
        }),
        lie("an attempt left out", &["attempts"], |p| {
            p["predicate"]["ipes"][0]["attempts"] = json!([]);
        }),
        lie("who answered", &["source"], |p| {
            p["predicate"]["ipes"][0]["source"]["login"] = "sa".into();
        }),
        lie("the digest of a query", &["query"], |p| {
            p["predicate"]["ipes"][0]["query_sha256"] = "0".repeat(64).into();
        }),
        lie("the program that extracted", &["manifest_fields"], |p| {
            p["predicate"]["ipes"][0]["extracted_by"]["version"] = "9.9.9".into();
        }),
        lie("who started it", &["plan"], |p| {
            p["predicate"]["trigger"]["id"] = "somebody".into();
        }),
        lie("when it began", &["plan"], |p| {
            p["predicate"]["started_at"] = "2024-05-01T00:00:00Z".into();
        }),
        lie("the table of the warehouse", &["load"], |p| {
            p["predicate"]["ipes"][0]["warehouse"]["table"] = "other.table".into();
        }),
        lie("the digest of the plan", &["plan"], |p| {
            p["predicate"]["plan_sha256"] = "0".repeat(64).into();
        }),
        lie("another revision", &["statement"], |p| {
            p["predicate"]["revision"] = json!(2)
        }),
        lie("another run", &["chain", "statement"], |p| {
            p["predicate"]["run_id"] = "C-PG-1/2024-05-01/r7".into();
        }),
        lie("a field of its own", &["statement"], |p| {
            p["predicate"]["approved"] = true.into();
        }),
        lie("another predicate", &["statement"], |p| {
            p["predicateType"] = "https://example.com/other".into();
        }),
        lie(
            "a subject left out",
            &["files_extra", "files_listed"],
            |p| {
                without(p, "CR_05/attempt-1/log.jsonl");
            },
        ),
        lie("the report left out", &["files_extra", "report"], |p| {
            without(p, "report-1.html")
        }),
        lie("a subject more", &["files_missing"], |p| {
            let mut one = p["subject"][0].clone();
            one["name"] = "report-9.html".into();
            p["subject"].as_array_mut().unwrap().push(one);
        }),
        lie("a subject twice", &["subject_names"], |p| {
            let one = p["subject"][0].clone();
            p["subject"].as_array_mut().unwrap().push(one);
        }),
        lie("a path out of the folder", &["subject_names"], |p| {
            let mut one = p["subject"][0].clone();
            one["name"] = "CR_05/attempt-1/../../../../../../etc/passwd".into();
            p["subject"].as_array_mut().unwrap().push(one);
        }),
        lie("the first of the chain", &["chain_fork"], |p| {
            p["predicate"]["previous"] = Value::Null;
        }),
    ]
}

fn without(payload: &mut Value, name: &str) {
    payload["subject"]
        .as_array_mut()
        .unwrap()
        .retain(|s| s["name"] != name);
}
