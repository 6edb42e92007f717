//! Every kind of tampering, one at a time, over a copy of real evidence: the verifier names each by the check meant for it.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde_json::{Value, json};
use soxauto_cloud::signer::Signer;
use soxauto_verify::{Check, DiskFolder, Request, verify};

use crate::{
    consistent_liars::{add_one, liars_in_the_data, liars_in_the_records, summarize},
    control::{Control, LAST, MIDDLE, REPLAYED},
    forge::{self, attempt, edit, edit_payload, flip, reseal, resign},
    history::liars_in_the_history,
    liars::liars_in_the_manifest,
};

/// What a forger does to the folder of all evidence, with the finalizer's own key at hand.
pub(crate) type Forge = Box<dyn Fn(&Path, &dyn Signer)>;

/// One forgery: what it is called, how it is done to the folder of all evidence, and the checks that must fail: these and
/// no others.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) forge: Forge,
    pub(crate) expected: Vec<&'static str>,
    /// Whether the content digest is computed again.
    pub(crate) deep: bool,
    /// Whether the newest manifest is known from elsewhere.
    pub(crate) head: bool,
}

pub(crate) fn case(
    name: impl Into<String>,
    expected: &[&'static str],
    forge: impl Fn(&Path, &dyn Signer) + 'static,
) -> Case {
    Case {
        name: name.into(),
        forge: Box::new(forge),
        expected: expected.to_vec(),
        head: false,
        deep: false,
    }
}

pub(crate) fn manifest(root: &Path) -> std::path::PathBuf {
    root.join(LAST).join("manifest-1.dsse.json")
}

pub(crate) async fn each_kind_is_named(control: &Control) {
    let mut cases = bits(control);
    cases.extend(files_and_rows());
    cases.extend(chain());
    cases.extend(signatures());
    cases.extend(liars_in_the_manifest());
    cases.extend(liars_in_the_records());
    cases.extend(liars_in_the_data());
    cases.extend(liars_in_the_history());
    cases.extend(hostile());
    let mut wrong = Vec::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        let copy = forge::copy(&control.evidence);
        (case.forge)(copy.path(), &control.signer);
        let request = Request {
            heads: case.head.then_some(control.head).into_iter().collect(),
            deep: case.deep,
            ..control.request()
        };
        let found = verify(&DiskFolder::new(copy.path()).unwrap(), &request, &()).await;
        let mut failed = found.failed();
        // Another content may have another size, or the same by chance.
        if case.expected == ["file_digest"] {
            failed.retain(|name| *name != "file_size");
        }
        for name in &failed {
            *named.entry(name).or_default() += 1;
        }
        if failed != case.expected || found.holds != case.expected.is_empty() {
            let reasons: Vec<String> = found
                .all_checks()
                .flat_map(|c| {
                    c.failures
                        .iter()
                        .take(2)
                        .map(move |f| format!("{} {}: {}", c.check, f.file, f.reason))
                })
                .collect();
            wrong.push(format!(
                "{}\n  expected {:?}\n  found    {failed:?}\n    {}",
                case.name,
                case.expected,
                reasons.join("\n    ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    // A check that no forgery makes fail might as well not be there.
    let never: Vec<&str> = Check::ALL
        .iter()
        .map(|c| c.as_str())
        .filter(|c| !named.contains_key(c) && !UNTRIED.contains(c))
        .collect();
    assert!(never.is_empty(), "no forgery is found by {never:?}");
}

/// Checks of which these runs have nothing to forge.
const UNTRIED: &[&str] = &[
    // Asked for by an option of its own.
    "review",
];

/// A bit in each kind of file.
fn bits(control: &Control) -> Vec<Case> {
    let mut cases = Vec::new();
    for (run, ipe) in [(LAST, "IPE_07"), (LAST, "CR_05"), (REPLAYED, "CR_04")] {
        for name in forge::files(&control.evidence.join(run)) {
            let kind = name.starts_with(ipe) || (!name.contains('/') && ipe != "CR_05");
            if !kind || name.starts_with("manifest-") {
                continue;
            }
            let file = format!("{run}/{name}");
            cases.push(case(
                format!("a bit in {file}"),
                &["file_digest"],
                move |root, _| flip(&root.join(&file)),
            ));
        }
    }
    assert!(cases.len() >= 20);
    cases
}

/// Files and rows, without the key.
fn files_and_rows() -> Vec<Case> {
    let part = |root: &Path| attempt(&root.join(LAST), "IPE_07", "data/part-00000.parquet");
    vec![
        case(
            "a row, the file written anew",
            &["file_digest"],
            move |root, _| {
                add_one(&part(root), "remaining_amount_lcy");
            },
        ),
        case("two parts swapped", &["file_digest"], |root, _| {
            let run = root.join(LAST);
            let a = attempt(&run, "IPE_07", "data/part-00000.parquet");
            let b = attempt(&run, "CR_05", "data/part-00000.parquet");
            let bytes = fs::read(&a).unwrap();
            fs::copy(&b, &a).unwrap();
            fs::write(&b, bytes).unwrap();
        }),
        case("a receipt of another month", &["file_digest"], |root, _| {
            fs::copy(
                attempt(&root.join("C-PG-1/2024-05-01/r1"), "CR_05", "receipt.json"),
                attempt(&root.join(LAST), "CR_05", "receipt.json"),
            )
            .unwrap();
        }),
        case(
            "a parameter in parameters.json",
            &["file_digest"],
            |root, _| {
                let file = attempt(&root.join(LAST), "IPE_07", "parameters.json");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(&file, text.replacen("13004", "13005", 1)).unwrap();
            },
        ),
        case("a file taken away", &["files_missing"], |root, _| {
            fs::remove_file(attempt(&root.join(LAST), "IPE_07", "log.jsonl")).unwrap();
        }),
        case("a part taken away", &["files_missing"], move |root, _| {
            fs::remove_file(part(root)).unwrap();
        }),
        case(
            "a file of an old revision taken away",
            &["files_missing"],
            |root, _| {
                fs::remove_file(root.join(REPLAYED).join("report-1.html")).unwrap();
            },
        ),
        case("a file added to a run", &["files_extra"], |root, _| {
            fs::write(root.join(LAST).join("IPE_07/attempt-1/note.txt"), "x").unwrap();
        }),
        case("an attempt added to a run", &["files_extra"], |root, _| {
            let run = root.join(LAST);
            forge::copy_into(&run.join("CR_05/attempt-1"), &run.join("CR_05/attempt-2"));
        }),
        case("a file added beside the runs", &["folder"], |root, _| {
            fs::write(root.join("C-PG-1/README"), "x").unwrap();
        }),
        case(
            "a file made longer",
            &["file_size", "file_digest"],
            |root, _| {
                let file = root.join(LAST).join("plan.json");
                let mut bytes = fs::read(&file).unwrap();
                bytes.push(b'\n');
                fs::write(&file, bytes).unwrap();
            },
        ),
    ]
}

fn chain() -> Vec<Case> {
    let mut cases = vec![
        case("a month in the middle taken away", &["chain"], |root, _| {
            fs::remove_dir_all(root.join("C-PG-1/2024-04-01")).unwrap();
        }),
        case("the first month taken away", &["chain"], |root, _| {
            fs::remove_dir_all(root.join("C-PG-1/2024-03-01")).unwrap();
        }),
        case(
            "an old revision as the newest",
            &["chain", "files_extra"],
            |root, _| {
                fs::remove_file(root.join(REPLAYED).join("manifest-2.dsse.json")).unwrap();
            },
        ),
        case(
            "the first revision taken away",
            &["chain", "revisions"],
            |root, _| {
                fs::remove_file(root.join(REPLAYED).join("manifest-1.dsse.json")).unwrap();
            },
        ),
        case("revisions swapped", &["statement"], |root, _| {
            let run = root.join(REPLAYED);
            let [a, b] = [1, 2].map(|n| run.join(format!("manifest-{n}.dsse.json")));
            let bytes = fs::read(&a).unwrap();
            fs::copy(&b, &a).unwrap();
            fs::write(&b, bytes).unwrap();
        }),
        case(
            "another month's manifest",
            &["chain_fork", "statement"],
            |root, _| {
                fs::copy(
                    root.join(MIDDLE).join("manifest-1.dsse.json"),
                    manifest(root),
                )
                .unwrap();
            },
        ),
        case(
            "a month's folder under another month's name",
            &["chain_fork", "statement"],
            |root, _| {
                fs::remove_dir_all(root.join(LAST)).unwrap();
                forge::copy_into(&root.join(MIDDLE), &root.join(LAST));
            },
        ),
        case(
            "a fork: a second manifest after the same one",
            &["chain_fork"],
            |root, signer| {
                let run = root.join("C-PG-1/2024-05-01/r3");
                forge::copy_into(&root.join(LAST), &run);
                // Honest but for its number.
                for name in forge::files(&run) {
                    if name.ends_with(".json") && !name.starts_with("manifest-") {
                        let file = run.join(&name);
                        let text = fs::read_to_string(&file).unwrap();
                        fs::write(&file, text.replace(LAST, "C-PG-1/2024-05-01/r3")).unwrap();
                    }
                }
                edit(&run.join("plan.json"), |p| p["supersedes"] = LAST.into());
                for ipe in ["CR_05", "IPE_07"] {
                    let part = attempt(&run, ipe, "data/part-00000.parquet");
                    forge::change_column(&part, "_run_id", |column| {
                        let rows = column.len();
                        Arc::new(arrow_array::StringArray::from_iter_values(
                            std::iter::repeat_n("C-PG-1/2024-05-01/r3", rows),
                        ))
                    });
                    summarize(&run, ipe);
                }
                let digest = soxauto_domain::Sha256::of(fs::read(run.join("plan.json")).unwrap());
                for ipe in ["CR_05", "IPE_07"] {
                    edit(&attempt(&run, ipe, "receipt.json"), |r| {
                        r["plan_sha256"] = json!(digest);
                    });
                }
                reseal(signer, &run, |p| {
                    p["predicate"]["run_id"] = "C-PG-1/2024-05-01/r3".into();
                    p["predicate"]["supersedes"] = LAST.into();
                });
            },
        ),
        case(
            "a whole control replaced by nothing",
            &["folder"],
            |root, _| {
                fs::remove_dir_all(root.join("C-PG-1")).unwrap();
            },
        ),
        case(
            "the manifest of a run taken away",
            &["revisions"],
            |root, _| {
                fs::remove_file(manifest(root)).unwrap();
            },
        ),
    ];
    // Who only has the folder cannot know that a newer run existed; who knows the head can.
    cases.push(case(
        "the newest run taken away, head unknown",
        &[],
        |root, _| {
            fs::remove_dir_all(root.join(LAST)).unwrap();
        },
    ));
    cases.push(Case {
        head: true,
        ..case(
            "the newest run taken away, head known",
            &["chain_head"],
            |root, _| {
                fs::remove_dir_all(root.join(LAST)).unwrap();
            },
        )
    });
    cases
}

fn signatures() -> Vec<Case> {
    vec![
        case(
            "a state in the payload, the old signature",
            &["signature"],
            |root, _| {
                edit_payload(&manifest(root), |p| {
                    p["predicate"]["state"] = "rejected".into()
                });
            },
        ),
        case(
            "a date in the payload, the old signature",
            &["chain", "signature"],
            |root, _| {
                edit_payload(&manifest(root), |p| {
                    p["predicate"]["finished_at"] = "2024-05-01T00:00:00Z".into();
                });
            },
        ),
        case(
            "a subject taken from the payload, the old signature",
            &["signature"],
            |root, _| {
                edit_payload(&manifest(root), |p| {
                    drop(p["subject"].as_array_mut().unwrap().pop())
                });
            },
        ),
        case("signed by another key", &["signature"], |root, _| {
            resign(&forge::stranger(), &manifest(root), |_| {});
        }),
        case(
            "changed, and signed by the operator's own key",
            &["signature"],
            |root, _| {
                resign(&forge::stranger(), &manifest(root), |p| {
                    p["predicate"]["state"] = "rejected".into();
                });
            },
        ),
        case(
            "everything signed anew by another key",
            &["signature"],
            |root, _| {
                // The whole history, chain and all.
                let order = [
                    (REPLAYED, 1),
                    (REPLAYED, 2),
                    (MIDDLE, 1),
                    ("C-PG-1/2024-05-01/r1", 1),
                    (LAST, 1),
                ];
                let mut previous = Value::Null;
                for (run, revision) in order {
                    let file = root
                        .join(run)
                        .join(format!("manifest-{revision}.dsse.json"));
                    resign(&forge::stranger(), &file, |p| {
                        p["predicate"]["previous"] = previous.clone();
                    });
                    let digest = soxauto_domain::Sha256::of(fs::read(&file).unwrap());
                    previous = json!({"run_id": run, "revision": revision, "sha256": digest});
                }
            },
        ),
        case("no signature at all", &["signature"], |root, _| {
            edit(&manifest(root), |e| e["signatures"] = json!([]));
        }),
        case("another payload type", &["envelope"], |root, _| {
            edit(&manifest(root), |e| e["payloadType"] = "text/plain".into());
        }),
    ]
}

/// Files made to break the verifier rather than to deceive it.
fn hostile() -> Vec<Case> {
    vec![
        case("a manifest of 70 MiB", &["envelope"], |root, _| {
            let file = fs::File::create(manifest(root)).unwrap();
            file.set_len(70 * 1024 * 1024).unwrap();
        }),
        case(
            "a manifest of a million brackets",
            &["envelope"],
            |root, _| {
                fs::write(manifest(root), "[".repeat(1_000_000)).unwrap();
            },
        ),
        case("an empty manifest", &["envelope"], |root, _| {
            fs::write(manifest(root), "").unwrap()
        }),
        case(
            "a plan of a million brackets, signed",
            &["plan"],
            |root, signer| {
                let run = root.join(LAST);
                fs::write(run.join("plan.json"), "[".repeat(1_000_000)).unwrap();
                reseal(signer, &run, |_| {});
            },
        ),
        case(
            "a Parquet file of noise, signed",
            &["data_footers"],
            |root, signer| {
                let run = root.join(LAST);
                let part = attempt(&run, "IPE_07", "data/part-00000.parquet");
                let mut bytes = fs::read(&part).unwrap();
                let end = bytes.len() - 9;
                // The footer's own bytes: lengths and offsets become nonsense.
                for (n, byte) in bytes[end - 2_000..end].iter_mut().enumerate() {
                    *byte ^= (n * 7 % 251) as u8;
                }
                fs::write(&part, bytes).unwrap();
                summarize(&run, "IPE_07");
                reseal(signer, &run, |_| {});
            },
        ),
        case(
            "a Parquet file with broken pages, signed",
            &["data_rows"],
            |root, signer| {
                let run = root.join(LAST);
                let part = attempt(&run, "IPE_07", "data/part-00000.parquet");
                let mut bytes = fs::read(&part).unwrap();
                for byte in &mut bytes[200..1_200] {
                    *byte ^= 0x5a;
                }
                fs::write(&part, bytes).unwrap();
                reseal(signer, &run, |_| {});
            },
        ),
        #[cfg(unix)]
        case(
            "a link instead of a file",
            &["folder", "files_missing"],
            |root, _| {
                let file = attempt(&root.join(LAST), "CR_05", "log.jsonl");
                fs::rename(&file, root.join("log")).unwrap();
                std::os::unix::fs::symlink(root.join("log"), &file).unwrap();
            },
        ),
        #[cfg(unix)]
        case("a link in a circle", &["folder"], |root, _| {
            std::os::unix::fs::symlink(root, root.join(LAST).join("CR_05/loop")).unwrap();
        }),
    ]
}
