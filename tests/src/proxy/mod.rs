//! A proxy between the deployed functions and AWS: it knows every call by name, counts it, and fails it on demand.
//!
//! Production code has no test switch, so what can happen to a function is done to it from outside: the process that makes
//! a call is killed before the call arrives or after it has had its effect, the answer is lost, late or an error.
//!
//! ```no_run
//! # async fn example() {
//! use soxauto_e2e::{Laptop, proxy::{Call, Fault, Moment}};
//! let laptop = Laptop::behind_proxy(|options| options.rows = 2_000).await;
//! let proxy = laptop.proxy();
//! proxy.judge(|call: &Call| match call.name.to_string().as_str() {
//!     "worker: PutObject receipt.json" => Fault::Kill(Moment::After),
//!     _ => Fault::None,
//! });
//! // … run a month …
//! for (name, count) in proxy.counts() {
//!     println!("{count:6} {name}");
//! }
//! # }
//! ```

mod call;
mod connection;
mod http1;
mod process;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinHandle};

pub use call::{Call, Name, function_name, sooner};
pub use process::{Caller, end_functions_at, kill};

/// When, seen from the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The request has not arrived.
    Before,
    /// The request has had its effect; its answer has not arrived.
    After,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// What is done to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The process that makes the call is killed by SIGKILL.
    Kill(Moment),
    /// The connection is closed without an answer.
    Drop(Moment),
    /// An error is answered: HTTP status and the service's code.
    Answer(Moment, u16, &'static str),
    /// An error is answered in these words: HTTP status, the service's code, its message.
    Say(Moment, u16, &'static str, String),
    /// The request arrives so much later.
    Delay(Duration),
    /// The request arrives, and its answer so much later.
    Late(Duration),
    /// Nothing is answered for this time, then the connection is closed.
    Silence(Moment, Duration),
    /// Another body is sent in its place.
    Instead(Bytes),
    /// A rival writes this first, to the same place and under the same condition.
    Rival(Bytes),
}

/// Decides what is done to each call.
pub trait Judge: Send + Sync {
    /// What is done to `call`, which has arrived and was not forwarded yet.
    fn judge(&self, call: &Call) -> Fault;

    /// The service has answered `call`; the caller has not got the answer yet.
    fn answered(&self, call: &Call, status: u16) {
        let _ = (call, status);
    }
}

impl<F: Fn(&Call) -> Fault + Send + Sync> Judge for F {
    fn judge(&self, call: &Call) -> Fault {
        self(call)
    }
}

/// A process that was killed, and where.
#[derive(Debug, Clone)]
pub struct Kill {
    /// The call at which it was killed; `None` for one that was killed at a random instant.
    pub at: Option<(Name, Moment)>,
    /// The process.
    pub caller: Caller,
}

/// What the proxy knows of a process that made a call.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The process.
    pub caller: Caller,
    /// When it last made a call.
    pub last: Instant,
}

pub(crate) struct Shared {
    judge: Mutex<Arc<dyn Judge>>,
    counts: Mutex<BTreeMap<Name, u64>>,
    kills: Mutex<Vec<Kill>>,
    seen: Mutex<BTreeMap<u32, Seen>>,
}

/// The running proxy: one port for AWS, one for the Redshift Data API.
pub struct Proxy {
    aws: SocketAddr,
    redshift: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("aws", &self.aws)
            .field("redshift", &self.redshift)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on 127.0.0.1 before the two services, each given as `http://host:port`.
    pub async fn start(aws: &str, redshift: &str) -> Self {
        let shared = Arc::new(Shared {
            judge: Mutex::new(Arc::new(|_: &Call| Fault::None)),
            counts: Mutex::default(),
            kills: Mutex::default(),
            seen: Mutex::default(),
        });
        let (aws, first) = listen(target(aws), Arc::clone(&shared)).await;
        let (redshift, second) = listen(target(redshift), Arc::clone(&shared)).await;
        Self {
            aws,
            redshift,
            shared,
            tasks: vec![first, second],
        }
    }

    /// Where AWS is now: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn aws(&self) -> String {
        format!("http://{}", self.aws)
    }

    /// Where the Redshift Data API is now.
    #[must_use]
    pub fn redshift(&self) -> String {
        format!("http://{}", self.redshift)
    }

    /// From now on `judge` decides.
    pub fn judge(&self, judge: impl Judge + 'static) {
        *lock(&self.shared.judge) = Arc::new(judge);
    }

    /// From now on nothing is done to any call.
    pub fn calm(&self) {
        self.judge(|_: &Call| Fault::None);
    }

    /// How often each call was made since the start or the last [`forget`](Self::forget).
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Name, u64> {
        lock(&self.shared.counts).clone()
    }

    /// Calls whose [`Name`], as it is shown, has `part` in it.
    #[must_use]
    pub fn count_of(&self, part: &str) -> u64 {
        let counts = lock(&self.shared.counts);
        let of = counts.iter().filter(|(n, _)| n.to_string().contains(part));
        of.map(|(_, count)| count).sum()
    }

    /// Counts from zero again.
    pub fn forget(&self) {
        lock(&self.shared.counts).clear();
    }

    /// Every process that was killed so far.
    #[must_use]
    pub fn kills(&self) -> Vec<Kill> {
        lock(&self.shared.kills).clone()
    }

    /// The function processes that made a call and still live.
    #[must_use]
    pub fn alive(&self) -> Vec<Seen> {
        self.handle().alive()
    }

    /// What may be done to processes from a task of its own.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }
}

/// The processes behind a proxy.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// The function processes that made a call and still live.
    #[must_use]
    pub fn alive(&self) -> Vec<Seen> {
        let mut seen = lock(&self.0.seen);
        seen.retain(|pid, _| process::is_alive(*pid));
        seen.values().cloned().collect()
    }

    /// Kills a process of [`alive`](Self::alive) and notes it.
    pub fn kill(&self, seen: &Seen) {
        if kill(seen.caller.pid) {
            lock(&self.0.kills).push(Kill {
                at: None,
                caller: seen.caller.clone(),
            });
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn arrived(&self, call: &Call) -> Arc<dyn Judge> {
        *lock(&self.counts).entry(call.name.clone()).or_default() += 1;
        if let Some(caller) = &call.caller {
            let seen = Seen {
                caller: caller.clone(),
                last: Instant::now(),
            };
            lock(&self.seen).insert(caller.pid, seen);
        }
        Arc::clone(&lock(&self.judge))
    }

    /// Kills the caller; a call without one, such as the test's own, is left alone.
    fn kill(&self, call: &Call, moment: Moment) {
        if let Some(caller) = &call.caller
            && kill(caller.pid)
        {
            lock(&self.kills).push(Kill {
                at: Some((call.name.clone(), moment)),
                caller: caller.clone(),
            });
        }
    }
}

fn target(url: &str) -> SocketAddr {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .expect("an address of the stack")
}

async fn listen(target: SocketAddr, shared: Arc<Shared>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((client, peer)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                // A connection that ends in the middle is the caller's death, or what was asked for.
                let _ = connection::serve(client, (peer, address), target, &shared).await;
            });
        }
    });
    (address, task)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
