//! The AWS implementations of the ports keep the same promises as their twins: each suite of
//! `soxauto_cloud::conformance`, over real HTTP, against the AWS emulator.
//!
//! The emulator is the one at `SOXAUTO_TEST_AWS_ENDPOINT`, or else one that this test starts from the
//! laptop stack's environment and that ends with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use soxauto_cloud::{
    aws::{Clients, Emulator},
    clock::SystemClock,
    conformance,
    lake::{Bytes, Lake, LakeError, PART_SIZE, S3Lake},
    lease::Leases,
    queue::{Queue, QueueError, SqsQueue},
    secrets::SecretsManager,
    signer::{KmsSigner, Signer as _},
};
use soxauto_local::{ensure_environment, find_project_root};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};

/// The one region in which a bucket is created without naming it.
const REGION: &str = "us-east-1";

/// The emulator that this process started, if it did. It ends when its standard input closes, that
/// is, with this process at the latest.
struct Running {
    endpoint: String,
    _emulator: Option<Child>,
}

static RUNNING: OnceCell<Running> = OnceCell::const_new();

/// Clients of its own for each test, since connections belong to the test's runtime.
async fn clients() -> Clients {
    clients_at(&endpoint().await).await
}

async fn clients_at(endpoint: &str) -> Clients {
    let (endpoint, region) = (endpoint.to_owned(), REGION.to_owned());
    Clients::of_emulator(&Emulator {
        endpoint,
        redshift_endpoint: None,
        region,
    })
    .await
}

async fn endpoint() -> String {
    let start = async || match std::env::var("SOXAUTO_TEST_AWS_ENDPOINT") {
        Ok(endpoint) => Running {
            endpoint,
            _emulator: None,
        },
        Err(_) => start_emulator().await,
    };
    RUNNING.get_or_init(start).await.endpoint.clone()
}

