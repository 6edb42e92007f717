//! Consistent liars: who holds the signing key and makes records, manifest and data agree. What is left is that plan and
//! data do not bear it out: re-performance finds it.

use std::{fs, path::Path, sync::Arc};

use arrow_array::{
    Decimal128Array, Int32Array, RecordBatch,
    cast::AsArray as _,
    types::{Decimal128Type, Int32Type},
};
use serde_json::{Value, json};
use soxauto_cloud::signer::Signer;
use soxauto_domain::{CheckKind, CheckOutcome};

use crate::{
    control::{LAST, MIDDLE},
    forge::{self, attempt, edit, reseal, resign, resign_statement},
    tampering::{Case, case, manifest},
};

/// Edits a receipt and what repeats it in the manifest, then seals all of it again with the right key.
pub(crate) fn receipt_lie(
    name: &str,
    expected: &[&'static str],
    ipe: &'static str,
    change: fn(&mut Value),
) -> Case {
    case(
        format!("a consistent liar: {name}"),
        expected,
        move |root, signer| {
            let run = root.join(LAST);
            edit(&attempt(&run, ipe, "receipt.json"), change);
            follow(&run, signer, ipe);
        },
    )
}

/// The small files and the manifest say what the receipt says now.
fn follow(run: &Path, signer: &dyn Signer, ipe: &str) {
    summarize(run, ipe);
    let receipt: Value =
        serde_json::from_slice(&fs::read(attempt(run, ipe, "receipt.json")).unwrap()).unwrap();
    edit(&attempt(run, ipe, "checks.json"), |c| {
        *c = receipt["checks"].clone()
    });
    reseal(signer, run, |payload| {
        let ipes = payload["predicate"]["ipes"].as_array_mut().unwrap();
        let one = ipes.iter_mut().find(|i| i["id"] == ipe).unwrap();
        for (hop, at) in [
            ("source", "source"),
            ("decoded", "decoded"),
            ("parquet", "parquet"),
        ] {
            one["counts"][hop] = receipt["counts"][at].clone();
        }
        for field in ["control_totals", "checks", "source", "content_sha256"] {
            one[field] = receipt[field].clone();
        }
        one["attempts"][0]["started_at"] = receipt["started_at"].clone();
        one["attempts"][0]["ended_at"] = receipt["finished_at"].clone();
        one["query_sha256"] = receipt["query"]["sha256"].clone();
    });
}

/// summary.json says what the receipt says.
pub(crate) fn summarize(run: &Path, ipe: &str) {
    let receipt: Value =
        serde_json::from_slice(&fs::read(attempt(run, ipe, "receipt.json")).unwrap()).unwrap();
    let parts: Vec<String> = forge::files(&run.join(ipe).join("attempt-1/data"));
    let bytes: u64 = parts
        .iter()
        .map(|p| {
            fs::metadata(run.join(ipe).join("attempt-1/data").join(p))
                .unwrap()
                .len()
        })
        .sum();
    edit(&attempt(run, ipe, "summary.json"), |s| {
        s["rows"] = receipt["counts"]["decoded"].clone();
        s["state"] = receipt["state"].clone();
        s["parts"] = json!(parts.len());
        s["bytes"] = json!(bytes);
        let checks = receipt["checks"].as_array().unwrap();
        let passed = checks.iter().filter(|c| c["verdict"] == "passed").count();
        s["checks"] = json!({"passed": passed, "total": checks.len()});
    });
}

/// A plan that declares a maximum of movement, and an outcome that `measured` words by its own rows and those of the
/// month before.
fn moved(name: &str, expected: &[&'static str], measured: fn(u64, u64) -> String) -> Case {
    const IPE: &str = "CR_05";
    let rows = |run: &Path| -> u64 {
        let bytes = fs::read(attempt(run, IPE, "receipt.json")).unwrap();
        let receipt: Value = serde_json::from_slice(&bytes).unwrap();
        receipt["counts"]["decoded"].as_u64().unwrap()
    };
    case(
        format!("a maximum of movement: {name}"),
        expected,
        move |root, signer| {
            let run = root.join(LAST);
            // A hundred times more or fewer: what is judged here is the run compared with.
            edit_plan(&run, |plan| {
                let ipes = plan["ipes"].as_array_mut().unwrap();
                let one = ipes.iter_mut().find(|i| i["id"] == IPE).unwrap();
                one["max_row_variance_percent"] = json!(10_000);
            });
            let measured = measured(rows(&run), rows(&root.join(MIDDLE)));
            edit(&attempt(&run, IPE, "receipt.json"), |r| {
                let outcome = CheckOutcome::new(
                    CheckKind::RowVariance,
                    None,
                    true,
                    "at most 10000 % more or fewer rows than the last published run",
                    measured,
                );
                r["checks"].as_array_mut().unwrap().push(json!(outcome));
            });
            follow(&run, signer, IPE);
        },
    )
}

/// Edits the plan of [`LAST`]; its receipts follow it.
pub(crate) fn edit_plan(run: &Path, change: impl FnOnce(&mut Value)) {
    edit(&run.join("plan.json"), change);
    let digest = soxauto_domain::Sha256::of(fs::read(run.join("plan.json")).unwrap());
    for ipe in ["CR_05", "IPE_07"] {
        edit(&attempt(run, ipe, "receipt.json"), |r| {
            r["plan_sha256"] = json!(digest)
        });
    }
}

fn check<'c>(receipt: &'c mut Value, kind: &str) -> &'c mut Value {
    let checks = receipt["checks"].as_array_mut().unwrap();
    checks
        .iter_mut()
        .find(|c| c["check"] == kind)
        .unwrap_or_else(|| panic!("{kind}"))
}

