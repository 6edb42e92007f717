//! The worker's ports, each of which tells its calls by the names that the matrix has for them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use soxauto_cloud::{
    lake::{FaultKind, Moment, Operation, Watch},
    queue::{MemoryQueue, OutgoingMessage, Queue, QueueDepth, QueueError, ReceivedMessage},
    secrets::{MemorySecrets, SecretError, SecretText, Secrets},
};
use soxauto_domain::{
    BoundQuery, PlannedIpe,
    plan::PlannedWitness,
    receipt::{Decoder, SourceIdentity},
};
use soxauto_e2e::tripwire::{Tripwire, request};
use soxauto_extract::{
    BulkDriver, ConnectionSettings, DescribedColumn, Driver, ExtractError, Limits, NamedValue,
    RowSink, Source,
};

/// Tells the calls of the buckets.
#[derive(Debug)]
pub(crate) struct Bucket(pub(crate) Arc<Tripwire>);

#[async_trait]
impl Watch for Bucket {
    async fn meet(&self, operation: Operation, key: &str, moment: Moment) -> Option<FaultKind> {
        let fails = self.0.meet(&name(operation, key), moment).await;
        fails.then_some(FaultKind::Unavailable)
    }
}

fn name(operation: Operation, key: &str) -> String {
    let thing = match key.rsplit('/').next().unwrap_or_default() {
        _ if key.starts_with("leases/") => "IPE's lease",
        _ if operation == Operation::List => "IPE's folder",
        _ if operation == Operation::ListFolders => "control's folder",
        part if part.starts_with("part-") => "data part",
        file => file,
    };
    format!("{} {thing}", request(operation))
}

/// The jobs queue.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(crate) queue: MemoryQueue,
    pub(crate) tripwire: Arc<Tripwire>,
    /// Whether it has sent a message.
    pub(crate) has_sent: AtomicBool,
    /// How long the last message whose visibility was changed stays away.
    pub(crate) stays_away: Mutex<Option<Duration>>,
}

impl Jobs {
    fn failure() -> QueueError {
        QueueError::Unavailable {
            queue: "jobs".to_owned(),
            detail: "injected".to_owned(),
        }
    }
}

#[async_trait]
impl Queue for Jobs {
    fn name(&self) -> &str {
        self.queue.name()
    }

    async fn send_batch(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let sent = async {
            self.queue.send_batch(messages).await?;
            self.has_sent.store(true, Ordering::SeqCst);
            Ok(())
        };
        let call = "SendMessageBatch jobs";
        self.tripwire.pass(call, Self::failure(), sent).await
    }

    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.queue.receive(max, wait).await
    }

    async fn receive_for(
        &self,
        max: u32,
        wait: Duration,
        held: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.queue.receive_for(max, wait, held).await
    }

    async fn change_visibility(&self, handle: &str, after: Duration) -> Result<(), QueueError> {
        let changed = async {
            // It stays in flight here, so that the test decides when that time has passed.
            let held = after.max(Duration::from_secs(1));
            self.queue.change_visibility(handle, held).await?;
            *self.stays_away.lock().unwrap() = Some(after);
            Ok(())
        };
        let call = "ChangeMessageVisibility jobs";
        self.tripwire.pass(call, Self::failure(), changed).await
    }

    async fn delete(&self, handle: &str) -> Result<(), QueueError> {
        self.queue.delete(handle).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.queue.depth().await
    }
}

/// Secrets Manager.
#[derive(Debug)]
pub(crate) struct Vault(pub(crate) MemorySecrets, pub(crate) Arc<Tripwire>);

#[async_trait]
impl Secrets for Vault {
    async fn get(&self, id: &str) -> Result<SecretText, SecretError> {
        let failure = SecretError::Unavailable {
            id: id.to_owned(),
            detail: "injected".to_owned(),
        };
        self.1.pass("GetSecretValue", failure, self.0.get(id)).await
    }
}

/// The real drivers, before a server that is one.
pub(crate) struct Sql {
    pub(crate) tripwire: Arc<Tripwire>,
    pub(crate) ipe: PlannedIpe,
    /// How long a server may be silent among the rows.
    pub(crate) patience: Duration,
    /// Where nobody listens.
    pub(crate) nowhere: ConnectionSettings,
}

#[async_trait]
impl Driver for Sql {
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        let settings = match self.tripwire.meet("source: connect", Moment::Before).await {
            true => &self.nowhere,
            false => settings,
        };
        let limits = Limits {
            stall: self.patience,
            ..*limits
        };
        let driver = BulkDriver::default();
        Ok(Box::new(Session {
            tripwire: Arc::clone(&self.tripwire),
            ipe: self.ipe.clone(),
            session: driver.connect(settings, database, &limits).await?,
        }))
    }
}

struct Session {
    tripwire: Arc<Tripwire>,
    ipe: PlannedIpe,
    session: Box<dyn Source>,
}

impl Session {
    async fn tell(&mut self, call: &str) {
        self.tripwire.meet(call, Moment::Before).await;
    }
}

/// The matrix's name for a statement.
pub(crate) fn statement(ipe: &PlannedIpe, sql: &str) -> &'static str {
    let is_witness =
        |sql: &str| matches!(&ipe.witness, PlannedWitness::Query { query } if query.sql == sql);
    if sql == ipe.extraction.sql {
        "source: rows"
    } else if sql == ipe.negative.query.sql {
        "source: negative"
    } else if sql == ipe.completeness.query.sql {
        "source: count"
    } else if ipe.partition.as_ref().is_some_and(|p| p.query.sql == sql) {
        "source: bounds"
    } else if is_witness(sql) {
        "source: witness"
    } else {
        panic!("{sql} is no statement of the plan")
    }
}

#[async_trait]
impl Source for Session {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        self.tell("source: identity").await;
        self.session.identity().await
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        self.tell("source: describe").await;
        self.session.describe(query).await
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        self.tell(statement(&self.ipe, &query.sql)).await;
        self.session.read(query, sink).await
    }

    async fn single_row(&mut self, query: &BoundQuery) -> Result<Vec<NamedValue>, ExtractError> {
        self.tell(statement(&self.ipe, &query.sql)).await;
        self.session.single_row(query).await
    }

    fn decoder(&self) -> Option<Decoder> {
        self.session.decoder()
    }
}
