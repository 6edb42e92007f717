//! Liars about what happened: attempts and runs left out, loads of nothing, times and rights that cannot be.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    consistent_liars::{edit_plan, receipt_lie},
    control::LAST,
    forge::{attempt, copy_into, edit, reseal},
    tampering::{Case, Forge, case},
};

/// The manifest's entry of a report.
fn report<'p>(payload: &'p mut Value, ipe: &str) -> &'p mut Value {
    let ipes = payload["predicate"]["ipes"].as_array_mut().unwrap();
    ipes.iter_mut().find(|i| i["id"] == ipe).unwrap()
}

/// An attempt's records speak of another number.
fn renumber(folder: &Path, number: u32) {
    for file in ["receipt.json", "load.json"] {
        if folder.join(file).exists() {
            edit(&folder.join(file), |r| r["attempt"] = json!(number));
        }
    }
}

/// The right key, records that agree with each other, and a history that the functions never write.
pub(crate) fn liars_in_the_history() -> Vec<Case> {
    const IPE: &str = "IPE_07";
    let liar = |name: &str, expected: &[&'static str], forge: Forge| {
        case(
            format!("a liar about the history: {name}"),
            expected,
            move |root, signer| {
                forge(&root.join(LAST), signer);
            },
        )
    };
    vec![
        liar(
            "the first attempt left out",
            &["attempts"],
            Box::new(|run, signer| {
                fs::rename(
                    run.join(IPE).join("attempt-1"),
                    run.join(IPE).join("attempt-2"),
                )
                .unwrap();
                renumber(&run.join(IPE).join("attempt-2"), 2);
                reseal(signer, run, |p| {
                    report(p, IPE)["attempt"] = json!(2);
                    report(p, IPE)["attempts"][0]["attempt"] = json!(2);
                });
            }),
        ),
        liar(
            "what the run supersedes",
            &["plan"],
            Box::new(|run, signer| {
                edit_plan(run, |p| p["supersedes"] = Value::Null);
                reseal(signer, run, |p| p["predicate"]["supersedes"] = Value::Null);
            }),
        ),
        liar(
            "a load of an attempt without a receipt",
            &["load"],
            Box::new(|run, signer| {
                let second = run.join(IPE).join("attempt-2");
                fs::create_dir(&second).unwrap();
                fs::rename(attempt(run, IPE, "load.json"), second.join("load.json")).unwrap();
                renumber(&second, 2);
                reseal(signer, run, |p| {
                    // Closed at its deadline.
                    p["predicate"]["state"] = "incomplete".into();
                    p["predicate"]["finished_at"] = "2999-01-01T00:00:00Z".into();
                    let one = report(p, IPE);
                    one["state"] = "planned".into();
                    one["reason"] = "extracted and valid, but not loaded into the warehouse".into();
                    one["counts"]["warehouse"] = Value::Null;
                    one["warehouse"] = Value::Null;
                    one["warehouse_totals"] = json!([]);
                    let mut abandoned = one["attempts"][0].clone();
                    for (key, value) in abandoned.as_object_mut().unwrap() {
                        *value = match key.as_str() {
                            "attempt" => json!(2),
                            "final" => json!(false),
                            "outcome" => "abandoned".into(),
                            _ => Value::Null,
                        };
                    }
                    abandoned
                        .as_object_mut()
                        .unwrap()
                        .retain(|_, v| !v.is_null());
                    one["attempts"].as_array_mut().unwrap().push(abandoned);
                });
            }),
        ),
        liar(
            "a second attempt loaded too",
            &["load"],
            Box::new(|run, signer| {
                let second = run.join(IPE).join("attempt-2");
                copy_into(&run.join(IPE).join("attempt-1"), &second);
                renumber(&second, 2);
                reseal(signer, run, |p| {
                    let one = report(p, IPE);
                    let mut again = one["attempts"][0].clone();
                    again["attempt"] = json!(2);
                    one["attempts"].as_array_mut().unwrap().push(again);
                });
            }),
        ),
        liar(
            "loaded before it was extracted",
            &["times"],
            Box::new(|run, signer| {
                const EARLY: &str = "2024-05-01T00:00:00Z";
                edit(&attempt(run, IPE, "load.json"), |l| {
                    l["loaded_at"] = EARLY.into()
                });
                reseal(signer, run, |p| {
                    report(p, IPE)["warehouse"]["loaded_at"] = EARLY.into()
                });
            }),
        ),
        receipt_lie("finished after the manifest", &["times"], IPE, |r| {
            r["finished_at"] = "2999-01-01T00:00:00Z".into();
        }),
        receipt_lie(
            "a login that could write, with no right",
            &["source"],
            IPE,
            |r| {
                r["source"]["can_write"] = true.into();
                r["source"]["write_rights"] = json!([]);
            },
        ),
        liar(
            "prod with a login that can write",
            &["source"],
            Box::new(|run, signer| {
                edit_plan(run, |p| {
                    p["stage"] = "prod".into();
                    p["approval"] = approval();
                });
                let source = |source: &mut Value| {
                    source["can_write"] = true.into();
                    source["write_rights"] = json!(["UPDATE"]);
                };
                edit(&attempt(run, IPE, "receipt.json"), |r| {
                    source(&mut r["source"])
                });
                reseal(signer, run, |p| {
                    p["predicate"]["stage"] = "prod".into();
                    p["predicate"]["approval"] = approval();
                    source(&mut report(p, IPE)["source"]);
                });
            }),
        ),
        liar(
            "prod with texts that nobody approved",
            &["plan"],
            Box::new(|run, signer| {
                let nobody = json!({"status": "none"});
                edit_plan(run, |p| {
                    p["stage"] = "prod".into();
                    for ipe in p["ipes"].as_array_mut().unwrap() {
                        ipe["baseline"] = nobody.clone();
                    }
                });
                reseal(signer, run, |p| {
                    p["predicate"]["stage"] = "prod".into();
                    for ipe in ["CR_05", IPE] {
                        report(p, ipe)["baseline"] = nobody.clone();
                    }
                });
            }),
        ),
    ]
}

fn approval() -> Value {
    json!({"by": "a controller", "ticket": "T-1", "reason": "a forgery"})
}