/// The right key, records that agree with each other, and yet something that the data or the plan does not bear out.
pub(crate) fn liars_in_the_records() -> Vec<Case> {
    let measured = |kind: &'static str,
                    ipe: &'static str,
                    expected: &'static str,
                    from: &'static str,
                    to: &'static str| {
        case(
            format!("a consistent liar: the measured value of {kind}"),
            &[expected],
            move |root, signer| {
                let run = root.join(LAST);
                edit(&attempt(&run, ipe, "receipt.json"), |r| {
                    let measured = &mut check(r, kind)["measured"];
                    let text = measured.as_str().unwrap();
                    assert!(text.contains(from), "{text}");
                    *measured = text.replacen(from, to, 1).into();
                });
                follow(&run, signer, ipe);
            },
        )
    };
    vec![
        receipt_lie("the parameters bound", &["parameters"], "IPE_07", |r| {
            r["query"]["parameters"][0]["value"] = "2024-04-01".into();
        }),
        receipt_lie("another query", &["query"], "IPE_07", |r| {
            r["query"]["sha256"] = "0".repeat(64).into();
        }),
        receipt_lie("the rows of a range", &["partition"], "IPE_07", |r| {
            r["partition"]["ranges"][0]["rows"] = 1.into();
        }),
        receipt_lie(
            "the part of a range",
            &["partition", "data_partition"],
            "IPE_07",
            |r| {
                r["partition"]["ranges"][0]["files"] = json!(["data/part-00007.parquet"]);
            },
        ),
        receipt_lie("nobody who did the ranges", &["partition"], "IPE_07", |r| {
            r["partition"]["invocations"] = json!([]);
        }),
        receipt_lie(
            "a segment that nobody left",
            &["partition"],
            "IPE_07",
            |r| {
                r["partition"]["invocations"][0]["segment"] = 1.into();
            },
        ),
        receipt_lie(
            "a mark that no range reaches",
            &["parameters", "partition"],
            "IPE_07",
            |r| {
                let mark = &mut r["partition"]["span"]["high_water_mark"];
                *mark = (mark.as_i64().unwrap() + 1).into();
            },
        ),
        receipt_lie(
            "ranges left out",
            &["parameters", "partition"],
            "IPE_07",
            |r| {
                drop(r.as_object_mut().unwrap().remove("partition"));
            },
        ),
        receipt_lie(
            "a mark below the rows",
            &["parameters", "partition", "data_partition"],
            "IPE_07",
            |r| {
                let lowest = r["partition"]["span"]["lowest"].clone();
                r["partition"]["ranges"][0]["upto"] = lowest.clone();
                r["partition"]["span"]["high_water_mark"] = lowest;
            },
        ),
        receipt_lie("another plan", &["receipts"], "IPE_07", |r| {
            r["plan_sha256"] = "0".repeat(64).into();
        }),
        receipt_lie("another database", &["source"], "IPE_07", |r| {
            r["source"]["database"] = "master".into();
        }),
        receipt_lie(
            "begun after it ended",
            &["partition", "times"],
            "IPE_07",
            |r| {
                r["started_at"] = "2999-01-01T00:00:00Z".into();
            },
        ),
        receipt_lie(
            "a total that the source never gave",
            &["control_totals", "data_completeness"],
            "IPE_07",
            |r| {
                r["control_totals"][0]["source_before"] = "1.00".into();
            },
        ),
        receipt_lie(
            "an extracted total",
            &["control_totals", "data_totals"],
            "IPE_07",
            |r| {
                r["control_totals"][0]["extracted"] = "1.00".into();
            },
        ),
        receipt_lie(
            "the independent count",
            &["counts", "data_completeness"],
            "IPE_07",
            |r| {
                r["counts"]["source"] = json!(r["counts"]["source"].as_u64().unwrap() + 1);
            },
        ),
        receipt_lie("a check left out", &["declared_checks"], "IPE_07", |r| {
            r["checks"]
                .as_array_mut()
                .unwrap()
                .retain(|c| c["check"] != "key_unique");
        }),
        receipt_lie(
            "a witness that is not there",
            &["data_witness"],
            "IPE_07",
            |r| {
                for value in r["witness"].as_array_mut().unwrap() {
                    if value["column"] == "entry_no" {
                        value["value"] = "999999999".into();
                    }
                }
            },
        ),
        receipt_lie("no witness recorded", &["data_witness"], "IPE_07", |r| {
            r["witness"] = json!([]);
        }),
        receipt_lie(
            "a witness said to be masked",
            &["data_witness"],
            "IPE_07",
            |r| {
                for value in r["witness"].as_array_mut().unwrap() {
                    *value = json!({"column": value["column"], "value": null, "masked": true});
                }
            },
        ),
        measured(
            "accuracy_negative",
            "IPE_07",
            "data_negative",
            ", 0 of",
            ", 1 of",
        ),
        receipt_lie(
            "what the perturbed query had to lose",
            &["data_negative"],
            "IPE_07",
            |r| {
                check(r, "accuracy_negative")["expected"] = "rows are there, and gone".into();
            },
        ),
        moved(
            "compared with no earlier run",
            &["data_row_variance"],
            |rows, _| format!("{rows} rows; no earlier published run to compare with"),
        ),
        moved(
            "compared with a run that never was",
            &["data_row_variance"],
            |rows, last| format!("{rows} rows, {} in the last published run", last + 1),
        ),
        moved("compared with the right run", &[], |rows, last| {
            format!("{rows} rows, {last} in the last published run")
        }),
        receipt_lie(
            "when it was extracted",
            &["data_traceability"],
            "CR_05",
            |r| {
                r["extracted_at"] = r["finished_at"].clone();
            },
        ),
        Case {
            deep: true,
            ..receipt_lie(
                "the content digest",
                &["data_content_digest"],
                "IPE_07",
                |r| {
                    r["content_sha256"] = "0".repeat(64).into();
                },
            )
        },
        measured(
            "key_unique",
            "IPE_07",
            "data_key_unique",
            "0 rows",
            "1 rows",
        ),
        measured("not_null", "IPE_07", "data_not_null", "0 of", "1 of"),
        measured(
            "accepted_values",
            "IPE_07",
            "data_accepted_values",
            "0 of",
            "1 of",
        ),
        measured("period", "IPE_07", "data_period", "0 of", "1 of"),
        measured("range", "CR_05", "data_range", "0 of", "1 of"),
        measured("not_empty", "IPE_07", "data_not_empty", " rows", "0 rows"),
        measured(
            "accuracy_negative",
            "IPE_07",
            "data_negative",
            " such",
            "0 such",
        ),
        measured(
            "accuracy_positive",
            "IPE_07",
            "data_witness",
            "1 rows",
            "2 rows",
        ),
        case(
            "a consistent liar: a row more everywhere",
            &["data_footers"],
            |root, signer| {
                let run = root.join(LAST);
                edit(&attempt(&run, "IPE_07", "receipt.json"), |r| {
                    for hop in ["source", "decoded", "parquet"] {
                        r["counts"][hop] = json!(r["counts"][hop].as_u64().unwrap() + 1);
                    }
                    for file in r["files"].as_array_mut().unwrap() {
                        if file["rows"].is_u64() {
                            file["rows"] = json!(file["rows"].as_u64().unwrap() + 1);
                        }
                    }
                    let rows = &mut r["partition"]["ranges"][0]["rows"];
                    *rows = json!(rows.as_u64().unwrap() + 1);
                });
                edit(&attempt(&run, "IPE_07", "load.json"), |l| {
                    l["rows"] = json!(l["rows"].as_u64().unwrap() + 1);
                });
                follow(&run, signer, "IPE_07");
                resign(signer, &manifest(root), |p| {
                    let ipes = p["predicate"]["ipes"].as_array_mut().unwrap();
                    let one = ipes.iter_mut().find(|i| i["id"] == "IPE_07").unwrap();
                    one["counts"]["warehouse"] = one["counts"]["parquet"].clone();
                });
            },
        ),
        case(
            "a consistent liar: other parameters in parameters.json",
            &["parameters"],
            |root, signer| {
                let run = root.join(LAST);
                edit(&attempt(&run, "IPE_07", "parameters.json"), |p| {
                    p["negative"]["change"] = "nothing".into();
                });
                reseal(signer, &run, |_| {});
            },
        ),
        case(
            "a consistent liar: another text in query.sql",
            &["query"],
            |root, signer| {
                let run = root.join(LAST);
                fs::write(attempt(&run, "IPE_07", "query.sql"), "SELECT 1").unwrap();
                reseal(signer, &run, |_| {});
            },
        ),
        case(
            "a consistent liar: another sample",
            &["data_sample"],
            |root, signer| {
                let run = root.join(LAST);
                let file = attempt(&run, "IPE_07", "sample.csv");
                let text = fs::read_to_string(&file).unwrap().replace("EC_NG", "EC_KE");
                fs::write(file, text).unwrap();
                reseal(signer, &run, |_| {});
            },
        ),
        case(
            "a consistent liar: the rows in the warehouse",
            &["counts"],
            |root, signer| {
                let run = root.join(LAST);
                edit(&attempt(&run, "IPE_07", "load.json"), |l| {
                    l["rows"] = json!(1)
                });
                reseal(signer, &run, |p| {
                    let ipes = p["predicate"]["ipes"].as_array_mut().unwrap();
                    ipes.iter_mut().find(|i| i["id"] == "IPE_07").unwrap()["counts"]["warehouse"] =
                        json!(1);
                });
            },
        ),
        case(
            "a consistent liar: a file that no receipt lists",
            &["files_listed"],
            |root, signer| {
                let run = root.join(LAST);
                reseal(signer, &run, |_| {});
                fs::write(attempt(&run, "IPE_07", "note.txt"), "x").unwrap();
                resign_statement(signer, &manifest(root), |s| {
                    s.subject.push(soxauto_evidence::statement::subject(
                        "IPE_07/attempt-1/note.txt",
                        1,
                        soxauto_domain::Sha256::of("x"),
                    ));
                });
            },
        ),
    ]
}

