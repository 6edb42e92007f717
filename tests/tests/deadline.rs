//! An extraction that needs four times the time of an invocation, on the deployed template: handed over between key ranges,
//! loaded, published, and equal to one that nothing disturbed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;
use soxauto_cloud::signer::{KmsSigner, Signer as _};
use soxauto_domain::{
    CheckKind, IpeState, Receipt, RunId, RunState, facts::RunFacts, layout::state,
};
use soxauto_e2e::{
    CUTOFF, Laptop, another_template,
    wire::{Trouble, Wire},
};
use soxauto_local::Function;

/// The worker's time in this test, in place of the template's 900 s.
const INVOCATION_SECONDS: u64 = 20;
/// What the source needs for the report's rows.
const SOURCE_SECONDS: u64 = 90;
const LIMIT: Duration = Duration::from_secs(420);

/// The template with another timeout of the worker.
fn short_of_time(template: &str) -> String {
    let worker = template.find("\n  WorkerFunction:\n").unwrap();
    let (before, after) = template.split_at(worker);
    assert!(after.contains("Timeout: 900"));
    let after = after.replacen("Timeout: 900", &format!("Timeout: {INVOCATION_SECONDS}"), 1);
    format!("{before}{after}")
}

async fn closed(laptop: &Laptop, run: &RunId) -> RunFacts {
    let started = Instant::now();
    loop {
        if let Some(facts) = laptop.reader.facts(run).await.unwrap() {
            let marker = laptop.state.head(&state::open_run(run)).await;
            if !facts.manifests.is_empty() && marker.is_err() {
                return facts;
            }
            assert!(
                started.elapsed() < LIMIT,
                "{run} did not close: {:?}",
                facts.ipes
            );
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn receipt(facts: &RunFacts) -> Receipt {
    assert_eq!(facts.state(false), RunState::Complete, "{:?}", facts.ipes);
    let (_, receipt) = facts.ipes[0].deciding().unwrap();
    receipt.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_needs_ninety_seconds_is_extracted_in_twenty_at_a_time() {
    let short = another_template(short_of_time);
    let root = short.path().to_owned();
    let laptop = Laptop::start_as(|options| options.project_root = root).await;
    let wire = Wire::start(laptop.stack.endpoints().source).await;
    let here = laptop.stack.endpoints().source.port().to_string();
    let secret = laptop.secret(None);
    assert!(secret.contains(&here));
    laptop
        .put_secret(&secret.replace(&here, &wire.address().port().to_string()))
        .await;
    let start = |supersede: bool| json!({"cutoff_date": CUTOFF, "ipes": ["IPE_07"], "supersede": supersede});

    // Undisturbed: one invocation.
    let answer = laptop
        .stack
        .invoke(Function::Dispatcher, &start(false))
        .await
        .unwrap();
    let first: RunId = answer["run_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .parse()
        .unwrap();
    let undisturbed = receipt(&closed(&laptop, &first).await);
    let whole = undisturbed.partition.as_ref().unwrap();
    assert_eq!((whole.invocations.len(), whole.ranges.len()), (1, 1));

    // The same bytes in a minute and a half.
    let pace = wire.bytes() / SOURCE_SECONDS;
    wire.trouble(move |_| Trouble::Pace(pace));
    let began = Instant::now();
    let answer = laptop
        .stack
        .invoke(Function::Dispatcher, &start(true))
        .await
        .unwrap();
    let second: RunId = answer["run_id"].as_str().unwrap().parse().unwrap();
    assert_ne!(first, second);
    let facts = closed(&laptop, &second).await;
    let took = began.elapsed();
    let cut = receipt(&facts);
    let partition = cut.partition.as_ref().unwrap();
    eprintln!(
        "{} rows at {pace} bytes/s in {took:?}: {} invocations, {} ranges",
        cut.counts.decoded,
        partition.invocations.len(),
        partition.ranges.len(),
    );
    assert!(
        took > Duration::from_secs(SOURCE_SECONDS * 3 / 4),
        "{took:?}"
    );
    assert!(partition.invocations.len() >= 4 && partition.ranges.len() >= 4);
    for invocation in &partition.invocations {
        let time = invocation.ended_at.duration_since(invocation.started_at);
        assert!(time.as_secs() < INVOCATION_SECONDS as i64, "{time:?}");
    }
    // Not one attempt failed, and none was given up.
    assert_eq!(facts.ipes[0].attempts.len(), 1);
    assert_eq!(cut.state, IpeState::Passed);
    assert_eq!(cut.content_sha256, undisturbed.content_sha256);
    assert_eq!(cut.counts, undisturbed.counts);
    // All but the row in which the witness is found: the ranges come in another order than the rows of one query.
    for (one, other) in cut.checks.iter().zip(&undisturbed.checks) {
        assert!(
            one == other || one.check == CheckKind::AccuracyPositive,
            "{one:?}"
        );
    }
    assert_eq!(cut.control_totals, undisturbed.control_totals);

    // Nothing is left behind.
    assert!(laptop.state.list("leases/").await.unwrap().is_empty());

    // And it stands up to whoever believes nobody.
    let outputs = laptop.stack.outputs();
    let key = KmsSigner::new(laptop.clients.kms.clone(), &outputs.signing_key_arn);
    let keys = tempfile::tempdir().unwrap();
    let pem = keys.path().join("signing-key.pem");
    fs::write(&pem, key.public_key_pem().await.unwrap()).unwrap();
    let place = format!(
        "s3://{}/{}",
        outputs.evidence_bucket_name, outputs.evidence_prefix
    );
    let pem = pem.display().to_string();
    let arguments = [
        "verify",
        &place,
        "--public-key",
        &pem,
        "--deep",
        "--format",
        "json",
    ];
    let (code, said) = laptop.run_tool(&arguments, &[]).await;
    assert_eq!(code, 0, "{said:#}");
    let runs = said["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        let checks = run["checks"].as_array().unwrap();
        for name in [
            "partition",
            "data_partition",
            "data_traceability",
            "data_content_digest",
        ] {
            let check = checks.iter().find(|c| c["check"] == name).unwrap();
            assert_eq!(check["status"], "holds", "{check:#}");
        }
    }
    laptop.stack.stop().await;
}
