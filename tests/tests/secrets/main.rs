//! No secret in anything that a run leaves behind: a month is run with every failure in which somebody could say too much,
//! with logs at their loudest, and then everything is searched for the secrets that it was given.
//!
//! Each secret is a canary: nobody else has it, and whoever shows even a part of it is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod hostile;

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use soxauto_cloud::{
    queue::{Queue as _, SqsQueue},
    signer::{KmsSigner, Signer as _},
};
use soxauto_domain::{IpeState, RunId, RunState, catalog::Sample};
use soxauto_e2e::{
    CUTOFF, Laptop,
    leaks::{Places, Processes, Scanner, Secret, What, canary, canary_token, known},
    programs,
    proxy::{self, Call, Fault, Moment},
    wire::{Trouble, Wire},
};
use soxauto_local::Function;
use soxauto_tds::Login;

const READER: &str = "soxauto_reader";
const REPORTS: [&str; 2] = ["CR_04", "IPE_07"];

/// What nobody may show.
struct Canaries {
    /// The password that works at first.
    password: String,
    /// The one after the rotation.
    rotated: String,
    /// One that no server accepts.
    wrong: String,
    /// What a hostile server says instead of a value of a masked column.
    masked: String,
    /// The credentials of the functions, and of the operator.
    function_key: String,
    function_token: String,
    operator_key: String,
    operator_token: String,
}

impl Canaries {
    fn new() -> Self {
        Self {
            password: canary(),
            rotated: canary(),
            wrong: canary(),
            masked: canary(),
            function_key: canary_token(),
            function_token: canary_token(),
            operator_key: canary_token(),
            operator_token: canary_token(),
        }
    }

    fn secrets(&self) -> Vec<Secret> {
        let own = [
            ("the password", &self.password),
            ("the password after the rotation", &self.rotated),
            ("the wrong password", &self.wrong),
            ("a masked value", &self.masked),
            ("AWS: the functions' key", &self.function_key),
            ("AWS: the functions' token", &self.function_token),
            ("AWS: the operator's key", &self.operator_key),
            ("AWS: the operator's token", &self.operator_token),
        ];
        let own = own.map(|(name, text)| Secret::new(name, text));
        own.into_iter().chain(known()).collect()
    }
}

struct Scene {
    laptop: Laptop,
    canaries: Canaries,
    places: Places,
    /// What the functions have sent to AWS and to the warehouse: the call's name, the body.
    sent: Arc<Mutex<Vec<(String, Bytes)>>>,
    /// Whether AWS refuses calls and quotes them.
    quoting: Arc<AtomicBool>,
}

impl Scene {
    async fn start() -> Self {
        let canaries = Canaries::new();
        let mut laptop =
            Laptop::behind_proxy(|options| options.log_level = "trace".to_owned()).await;
        laptop.shorten_queues(3).await;
        let credentials = [
            ("AWS_SECRET_ACCESS_KEY", canaries.function_key.as_str()),
            ("AWS_SESSION_TOKEN", canaries.function_token.as_str()),
        ];
        laptop.stack.tell_functions(&credentials).await.unwrap();
        // Those that run have older ones.
        proxy::end_functions_at(&laptop.proxy().aws());
        let sent: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
        let quoting = Arc::new(AtomicBool::new(false));
        laptop.proxy().judge(judge(
            Arc::clone(&sent),
            Arc::clone(&quoting),
            canaries.function_token.clone(),
        ));
        laptop.stack.set_source_logins(vec![Login {
            name: READER.to_owned(),
            password: canaries.password.clone(),
            can_write: false,
        }]);
        Self {
            laptop,
            canaries,
            places: Places::default(),
            sent,
            quoting,
        }
    }

    /// A secret that leads to this port, with a password as ODBC quotes it.
    fn secret(&self, port: u16, password: &str) -> String {
        let connection = format!(
            "DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=127.0.0.1,{port};UID={READER};PWD={{{}}};Encrypt=yes",
            password.replace('}', "}}")
        );
        let ca_pem = self.laptop.stack.source_ca_pem();
        json!({"connection_string": connection, "ca_pem": ca_pem}).to_string()
    }

