//! The dry run over the in-memory twins: what the source says about the login decides, by stage, and nothing is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use lambda_runtime::{Context as LambdaContext, LambdaEvent};
use serde_json::{Value, json};
use soxauto_cloud::{
    clock::{Clock, SystemClock},
    lake::{Lake, MemoryLake},
    lease::Leases,
    queue::MemoryQueue,
    secrets::{CachedSecret, MemorySecrets},
    telemetry::Telemetry,
};
use soxauto_domain::{
    BoundQuery,
    layout::Layout,
    plan::Stage,
    receipt::{SourceIdentity, TlsRecord},
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, Driver, ExtractError, Limits, RowSink, Source,
};
use soxauto_runs::RunReader;
use soxauto_worker::{Context, WorkerError, context::Timing, handle};

/// A server that only says who we are: a login that can write.
struct Writer;

#[async_trait]
impl Driver for Writer {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        database: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        assert_eq!(database, "master", "the secret names no database");
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl Source for Writer {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        Ok(SourceIdentity {
            server: "NAV01".into(),
            database: "master".into(),
            login: "sa".into(),
            version: "2019".into(),
            server_time: "2024-05-01T07:00:00Z".into(),
            isolation: "read committed".into(),
            can_write: true,
            write_rights: vec!["sysadmin".into()],
            tls: TlsRecord::Unverified,
        })
    }

    async fn describe(&mut self, _: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        panic!("a dry run describes nothing")
    }

    async fn read(&mut self, _: &BoundQuery, _: &mut dyn RowSink) -> Result<u64, ExtractError> {
        panic!("a dry run reads no rows")
    }
}

async fn dry_run(stage: Stage, secret: &str) -> Result<Value, WorkerError> {
    let evidence: Arc<dyn Lake> = Arc::new(MemoryLake::new("evidence"));
    let state = MemoryLake::new("state");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secrets = MemorySecrets::default();
    secrets.put("source", secret);
    let context = Context {
        settings: soxauto_worker::context::Settings {
            stage,
            ..support::settings()
        },
        timing: Timing::default(),
        jobs: Arc::new(MemoryQueue::new("jobs", std::time::Duration::from_secs(60))),
        leases: Leases::new(Arc::new(state.clone()), Arc::clone(&clock)),
        reader: RunReader::new(Arc::clone(&evidence), Layout::new("evidence")),
        secret: CachedSecret::new(Arc::new(secrets), "source"),
        driver: Arc::new(Writer),
        evidence: Arc::clone(&evidence),
        clock,
        telemetry: Telemetry::for_tests(),
        software: support::software(),
    };
    let event = json!({"schema": "soxauto.check/1"});
    let said = handle(&context, LambdaEvent::new(event, LambdaContext::default())).await;
    assert!(evidence.list("").await.unwrap().is_empty());
    assert!(state.list("").await.unwrap().is_empty());
    said
}

const SECRET: &str = "SERVER=nav01;UID=sa;PWD=Passw0rd;Encrypt=yes;TrustServerCertificate=yes";

#[tokio::test]
async fn a_login_that_can_write_is_refused_in_prod_only() {
    let said = dry_run(Stage::Dev, SECRET).await.unwrap();
    assert_eq!(
        said["checks"][3]["seen"],
        "NAV01 as sa, TLS, certificate not verified"
    );
    let error = dry_run(Stage::Prod, SECRET).await.unwrap_err();
    assert_eq!(error.code().as_str(), "LOGIN_CAN_WRITE");
    assert!(!error.to_string().contains("Passw0rd"), "{error}");
}

#[tokio::test]
async fn without_a_secret_the_source_is_no_pass() {
    let error = dry_run(Stage::Dev, "SERVER=nav01;PWD=Passw0rd").await;
    let error = error.unwrap_err();
    assert_eq!(error.code().as_str(), "SECRET_INVALID");
    let text = error.to_string();
    assert!(
        text.contains("source: SECRET_INVALID: not looked at"),
        "{text}"
    );
    assert!(!text.contains("Passw0rd"), "{text}");
}

#[test]
fn an_event_that_is_neither_is_refused() {
    let error = soxauto_worker::event::Event::read(json!({"records": 1})).unwrap_err();
    assert_eq!(error.code().as_str(), "MESSAGE_INVALID");
}
