//! The evidence of one control over three months, made once by the deployed functions and exported.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;
use soxauto_cloud::{
    queue::{OutgoingMessage, Queue as _, SqsQueue},
    signer::{KmsSigner, Signer as _},
};
use soxauto_domain::{RunId, RunState, Sha256};
use soxauto_e2e::Laptop;
use soxauto_verify::{PublicKey, Request};

/// The run that failed at first: two revisions.
pub(crate) const REPLAYED: &str = "C-PG-1/2024-03-01/r1";
/// The month after it.
pub(crate) const MIDDLE: &str = "C-PG-1/2024-04-01/r1";
/// The last run: it supersedes r1 of its month, and its manifest is the newest.
pub(crate) const LAST: &str = "C-PG-1/2024-05-01/r2";

/// The evidence and who signed it.
pub(crate) struct Control {
    pub(crate) laptop: Laptop,
    _folder: tempfile::TempDir,
    /// The exported evidence: all runs.
    pub(crate) evidence: PathBuf,
    /// The public key, beside the evidence.
    pub(crate) key_file: PathBuf,
    pub(crate) key: PublicKey,
    /// The finalizer's own key.
    pub(crate) signer: KmsSigner,
    /// Digest of the newest manifest.
    pub(crate) head: Sha256,
    /// Digest of the one before.
    pub(crate) before_head: Sha256,
}

fn run(text: &str) -> RunId {
    text.parse().unwrap()
}

impl Control {
    pub(crate) async fn make() -> Self {
        let laptop = Laptop::start().await;
        let right = laptop.stack.connection_string();
        let secret = |connection: &str| {
            json!({"connection_string": connection, "ca_pem": laptop.stack.source_ca_pem()})
                .to_string()
        };
        let fire = async |cutoff: &str, ipes: &[&str]| {
            let ipes: Vec<String> = ipes.iter().map(ToString::to_string).collect();
            laptop
                .stack
                .fire_month_schedule(Some(cutoff), &ipes)
                .await
                .unwrap();
        };
        laptop.put_secret("a sentence").await;
        fire("2024-03-01", &["CR_04"]).await;
        laptop.closed(&run(REPLAYED), 1).await;
        laptop.put_secret(&secret(&right)).await;
        replay(&laptop, "2024-03-01").await;
        laptop.closed(&run(REPLAYED), 2).await;

        fire("2024-04-01", &["CR_04", "CR_05"]).await;
        let facts = laptop.closed(&run(MIDDLE), 1).await;
        assert_eq!(facts.state(true), RunState::Complete);
        // Verify does not ask that workers see a manifest in the seconds after it was made.
        tokio::time::sleep(Duration::from_secs(3)).await;
        fire("2024-05-01", &["CR_05", "IPE_07"]).await;
        laptop.closed(&run("C-PG-1/2024-05-01/r1"), 1).await;
        let body =
            json!({"cutoff_date": "2024-05-01", "ipes": ["CR_05", "IPE_07"], "supersede": true});
        let answer = laptop
            .stack
            .function_url_request("POST", "/", body.to_string().into_bytes())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            202,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let facts = laptop.closed(&run(LAST), 1).await;
        assert_eq!(facts.state(true), RunState::Complete);

        let folder = tempfile::tempdir().unwrap();
        let evidence = folder.path().join("evidence");
        export(&laptop, &evidence).await;
        let outputs = laptop.stack.outputs();
        let signer = KmsSigner::new(laptop.clients.kms.clone(), &outputs.signing_key_arn);
        let pem = signer.public_key_pem().await.unwrap();
        let key_file = folder.path().join("signing-key.pem");
        fs::write(&key_file, &pem).unwrap();
        let digest = |run: &str| {
            Sha256::of(fs::read(evidence.join(run).join("manifest-1.dsse.json")).unwrap())
        };
        Self {
            head: digest(LAST),
            before_head: digest("C-PG-1/2024-05-01/r1"),
            key: PublicKey::from_pem(&pem).unwrap(),
            laptop,
            evidence,
            key_file,
            signer,
            _folder: folder,
        }
    }

    /// Verify by the finalizer's key.
    pub(crate) fn request(&self) -> Request {
        Request {
            keys: vec![self.key.clone()],
            ..Request::default()
        }
    }
}

/// Copies the evidence bucket's objects into a folder.
async fn export(laptop: &Laptop, to: &Path) {
    let prefix = format!("{}/", laptop.stack.outputs().evidence_prefix);
    for object in laptop.evidence.list(&prefix).await.unwrap() {
        let path = to.join(object.key.strip_prefix(&prefix).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = laptop.evidence.get(&object.key).await.unwrap().bytes;
        fs::write(path, bytes).unwrap();
    }
}

/// Sends the month's dead message back to the jobs queue.
async fn replay(laptop: &Laptop, cutoff: &str) {
    let outputs = laptop.stack.outputs();
    let jobs = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.jobs_queue_url);
    let dead = SqsQueue::new(laptop.clients.sqs.clone(), &outputs.jobs_dead_letters_url);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        for message in dead.receive(10, Duration::from_secs(1)).await.unwrap() {
            if message.body.contains(cutoff) {
                let again = OutgoingMessage {
                    id: "replay".to_owned(),
                    body: message.body.clone(),
                };
                jobs.send_batch(vec![again]).await.unwrap();
                dead.delete(&message.receipt_handle).await.unwrap();
                return;
            }
        }
    }
    panic!("no message of {cutoff} is in the dead-letter queue");
}
