//! A deployment's last gate: the template's checks try the deployed functions with a dry run, which answers well, or
//! refuses with the code of what is wrong; and changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use serde_json::{Value, json};
use soxauto_cloud::lake::ObjectMeta;
use soxauto_domain::Code;
use soxauto_e2e::{Laptop, python};
use soxauto_local::Function;

const FUNCTIONS: [(Function, &str, &[&str]); 3] = [
    (
        Function::Dispatcher,
        "DispatcherCheck",
        &["settings", "catalog", "evidence"],
    ),
    (
        Function::Worker,
        "WorkerCheck",
        &["settings", "evidence", "secret", "source"],
    ),
    (
        Function::Finalizer,
        "FinalizerCheck",
        &["settings", "evidence", "state", "signing_key", "warehouse"],
    ),
];

/// What CodeDeploy is told about a version, and the message of the check.
struct Tried {
    status: String,
    message: String,
}

/// Runs a check's own code against the deployed function: `live`, or a new version with these settings.
fn try_version(laptop: &Laptop, function: Function, settings: &[&str]) -> Tried {
    let (_, check, _) = FUNCTIONS.iter().find(|(f, ..)| *f == function).unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = python();
    command
        .current_dir(root)
        .arg("tests/template/try_version.py")
        .args(["--endpoint-url", &laptop.stack.endpoints().aws])
        .args(["--function", laptop.stack.function_name(function)])
        .args(["--check", check]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = outcome["told"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{outcome}");
    Tried {
        status: told[0]["status"].as_str().unwrap().to_owned(),
        message: outcome["returned"]["message"].as_str().unwrap().to_owned(),
    }
}

impl Tried {
    /// Asserts that the version is taken back, with the code and the name of the check in the message.
    fn is_refused(&self, code: Code, check: &str) {
        let Self { status, message } = self;
        assert_eq!(status, "Failed", "{message}");
        assert!(message.starts_with(code.as_str()), "{message}");
        assert!(message.contains(&format!("{check}: {code}: ")), "{message}");
    }
}

async fn everything(laptop: &Laptop) -> [Vec<ObjectMeta>; 2] {
    [
        laptop.evidence.list("").await.unwrap(),
        laptop.state.list("").await.unwrap(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_could_not_work_is_taken_back_and_nothing_happens() {
    let laptop = Laptop::start().await;
    // Something must be there, so that a listing can differ.
    let json = "application/json";
    for (lake, key) in [
        (&laptop.evidence, "evidence/kept.json"),
        (&laptop.state, "kept.json"),
    ] {
        lake.create(key, Bytes::from("{}"), json).await.unwrap();
    }
    let before = everything(&laptop).await;

    every_function_could_work(&laptop).await;
    a_secret_that_does_not_work_is_refused(&laptop).await;
    a_missing_bucket_is_refused(&laptop);
    a_warehouse_that_does_not_answer_is_refused(&laptop);
    a_missing_signing_key_is_refused(&laptop);
    // `live` did not move, and a secret that works again is found to work.
    every_function_could_work(&laptop).await;

    assert_eq!(everything(&laptop).await, before);
    laptop.stack.stop().await;
}

async fn every_function_could_work(laptop: &Laptop) {
    let event = include_str!("../../events/check.json");
    let event: Value = serde_json::from_str(event).unwrap();
    for (function, _, expected) in FUNCTIONS {
        let said = laptop.stack.invoke(function, &event).await.unwrap();
        let checks = said["checks"].as_array().expect("a report");
        let names: Vec<&str> = checks.iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{said}");
        assert!(checks.iter().all(|c| c["verdict"] == "ok"), "{said}");
        let tried = try_version(laptop, function, &[]);
        assert_eq!(tried.status, "Succeeded", "{}", tried.message);
    }
}

async fn a_secret_that_does_not_work_is_refused(laptop: &Laptop) {
    let connection = laptop.stack.connection_string();
    let ca = laptop.stack.source_ca_pem();
    let secret = |text: &str, ca: Option<&str>| match ca {
        Some(ca) => json!({"connection_string": text, "ca_pem": ca}).to_string(),
        None => json!({"connection_string": text}).to_string(),
    };
    let (before_port, after_port) = connection
        .split_once(';')
        .and_then(|(_, rest)| rest.split_once(','))
        .unwrap();
    let (_, rest) = after_port.split_once(';').unwrap();
    let closed_port = format!("{before_port},1;{rest}");
    let (start, rest) = connection.split_once("PWD=").unwrap();
    let (_, rest) = rest.split_once(';').unwrap();
    let wrong_password = format!("{start}PWD=wrong-Passw0rd;{rest}");
    for (broken, code, check) in [
        ("nonsense".to_owned(), Code::SecretInvalid, "secret"),
        (
            secret(&wrong_password, Some(ca)),
            Code::LoginRefused,
            "source",
        ),
        (
            secret(&closed_port, Some(ca)),
            Code::SourceUnreachable,
            "source",
        ),
        // The server's certificate is nobody's whom the machine trusts.
        (secret(&connection, None), Code::SourceTls, "source"),
    ] {
        laptop.put_secret(&broken).await;
        let tried = try_version(laptop, Function::Worker, &[]);
        tried.is_refused(code, check);
        assert!(
            !tried.message.contains("wrong-Passw0rd"),
            "{}",
            tried.message
        );
    }
    laptop.put_secret(&secret(&connection, Some(ca))).await;
}

fn a_missing_bucket_is_refused(laptop: &Laptop) {
    let nowhere = ["SOXAUTO_EVIDENCE_BUCKET=soxauto-local-nowhere"];
    for (function, ..) in FUNCTIONS {
        try_version(laptop, function, &nowhere).is_refused(Code::StorageFailed, "evidence");
    }
}

fn a_warehouse_that_does_not_answer_is_refused(laptop: &Laptop) {
    // A port on which nobody listens, and the bucket back.
    let bucket = format!(
        "SOXAUTO_EVIDENCE_BUCKET={}",
        laptop.stack.outputs().evidence_bucket_name
    );
    let settings = [
        bucket.as_str(),
        "AWS_ENDPOINT_URL_REDSHIFT_DATA=http://127.0.0.1:1",
    ];
    try_version(laptop, Function::Finalizer, &settings)
        .is_refused(Code::WarehouseFailed, "warehouse");
}

fn a_missing_signing_key_is_refused(laptop: &Laptop) {
    let settings = ["SOXAUTO_SIGNING_KEY=alias/nobodys-key"];
    try_version(laptop, Function::Finalizer, &settings)
        .is_refused(Code::SignerFailed, "signing_key");
}
