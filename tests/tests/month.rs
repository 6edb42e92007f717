//! The README's first command, and what it leaves on disk: every claim of the manifest is checked against the bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use serde_json::Value;
use soxauto_domain::{IpeState, Plan, Receipt, RunState, Sha256, catalog::Sample};
use soxauto_e2e::{month, python, soxauto};
use soxauto_evidence::envelope;

/// Every file below `folder`, by its path relative to it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// No value of a masked column stands in a file that is no Parquet part.
fn assert_masked(plan: &Plan, folder: &Path) {
    let script = "import duckdb, json, sys
values = duckdb.execute(f'select distinct \"{sys.argv[2]}\" from read_parquet(?)', [sys.argv[1]]).fetchall()
print(json.dumps([str(v) for (v,) in values if v is not None and len(str(v)) >= 5]))";
    let files = files(folder);
    let mut looked_for = 0;
    for ipe in &plan.ipes {
        for column in ipe.columns.iter().filter(|c| c.sample == Sample::Mask) {
            let parts = folder.join(format!("{}/attempt-1/data/*.parquet", ipe.id));
            let output = python()
                .args(["-c", script, parts.to_str().unwrap(), &column.name])
                .output()
                .unwrap();
            let values: Vec<String> = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
            for (name, bytes) in files.iter().filter(|(name, _)| {
                !name.ends_with(".parquet")
                    && (name.starts_with(ipe.id.as_str()) || !name.contains('/'))
            }) {
                let text = String::from_utf8_lossy(bytes);
                let told = values.iter().find(|value| text.contains(value.as_str()));
                assert_eq!(told, None, "{} of {} in {name}", column.name, ipe.id);
            }
            looked_for += values.len();
        }
    }
    assert!(looked_for > 10, "{looked_for}");
}

