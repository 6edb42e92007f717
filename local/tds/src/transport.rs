//! The byte stream under TDS: plain, TLS inside TDS packets (7.x), or TLS first (8.0).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::packet::{HEADER, MAX_PACKET_SIZE, kind};

/// What a session reads from and writes to.
#[derive(Debug)]
pub(crate) enum Transport {
    /// No encryption.
    Plain(TcpStream),
    /// TLS whose handshake travelled in PRELOGIN packets.
    Wrapped(Box<TlsStream<HandshakeFraming>>),
    /// TLS from the first byte.
    Strict(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Leaves TLS behind after the login, when only the login was to be encrypted.
    pub(crate) fn into_plain(self) -> Self {
        match self {
            Self::Wrapped(tls) => Self::Plain(tls.into_inner().0.tcp),
            other => other,
        }
    }
}

macro_rules! each_transport {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Transport::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Wrapped(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
            Transport::Strict(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each_transport!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each_transport!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_transport!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_transport!(self, stream => stream.poll_shutdown(cx))
    }
}

/// Carries the TLS handshake inside PRELOGIN packets, and steps aside once it is over.
#[derive(Debug)]
pub(crate) struct HandshakeFraming {
    tcp: TcpStream,
    framing: bool,
    header: [u8; HEADER],
    header_read: usize,
    body_left: usize,
    ahead: BytesMut,
    outgoing: BytesMut,
    framed: BytesMut,
}

impl HandshakeFraming {
    /// `ahead` are bytes that were read from `tcp` too early.
    pub(crate) fn new(tcp: TcpStream, ahead: BytesMut) -> Self {
        Self {
            tcp,
            framing: true,
            header: [0; HEADER],
            header_read: 0,
            body_left: 0,
            ahead,
            outgoing: BytesMut::new(),
            framed: BytesMut::new(),
        }
    }

    /// From now on TLS records travel bare.
    pub(crate) fn finish(&mut self) {
        self.framing = false;
    }

    fn read_raw(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }

    fn read_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.header_read < HEADER {
            let mut space = [0; HEADER];
            let mut buf = ReadBuf::new(&mut space[..HEADER - self.header_read]);
            ready!(self.read_raw(cx, &mut buf))?;
            let filled = buf.filled();
            if filled.is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.header[self.header_read..self.header_read + filled.len()].copy_from_slice(filled);
            self.header_read += filled.len();
        }
        let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
        if self.header[0] != kind::PRELOGIN || length < HEADER {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the TLS handshake is not in PRELOGIN packets",
            )));
        }
        self.body_left = length - HEADER;
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for HandshakeFraming {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.framing {
            return this.read_raw(cx, buf);
        }
        while this.body_left == 0 {
            if !ready!(this.read_header(cx))? {
                return Poll::Ready(Ok(()));
            }
            this.header_read = 0;
        }
        // Through a space of our own: how much of the caller's buffer is initialised may not be changed without unsafe.
        let mut space = [0; 4096];
        let length = this.body_left.min(buf.remaining()).min(space.len());
        let mut limited = ReadBuf::new(&mut space[..length]);
        ready!(this.read_raw(cx, &mut limited))?;
        let count = limited.filled().len();
        buf.put_slice(limited.filled());
        this.body_left -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HandshakeFraming {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.framing {
            this.outgoing.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut this.tcp).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.outgoing.is_empty() {
            let length = this.outgoing.len().min(MAX_PACKET_SIZE - HEADER);
            let last = length == this.outgoing.len();
            this.framed.put_u8(kind::PRELOGIN);
            this.framed.put_u8(u8::from(last));
            this.framed
                .put_u16(u16::try_from(length + HEADER).unwrap_or(u16::MAX));
            this.framed.put_u32(0);
            this.framed.extend_from_slice(&this.outgoing[..length]);
            this.outgoing.advance(length);
        }
        while !this.framed.is_empty() {
            let count = ready!(Pin::new(&mut this.tcp).poll_write(cx, &this.framed))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.framed.advance(count);
        }
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