    /// Replaces the secret, and the workers that hold the one before.
    async fn put_secret(&self, secret: &str) {
        self.laptop.put_secret(secret).await;
        proxy::end_functions_at(&self.laptop.proxy().aws());
    }

    /// Runs `soxauto` as an operator does, with everything that it says kept.
    async fn operate(&mut self, arguments: &[&str]) -> i32 {
        let mut command = Command::new(programs().join("soxauto"));
        command
            .args(arguments)
            .args(["--stack", "soxauto-local"])
            .envs(self.laptop.stack.environment())
            .env("AWS_SECRET_ACCESS_KEY", &self.canaries.operator_key)
            .env("AWS_SESSION_TOKEN", &self.canaries.operator_token)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1");
        // The SQL Server stand-in lives in this process: it must go on answering.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let place = format!("what soxauto {} says", arguments.join(" "));
        self.places
            .add(place, [output.stdout, output.stderr].concat());
        output.status.code().unwrap()
    }

    fn dead_letters(&self) -> SqsQueue {
        let url = &self.laptop.stack.outputs().jobs_dead_letters_url;
        SqsQueue::new(self.laptop.clients.sqs.clone(), url)
    }

    /// Waits until so many messages are among the dead letters, keeps them, and leaves them there.
    async fn keep_dead_letters(&mut self, count: usize) {
        let queue = self.dead_letters();
        let began = Instant::now();
        let mut messages = Vec::new();
        while messages.len() < count {
            assert!(began.elapsed() < Duration::from_secs(60));
            messages.extend(queue.receive(10, Duration::from_secs(1)).await.unwrap());
        }
        for message in messages {
            self.places.add("a dead letter", message.body.as_bytes());
            let again = queue.change_visibility(&message.receipt_handle, Duration::ZERO);
            again.await.unwrap();
        }
    }

    /// The ends of the functions' logs, for a run that does not end.
    async fn last_words(&self) -> String {
        let mut text = String::new();
        for function in [Function::Dispatcher, Function::Worker, Function::Finalizer] {
            let lines = self.laptop.stack.function_logs(function).await.unwrap();
            let last = lines.iter().rev().filter(|l| !l.message.contains("DEBUG"));
            for line in last.take(12) {
                text.push_str(line.message.trim());
                text.push('\n');
            }
        }
        text
    }

    /// Waits until the run has this many manifests and is closed, while the sweep helps.
    async fn closed(&mut self, run: &RunId, state: RunState) {
        let began = Instant::now();
        let name = run.to_string();
        loop {
            self.laptop.stack.fire_sweep_schedule().await.unwrap();
            tokio::time::sleep(Duration::from_millis(700)).await;
            let facts = self.laptop.reader.facts(run).await.unwrap();
            let marker = soxauto_domain::layout::state::open_run(run);
            let open = self.laptop.state.head(&marker).await.is_ok();
            if let Some(facts) = &facts
                && !open
                && facts.state(false) == state
                && let Some(revision) = facts.manifests.last()
                && self.laptop.manifest(run, *revision).await.0.predicate.state == state
            {
                return;
            }
            // Three deliveries may be fewer than the failures that one report meets.
            if state == RunState::Complete && self.dead_letters().depth().await.unwrap().visible > 0
            {
                self.operate(&["replay", "--run", &name, "--all"]).await;
            }
            assert!(
                began.elapsed() < Duration::from_secs(100),
                "{run} is not {}, {open}: {:?}\n{}",
                state.as_str(),
                self.laptop.reader.facts(run).await.unwrap().map(|f| f.ipes),
                self.last_words().await
            );
        }
    }
}

