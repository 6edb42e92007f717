//! From a message to the backend: batches, `sp_executesql` and its relatives, transactions.

use std::collections::HashMap;

use crate::backend::{Parameter, Request, Session};
use crate::declaration::{self, Argument, Declared};
use crate::describe;
use crate::error::{Failure, ProtocolError, SqlError};
use crate::exec_text;
use crate::packet::{Message, kind};
use crate::request::{self, Call, Procedure, TransactionRequest};
use crate::response::Response;
use crate::session_commands;
use crate::tokens::TransactionChange;

/// Calls inside calls: the outer one carries the parameters, the inner one is what they are for.
const DEEPEST: u8 = 3;

/// Prepared statements of one session at most, so that a client that never unprepares cannot fill the memory.
const MOST_PREPARED: usize = 4096;

/// A prepared statement.
#[derive(Debug, Clone)]
struct Prepared {
    sql: String,
    declared: Vec<Declared>,
}

/// What the server itself remembers of a session.
#[derive(Debug, Default)]
pub(crate) struct SessionState {
    prepared: HashMap<i32, Prepared>,
    last_handle: i32,
    transaction: Option<u64>,
    last_transaction: u64,
}

/// Why the conversation cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client broke the protocol.
    Protocol(ProtocolError),
    /// The backend, the client or a script ended it.
    Failure(Failure),
    /// An error of severity 20 or above was sent.
    Fatal,
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// Runs one message to its end. Errors of SQL are written to the client; what comes back as an error ends the session,
/// except [`Failure::Cancelled`].
pub(crate) async fn run(
    message: &Message,
    state: &mut SessionState,
    session: &mut dyn Session,
    response: &mut Response<'_>,
) -> Result<(), Stop> {
    if message.reset {
        *state = SessionState::default();
        response.reset();
    }
    match message.kind {
        kind::SQL_BATCH => {
            let sql = request::batch(&message.body)?;
            let result = statement(&Request::new(sql), session, response, 0).await;
            settle(result, response).map(drop)
        }
        kind::RPC => {
            for call in request::calls(&message.body)? {
                response.enter_procedure();
                let result = procedure(call, state, session, response).await;
                let handle = result.as_ref().ok().copied().flatten();
                let failed = settle(result.map(drop), response)?;
                response.leave_procedure(handle, failed);
            }
            Ok(())
        }
        kind::TRANSACTION => {
            let wanted = request::transaction(&message.body)?;
            transaction(&wanted, state, response);
            Ok(())
        }
        found => Err(Stop::Protocol(ProtocolError::Unexpected {
            found,
            expected: "a request",
        })),
    }
}

/// Turns an error of SQL into tokens; says whether there was one.
fn settle(result: Result<(), Failure>, response: &mut Response<'_>) -> Result<bool, Stop> {
    match result {
        Ok(()) => Ok(false),
        Err(Failure::Sql(error)) => {
            response.error(&error);
            if error.class >= 20 {
                return Err(Stop::Fatal);
            }
            Ok(true)
        }
        Err(other) => Err(Stop::Failure(other)),
    }
}

/// Runs a statement, unless it is the text form of a call that the server unfolds, or session set-up.
async fn statement(
    request: &Request,
    session: &mut dyn Session,
    response: &mut Response<'_>,
    depth: u8,
) -> Result<(), Failure> {
    if session_commands::recognise(&request.sql).is_some() {
        return Ok(());
    }
    let Some(call) = exec_text::parse(&request.sql, &request.params) else {
        return session.execute(request, response).await;
    };
    let (procedure, arguments) = call?;
    if depth >= DEEPEST {
        return Err(SqlError::new(
            217,
            16,
            "Maximum stored procedure, function, trigger, or view nesting level exceeded.",
        )
        .into());
    }
    match procedure {
        Procedure::DescribeFirstResultSet => {
            describe_first_result_set(&arguments, session, response).await
        }
        _ => {
            let request = execute_sql(arguments)?;
            Box::pin(statement(&request, session, response, depth + 1)).await
        }
    }
}

/// Runs a call; gives the handle of a statement that it prepared.
async fn procedure(
    call: Call,
    state: &mut SessionState,
    session: &mut dyn Session,
    response: &mut Response<'_>,
) -> Result<Option<i32>, Failure> {
    let Call {
        procedure,
        arguments,
    } = call;
    match procedure {
        Procedure::ExecuteSql => {
            let request = execute_sql(arguments)?;
            statement(&request, session, response, 0).await?;
            Ok(None)
        }
        Procedure::DescribeFirstResultSet => {
            describe_first_result_set(&arguments, session, response).await?;
            Ok(None)
        }
        Procedure::Prepare => {
            let (prepared, _) = state.prepare(arguments)?;
            Ok(Some(state.keep(prepared)?))
        }
        Procedure::PrepExec => {
            let (prepared, values) = state.prepare(arguments)?;
            let request = prepared.request(&values)?;
            let handle = state.keep(prepared)?;
            statement(&request, session, response, 0).await?;
            Ok(Some(handle))
        }
        Procedure::Execute => {
            let mut arguments = arguments.into_iter();
            let handle = handle(arguments.next())?;
            let values: Vec<Argument> = arguments.collect();
            let request = state.known(handle)?.request(&values)?;
            statement(&request, session, response, 0).await?;
            Ok(None)
        }
        Procedure::Unprepare => {
            let handle = handle(arguments.into_iter().next())?;
            state.known(handle)?;
            state.prepared.remove(&handle);
            Ok(None)
        }
        Procedure::Other(name) => Err(SqlError::no_such_procedure(&name).into()),
    }
}

