//! The whole laptop stack with a stub in the place of the three functions: starts, answers, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use soxauto_local::{Function, FunctionBinaries, Quiet, Stack, StackError, StackOptions};
use tokio_util::compat::TokioAsyncWriteCompatExt;

fn options() -> StackOptions {
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stub_function.py");
    let mut options = StackOptions::new(FunctionBinaries {
        dispatcher: stub.clone(),
        worker: stub.clone(),
        finalizer: stub,
    })
    .unwrap();
    options.rows = 2_000;
    options
}

/// The living processes whose environment names `folder`: the stack's, with its functions.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&needle)
        })
        .map(|entry| {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).replace('\0', " ")
        })
        .filter(|command| !command.is_empty())
        .collect()
}

async fn wait_until<F: AsyncFnMut() -> bool>(what: &str, mut done: F) {
    let began = Instant::now();
    while !done().await {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "waited in vain for {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn log_of(stack: &Stack, function: Function) -> String {
    // Before the first invocation there may be no lines.
    let lines = stack.function_logs(function).await.unwrap_or_default();
    lines.into_iter().map(|line| line.message + "\n").collect()
}

/// What a TDS client that trusts only the stack's authority counts.
async fn companies(stack: &Stack) -> i32 {
    let field = |name: &str| {
        let connection = stack.connection_string();
        let (_, rest) = connection.split_once(&format!("{name}=")).unwrap();
        rest.split(';').next().unwrap().to_owned()
    };
    let authority = stack.folders().temporary.join("ca.pem");
    fs::write(&authority, stack.source_ca_pem()).unwrap();
    let mut config = tiberius::Config::new();
    config.host("127.0.0.1");
    config.port(stack.endpoints().source.port());
    config.authentication(tiberius::AuthMethod::sql_server(field("UID"), field("PWD")));
    config.encryption(tiberius::EncryptionLevel::Required);
    config.trust_cert_ca(authority.to_string_lossy());
    let socket = tokio::net::TcpStream::connect(config.get_addr())
        .await
        .unwrap();
    let mut client = tiberius::Client::connect(config, socket.compat_write())
        .await
        .unwrap();
    let query = "SELECT COUNT(*) FROM [AIG_Nav_DW].[dbo].[Companies]";
    let row = client
        .simple_query(query)
        .await
        .unwrap()
        .into_row()
        .await
        .unwrap();
    row.unwrap().get(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_starts_answers_and_stops() {
    let mut stack = Stack::start(options(), &Quiet).await.unwrap();
    stack.check().unwrap();
    let folder = stack.folders().stack.clone();

    // A function sees the template's variables and the launcher's endpoints.
    let answer = stack
        .invoke(Function::Dispatcher, &json!({"hello": "world"}))
        .await
        .unwrap();
    assert_eq!(answer["event"], json!({"hello": "world"}));
    let environment = &answer["environment"];
    assert_eq!(environment["SOXAUTO_STAGE"], "dev");
    assert_eq!(
        environment["SOXAUTO_EVIDENCE_BUCKET"],
        stack.outputs().evidence_bucket_name.as_str()
    );
    assert_eq!(
        environment["AWS_ENDPOINT_URL"],
        stack.endpoints().aws.as_str()
    );
    assert_eq!(
        environment["AWS_ENDPOINT_URL_REDSHIFT_DATA"],
        stack.endpoints().redshift.as_str()
    );

    // The schedule's event arrives as the template has it.
    let sent = stack
        .fire_month_schedule(Some("2024-05-01"), &[])
        .await
        .unwrap();
    assert_eq!(sent["schema"], "soxauto.start/1");
    assert_eq!(sent["cutoff_date"], "2024-05-01");
    assert!(!sent.to_string().contains("<aws.scheduler"), "{sent}");
    let id = sent["execution_id"].as_str().unwrap().to_owned();
    wait_until("the schedule's event", async || {
        log_of(&stack, Function::Dispatcher).await.contains(&id)
    })
    .await;

    // The function URL is signed, and reaches the dispatcher.
    let response = stack
        .function_url_request("POST", "/runs?x=1", b"{}".to_vec())
        .await
        .unwrap();
    assert_eq!(response.status, 202);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body, json!({"path": "/runs", "method": "POST"}));

    // A function that dies is an error in the answer, and its successor works.
    let answer = stack
        .invoke(Function::Worker, &json!({"die": true}))
        .await
        .unwrap();
    assert!(answer["errorMessage"].is_string(), "{answer}");
    assert!(stack.invoke(Function::Worker, &json!({})).await.unwrap()["event"].is_object());

    // The source answers a client that verifies its certificate, with the sample's rows.
    assert_eq!(companies(&stack).await, 19);

    assert!(
        processes_of(&folder).len() >= 4,
        "{:?}",
        processes_of(&folder)
    );
    let warehouse = stack.warehouse().to_owned();
    stack.stop().await;
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(warehouse.is_file(), "the warehouse must stay");
    assert!(folder.join("logs/emulator.log").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stacks_do_not_disturb_each_other() {
    let (one, two) = tokio::join!(
        Stack::start(options(), &Quiet),
        Stack::start(options(), &Quiet)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.endpoints().aws, two.endpoints().aws);
    one.stop().await;
    let answer = two.invoke(Function::Finalizer, &json!({})).await.unwrap();
    assert_eq!(
        answer["environment"]["AWS_ENDPOINT_URL"],
        two.endpoints().aws.as_str()
    );
    let folder = two.folders().stack.clone();
    drop(two);
    wait_until("the dropped stack's processes to end", async || {
        processes_of(&folder).is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_failing_part_names_itself_and_its_last_words() {
    let mut options = options();
    options.defects = vec!["no-such-defect".to_owned()];
    let error = Stack::start(options, &Quiet).await.unwrap_err();
    assert!(matches!(error, StackError::Ended { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no-such-defect") && text.contains("nav_sample.log"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_cannot_be_deployed_names_the_resource() {
    let mut options = options();
    let real = options.project_root.clone();
    let project = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(real.join("local"), project.path().join("local")).unwrap();
    let template = fs::read_to_string(real.join("template.yaml")).unwrap();
    let broken = template.replace("KeySpec: ECC_NIST_P256", "KeySpec: BOGUS");
    assert_ne!(template, broken);
    fs::write(project.path().join("template.yaml"), broken).unwrap();
    options.project_root = project.path().to_owned();
    let error = Stack::start(options, &Quiet).await.unwrap_err();
    let StackError::Deployment { reasons, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("SigningKey (AWS::KMS::Key)")),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let mut options = options();
    options.binaries.worker = PathBuf::from("/nonexistent/worker");
    let error = Stack::start(options, &Quiet).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/worker"), "{error}");
}

/// Not a test of its own: the launcher that the next test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by killing_the_launcher_leaves_no_process"]
async fn launcher_to_be_killed() {
    let stack = Stack::start(options(), &Quiet).await.unwrap();
    stack
        .invoke(Function::Dispatcher, &json!({}))
        .await
        .unwrap();
    println!("\nFOLDER {}", stack.folders().stack.display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn killing_the_launcher_leaves_no_process() {
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "launcher_to_be_killed",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(launcher.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("FOLDER ").map(PathBuf::from))
        .expect("the launcher did not start");
    let living = processes_of(&folder);
    assert!(
        living
            .iter()
            .any(|command| command.contains("stub_function") || command.contains("bootstrap")),
        "no function process among {living:?}"
    );
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    wait_until("every process to end", async || {
        processes_of(&folder).is_empty()
    })
    .await;
}
