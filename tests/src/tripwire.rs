//! What happens at the call that a cell of the fault matrix is about, for the functions' own tests: over the in-memory twins of
//! their ports, each of which tells its calls by the names that the matrix has for them.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use soxauto_cloud::lake::{Moment, Operation};
use tokio::sync::Notify;

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It fails: before its effect, or after it.
    Fails(Moment),
    /// It fails, and so does every later one.
    FailsAlways,
    /// Whoever makes it stands still there: to be killed, or to go on later.
    StandsStill(Moment),
}

#[derive(Debug)]
struct Armed {
    call: String,
    /// Calls that pass first.
    spare: u32,
    what: What,
    /// The call has begun, and what happens after its effect is due.
    begun: bool,
}

/// Every port of one process tells it each call; at one of them something happens.
#[derive(Debug, Default)]
pub struct Tripwire {
    armed: Mutex<Option<Armed>>,
    happened: AtomicBool,
    calls: Mutex<Vec<String>>,
    standing: Notify,
    going_on: Notify,
}

impl Tripwire {
    /// At the `nth` of these calls from now.
    pub fn arm(&self, call: &str, nth: u32, what: What) {
        *lock(&self.armed) = Some(Armed {
            call: call.to_owned(),
            spare: nth - 1,
            what,
            begun: false,
        });
    }

    /// Whether it has happened.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    /// Forgets the calls so far, of which the test was the cause.
    pub fn forget(&self) {
        lock(&self.calls).clear();
    }

    /// Returns when somebody stands still.
    pub async fn standing(&self) {
        self.standing.notified().await;
    }

    /// Lets whoever stands still go on.
    pub fn go_on(&self) {
        self.going_on.notify_one();
    }

    /// Tells a call; says whether it fails.
    pub async fn meet(&self, call: &str, moment: Moment) -> bool {
        match self.due(call, moment) {
            None => false,
            Some(What::StandsStill(_)) => {
                self.standing.notify_one();
                self.going_on.notified().await;
                false
            }
            Some(_) => true,
        }
    }

    fn due(&self, call: &str, moment: Moment) -> Option<What> {
        if moment == Moment::Before {
            lock(&self.calls).push(call.to_owned());
        }
        let mut armed = lock(&self.armed);
        let waiting = armed.as_mut().filter(|armed| armed.call == call)?;
        if moment == Moment::Before {
            if waiting.spare > 0 {
                waiting.spare -= 1;
                return None;
            }
            waiting.begun = true;
        }
        let what = waiting.what;
        let is_due = match what {
            What::FailsAlways => moment == Moment::Before,
            What::Fails(at) | What::StandsStill(at) => at == moment && waiting.begun,
        };
        if !is_due {
            return None;
        }
        if what != What::FailsAlways {
            *armed = None;
        }
        self.happened.store(true, Ordering::SeqCst);
        Some(what)
    }

    /// Makes a call that is told.
    ///
    /// # Errors
    /// Its own, or `failure`.
    pub async fn pass<T, E>(
        &self,
        call: &str,
        failure: E,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.meet(call, Moment::Before).await {
            return Err(failure);
        }
        let done = work.await?;
        if self.meet(call, Moment::After).await {
            return Err(failure);
        }
        Ok(done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The request that an operation of the lake is.
#[must_use]
pub fn request(operation: Operation) -> &'static str {
    match operation {
        Operation::Get | Operation::Download => "GetObject",
        Operation::Head => "HeadObject",
        Operation::Create | Operation::Replace => "PutObject",
        Operation::Delete | Operation::DeleteIf => "DeleteObject",
        Operation::List | Operation::ListFolders => "ListObjectsV2",
        Operation::UploadWrite => "UploadPart",
        Operation::UploadComplete => "CompleteMultipartUpload",
        Operation::UploadAbort => "AbortMultipartUpload",
    }
}

/// What the faults are that any call may have; `None` for those of another kind.
#[must_use]
pub fn of_call(fault: &str) -> Option<What> {
    Some(match fault {
        "killed" | "killed before" | "frozen" => What::StandsStill(Moment::Before),
        "killed after" => What::StandsStill(Moment::After),
        "refused" | "unreachable" => What::Fails(Moment::Before),
        "refused always" | "unreachable always" => What::FailsAlways,
        "answers lost" => What::Fails(Moment::After),
        _ => return None,
    })
}
