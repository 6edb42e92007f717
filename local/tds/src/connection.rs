//! One client's conversation from the first byte to the last: requests one after the other, and attentions at any time.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backend::Backend;
use crate::cancel::CancelSource;
use crate::dispatch::{self, SessionState, Stop};
use crate::error::{Failure, ProtocolError, SqlError};
use crate::handshake::{self, LoggedIn};
use crate::login::Logins;
use crate::packet::{Message, kind};
use crate::response::Response;
use crate::server::ServerConfig;

/// How long a client may take from connecting to being logged in.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);
/// How long a backend may take to stop after an attention.
const CANCEL_TIME: Duration = Duration::from_secs(10);

/// How a request ended.
enum Ended {
    /// The next one may come; it may be here already.
    Ready(Option<Message>),
    /// The conversation is over.
    Closed,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    logins: &Logins,
    backend: Arc<dyn Backend>,
    spid: u16,
) -> Result<(), ProtocolError> {
    tcp.set_nodelay(true)?;
    let Some(mut logged_in) = timeout(
        HANDSHAKE_TIME,
        handshake::run(tcp, &config, logins, &backend, spid),
    )
    .await
    .map_err(|_| ProtocolError::HandshakeTimeout)??
    else {
        return Ok(());
    };
    tracing::debug!(spid, database = logged_in.database, "session opened");
    let mut state = SessionState::default();
    let mut ahead = None;
    loop {
        let message = match ahead.take() {
            Some(message) => message,
            None => match logged_in.reader.next().await? {
                Some(message) => message,
                None => return Ok(()),
            },
        };
        match answer(&message, &mut logged_in, &mut state, &config).await? {
            Ended::Ready(next) => ahead = next,
            Ended::Closed => return Ok(()),
        }
    }
}

/// Answers one message, listening for an attention all the while.
async fn answer(
    message: &Message,
    logged_in: &mut LoggedIn,
    state: &mut SessionState,
    config: &ServerConfig,
) -> Result<Ended, ProtocolError> {
    let LoggedIn {
        reader,
        writer,
        session,
        database,
        utf8,
    } = logged_in;
    let (source, signal) = CancelSource::new();
    let mut response = Response::new(writer, signal, &config.server_name, database, *utf8);
    if message.kind == kind::ATTENTION {
        // It came after the request had ended: acknowledged all the same.
        return finish(response, true, None).await;
    }
    let mut attention = false;
    let mut next = None;
    let mut patience = Instant::now() + CANCEL_TIME;
    let outcome = {
        let run = dispatch::run(message, state, session.as_mut(), &mut response);
        tokio::pin!(run);
        loop {
            tokio::select! {
                outcome = &mut run => break outcome,
                incoming = reader.next(), if next.is_none() => match incoming? {
                    None => return Ok(Ended::Closed),
                    Some(Message { kind: kind::ATTENTION, .. }) => {
                        attention = true;
                        patience = Instant::now() + CANCEL_TIME;
                        source.cancel();
                    }
                    other => next = other,
                },
                () = sleep_until(patience), if attention => {
                    tracing::warn!("the backend did not stop after an attention");
                    return Ok(Ended::Closed);
                }
            }
        }
    };
    match outcome {
        Ok(()) | Err(Stop::Failure(Failure::Cancelled)) => finish(response, attention, next).await,
        Err(Stop::Fatal) => {
            finish(response, attention, None).await?;
            Ok(Ended::Closed)
        }
        Err(Stop::Failure(Failure::Cut)) => Ok(Ended::Closed),
        Err(Stop::Failure(Failure::Client(error))) => Err(error.into()),
        Err(Stop::Failure(Failure::Backend(why))) => {
            tracing::error!(why, "the SQL backend failed");
            let error = SqlError::new(
                596,
                21,
                "Cannot continue the execution because the session is in the kill state.",
            );
            response.error(&error);
            finish(response, false, None).await?;
            Ok(Ended::Closed)
        }
        Err(Stop::Failure(Failure::Sql(error))) => {
            response.error(&error);
            finish(response, attention, next).await
        }
        Err(Stop::Protocol(error)) => {
            // Said to the client before the connection ends, so that whoever writes a client can see what is wrong.
            response.error(&SqlError::new(
                4002,
                16,
                format!(
                    "The incoming tabular data stream (TDS) protocol stream is incorrect: {error}"
                ),
            ));
            finish(response, false, None).await?;
            Err(error)
        }
    }
}

async fn finish(
    response: Response<'_>,
    attention: bool,
    next: Option<Message>,
) -> Result<Ended, ProtocolError> {
    match response.finish(attention).await {
        Ok(()) => Ok(Ended::Ready(next)),
        Err(Failure::Client(error)) => Err(error.into()),
        Err(_) => Ok(Ended::Closed),
    }
}
