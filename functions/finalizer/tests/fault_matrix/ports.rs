//! The finalizer's ports, each of which tells its calls by the names that the matrix has for them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use soxauto_cloud::{
    lake::{FaultKind, Moment, Operation, Watch},
    queue::{OutgoingMessage, Queue, QueueDepth, QueueError, ReceivedMessage},
    retry::Deadline,
    signer::{Signer, SignerError},
    warehouse::{Rows, Statement, TransactionResult, Warehouse, WarehouseError},
};
use soxauto_e2e::tripwire::{Tripwire, request};

/// The buckets.
#[derive(Debug)]
pub(crate) struct Bucket(pub(crate) Arc<Tripwire>);

#[async_trait]
impl Watch for Bucket {
    async fn meet(&self, operation: Operation, key: &str, moment: Moment) -> Option<FaultKind> {
        let call = format!("{} {}", request(operation), thing(operation, key));
        let fails = self.0.meet(&call, moment).await;
        fails.then_some(FaultKind::Unavailable)
    }
}

fn thing(operation: Operation, key: &str) -> &str {
    let is_list = operation == Operation::List;
    let file = key.rsplit('/').next().unwrap_or_default();
    let folders = key.trim_end_matches('/').split('/').count();
    match key.split('/').next().unwrap_or_default() {
        "leases" if is_list => "leases",
        "leases" if file == "finalizer.json" => "run's lease",
        "leases" => "IPE's lease",
        "chain" if file == "head.json" => "chain head",
        "chain" if is_list => "staged manifests",
        "chain" => "staged manifest",
        "settled" => "settled reports",
        "open" if is_list => "markers",
        "open" => "marker",
        "copy" if file == "chosen.json" => "chosen attempt",
        "copy" => "COPY list",
        _ if operation == Operation::ListFolders => match folders {
            2 => "control's folder",
            _ => "cutoff's folder",
        },
        _ if is_list && file == "manifest-" => "run's manifests",
        _ if is_list && file == "report-" => "run's reports",
        _ if is_list && folders == 4 => "run's folder",
        _ if is_list => "IPE's folder",
        _ if operation == Operation::Download => "file of the run",
        _ if file.starts_with("manifest-") => "manifest",
        _ if file.starts_with("report-") => "report",
        _ => file,
    }
}

/// Redshift, KMS and the dead letters, each with the same.
#[derive(Debug)]
pub(crate) struct Told<P: ?Sized>(pub(crate) Arc<Tripwire>, pub(crate) Arc<P>);

#[async_trait]
impl Warehouse for Told<dyn Warehouse> {
    async fn transaction(
        &self,
        statements: &[Statement],
        token: &str,
        deadline: Deadline,
    ) -> Result<TransactionResult, WarehouseError> {
        let has = |start: &str| statements.iter().any(|s| s.sql.starts_with(start));
        let call = match (has("LOCK"), has("INSERT")) {
            (_, true) => "BatchExecuteStatement publication",
            (true, false) => "BatchExecuteStatement load",
            (false, false) => "BatchExecuteStatement tables",
        };
        let failure = WarehouseError::Denied("injected".into());
        let work = self.1.transaction(statements, token, deadline);
        self.0.pass(call, failure, work).await
    }

    async fn rows(&self, statement_id: &str) -> Result<Rows, WarehouseError> {
        let failure = WarehouseError::Unavailable("injected".into());
        let rows = self.1.rows(statement_id);
        self.0.pass("GetStatementResult", failure, rows).await
    }

    async fn query(
        &self,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<Rows, WarehouseError> {
        self.1.query(statement, deadline).await
    }
}

#[async_trait]
impl Signer for Told<dyn Signer> {
    fn key_id(&self) -> &str {
        self.1.key_id()
    }

    async fn public_key_pem(&self) -> Result<String, SignerError> {
        let key = self.1.public_key_pem();
        self.0.pass("GetPublicKey", self.failure(), key).await
    }

    async fn sign_digest(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignerError> {
        let signed = self.1.sign_digest(sha256);
        self.0.pass("Sign", self.failure(), signed).await
    }
}

impl Told<dyn Signer> {
    fn failure(&self) -> SignerError {
        SignerError::Unavailable {
            key_id: self.1.key_id().to_owned(),
            detail: "injected".to_owned(),
        }
    }
}

#[async_trait]
impl Queue for Told<dyn Queue> {
    fn name(&self) -> &str {
        self.1.name()
    }

    async fn send_batch(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        self.1.send_batch(messages).await
    }

    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.1.receive(max, wait).await
    }

    async fn receive_for(
        &self,
        max: u32,
        wait: Duration,
        held: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let received = self.1.receive_for(max, wait, held);
        let call = "ReceiveMessage dead letters";
        self.0.pass(call, unavailable(), received).await
    }

    async fn change_visibility(&self, handle: &str, after: Duration) -> Result<(), QueueError> {
        let changed = self.1.change_visibility(handle, after);
        let call = "ChangeMessageVisibility dead letters";
        self.0.pass(call, unavailable(), changed).await
    }

    async fn delete(&self, handle: &str) -> Result<(), QueueError> {
        self.1.delete(handle).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let depth = self.1.depth();
        let call = "GetQueueAttributes dead letters";
        self.0.pass(call, unavailable(), depth).await
    }
}

fn unavailable() -> QueueError {
    QueueError::Unavailable {
        queue: "dead-jobs".to_owned(),
        detail: "injected".to_owned(),
    }
}