/// The statement, its declarations and its arguments.
fn execute_sql(arguments: Vec<Argument>) -> Result<Request, SqlError> {
    let mut arguments = arguments.into_iter();
    let sql = required_text(arguments.next(), "@statement")?;
    let declared = match arguments.next() {
        None => Vec::new(),
        Some(argument) => declaration::parse(&argument.value.text.unwrap_or_default())?,
    };
    let values: Vec<Argument> = arguments.collect();
    let params: Vec<Parameter> = declaration::bind(&declared, &values)?;
    Ok(Request { sql, params })
}

fn required_text(argument: Option<Argument>, name: &str) -> Result<String, SqlError> {
    argument
        .and_then(|argument| argument.value.text)
        .ok_or_else(|| {
            SqlError::new(
                214,
                16,
                format!("Procedure expects parameter '{name}' of type 'ntext/nchar/nvarchar'."),
            )
            .with_state(2)
        })
}

async fn describe_first_result_set(
    arguments: &[Argument],
    session: &mut dyn Session,
    response: &mut Response<'_>,
) -> Result<(), Failure> {
    let find = |name: &str, position: usize| {
        arguments
            .iter()
            .find(|argument| argument.name.eq_ignore_ascii_case(name))
            .or_else(|| {
                arguments
                    .get(position)
                    .filter(|argument| argument.name.is_empty())
            })
    };
    let sql = required_text(find("@tsql", 0).cloned(), "@tsql")?;
    let params = find("@params", 1)
        .and_then(|argument| argument.value.text.clone())
        .unwrap_or_default();
    let described = session.describe(&sql, &params).await?;
    response.start(&describe::columns()?).await?;
    for (index, column) in described.iter().enumerate() {
        response.row(&describe::row(index + 1, column)).await?;
    }
    response.end_rows();
    Ok(())
}

fn handle(argument: Option<Argument>) -> Result<i32, SqlError> {
    argument
        .and_then(|argument| argument.value.text)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| no_such_handle("NULL"))
}

fn no_such_handle(handle: &str) -> SqlError {
    SqlError::new(
        8179,
        16,
        format!("Could not find prepared statement with handle {handle}."),
    )
}

impl Prepared {
    fn request(&self, values: &[Argument]) -> Result<Request, SqlError> {
        Ok(Request {
            sql: self.sql.clone(),
            params: declaration::bind(&self.declared, values)?,
        })
    }
}

impl SessionState {
    /// Reads `@handle OUTPUT, @params, @stmt, …`; what follows are options or values.
    fn prepare(&mut self, arguments: Vec<Argument>) -> Result<(Prepared, Vec<Argument>), SqlError> {
        let mut arguments = arguments.into_iter();
        let old = arguments
            .next()
            .and_then(|argument| argument.value.text)
            .and_then(|text| text.parse::<i32>().ok());
        if let Some(old) = old {
            // A handle passed in is given up, which is how ODBC prepares again.
            self.prepared.remove(&old);
        }
        let declared = arguments
            .next()
            .and_then(|argument| argument.value.text)
            .unwrap_or_default();
        let sql = required_text(arguments.next(), "@stmt")?;
        let declared = declaration::parse(&declared)?;
        Ok((Prepared { sql, declared }, arguments.collect()))
    }

    fn keep(&mut self, prepared: Prepared) -> Result<i32, SqlError> {
        if self.prepared.len() >= MOST_PREPARED {
            return Err(SqlError::new(
                701,
                17,
                "There is insufficient system memory to run this query: too many prepared statements.",
            ));
        }
        self.last_handle = self.last_handle.wrapping_add(1);
        self.prepared.insert(self.last_handle, prepared);
        Ok(self.last_handle)
    }

    fn known(&self, handle: i32) -> Result<&Prepared, SqlError> {
        self.prepared
            .get(&handle)
            .ok_or_else(|| no_such_handle(&handle.to_string()))
    }
}

fn transaction(wanted: &TransactionRequest, state: &mut SessionState, response: &mut Response<'_>) {
    match wanted {
        TransactionRequest::Save => {}
        TransactionRequest::Change(TransactionChange::Begin, _) => begin(state, response),
        TransactionRequest::Change(change, again) => match state.transaction.take() {
            None => {
                let word = if *change == TransactionChange::Commit {
                    "COMMIT"
                } else {
                    "ROLLBACK"
                };
                let number = if *change == TransactionChange::Commit {
                    3902
                } else {
                    3903
                };
                response.error(&SqlError::new(
                    number,
                    16,
                    format!(
                        "The {word} TRANSACTION request has no corresponding BEGIN TRANSACTION."
                    ),
                ));
            }
            Some(descriptor) => {
                response.transaction(*change, descriptor);
                if *again {
                    begin(state, response);
                }
            }
        },
    }
}

fn begin(state: &mut SessionState, response: &mut Response<'_>) {
    state.last_transaction += 1;
    state.transaction = Some(state.last_transaction);
    response.transaction(TransactionChange::Begin, state.last_transaction);
}