/// What the second implementation of the content digest prints.
fn python_content_digest(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("content_digest.py");
    let output = python().arg(script).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_month_closes_and_its_evidence_holds() {
    let out = tempfile::tempdir().unwrap();
    let (code, result) = month(out.path(), &[]);
    assert_eq!(
        (code, &result["state"]),
        (0, &Value::from("complete")),
        "{result:#}"
    );
    let ipes = result["ipes"].as_array().unwrap();
    assert_eq!(ipes.len(), 12);
    for ipe in ipes {
        assert_eq!(ipe["state"], "passed", "{ipe}");
        assert!(ipe["rows"].as_u64().unwrap() > 0, "{ipe}");
        assert_eq!(ipe["rows"], ipe["loaded_rows"], "{ipe}");
        assert_eq!(ipe["checks"]["passed"], ipe["checks"]["total"], "{ipe}");
    }

    // The manifest is signed by the key that KMS gave out.
    let pem = fs::read_to_string(out.path().join("signing-key.pem")).unwrap();
    let manifest = fs::read(result["manifest"].as_str().unwrap()).unwrap();
    let statement = envelope::verify(&manifest, &pem).unwrap();
    assert_eq!(statement.predicate.state, RunState::Complete);
    assert_eq!(statement.predicate.previous, None);

    // Its subjects are the files of the folder, all of them and no others, byte for byte.
    let mut on_disk = files(Path::new(result["evidence_dir"].as_str().unwrap()));
    on_disk.retain(|name, _| !name.starts_with("manifest-"));
    let claimed: BTreeMap<String, (u64, Sha256)> = statement
        .subject
        .iter()
        .map(|s| (s.name.clone(), (s.annotations.size, s.digest.sha256)))
        .collect();
    let found: BTreeMap<String, (u64, Sha256)> = on_disk
        .iter()
        .map(|(name, bytes)| (name.clone(), (bytes.len() as u64, Sha256::of(bytes))))
        .collect();
    assert_eq!(claimed, found);

    // Every receipt agrees with the plan and with the manifest at the four hops.
    for ipe in &statement.predicate.ipes {
        let name = format!("{}/attempt-{}/receipt.json", ipe.id, ipe.attempt.unwrap());
        let receipt: Receipt = serde_json::from_slice(&on_disk[&name]).unwrap();
        assert_eq!(receipt.plan_sha256, Sha256::of(&on_disk["plan.json"]));
        assert_eq!(receipt.state, IpeState::Passed);
        assert_eq!(ipe.content_sha256, Some(receipt.content_sha256));
        let evidence = Path::new(result["evidence_dir"].as_str().unwrap());
        let parts = receipt.files.iter().filter(|file| file.rows.is_some());
        let attempt = Path::new(&name).parent().unwrap();
        let paths = parts.map(|file| evidence.join(attempt).join(&file.path));
        assert_eq!(
            python_content_digest(paths),
            format!("{}\n", receipt.content_sha256)
        );
        let counts = ipe.counts.unwrap();
        assert_eq!(
            [
                counts.source,
                counts.decoded,
                counts.parquet,
                counts.warehouse.unwrap()
            ],
            [
                receipt.counts.source,
                receipt.counts.decoded,
                receipt.counts.parquet,
                receipt.counts.parquet
            ]
        );
        assert!(
            receipt.source.server_time.starts_with("20") && !receipt.source.can_write,
            "{:?}",
            receipt.source
        );
    }

    // Every query is as it was approved, and says where its columns come from.
    for ipe in &statement.predicate.ipes {
        assert!(ipe.baseline.is_approved(), "{}: {:?}", ipe.id, ipe.baseline);
        let lineage = ipe.lineage.as_ref().unwrap();
        assert!(lineage.columns.iter().any(|c| !c.sources.is_empty()));
    }

    // As OpenLineage events it is what the specification asks for.
    let export = soxauto(&[
        "lineage",
        "export",
        result["evidence_dir"].as_str().unwrap(),
    ]);
    assert!(
        export.status.success(),
        "{}",
        String::from_utf8_lossy(&export.stderr)
    );
    let events = out.path().join("events.jsonl");
    fs::write(&events, &export.stdout).unwrap();
    let script = "import json, jsonschema, sys
check = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
lines = [json.loads(line) for line in open(sys.argv[2])]
for line in lines: check.validate(line)
print(json.dumps([line['eventType'] for line in lines]))";
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/schemas/openlineage-2-0-2.schema.json"
    );
    let output = python()
        .args(["-c", script, schema, events.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kinds: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(kinds, ["START", "COMPLETE"].repeat(12));

    // What is masked is in the Parquet parts and in no other file.
    let plan: Plan = serde_json::from_slice(&on_disk["plan.json"]).unwrap();
    assert_masked(&plan, Path::new(result["evidence_dir"].as_str().unwrap()));

    assert_eq!(
        python_content_digest(["--vectors"]),
        include_str!("../../docs/content-digest.vectors.json")
    );

    // The manifest has its published form, by a validator that is not ours.
    let manifest = Path::new(result["evidence_dir"].as_str().unwrap()).join("manifest-1.dsse.json");
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("template/test_schemas.py");
    let output = python()
        .arg(schemas)
        .arg("Schemas.test_a_real_manifest_conforms")
        .env("SOXAUTO_MANIFEST", manifest)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(
        report.contains("Ran 1 test") && !report.contains("skipped"),
        "{report}"
    );

    // The warehouse's file opens without us, and its views show the published rows.
    let script = "import duckdb, json, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps({t: con.execute(f'select count(*) from reconciliation.{t}').fetchone()[0] for (t,) in con.execute(
    \"select table_name from information_schema.tables where table_schema = 'reconciliation' and table_name like '%\\\\_current' escape '\\\\'\").fetchall()}))";
    let output = python()
        .args(["-c", script, result["warehouse"].as_str().unwrap()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let views: BTreeMap<String, u64> = serde_json::from_slice(&output.stdout).unwrap();
    let published: u64 = views.values().sum();
    assert_eq!(views.len(), 12, "{views:?}");
    assert_eq!(
        published,
        ipes.iter()
            .map(|ipe| ipe["rows"].as_u64().unwrap())
            .sum::<u64>()
    );
}
