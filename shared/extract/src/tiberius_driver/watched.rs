//! A socket that counts what it receives, so that silence can be told from a long value on a slow line, and so that
//! one value of two gigabytes is refused before it is in memory.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::source::{ROW_BYTES, ROW_TOO_LARGE};

/// Bytes received so far, and how many they were when the current row began.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    bytes: AtomicU64,
    before_row: AtomicU64,
}

impl Pulse {
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// A row, or an answer, begins.
    pub(super) fn row_begins(&self) {
        self.0.before_row.store(self.bytes(), Ordering::Relaxed);
    }

    /// Whether more came than a row may have.
    pub(super) fn row_too_large(&self) -> bool {
        self.bytes() - self.0.before_row.load(Ordering::Relaxed) > ROW_BYTES
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct Watched {
    tcp: TcpStream,
    pulse: Pulse,
}

impl Watched {
    pub(super) fn new(tcp: TcpStream, pulse: Pulse) -> Self {
        Self { tcp, pulse }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        let received = buffer.filled().len() - before;
        self.pulse
            .0
            .bytes
            .fetch_add(received as u64, Ordering::Relaxed);
        if self.pulse.row_too_large() {
            return Poll::Ready(Err(io::Error::other(ROW_TOO_LARGE)));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
