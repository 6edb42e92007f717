//! The operator's commands against the deployed template: a month that fails, seen, replayed and completed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use soxauto_cloud::queue::{OutgoingMessage, Queue as _, SqsQueue};
use soxauto_domain::{Job, RunId, RunState, message::PlanPointer};
use soxauto_e2e::Laptop;

const RUN: &str = "C-PG-1/2024-05-01/r1";

fn outcomes(replayed: &Value) -> Vec<(&str, &str)> {
    let ipes = replayed["ipes"].as_array().unwrap();
    ipes.iter()
        .map(|ipe| {
            (
                ipe["id"].as_str().unwrap(),
                ipe["outcome"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_failed_is_seen_replayed_and_completed() {
    let laptop = Laptop::start().await;
    let dead = SqsQueue::new(
        laptop.clients.sqs.clone(),
        &laptop.stack.outputs().jobs_dead_letters_url,
    );

    // Nobody can read the secret: both messages end among the dead letters, and the run is incomplete.
    laptop.put_secret("a sentence").await;
    let (code, status) = laptop
        .operate(&[
            "run",
            "--cutoff",
            "2024-05-01",
            "--ipe",
            "CR_04",
            "--ipe",
            "IPE_07",
            "--wait",
        ])
        .await;
    assert_eq!(
        (code, &status["runs"][0]["state"]),
        (3, &json!("incomplete"))
    );
    let (code, status) = laptop.operate(&["status", "--watch"]).await;
    assert_eq!((code, &status["runs"][0]["run_id"]), (3, &json!(RUN)));
    assert_eq!(status["dead_letters"].as_array().unwrap().len(), 2);
    for ipe in status["runs"][0]["ipes"].as_array().unwrap() {
        assert_eq!(
            (&ipe["standing"], &ipe["code"], &ipe["dead_letter"]),
            (&json!("failed"), &json!("SECRET_INVALID"), &json!(true))
        );
    }
    assert_eq!(
        status["next"][0]["command"],
        format!("soxauto replay --run {RUN} --ipe CR_04 --stack soxauto-local")
    );

    // A dry run says what it would do and leaves the queue as it was.
    let replay = ["replay", "--run", RUN, "--ipe", "CR_04"];
    let (code, said) = laptop
        .operate(&[&replay[..], &["--dry-run"]].concat())
        .await;
    assert_eq!((code, outcomes(&said)), (0, vec![("CR_04", "sent")]));
    assert_eq!(dead.depth().await.unwrap().visible, 2);

    // The cause is removed: one is replayed, the other one's message stays.
    laptop.put_secret(&laptop.secret(None)).await;
    let (code, said) = laptop.operate(&replay).await;
    assert_eq!((code, outcomes(&said)), (0, vec![("CR_04", "sent")]));
    let operator = said["replayed_by"].as_str().unwrap().to_owned();
    assert!(operator.starts_with("arn:aws:"), "{operator}");
    let (code, status) = laptop.operate(&["status", "--watch", "--run", RUN]).await;
    assert_eq!(
        (code, &status["runs"][0]["ipes"][0]["standing"]),
        (3, &json!("passed"))
    );
    assert_eq!(dead.depth().await.unwrap().visible, 1);
    let (code, said) = laptop.operate(&replay).await;
    assert_eq!((code, outcomes(&said)), (1, vec![("CR_04", "refused")]));

    // A replay that died between sending and deleting, and the one that finishes it: a message too many does no harm.
    let facts = laptop.reader.facts(&RUN.parse().unwrap()).await;
    let facts = facts.unwrap().unwrap();
    let pointer = PlanPointer {
        key: laptop.reader.layout().plan(&facts.plan.run_id),
        sha256: facts.plan_sha256,
    };
    let job = Job::new(
        facts.plan.run_id.clone(),
        "IPE_07".parse().unwrap(),
        pointer,
    );
    let jobs = SqsQueue::new(
        laptop.clients.sqs.clone(),
        &laptop.stack.outputs().jobs_queue_url,
    );
    let (code, said) = laptop.operate(&["replay", "--run", RUN, "--all"]).await;
    assert_eq!((code, outcomes(&said)), (0, vec![("IPE_07", "sent")]));
    let twice = OutgoingMessage {
        id: "twice".to_owned(),
        body: serde_json::to_string(&job).unwrap(),
    };
    jobs.send_batch(vec![twice]).await.unwrap();
    laptop.stack.fire_sweep_schedule().await.unwrap();
    let (code, status) = laptop.operate(&["status", "--watch", "--run", RUN]).await;
    assert_eq!((code, &status["runs"][0]["state"]), (0, &json!("complete")));
    assert_eq!(dead.depth().await.unwrap().visible, 0);

    the_manifests_tell_the_story(&laptop, &operator).await;
    superseding_starts_the_next_run(&laptop).await;
    laptop.stack.stop().await;
}

/// Incomplete first, complete last, each linked to the one before, with the name of whoever replayed; rows loaded once.
async fn the_manifests_tell_the_story(laptop: &Laptop, operator: &str) {
    let run: RunId = RUN.parse().unwrap();
    let facts = laptop.reader.facts(&run).await.unwrap().unwrap();
    let last = *facts.manifests.last().unwrap();
    assert!(last >= 3, "{:?}", facts.manifests);
    let mut before = None;
    for revision in 1..=last {
        let (manifest, digest) = laptop.manifest(&run, revision).await;
        let expected = if revision == last {
            RunState::Complete
        } else {
            RunState::Incomplete
        };
        assert_eq!(manifest.predicate.state, expected, "revision {revision}");
        let previous = laptop.manifest_before(&manifest).await;
        assert_eq!(previous, before, "revision {revision}");
        before = Some(digest);
    }
    let (manifest, _) = laptop.manifest(&run, last).await;
    assert_eq!(
        manifest.predicate.trigger.unwrap().principal.as_deref(),
        Some(operator)
    );
    for ipe in &manifest.predicate.ipes {
        assert_eq!(ipe.attempts[0].replayed_by, None);
    }
    let replayed = manifest.predicate.ipes[0].attempts.last().unwrap();
    assert_eq!(replayed.replayed_by.as_deref(), Some(operator));
    for (ipe, table) in [
        (0, "pg01_validated_ipe_cr_04"),
        (1, "pg01_validated_ipe_07"),
    ] {
        let sql = format!(
            "SELECT CAST(COUNT(*) AS VARCHAR) FROM reconciliation.{table} WHERE _run_id = '{RUN}'"
        );
        let rows = manifest.predicate.ipes[ipe].counts.unwrap().decoded;
        assert_eq!(laptop.warehouse_value(&sql).await, rows.to_string());
    }
}

async fn superseding_starts_the_next_run(laptop: &Laptop) {
    let next = "C-PG-1/2024-05-01/r2";
    let (code, said) = laptop
        .operate(&["replay", "--run", RUN, "--supersede"])
        .await;
    assert_eq!((code, &said["run_id"]), (0, &json!(next)));
    let (code, _) = laptop.operate(&["status", "--watch", "--run", next]).await;
    assert_eq!(code, 0);
    let (manifest, _) = laptop.manifest(&next.parse().unwrap(), 1).await;
    assert_eq!(manifest.predicate.supersedes, Some(RUN.parse().unwrap()));
    assert_eq!(manifest.predicate.ipes.len(), 2);
    // What is done about the month is done there.
    for refused in [
        vec!["replay", "--run", RUN, "--supersede"],
        vec!["replay", "--run", RUN, "--all"],
        vec!["status", "--run", "C-PG-1/2024-05-01/r9"],
    ] {
        assert_eq!(laptop.operate(&refused).await.0, 1, "{refused:?}");
    }
}
