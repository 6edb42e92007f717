//! What happens at the call that a cell is about, and every call's name.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use soxauto_cloud::lake::Moment;
use tokio::sync::Notify;

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
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

/// Every port of one worker tells it each call; at one of them something happens.
#[derive(Debug, Default)]
pub(crate) struct Tripwire {
    armed: Mutex<Option<Armed>>,
    happened: AtomicBool,
    calls: Mutex<Vec<String>>,
    standing: Notify,
    going_on: Notify,
}

impl Tripwire {
    /// At the `nth` of these calls from now.
    pub(crate) fn arm(&self, call: &str, nth: u32, what: What) {
        *self.armed.lock().unwrap() = Some(Armed {
            call: call.to_owned(),
            spare: nth - 1,
            what,
            begun: false,
        });
    }

    /// Whether it has happened.
    pub(crate) fn has_happened(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }

    /// Every call so far, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns when somebody stands still.
    pub(crate) async fn standing(&self) {
        self.standing.notified().await;
    }

    /// Lets whoever stands still go on.
    pub(crate) fn go_on(&self) {
        self.going_on.notify_one();
    }

    /// Tells a call; says whether it fails.
    pub(crate) async fn meet(&self, call: &str, moment: Moment) -> bool {
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
            self.calls.lock().unwrap().push(call.to_owned());
        }
        let mut armed = self.armed.lock().unwrap();
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
    pub(crate) async fn pass<T, E>(
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
