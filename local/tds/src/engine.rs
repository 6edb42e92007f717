//! The backend that asks the SQL engine: each session is a TCP connection to it, rows pass through as they come.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use arrow_ipc::reader::StreamReader;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::{Backend, Request, Session, SessionInfo};
use crate::cancel::CancelSignal;
use crate::error::{Failure, SqlError};
use crate::response::Response;
use crate::types::Column;

/// Bytes of a frame's kind and length.
const FRAME_HEAD: usize = 5;
/// A frame over this is refused: the engine sends rows in pieces.
const MAX_FRAME: usize = 256 * 1024 * 1024;
/// How long the engine may take to accept a session.
const OPEN_TIME: Duration = Duration::from_secs(30);

/// Runs statements on the SQL engine, over the protocol of `PROTOCOL.md`.
#[derive(Debug, Clone)]
pub struct EngineBackend {
    engine: SocketAddr,
}

impl EngineBackend {
    /// An engine that listens at this address.
    pub fn new(engine: SocketAddr) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Backend for EngineBackend {
    async fn open(&self, info: SessionInfo) -> Result<Box<dyn Session>, SqlError> {
        let unavailable = |why: String| {
            tracing::error!(why, engine = %self.engine, "the SQL engine cannot open a session");
            SqlError::database_unavailable(&info.database, &info.server_name)
        };
        let opened = timeout(OPEN_TIME, open(self.engine, &info)).await;
        match opened {
            Err(_) => Err(unavailable("no answer in time".to_owned())),
            Ok(Ok(session)) => Ok(Box::new(session)),
            Ok(Err(Failure::Sql(error))) => Err(error),
            Ok(Err(other)) => Err(unavailable(other.to_string())),
        }
    }
}

async fn open(engine: SocketAddr, info: &SessionInfo) -> Result<EngineSession, Failure> {
    let stream = TcpStream::connect(engine).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let mut session = EngineSession {
        stream,
        buffer: BytesMut::new(),
    };
    session.send(b'L', info).await?;
    loop {
        match session.frame().await? {
            Frame::Done => return Ok(session),
            Frame::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::Backend(format!("the connection to the SQL engine: {error}"))
}

fn broken(why: impl std::fmt::Display) -> Failure {
    Failure::Backend(format!("the SQL engine broke its protocol: {why}"))
}

/// What the engine says.
enum Frame {
    Columns(Vec<Column>),
    Batch(BytesMut),
    Rows(u64),
    Database(String),
    Error(SqlError),
    Done,
}

#[derive(Deserialize)]
struct ColumnFrame {
    name: String,
    #[serde(rename = "type")]
    declared: String,
    #[serde(default = "yes")]
    nullable: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct RowsFrame {
    rows: u64,
}

#[derive(Deserialize)]
struct DatabaseFrame {
    database: String,
}

#[derive(Deserialize)]
struct ErrorFrame {
    number: u32,
    #[serde(default = "one")]
    state: u8,
    #[serde(default = "sixteen")]
    class: u8,
    message: String,
    #[serde(default = "line_one")]
    line: u32,
}

fn one() -> u8 {
    1
}

fn sixteen() -> u8 {
    16
}

fn line_one() -> u32 {
    1
}

/// One session's connection to the engine.
struct EngineSession {
    stream: TcpStream,
    buffer: BytesMut,
}

impl EngineSession {
    async fn send(&mut self, kind: u8, payload: &impl serde::Serialize) -> Result<(), Failure> {
        let payload = serde_json::to_vec(payload).map_err(broken)?;
        let length =
            u32::try_from(payload.len()).map_err(|_| broken("a request of more than 4 GB"))?;
        let mut frame = Vec::with_capacity(FRAME_HEAD + payload.len());
        frame.push(kind);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&payload);
        self.stream.write_all(&frame).await.map_err(lost)
    }

    async fn send_cancel(&mut self) -> Result<(), Failure> {
        self.stream.write_all(b"X\0\0\0\0").await.map_err(lost)
    }

    /// The next frame. Cancel-safe: what was read stays in the buffer.
    async fn frame(&mut self) -> Result<Frame, Failure> {
        loop {
            if let Some((kind, payload)) = self.take_frame()? {
                return decode(kind, payload);
            }
            self.buffer.reserve(64 * 1024);
            if self.stream.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                return Err(broken("it closed the connection"));
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<(u8, BytesMut)>, Failure> {
        if self.buffer.len() < FRAME_HEAD {
            return Ok(None);
        }
        let length = u32::from_be_bytes([
            self.buffer[1],
            self.buffer[2],
            self.buffer[3],
            self.buffer[4],
        ]) as usize;
        if length > MAX_FRAME {
            return Err(broken(format!("a frame of {length} bytes")));
        }
        if self.buffer.len() < FRAME_HEAD + length {
            return Ok(None);
        }
        let kind = self.buffer[0];
        self.buffer.advance(FRAME_HEAD);
        Ok(Some((kind, self.buffer.split_to(length))))
    }

    /// Tells the engine to stop, and reads on to the end of its answer.
    async fn drain_cancelled(&mut self) -> Failure {
        if let Err(failure) = self.send_cancel().await {
            return failure;
        }
        loop {
            match self.frame().await {
                Ok(Frame::Done | Frame::Error(_)) => return Failure::Cancelled,
                Ok(_) => {}
                Err(failure) => return failure,
            }
        }
    }

    async fn next(&mut self, cancel: &mut CancelSignal) -> Result<Frame, Failure> {
        tokio::select! {
            frame = self.frame() => return frame,
            () = cancel.cancelled() => {}
        }
        Err(self.drain_cancelled().await)
    }

    async fn pass_on(&mut self, out: &mut Response<'_>) -> Result<(), Failure> {
        let mut cancel = out.cancel_signal();
        let mut in_rows = false;
        loop {
            let written = match self.next(&mut cancel).await? {
                Frame::Columns(columns) => {
                    in_rows = true;
                    out.start(&columns).await
                }
                Frame::Batch(bytes) => pass_batches(bytes, out).await,
                Frame::Rows(rows) => {
                    if in_rows {
                        out.end_rows();
                    } else {
                        out.row_count(rows);
                    }
                    in_rows = false;
                    Ok(())
                }
                Frame::Database(database) => {
                    out.database_changed(&database);
                    Ok(())
                }
                Frame::Error(error) => return Err(error.into()),
                Frame::Done => return Ok(()),
            };
            match written {
                Ok(()) => {}
                Err(Failure::Cancelled) => return Err(self.drain_cancelled().await),
                Err(failure @ Failure::Sql(_)) => {
                    // The engine goes on unless it is told: its rest would be taken for the next answer.
                    return Err(match self.drain_cancelled().await {
                        Failure::Cancelled => failure,
                        worse => worse,
                    });
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

async fn pass_batches(bytes: BytesMut, out: &mut Response<'_>) -> Result<(), Failure> {
    let batches = StreamReader::try_new(Cursor::new(bytes.freeze()), None).map_err(broken)?;
    for batch in batches {
        out.batch(&batch.map_err(broken)?).await?;
    }
    Ok(())
}

fn decode(kind: u8, payload: BytesMut) -> Result<Frame, Failure> {
    Ok(match kind {
        b'C' => {
            let columns: Vec<ColumnFrame> = serde_json::from_slice(&payload).map_err(broken)?;
            let columns: Result<Vec<Column>, SqlError> = columns
                .into_iter()
                .map(|column| {
                    let declared = Column::new(column.name, &column.declared)?;
                    Ok(if column.nullable {
                        declared
                    } else {
                        declared.not_null()
                    })
                })
                .collect();
            Frame::Columns(columns.map_err(broken)?)
        }
        b'B' => Frame::Batch(payload),
        b'R' => {
            let frame: RowsFrame = serde_json::from_slice(&payload).map_err(broken)?;
            Frame::Rows(frame.rows)
        }
        b'V' => {
            let frame: DatabaseFrame = serde_json::from_slice(&payload).map_err(broken)?;
            Frame::Database(frame.database)
        }
        b'E' => {
            let frame: ErrorFrame = serde_json::from_slice(&payload).map_err(broken)?;
            Frame::Error(SqlError {
                number: frame.number,
                state: frame.state,
                class: frame.class,
                message: frame.message,
                line: frame.line,
            })
        }
        b'D' => Frame::Done,
        other => return Err(broken(format!("a frame of kind {other:#04x}"))),
    })
}

#[async_trait]
impl Session for EngineSession {
    async fn execute(&mut self, request: &Request, out: &mut Response<'_>) -> Result<(), Failure> {
        self.send(b'Q', request).await?;
        self.pass_on(out).await
    }

    async fn describe(&mut self, sql: &str, params: &str) -> Result<Vec<Column>, Failure> {
        self.send(b'P', &json!({"sql": sql, "params": params}))
            .await?;
        let mut described = Vec::new();
        loop {
            match self.frame().await? {
                Frame::Columns(columns) => described = columns,
                Frame::Error(error) => return Err(error.into()),
                Frame::Done => return Ok(described),
                _ => return Err(broken("rows in a description")),
            }
        }
    }
}
