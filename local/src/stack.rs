//! The running stack: what its parts can do for a user, and their orderly end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use soxauto_tds::Login;

use crate::aws::{Call, Emulator, LogLine, Response};
use crate::deployment::{Outputs, STACK_NAME};
use crate::environment;
use crate::error::StackError;
use crate::folders::Folders;
use crate::month;
use crate::process::Process;
use crate::source::Source;

/// The engine closes the warehouse's file when it is told to stop.
const ENGINE_GRACE: Duration = Duration::from_secs(5);
const LOGS_LIMIT: Duration = Duration::from_secs(10);

/// A deployed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// Writes plans and enqueues jobs.
    Dispatcher,
    /// Extracts one IPE.
    Worker,
    /// Loads, publishes and signs.
    Finalizer,
}

/// Where the parts listen, all on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The AWS emulator, such as `http://127.0.0.1:40001`.
    pub aws: String,
    /// The Redshift Data API stand-in.
    pub redshift: String,
    /// The SQL Server stand-in.
    pub source: SocketAddr,
    /// The SQL engine behind both stand-ins (the protocol of `local/PROTOCOL.md`).
    pub engine: SocketAddr,
}

/// A running laptop stack. Dropping it ends every process; [`stop`](Self::stop) does so in good order.
#[derive(Debug)]
pub struct Stack {
    pub(crate) endpoints: Endpoints,
    pub(crate) outputs: Outputs,
    pub(crate) emulator: Emulator,
    pub(crate) source: Source,
    // In the order in which they must go: who calls before who is called.
    pub(crate) emulator_process: Process,
    pub(crate) engine_process: Process,
    pub(crate) folders: Folders,
}

impl Stack {
    /// Where the parts listen.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The outputs of the deployed template.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Where logs, the warehouse and temporary files are.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The DuckDB file with the loaded tables.
    pub fn warehouse(&self) -> &Path {
        &self.folders.warehouse
    }

    /// The connection string in ODBC's form, for tools that connect to the SQL Server stand-in themselves.
    pub fn connection_string(&self) -> String {
        self.source.connection_string()
    }

    /// The certificate authority (PEM) that such tools must trust.
    pub fn source_ca_pem(&self) -> &str {
        self.source.ca_pem()
    }

    /// Who may log in at the SQL Server stand-in from now on, in place of whoever might before: what ALTER LOGIN does.
    /// Sessions that are open go on. [`connection_string`](Self::connection_string) goes on to show the first login.
    pub fn set_source_logins(&self, logins: Vec<Login>) {
        self.source.set_logins(logins);
    }

