//! The backend for tests and benchmarks: answers by script, with faults on demand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{Backend, Request, Session, SessionInfo};
use crate::error::{Failure, SqlError};
use crate::response::Response;
use crate::script::{Script, Step};
use crate::script_run;
use crate::types::Column;

/// Decides what a rule answers to a request; `None` leaves it to the next rule.
type Rule = Arc<dyn Fn(&Request) -> Option<Script> + Send + Sync>;
/// Decides whether a login fails; the number counts the logins, from 0.
type LoginRule = Arc<dyn Fn(&SessionInfo, u64) -> Option<Refusal> + Send + Sync>;

/// What becomes of a login that a script refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The login ends with this error.
    Error(SqlError),
    /// The login is answered only after this time.
    Delay(Duration),
}

/// Answers statements by script. Rules are tried in the order in which they were given; a statement that no rule knows
/// gets error 50000.
#[derive(Clone, Default)]
pub struct ScriptedBackend {
    rules: Vec<Rule>,
    logins: Vec<LoginRule>,
    shared: Arc<Mutex<Shared>>,
}

/// What all sessions of a backend have in common.
#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Request>,
    sessions: Vec<SessionInfo>,
    attempts: HashMap<String, u32>,
}

impl std::fmt::Debug for ScriptedBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedBackend")
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

impl ScriptedBackend {
    /// A backend that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers this statement, blanks around it aside, with this script.
    #[must_use]
    pub fn on(self, sql: &str, script: Script) -> Self {
        let sql = sql.trim().to_owned();
        self.on_request(move |request| (request.sql.trim() == sql).then(|| script.clone()))
    }

    /// Answers every statement that contains this text.
    #[must_use]
    pub fn on_containing(self, part: &str, script: Script) -> Self {
        let part = part.to_owned();
        self.on_request(move |request| request.sql.contains(&part).then(|| script.clone()))
    }

    /// Answers with what the function makes of the request.
    #[must_use]
    pub fn on_request(
        mut self,
        rule: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
    ) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// Lets a function refuse or delay logins; its second argument counts the logins, from 0.
    #[must_use]
    pub fn on_login(
        mut self,
        rule: impl Fn(&SessionInfo, u64) -> Option<Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.logins.push(Arc::new(rule));
        self
    }

    /// Every statement run so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// Every session opened so far, refused ones included.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.lock().sessions.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        // A test that panicked while holding the lock left the lists whole: they only grow.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self, request: &Request) -> Script {
        let mut shared = self.lock();
        shared.requests.push(request.clone());
        let Some(script) = self.rules.iter().find_map(|rule| rule(request)) else {
            return Script::error(SqlError::new(
                50000,
                16,
                format!("No script for this statement: {}", request.sql.trim()),
            ));
        };
        let attempt = shared.attempts.entry(request.sql.clone()).or_default();
        *attempt += 1;
        script.for_attempt(*attempt)
    }
}

#[async_trait]
impl Backend for ScriptedBackend {
    async fn open(&self, info: SessionInfo) -> Result<Box<dyn Session>, SqlError> {
        let number = {
            let mut shared = self.lock();
            shared.sessions.push(info.clone());
            (shared.sessions.len() - 1) as u64
        };
        for rule in &self.logins {
            match rule(&info, number) {
                None => {}
                Some(Refusal::Error(error)) => return Err(error),
                Some(Refusal::Delay(time)) => tokio::time::sleep(time).await,
            }
        }
        Ok(Box::new(ScriptedSession {
            backend: self.clone(),
        }))
    }
}

struct ScriptedSession {
    backend: ScriptedBackend,
}

#[async_trait]
impl Session for ScriptedSession {
    async fn execute(&mut self, request: &Request, out: &mut Response<'_>) -> Result<(), Failure> {
        let script = self.backend.script(request);
        script_run::run(&script, out).await
    }

    async fn describe(&mut self, sql: &str, params: &str) -> Result<Vec<Column>, Failure> {
        let request = Request {
            sql: sql.to_owned(),
            params: crate::declaration::parse(params)?
                .into_iter()
                .map(|declared| crate::backend::Parameter {
                    name: declared.name,
                    declared: declared.ty.to_string(),
                    value: None,
                })
                .collect(),
        };
        for step in self.backend.script(&request).steps() {
            match step {
                Step::Rows(rows) => return Ok(rows.columns().to_vec()),
                Step::Replay(recording) => return Ok(recording.columns().to_vec()),
                Step::Fail(error) => return Err(error.clone().into()),
                Step::Cut => return Err(Failure::Cut),
                _ => {}
            }
        }
        Ok(Vec::new())
    }
}