async fn start_emulator() -> Running {
    let root = find_project_root().unwrap();
    let cache = root.join(".soxauto/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let python = ensure_environment(&root, &cache, None, false, || ())
        .await
        .unwrap();
    let mut child = Command::new(python)
        .args(["-m", "soxauto_local.emulator"])
        .env("PYTHONPATH", root.join("local/python"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let announced: serde_json::Value =
        serde_json::from_str(&line).expect("the emulator says where it is");
    Running {
        endpoint: announced["endpoint"].as_str().unwrap().to_owned(),
        _emulator: Some(child),
    }
}

/// A name that no other run of the test uses.
fn unique(name: &str) -> String {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("{name}-{nanoseconds}-{}", std::process::id())
}

async fn bucket(clients: &Clients) -> String {
    let bucket = unique("conformance");
    clients
        .s3
        .create_bucket()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    bucket
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lake_over_s3() {
    let clients = clients().await;
    let bucket = bucket(&clients).await;
    let lake: Arc<dyn Lake> = Arc::new(S3Lake::new(clients.s3.clone(), &bucket));
    conformance::lake::suite(lake.clone(), "suite/").await;
    conformance::lake::lists_of_many_pages(lake.clone(), "many/").await;
    conformance::lease::suite(lake.clone(), "leases/").await;
    uploads_leave_no_parts(&clients, &lake).await;
    let nowhere = S3Lake::new(clients.s3.clone(), unique("no-such-bucket"));
    let error = nowhere.list("").await.unwrap_err();
    assert!(
        matches!(error, LakeError::NotFound(_)) && error.to_string().contains("NoSuchBucket"),
        "{error}"
    );
}

/// Uploads that failed, were aborted or dropped cost nothing: their parts are gone.
async fn uploads_leave_no_parts(clients: &Clients, lake: &Arc<dyn Lake>) {
    let chunk = Bytes::from(vec![1; PART_SIZE + 1]);
    let mut dropped = lake.start_upload("parts/dropped", "text/plain");
    dropped.write(chunk.clone()).await.unwrap();
    drop(dropped);
    let mut late = lake.start_upload("parts/late", "text/plain");
    late.write(chunk).await.unwrap();
    lake.create("parts/late", Bytes::from("a rival"), "text/plain")
        .await
        .unwrap();
    assert!(matches!(
        late.complete().await,
        Err(LakeError::AlreadyExists(_))
    ));
    for _ in 0..50 {
        let open = clients
            .s3
            .list_multipart_uploads()
            .bucket(lake.bucket())
            .send()
            .await
            .unwrap();
        if open.uploads().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("uploads that nobody will complete are still open");
}

/// A part that cannot be sent makes the upload fail for good, and no object appears.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_part_fails_never_becomes_an_object() {
    let clients = clients().await;
    let nowhere = S3Lake::new(clients.s3.clone(), unique("no-such-bucket"));
    let mut upload = nowhere.start_upload("large", "text/plain");
    let chunk = Bytes::from(vec![1; PART_SIZE + 1]);
    let error = upload.write(chunk).await.unwrap_err();
    assert!(matches!(error, LakeError::NotFound(_)), "{error}");
    assert_eq!(upload.write(Bytes::from("x")).await.unwrap_err(), error);
    assert_eq!(upload.complete().await.unwrap_err(), error);

    let lake = S3Lake::new(clients.s3.clone(), bucket(&clients).await);
    let mut upload = lake.start_upload("cut off", "text/plain");
    let many = Bytes::from(vec![1; 16 * PART_SIZE]);
    let cut = tokio::time::timeout(Duration::from_millis(1), upload.write(many)).await;
    assert!(cut.is_err(), "written within a millisecond");
    assert!(matches!(upload.complete().await, Err(LakeError::Other(_))));
    assert_eq!(lake.list("").await.unwrap(), []);
}

/// The write happened, the answer was lost, the SDK sends again and meets its own object.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_a_success() {
    let proxy = Proxy::start(&endpoint().await).await;
    let clients = clients_at(&proxy.endpoint).await;
    let lake: Arc<dyn Lake> = Arc::new(S3Lake::new(clients.s3.clone(), bucket(&clients).await));

    proxy.cut_answer_to("if-none-match: *");
    let one = lake
        .create("state", Bytes::from("one"), "text/plain")
        .await
        .unwrap();
    proxy.assert_cut();
    proxy.cut_answer_to("if-match: ");
    let two = lake
        .replace("state", Bytes::from("two"), "text/plain", &one)
        .await
        .unwrap();
    proxy.assert_cut();
    assert_eq!(lake.head("state").await.unwrap().etag, two);
    proxy.cut_answer_to("if-match: ");
    lake.delete_if("state", &two).await.unwrap();
    proxy.assert_cut();
    assert!(lake.head("state").await.unwrap_err().is_not_found());

    let mut upload = lake.start_upload("large", "text/plain");
    let bytes = Bytes::from(vec![7; 2 * PART_SIZE + 1]);
    upload.write(bytes.clone()).await.unwrap();
    proxy.cut_answer_to("if-none-match: *");
    let etag = upload.complete().await.unwrap();
    proxy.assert_cut();
    let object = lake.get("large").await.unwrap();
    assert!(object.bytes == bytes && object.etag == etag);

    let leases = Leases::new(lake, Arc::new(SystemClock));
    let mut lease = leases
        .acquire("lease", "worker", Duration::from_secs(60))
        .await
        .unwrap();
    proxy.cut_answer_to("if-match: ");
    lease.renew(None).await.unwrap();
    proxy.assert_cut();
    lease.renew(None).await.unwrap();
    lease.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_over_sqs() {
    let clients = clients().await;
    let create = async |name: &str, visibility: &str, redrive: Option<String>| {
        let request = clients
            .sqs
            .create_queue()
            .queue_name(unique(name))
            .attributes("VisibilityTimeout".into(), visibility);
        let request = match redrive {
            Some(policy) => request.attributes("RedrivePolicy".into(), policy),
            None => request,
        };
        request.send().await.unwrap().queue_url.unwrap()
    };
    let dead_letters = create("dead-letters", "30", None).await;
    let attributes = clients
        .sqs
        .get_queue_attributes()
        .queue_url(&dead_letters)
        .attribute_names("QueueArn".into());
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    let arn = &attributes[&"QueueArn".into()];
    let policy = format!("{{\"deadLetterTargetArn\": \"{arn}\", \"maxReceiveCount\": \"3\"}}");
    let jobs = create("jobs", "2", Some(policy)).await;
    let (jobs, dead_letters) = (
        SqsQueue::new(clients.sqs.clone(), jobs),
        SqsQueue::new(clients.sqs.clone(), dead_letters),
    );
    conformance::queue::suite(&jobs, &dead_letters).await;
    let nowhere = SqsQueue::new(
        clients.sqs.clone(),
        jobs.name().replace("jobs", "no-such-queue"),
    );
    let error = nowhere.depth().await.unwrap_err();
    assert!(matches!(error, QueueError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_over_secrets_manager() {
    let clients = clients().await;
    let (name, text) = (unique("source"), "Server=x;Pwd=hunter2");
    clients
        .secrets
        .create_secret()
        .name(&name)
        .secret_string(text)
        .send()
        .await
        .unwrap();
    let store = SecretsManager::new(clients.secrets.clone());
    conformance::secrets::suite(&store, &name, text, &unique("no-such-secret")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signer_over_kms() {
    let clients = clients().await;
    let request = clients
        .kms
        .create_key()
        .key_spec("ECC_NIST_P256".into())
        .key_usage("SIGN_VERIFY".into());
    let key = request
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .arn
        .unwrap();
    conformance::signer::suite(&KmsSigner::new(clients.kms.clone(), &key)).await;
    let other = clients
        .kms
        .create_key()
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .arn
        .unwrap();
    for wrong in [other.as_str(), "alias/no-such-key"] {
        let error = KmsSigner::new(clients.kms.clone(), wrong)
            .sign_digest([0; 32])
            .await
            .unwrap_err();
        assert!(error.to_string().contains(wrong), "{error}");
    }
}

/// A TCP proxy that can lose an answer.
struct Proxy {
    endpoint: String,
    cut: Arc<Mutex<Option<String>>>,
}

impl Proxy {
    async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let cut: Arc<Mutex<Option<String>>> = Arc::default();
        let plan = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                tokio::spawn(carry(client, server, plan.clone()));
            }
        });
        Self { endpoint, cut }
    }

    /// Plans to lose the answer to the next request with this in its head.
    fn cut_answer_to(&self, needle: &str) {
        *self.cut.lock().unwrap() = Some(needle.to_owned());
    }

    fn assert_cut(&self) {
        assert_eq!(
            *self.cut.lock().unwrap(),
            None,
            "no answer was lost: the test tested nothing"
        );
    }
}

/// Whether this is the request whose answer is to be lost; it is then planned no more.
fn meets(plan: &Mutex<Option<String>>, request: &[u8]) -> bool {
    let head = String::from_utf8_lossy(request);
    plan.lock()
        .unwrap()
        .take_if(|needle| head.contains(needle.as_str()))
        .is_some()
}

async fn carry(mut client: TcpStream, mut server: TcpStream, plan: Arc<Mutex<Option<String>>>) {
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut lose = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(n @ 1..) = read else { return };
                lose |= meets(&plan, &from_client[..n]);
                if server.write_all(&from_client[..n]).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(n @ 1..) = read else { return };
                // An interim answer (100 Continue) is not the answer.
                if lose && !from_server.starts_with(b"HTTP/1.1 100") { return }
                if client.write_all(&from_server[..n]).await.is_err() { return }
            }
        }
    }
}
