//! Small folders made by hand and signed by a key of the test: the month that nobody ran, and what cannot be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs::{self, File},
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use soxauto_cloud::signer::{LocalSigner, Signer as _};
use soxauto_domain::{
    RunId, RunState, Sha256,
    manifest::Predicate,
    plan::{PlannedControl, Software, Stage},
    review::{Decision, Review},
};
use soxauto_evidence::{
    Unsigned,
    statement::{self, Closing},
};
use soxauto_verify::{Check, DiskFolder, Folder, FolderError, Listing, PublicKey, Request, verify};

const MONTH: &str = "C-PG-1/2024-05-01";

fn missing() -> Predicate {
    let control = PlannedControl {
        id: "C-PG-1".parse().unwrap(),
        title: "A control".into(),
        time_zone: "Europe/Paris".into(),
        warehouse_schema: "evidence".into(),
    };
    let closing = Closing {
        revision: 1,
        previous: None,
        past_deadline: true,
        finished_at: "2024-05-02T08:00:00Z".parse().unwrap(),
        software: Software {
            name: "soxauto-finalizer".into(),
            version: "0.1.0".into(),
            binary_sha256: Sha256::of("bootstrap"),
        },
    };
    let cutoff = "2024-05-01".parse().unwrap();
    statement::missing(control, Sha256::of("catalog"), cutoff, Stage::Dev, &closing)
}

/// A run's folder in place, signed over its files.
struct Made {
    root: tempfile::TempDir,
    request: Request,
}

impl Made {
    async fn new(run: &str, predicate: Predicate, files: &[(&str, Vec<u8>)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(MONTH).join(run);
        fs::create_dir_all(&folder).unwrap();
        let mut subjects = Vec::new();
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
            let size = bytes.len() as u64;
            subjects.push(statement::subject(*name, size, Sha256::of(bytes)));
        }
        let signer = LocalSigner::new([7; 32]);
        let unsigned = Unsigned::new(&statement::build(predicate, subjects)).unwrap();
        let signature = signer.sign_digest(*unsigned.digest().as_bytes()).await;
        let envelope = unsigned
            .signed(signer.key_id(), &signature.unwrap())
            .unwrap();
        fs::write(folder.join("manifest-1.dsse.json"), envelope).unwrap();
        let pem = signer.public_key_pem().await.unwrap();
        let request = Request {
            keys: vec![PublicKey::from_pem(&pem).unwrap()],
            ..Request::default()
        };
        Self { root, request }
    }

    fn disk(&self) -> DiskFolder {
        DiskFolder::new(self.root.path()).unwrap()
    }

    fn head(&self) -> Sha256 {
        let file = self.root.path().join(MONTH).join("r0/manifest-1.dsse.json");
        Sha256::of(fs::read(file).unwrap())
    }

    async fn failed(&self, folder: &dyn Folder) -> Vec<&'static str> {
        let found = verify(folder, &self.request, &()).await;
        let failed = found.failed();
        assert_eq!(found.holds, failed.is_empty());
        failed
    }
}

fn report() -> (&'static str, Vec<u8>) {
    ("report-1.html", b"<html>".to_vec())
}

#[tokio::test]
async fn a_month_that_nobody_ran_holds() {
    let made = Made::new("r0", missing(), &[report()]).await;
    assert!(made.failed(&made.disk()).await.is_empty());
}

#[tokio::test]
async fn a_month_that_nobody_ran_says_nothing_else() {
    let other = |change: fn(&mut Predicate)| {
        let mut predicate = missing();
        change(&mut predicate);
        predicate
    };
    let plan = ("plan.json", b"{}".to_vec());
    let cases = [
        (
            other(|p| {
                let cutoff: soxauto_domain::Cutoff = "2024-06-01".parse().unwrap();
                p.period = cutoff.period();
            }),
            vec![report()],
            vec!["plan"],
        ),
        (
            other(|p| p.run_id = "C-PG-1/2024-04-01/r1".parse().unwrap()),
            vec![report()],
            vec!["statement"],
        ),
        (
            other(|p| p.state = RunState::Complete),
            vec![report()],
            vec!["state"],
        ),
        (
            other(|p| p.plan_sha256 = Some(Sha256::of("plan"))),
            vec![report()],
            vec!["plan"],
        ),
        (
            missing(),
            vec![report(), plan],
            vec!["subject_names", "files_extra"],
        ),
        (missing(), vec![], vec!["report"]),
    ];
    for (predicate, files, expected) in cases {
        let made = Made::new("r0", predicate, &files).await;
        let failed = made.failed(&made.disk()).await;
        assert!(
            expected.iter().all(|e| failed.contains(e)),
            "{expected:?}: {failed:?}"
        );
    }
    let made = Made::new("r0", missing(), &[report()]).await;
    fs::write(made.root.path().join(MONTH).join("r0/plan.json"), "{}").unwrap();
    assert_eq!(made.failed(&made.disk()).await, ["files_extra"]);
}