    /// The environment with which AWS SDKs, `aws` and `soxauto` reach this stack.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment = environment::aws();
        environment.push(("AWS_ENDPOINT_URL".to_owned(), self.endpoints.aws.clone()));
        environment.push((
            "AWS_ENDPOINT_URL_REDSHIFT_DATA".to_owned(),
            self.endpoints.redshift.clone(),
        ));
        environment
    }

    /// Functions that start from now on reach AWS and the Redshift Data API at other addresses (`http://host:port`): those
    /// of a proxy that watches their calls. To be asked before the first invocation.
    ///
    /// # Errors
    /// [`StackError::Ended`] when the emulator has ended.
    pub async fn lead_functions_to(&mut self, aws: &str, redshift: &str) -> Result<(), StackError> {
        self.tell_functions(&[
            ("AWS_ENDPOINT_URL", aws),
            ("AWS_ENDPOINT_URL_REDSHIFT_DATA", redshift),
        ])
        .await
    }

    /// Functions that start from now on have these variables in their environment, beside those of the template: what
    /// Lambda gives them and not the template, such as credentials.
    ///
    /// # Errors
    /// [`StackError::Ended`] when the emulator has ended.
    pub async fn tell_functions(&mut self, variables: &[(&str, &str)]) -> Result<(), StackError> {
        environment::tell(&mut self.emulator_process, variables).await
    }

    /// The deployed name of a function.
    pub fn function_name(&self, function: Function) -> &str {
        match function {
            Function::Dispatcher => &self.outputs.dispatcher_function_name,
            Function::Worker => &self.outputs.worker_function_name,
            Function::Finalizer => &self.outputs.finalizer_function_name,
        }
    }

    /// Sends the dispatcher the event that EventBridge Scheduler sends for the deployed schedule of the month, in the
    /// way in which it does: an asynchronous invocation of the live version. Returns the event.
    ///
    /// # Errors
    /// [`StackError::Request`] or [`StackError::Refused`] when the emulator does not take it.
    pub async fn fire_month_schedule(
        &self,
        cutoff: Option<&str>,
        ipes: &[String],
    ) -> Result<Value, StackError> {
        let schedule = self
            .emulator
            .schedule(&format!("{STACK_NAME}-month"))
            .await?;
        let now = jiff::Timestamp::now();
        let event = month::scheduled_event(
            &schedule,
            &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            &format!("local-{}-{}", std::process::id(), now.as_nanosecond()),
            cutoff,
            ipes,
        )?;
        self.invoke_async(Function::Dispatcher, &event).await?;
        Ok(event)
    }

    /// Runs the sweep now instead of at the next quarter of an hour.
    ///
    /// # Errors
    /// [`StackError::Request`] or [`StackError::Refused`] when the emulator does not take it.
    pub async fn fire_sweep_schedule(&self) -> Result<(), StackError> {
        let schedule = self
            .emulator
            .schedule(&format!("{STACK_NAME}-sweep"))
            .await?;
        let event = month::scheduled_event(&schedule, "", "", None, &[])?;
        self.invoke_async(Function::Finalizer, &event).await
    }

    /// Queues an asynchronous invocation of a function's live version.
    ///
    /// # Errors
    /// [`StackError::Request`] or [`StackError::Refused`] when the emulator does not take it.
    pub async fn invoke_async(&self, function: Function, event: &Value) -> Result<(), StackError> {
        self.emulator
            .invoke_later(self.function_name(function), event)
            .await
    }

    /// Invokes a function's live version and returns what it answers; a function's own error is such an answer, with
    /// `errorType` and `errorMessage`.
    ///
    /// # Errors
    /// [`StackError::Request`] or [`StackError::Refused`] when the emulator does not take it.
    pub async fn invoke(&self, function: Function, event: &Value) -> Result<Value, StackError> {
        self.emulator
            .invoke_now(self.function_name(function), event)
            .await
    }

    /// Sends an HTTP request to the dispatcher's function URL; `path` may carry a query.
    ///
    /// # Errors
    /// [`StackError::Request`] when the emulator does not answer. Any HTTP status is an answer.
    pub async fn function_url_request(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response, StackError> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let host = self
            .outputs
            .dispatcher_url
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/');
        self.emulator
            .send(Call {
                action: "call the dispatcher's URL",
                service: "lambda",
                method,
                path,
                host: Some(host),
                headers: &[("Content-Type", "application/json")],
                body,
            })
            .await
    }

    /// The log of a function so far. The emulator writes the lines of an invocation when the invocation ends.
    ///
    /// # Errors
    /// [`StackError::Request`] or [`StackError::Refused`] when the emulator does not answer.
    pub async fn function_logs(&self, function: Function) -> Result<Vec<LogLine>, StackError> {
        let group = format!("/aws/lambda/{}", self.function_name(function));
        self.emulator.log_lines(&group).await
    }

    /// Fails when a part of the stack has ended by itself: to be asked while waiting for a run.
    ///
    /// # Errors
    /// [`StackError::Ended`] with the last lines of the part's log.
    pub fn check(&mut self) -> Result<(), StackError> {
        self.emulator_process.check()?;
        self.engine_process.check()
    }

    /// The emulator's log groups end with it; whoever looks into a run afterwards needs them. Best effort.
    async fn keep_function_logs(&self) {
        for function in [Function::Dispatcher, Function::Worker, Function::Finalizer] {
            let Ok(lines) = self.function_logs(function).await else {
                continue;
            };
            let text: String = lines.into_iter().map(|line| line.message + "\n").collect();
            let file = format!("{}.log", self.function_name(function));
            let _ = std::fs::write(self.folders.logs.join(file), text);
        }
    }

    /// Ends every process, the warehouse's file closed properly. Logs and warehouse stay.
    pub async fn stop(self) {
        let _ = tokio::time::timeout(LOGS_LIMIT, self.keep_function_logs()).await;
        let Self {
            emulator_process,
            engine_process,
            source,
            folders,
            ..
        } = self;
        emulator_process.stop(Duration::from_secs(2)).await;
        source.stop().await;
        engine_process.stop(ENGINE_GRACE).await;
        // Unpacked functions and spill files; the rest of the folder is for the user.
        let _ = std::fs::remove_dir_all(&folders.temporary);
    }
}
