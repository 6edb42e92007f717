//! A lake that fails on demand, around any other: what a bad day does, on a good one.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{At, Download, ETag, Lake, LakeError, Object, ObjectMeta, Operation, Upload};

/// Whether the request had its effect before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It never arrived.
    Before,
    /// It was carried out, and the answer was lost.
    After,
}

/// The error that the caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// [`LakeError::Denied`].
    Denied,
    /// [`LakeError::Throttled`].
    Throttled,
    /// [`LakeError::Unavailable`].
    Unavailable,
    /// [`LakeError::Precondition`].
    Precondition,
    /// No error, but a wait: milliseconds.
    Delay(u64),
}

/// A fault to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub operation: Operation,
    /// Only for keys with this in them; empty for all.
    pub key_part: String,
    /// Which call of those, from 1, counted from when the fault was planned; every call when 0.
    pub nth: u32,
    /// With or without effect.
    pub moment: Moment,
    /// What the caller sees.
    pub kind: FaultKind,
}

impl Fault {
    /// The `nth` call of `operation` fails as unavailable, before its effect.
    #[must_use]
    pub fn new(operation: Operation, nth: u32) -> Self {
        Self {
            operation,
            key_part: String::new(),
            nth,
            moment: Moment::Before,
            kind: FaultKind::Unavailable,
        }
    }

    /// Fails after the effect.
    #[must_use]
    pub fn after(self) -> Self {
        Self {
            moment: Moment::After,
            ..self
        }
    }

    /// Fails so.
    #[must_use]
    pub fn kind(self, kind: FaultKind) -> Self {
        Self { kind, ..self }
    }

    /// Fails for keys with `part` in them only.
    #[must_use]
    pub fn on(self, part: &str) -> Self {
        Self {
            key_part: part.to_owned(),
            ..self
        }
    }
}

/// Who looks at every call, for tests that need more than a plan: it may wait, and let the call fail.
#[async_trait]
pub trait Watch: Send + Sync + fmt::Debug {
    /// Asked before the call has its effect, and again when it has had it; a kind lets it fail there.
    async fn meet(&self, operation: Operation, key: &str, moment: Moment) -> Option<FaultKind>;
}

#[derive(Debug, Default)]
struct Plan {
    faults: Vec<(Fault, u32)>,
    calls: BTreeMap<Operation, u32>,
}

impl Disturbance {
    async fn watched(
        &self,
        operation: Operation,
        key: &str,
        moment: Moment,
    ) -> Result<(), LakeError> {
        let kind = match &self.watch {
            Some(watch) => watch.meet(operation, key, moment).await,
            None => None,
        };
        kind.map_or(Ok(()), |kind| Err(error(kind, operation, key)))
    }
}

/// A lake that fails on demand. Clones share the plan.
#[derive(Debug, Clone)]
pub struct FaultyLake<L> {
    inner: L,
    disturbance: Disturbance,
}

/// What may happen to a call.
#[derive(Debug, Clone, Default)]
struct Disturbance {
    plan: Arc<Mutex<Plan>>,
    watch: Option<Arc<dyn Watch>>,
}

impl<L: Lake> FaultyLake<L> {
    /// Around `inner`, without faults as yet.
    #[must_use]
    pub fn new(inner: L) -> Self {
        Self {
            inner,
            disturbance: Disturbance::default(),
        }
    }

    /// Around `inner`, with somebody who looks at every call.
    #[must_use]
    pub fn watched(inner: L, watch: Arc<dyn Watch>) -> Self {
        let watch = Some(watch);
        Self {
            inner,
            disturbance: Disturbance {
                watch,
                ..Disturbance::default()
            },
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.disturbance
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault.
    pub fn fail(&self, fault: Fault) {
        self.plan().faults.push((fault, 0));
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.plan().faults.clear();
    }

    /// How often the operation was called.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u32 {
        self.plan()
            .calls
            .get(&operation)
            .copied()
            .unwrap_or_default()
    }

    /// The lake inside.
    #[must_use]
    pub fn inner(&self) -> &L {
        &self.inner
    }
}

/// Counts the call and says which fault it meets.
fn meet(plan: &Mutex<Plan>, operation: Operation, key: &str) -> Option<Fault> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    *plan.calls.entry(operation).or_default() += 1;
    let mut met = None;
    for (fault, count) in &mut plan.faults {
        if fault.operation == operation && key.contains(&fault.key_part) {
            *count += 1;
            if met.is_none() && (fault.nth == 0 || fault.nth == *count) {
                met = Some(fault.clone());
            }
        }
    }
    met
}

/// Runs `call` and fails before or after it.
async fn inject<T>(
    disturbance: &Disturbance,
    operation: Operation,
    key: &str,
    call: impl Future<Output = Result<T, LakeError>> + Send,
) -> Result<T, LakeError> {
    disturbance.watched(operation, key, Moment::Before).await?;
    let answer = planned(&disturbance.plan, operation, key, call).await?;
    disturbance.watched(operation, key, Moment::After).await?;
    Ok(answer)
}