#[tokio::test]
async fn each_control_needs_a_head_of_its_own() {
    let mut made = Made::new("r0", missing(), &[report()]).await;
    let mut predicate = missing();
    predicate.run_id = RunId::parse_chained("C-PG-2/2024-05-01/r0").unwrap();
    predicate.control.id = "C-PG-2".parse().unwrap();
    let other = Made::new("r0", predicate, &[report()]).await;
    let place = made.root.path().join("C-PG-2/2024-05-01");
    fs::create_dir_all(&place).unwrap();
    fs::rename(other.root.path().join(MONTH).join("r0"), place.join("r0")).unwrap();
    let one = made.head();
    let two = Sha256::of(fs::read(place.join("r0/manifest-1.dsse.json")).unwrap());
    for (heads, failed) in [
        (vec![], 0),
        (vec![one, two], 0),
        (vec![one], 1),
        (vec![one, Sha256::of("kept back")], 1),
        (vec![one, two, Sha256::of("kept back")], 2),
    ] {
        made.request.heads = heads;
        let found = verify(&made.disk(), &made.request, &()).await;
        let wrong = found.chains.iter().filter(|c| !c.holds).count();
        assert_eq!(wrong, failed);
        assert!(found.runs.iter().all(|run| run.holds));
    }
}

#[tokio::test]
async fn a_review_is_not_older_than_its_manifest() {
    let mut made = Made::new("r0", missing(), &[report()]).await;
    let folder = made.root.path().join(MONTH).join("r0");
    let manifest = fs::read(folder.join("manifest-1.dsse.json")).unwrap();
    let signer = LocalSigner::new([8; 32]);
    let key = PublicKey::from_pem(&signer.public_key_pem().await.unwrap()).unwrap();
    for (reviewed_at, holds) in [
        ("2024-05-02T07:59:59Z", false),
        ("2024-05-02T08:00:00Z", true),
    ] {
        let review = Review {
            run_id: missing().run_id,
            revision: 1,
            number: 1,
            decision: Decision::Approve,
            comment: "read".into(),
            reviewer: "arn:aws:sts::1:assumed-role/reviewers/a.diop".into(),
            preparers: vec![],
            reviewed_at: reviewed_at.parse().unwrap(),
            software: missing().software,
        };
        let statement = soxauto_evidence::review::build(review, &missing(), &manifest).unwrap();
        let unsigned = Unsigned::new(&statement).unwrap();
        let signature = signer.sign_digest(*unsigned.digest().as_bytes()).await;
        let envelope = unsigned
            .signed(signer.key_id(), &signature.unwrap())
            .unwrap();
        fs::write(folder.join("review-1-1.dsse.json"), envelope).unwrap();
        made.request.review_keys = vec![key.clone()];
        let expected: &[&str] = if holds { &[] } else { &["review"] };
        assert_eq!(made.failed(&made.disk()).await, expected, "{reviewed_at}");
    }
    // Without the key, what is there is named.
    made.request.review_keys.clear();
    let found = verify(&made.disk(), &made.request, &()).await;
    let review = found.all_checks().find(|c| c.check == Check::Review);
    assert!(
        review.unwrap().not_performed[0]
            .reason
            .contains("review-1-1.dsse.json")
    );
}

/// A folder whose file can be read only when it is tried again.
struct FailsOnce {
    disk: DiskFolder,
    file: &'static str,
    failed: AtomicBool,
}

#[async_trait]
impl Folder for FailsOnce {
    fn place(&self) -> &str {
        self.disk.place()
    }

    async fn list(&self) -> Result<Listing, FolderError> {
        self.disk.list().await
    }

    async fn open(&self, path: &str) -> Result<File, FolderError> {
        if path.ends_with(self.file) && !self.failed.swap(true, Ordering::SeqCst) {
            return Err(FolderError {
                path: path.to_owned(),
                reason: "an error of the disk".to_owned(),
            });
        }
        self.disk.open(path).await
    }
}

/// A run that claims whatever it likes as long as nobody reads its plan.
async fn with_plan(plan: Vec<u8>) -> Made {
    let mut predicate = missing();
    predicate.run_id = format!("{MONTH}/r1").parse().unwrap();
    predicate.state = RunState::Complete;
    Made::new("r1", predicate, &[report(), ("plan.json", plan)]).await
}

#[tokio::test]
async fn what_cannot_be_read_at_first_fails() {
    let made = with_plan(b"{}".to_vec()).await;
    let folder = FailsOnce {
        disk: made.disk(),
        file: "plan.json",
        failed: AtomicBool::new(false),
    };
    assert_eq!(made.failed(&folder).await, ["file_digest"]);
}

#[tokio::test]
async fn a_signed_plan_that_is_too_large_to_be_one_fails() {
    let made = with_plan(vec![b' '; 64 * 1024 * 1024 + 1]).await;
    assert_eq!(made.failed(&made.disk()).await, ["file_digest"]);
}

#[tokio::test]
async fn a_run_in_a_folder_that_nearly_names_another_fails() {
    let made = Made::new("r0", missing(), &[report()]).await;
    let wrong = made.root.path().join("c-pg-1/2024-06-01");
    fs::create_dir_all(&wrong).unwrap();
    fs::rename(made.root.path().join(MONTH).join("r0"), wrong.join("r0")).unwrap();
    assert_eq!(made.failed(&made.disk()).await, ["folder"]);
}