/// Adds one unit of the last digit to the first value of a decimal column.
pub(crate) fn add_one(part: &Path, column: &str) {
    forge::change_column(part, column, |values| {
        let values = values.as_primitive::<Decimal128Type>();
        let changed = values
            .iter()
            .enumerate()
            .map(|(n, v)| v.map(|v| v + i128::from(n == 0)));
        let array: Decimal128Array = changed.collect();
        Arc::new(
            array
                .with_precision_and_scale(values.precision(), values.scale())
                .unwrap(),
        )
    });
}

/// The right key, and Parquet files written anew.
pub(crate) fn liars_in_the_data() -> Vec<Case> {
    const IPE: &str = "IPE_07";
    let part = |run: &Path| attempt(run, IPE, "data/part-00000.parquet");
    let lie = move |name: &str, expected: &[&'static str], change: fn(&Path)| {
        case(
            format!("a consistent liar: {name}"),
            expected,
            move |root, signer| {
                let run = root.join(LAST);
                change(&part(&run));
                summarize(&run, IPE);
                reseal(signer, &run, |_| {});
            },
        )
    };
    vec![
        lie(
            "an amount in a row",
            &["data_totals", "data_completeness", "data_sample"],
            |part| {
                add_one(part, "remaining_amount_lcy");
            },
        ),
        lie("a key twice", &["data_key_unique", "data_sample"], |part| {
            let batch = forge::rows(part);
            let index = batch.schema().index_of("entry_no").unwrap();
            let company = batch.schema().index_of("company_code").unwrap();
            let mut columns = batch.columns().to_vec();
            let entries = columns[index].as_primitive::<Int32Type>();
            let mut values: Vec<i32> = entries.values().to_vec();
            let companies = columns[company].as_string::<i32>();
            let twin = (1..values.len())
                .find(|n| companies.value(*n) == companies.value(0))
                .unwrap();
            values[0] = values[twin];
            columns[index] = Arc::new(Int32Array::from(values));
            forge::write(
                part,
                &RecordBatch::try_new(batch.schema(), columns).unwrap(),
            );
        }),
        lie("a row dropped", &["data_footers"], |part| {
            let batch = forge::rows(part);
            forge::write(part, &batch.slice(0, batch.num_rows() - 1));
        }),
        lie("a column dropped", &["data_contract"], |part| {
            let batch = forge::rows(part);
            let all: Vec<usize> = (1..batch.num_columns()).collect();
            forge::write(part, &batch.project(&all).unwrap());
        }),
        lie("a column of another name", &["data_contract"], |part| {
            let batch = forge::rows(part);
            let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
            fields.swap(0, 1);
            let schema = Arc::new(arrow_schema::Schema::new(fields));
            let mut columns = batch.columns().to_vec();
            columns.swap(0, 1);
            forge::write(part, &RecordBatch::try_new(schema, columns).unwrap());
        }),
        case(
            "a consistent liar: parts in another order",
            &["data_traceability", "data_witness", "data_sample"],
            move |root, signer| {
                let run = root.join(LAST);
                let first = part(&run);
                let batch = forge::rows(&first);
                let half = batch.num_rows() / 2;
                forge::write(&first, &batch.slice(half, batch.num_rows() - half));
                forge::write(
                    &attempt(&run, IPE, "data/part-00001.parquet"),
                    &batch.slice(0, half),
                );
                edit(&attempt(&run, IPE, "receipt.json"), |r| {
                    for file in r["files"].as_array_mut().unwrap() {
                        if file["rows"].is_u64() {
                            file["rows"] = json!(batch.num_rows() - half);
                        }
                    }
                    r["partition"]["ranges"][0]["files"] =
                        json!(["data/part-00000.parquet", "data/part-00001.parquet"]);
                });
                summarize(&run, IPE);
                reseal(signer, &run, |_| {});
            },
        ),
    ]
}