/// Runs `call` with the planned fault, if there is one.
async fn planned<T>(
    plan: &Mutex<Plan>,
    operation: Operation,
    key: &str,
    call: impl Future<Output = Result<T, LakeError>> + Send,
) -> Result<T, LakeError> {
    let Some(fault) = meet(plan, operation, key) else {
        return call.await;
    };
    if fault.moment == Moment::After {
        let answer = call.await?;
        if let FaultKind::Delay(milliseconds) = fault.kind {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            return Ok(answer);
        }
        drop(answer);
        return Err(error(fault.kind, operation, key));
    }
    if let FaultKind::Delay(milliseconds) = fault.kind {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        return call.await;
    }
    Err(error(fault.kind, operation, key))
}

fn error(kind: FaultKind, operation: Operation, key: &str) -> LakeError {
    let at = At {
        operation,
        key: key.to_owned(),
        detail: "injected fault".to_owned(),
    };
    match kind {
        FaultKind::Denied => LakeError::Denied(at),
        FaultKind::Throttled => LakeError::Throttled(at),
        FaultKind::Precondition => LakeError::Precondition(at),
        FaultKind::Unavailable | FaultKind::Delay(_) => LakeError::Unavailable(at),
    }
}

#[async_trait]
impl<L: Lake> Lake for FaultyLake<L> {
    fn bucket(&self) -> &str {
        self.inner.bucket()
    }

    async fn get(&self, key: &str) -> Result<Object, LakeError> {
        inject(&self.disturbance, Operation::Get, key, self.inner.get(key)).await
    }

    async fn download(&self, key: &str) -> Result<Box<dyn Download>, LakeError> {
        inject(
            &self.disturbance,
            Operation::Download,
            key,
            self.inner.download(key),
        )
        .await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, LakeError> {
        inject(
            &self.disturbance,
            Operation::Head,
            key,
            self.inner.head(key),
        )
        .await
    }

    async fn create(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<ETag, LakeError> {
        inject(
            &self.disturbance,
            Operation::Create,
            key,
            self.inner.create(key, bytes, content_type),
        )
        .await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        etag: &ETag,
    ) -> Result<ETag, LakeError> {
        inject(
            &self.disturbance,
            Operation::Replace,
            key,
            self.inner.replace(key, bytes, content_type, etag),
        )
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        inject(
            &self.disturbance,
            Operation::Delete,
            key,
            self.inner.delete(key),
        )
        .await
    }

    async fn delete_if(&self, key: &str, etag: &ETag) -> Result<(), LakeError> {
        inject(
            &self.disturbance,
            Operation::DeleteIf,
            key,
            self.inner.delete_if(key, etag),
        )
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, LakeError> {
        inject(
            &self.disturbance,
            Operation::List,
            prefix,
            self.inner.list(prefix),
        )
        .await
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        inject(
            &self.disturbance,
            Operation::ListFolders,
            prefix,
            self.inner.list_folders(prefix),
        )
        .await
    }

    fn start_upload(&self, key: &str, content_type: &str) -> Box<dyn Upload> {
        Box::new(FaultyUpload {
            inner: self.inner.start_upload(key, content_type),
            key: key.to_owned(),
            disturbance: self.disturbance.clone(),
            failed: None,
        })
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn Upload>,
    key: String,
    disturbance: Disturbance,
    /// The error of a write that failed: the upload is lost, as on S3.
    failed: Option<LakeError>,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), LakeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let write = self.inner.write(chunk);
        let done = inject(&self.disturbance, Operation::UploadWrite, &self.key, write).await;
        self.failed = done.clone().err();
        done
    }

    async fn complete(self: Box<Self>) -> Result<ETag, LakeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let complete = self.inner.complete();
        inject(
            &self.disturbance,
            Operation::UploadComplete,
            &self.key,
            complete,
        )
        .await
    }

    async fn abort(self: Box<Self>) -> Result<(), LakeError> {
        inject(
            &self.disturbance,
            Operation::UploadAbort,
            &self.key,
            self.inner.abort(),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::MemoryLake;

    #[tokio::test]
    async fn the_nth_call_fails_with_or_without_effect() {
        let lake = FaultyLake::new(MemoryLake::new("b"));
        lake.fail(Fault::new(Operation::Create, 2).after());
        lake.fail(
            Fault::new(Operation::Create, 1)
                .on("z")
                .kind(FaultKind::Denied),
        );
        let put = |key: &'static str| lake.create(key, Bytes::from(key), "text/plain");
        put("a").await.unwrap();
        assert!(matches!(put("b").await, Err(LakeError::Unavailable(_))));
        assert!(matches!(put("z").await, Err(LakeError::Denied(_))));
        put("z").await.unwrap();
        assert_eq!(lake.inner().keys(), ["a", "b", "z"]);
        assert_eq!(lake.calls(Operation::Create), 4);
    }

    #[tokio::test]
    async fn an_upload_with_a_failed_write_never_becomes_an_object() {
        let lake = FaultyLake::new(MemoryLake::new("b"));
        lake.fail(Fault::new(Operation::UploadWrite, 2));
        let mut upload = lake.start_upload("a", "text/plain");
        upload.write(Bytes::from("one")).await.unwrap();
        upload.write(Bytes::from("two")).await.unwrap_err();
        upload.write(Bytes::from("three")).await.unwrap_err();
        upload.complete().await.unwrap_err();
        assert_eq!(lake.inner().keys(), [""; 0]);
    }
}