/// Keeps what functions send; and, while `quoting`, refuses the first call of some kinds in the words in which AWS refuses a
/// wrong signature: it quotes the request as it should have been signed.
fn judge(
    sent: Arc<Mutex<Vec<(String, Bytes)>>>,
    quoting: Arc<AtomicBool>,
    token: String,
) -> impl Fn(&Call) -> Fault + Send + Sync {
    const REFUSED: [&str; 6] = [
        "worker: GetSecretValue",
        "worker: PutObject query.sql",
        "worker: PutObject lease",
        "finalizer: BatchExecuteStatement",
        "finalizer: ExecuteStatement",
        "finalizer: Sign",
    ];
    let refused: Mutex<BTreeSet<String>> = Mutex::default();
    move |call| {
        if call.caller.is_none() {
            return Fault::None;
        }
        let name = call.name.to_string();
        sent.lock().unwrap().push((name.clone(), call.body.clone()));
        let kind = REFUSED.into_iter().find(|kind| name.starts_with(kind));
        let Some(kind) = kind.filter(|_| quoting.load(Ordering::Relaxed)) else {
            return Fault::None;
        };
        if !refused.lock().unwrap().insert(kind.to_owned()) {
            return Fault::None;
        }
        let said = format!(
            "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for \
             this request should have been\n'POST\n/\n\nhost:example\nx-amz-security-token:{token}\n'"
        );
        Fault::Say(Moment::Before, 403, "InvalidSignatureException", said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_run_leaves_behind_holds_a_secret() {
    let mut scene = Scene::start().await;
    let scanner = Arc::new(Scanner::new(&scene.canaries.secrets()));
    let processes = Processes::watch(Arc::clone(&scanner));

    run_a_month_of_failures(&mut scene).await;

    let (sightings, programs) = processes.end();
    the_listings_show_credentials_to_functions_only(&sightings, &programs);
    let masked = masked_values(&scene).await;
    let warehouse = scene.laptop.stack.warehouse().to_owned();
    let logs = scene.laptop.stack.folders().logs.clone();
    let mut places = collect(scene).await;

    // The log groups as the launcher keeps them, the other processes' logs, and the tables as they lie on disk.
    places.folder(&logs);
    places.file(&warehouse);
    for (kind, least) in [
        ("log of the worker", 100),
        ("log of the dispatcher", 1),
        ("log of the finalizer", 10),
        ("sent by the worker", 50),
        ("sent by the finalizer", 20),
        ("sent by the dispatcher: SendMessageBatch", 1),
        ("answer of the worker", 10),
        ("a dead letter", 4),
        ("failure.json", 4),
        ("log.jsonl", 2),
        ("report-", 3),
        (".parquet", 2),
        ("of the state bucket", 1),
        ("what soxauto", 6),
        ("emulator.log", 2),
        ("engine.log", 2),
        ("warehouse.duckdb", 1),
        ("tmp", 1),
    ] {
        let count = places.count(kind);
        assert!(
            count >= least,
            "{count} times {kind}: too few to have looked"
        );
    }
    assert_eq!(places.findings(&scanner), []);

    // Values of masked columns are in the data, and stay there.
    places.without(".parquet");
    places.without("warehouse.duckdb");
    places.without("PutObject data part");
    places.without("UploadPart");
    assert!(masked.len() >= 10, "{}", masked.len());
    assert_eq!(places.findings(&Scanner::verbatim(&masked)), []);
}

async fn run_a_month_of_failures(scene: &mut Scene) {
    let source = scene.laptop.stack.endpoints().source;
    let run: RunId = format!("C-PG-1/{CUTOFF}/r1").parse().unwrap();
    let name = run.to_string();

    // The positive control: where the secret must be, it is found.
    scene
        .laptop
        .put_secret(&scene.secret(source.port(), &scene.canaries.password))
        .await;
    let id = &scene.laptop.stack.outputs().source_secret_arn;
    let secrets = &scene.laptop.clients.secrets;
    let kept = secrets
        .get_secret_value()
        .secret_id(id)
        .send()
        .await
        .unwrap();
    let scanner = Scanner::new(&scene.canaries.secrets());
    let found = scanner.scan(kept.secret_string().unwrap().as_bytes());
    assert!(!found.is_empty());

    // Every way in which a secret can be wrong, by the dry run, which answers with what is wrong.
    let hostile = hostile::start(READER, &scene.canaries).await;
    let password = scene.canaries.password.clone();
    for (name, secret) in broken::secrets(scene, &password, source.port(), &hostile) {
        scene.laptop.put_secret(&secret).await;
        let look = json!({"schema": "soxauto.check/1"});
        let answer = scene.laptop.stack.invoke(Function::Worker, &look).await;
        let answer = answer.unwrap();
        assert!(answer["errorType"].is_string(), "{name} works: {answer}");
        let place = format!("the answer of the worker to {name}");
        scene.places.add(place, answer.to_string());
    }

    // A run in which nobody can read the secret.
    let broken = json!({"connection_string": format!("Server=h;UID=u;PWD={}", scene.canaries.wrong), "x": 1});
    scene.put_secret(&broken.to_string()).await;
    let mut arguments = vec!["run", "--cutoff", CUTOFF];
    for report in REPORTS {
        arguments.extend(["--ipe", report]);
    }
    scene.operate(&arguments).await;
    scene.closed(&run, RunState::Incomplete).await;
    scene.keep_dead_letters(REPORTS.len()).await;
    scene.operate(&["status", "--run", &name]).await;

    // The same replayed against a server that quotes what it was sent, and values.
    let secret = hostile.secret(&scene.canaries.password);
    scene.put_secret(&secret).await;
    assert_eq!(scene.operate(&["replay", "--run", &name, "--all"]).await, 0);
    scene.closed(&run, RunState::Incomplete).await;
    scene.keep_dead_letters(REPORTS.len()).await;
    scene
        .operate(&["status", "--run", &name, "--format", "json"])
        .await;

    // At last the right server: which cuts, whose password changes, and AWS and the warehouse refuse and quote.
    let wire = Wire::start(source).await;
    wire.trouble(|number| match number {
        4 => Trouble::CutAfter(20_000),
        5 => Trouble::Refuse,
        _ => Trouble::None,
    });
    let port = wire.address().port();
    let secret = scene.secret(port, &scene.canaries.password);
    scene.put_secret(&secret).await;
    scene.laptop.stack.set_source_logins(vec![Login {
        name: READER.to_owned(),
        password: scene.canaries.rotated.clone(),
        can_write: false,
    }]);
    scene.quoting.store(true, Ordering::Relaxed);
    assert_eq!(scene.operate(&["replay", "--run", &name, "--all"]).await, 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let secret = scene.secret(port, &scene.canaries.rotated);
    scene.laptop.put_secret(&secret).await;
    scene.closed(&run, RunState::Complete).await;
    let facts = scene.laptop.reader.facts(&run).await.unwrap().unwrap();
    assert!(facts.ipes.iter().all(|ipe| ipe.state() == IpeState::Passed));

    scene.operate(&["status", "--run", &name]).await;
    verify(scene).await;
    scene.operate(&["replay", "--run", &name, "--all"]).await;
}

/// The verifier as an auditor runs it.
async fn verify(scene: &mut Scene) {
    let outputs = scene.laptop.stack.outputs();
    let key = KmsSigner::new(scene.laptop.clients.kms.clone(), &outputs.signing_key_arn);
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("signing-key.pem");
    std::fs::write(&pem, key.public_key_pem().await.unwrap()).unwrap();
    let place = format!(
        "s3://{}/{}",
        outputs.evidence_bucket_name, outputs.evidence_prefix
    );
    let pem = pem.display().to_string();
    let mut command = Command::new(programs().join("soxauto"));
    command
        .args(["verify", &place, "--public-key", &pem, "--deep"])
        .envs(scene.laptop.stack.environment())
        .env("AWS_SECRET_ACCESS_KEY", &scene.canaries.operator_key)
        .env("AWS_SESSION_TOKEN", &scene.canaries.operator_token)
        .env("RUST_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    scene.places.add("what soxauto verify says", said);
}

fn the_listings_show_credentials_to_functions_only(
    sightings: &BTreeSet<soxauto_e2e::leaks::Sighting>,
    programs: &std::collections::BTreeMap<String, usize>,
) {
    // Lambda gives a function its credentials in its environment, and an operator's shell gives them to the tool.
    let by_design = |sighting: &soxauto_e2e::leaks::Sighting| {
        let program = matches!(sighting.program.as_str(), "bootstrap" | "soxauto");
        let credential = match &sighting.what {
            What::Secret(name, _) => name.starts_with("AWS: ") || name == "a canary of a test",
            What::Opaque(_) => false,
        };
        program && credential && sighting.listing == "environ"
    };
    let forbidden: Vec<_> = sightings.iter().filter(|s| !by_design(s)).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
    // They were looked at.
    for program in ["bootstrap", "soxauto"] {
        assert!(programs[program] >= 4, "{programs:?}");
        assert!(sightings.iter().any(|s| s.program == program));
    }
}

/// Values of masked columns, from the data of the run.
async fn masked_values(scene: &Scene) -> Vec<Secret> {
    use arrow_array::cast::AsArray as _;
    let run: RunId = format!("C-PG-1/{CUTOFF}/r1").parse().unwrap();
    let facts = scene.laptop.reader.facts(&run).await.unwrap().unwrap();
    let mut values = BTreeSet::new();
    for ipe in &facts.ipes {
        let (attempt, receipt) = ipe.deciding().unwrap();
        let planned = facts.plan.ipe(&ipe.id).unwrap();
        let masked = planned.columns.iter().filter(|c| c.sample == Sample::Mask);
        let masked: BTreeSet<&str> = masked.map(|column| column.name.as_str()).collect();
        for file in receipt.files.iter().filter(|file| file.rows.is_some()) {
            let folder = scene.laptop.reader.layout().ipe_folder(&run, &ipe.id);
            let folder = folder.trim_end_matches('/');
            let key = format!("{folder}/attempt-{}/{}", attempt.number, file.path);
            let bytes = scene.laptop.evidence.get(&key).await.unwrap().bytes;
            let reader =
                parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 1024);
            for batch in reader.unwrap() {
                let batch = batch.unwrap();
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    let texts = column.as_string_opt::<i32>();
                    let Some(texts) = texts.filter(|_| masked.contains(field.name().as_str()))
                    else {
                        continue;
                    };
                    // A shorter one may be anybody's word.
                    let distinct = texts.iter().flatten().filter(|text| text.len() >= 10);
                    values.extend(distinct.take(200).map(str::to_owned));
                }
            }
        }
    }
    let values = values.into_iter().take(500);
    values
        .map(|text| Secret::new("a masked value", &text))
        .collect()
}

/// Everything that the run has left while the stack is up; then the stack ends.
async fn collect(scene: Scene) -> Places {
    let Scene {
        laptop,
        mut places,
        sent,
        ..
    } = scene;
    for function in [Function::Dispatcher, Function::Worker, Function::Finalizer] {
        let name = proxy::function_name(function);
        for line in laptop.stack.function_logs(function).await.unwrap() {
            places.add(format!("the log of the {name}"), line.message);
        }
    }
    for (name, body) in sent.lock().unwrap().drain(..) {
        places.add(format!("sent by the {name}"), body.to_vec());
    }
    for (bucket, lake) in [("evidence", &laptop.evidence), ("state", &laptop.state)] {
        for object in lake.list("").await.unwrap() {
            let bytes = lake.get(&object.key).await.unwrap().bytes;
            places.add(
                format!("{} of the {bucket} bucket", object.key),
                bytes.to_vec(),
            );
        }
    }
    let folders = laptop.stack.folders();
    let mut temporary = Places::default();
    temporary.folder(&folders.temporary);
    // The programs that run: nothing that a run has made.
    temporary.without("/bootstrap");
    places.append(temporary);
    laptop.stack.stop().await;
    places
}
