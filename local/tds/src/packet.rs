//! TDS packets: eight bytes of header, then a piece of a message. Nothing here knows what messages mean.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::ProtocolError;

/// Bytes of a packet's header.
pub(crate) const HEADER: usize = 8;
/// Before the login says otherwise.
pub(crate) const DEFAULT_PACKET_SIZE: usize = 4096;
/// What a client may ask for at most.
pub(crate) const MAX_PACKET_SIZE: usize = 32767;
/// What a client gets at least.
pub(crate) const MIN_PACKET_SIZE: usize = 512;

/// The last packet of a message.
const END_OF_MESSAGE: u8 = 0x01;
/// The client gave the message up while sending it.
const IGNORE: u8 = 0x02;
/// The session is to be reset before the request is run.
const RESET: u8 = 0x08 | 0x10;

/// Packet types.
pub(crate) mod kind {
    pub(crate) const SQL_BATCH: u8 = 0x01;
    pub(crate) const RPC: u8 = 0x03;
    pub(crate) const RESPONSE: u8 = 0x04;
    pub(crate) const ATTENTION: u8 = 0x06;
    pub(crate) const TRANSACTION: u8 = 0x0E;
    pub(crate) const LOGIN7: u8 = 0x10;
    pub(crate) const PRELOGIN: u8 = 0x12;
}

/// A whole message of a client.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its packet type.
    pub(crate) kind: u8,
    /// Whether it asks for a reset of the session first.
    pub(crate) reset: bool,
    /// Its packets' contents, joined.
    pub(crate) body: Bytes,
}

/// Puts messages together from packets. Its state lives here, so that a read may be abandoned and taken up again.
#[derive(Debug)]
pub(crate) struct PacketReader<R> {
    source: R,
    raw: BytesMut,
    body: BytesMut,
    reset: bool,
    current: Option<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    /// Reads from `source`; a message over `limit` bytes is refused.
    pub(crate) fn new(source: R, limit: usize) -> Self {
        Self {
            source,
            raw: BytesMut::with_capacity(MAX_PACKET_SIZE + 1),
            body: BytesMut::new(),
            reset: false,
            current: None,
            limit,
        }
    }

    /// The next message; `None` when the client closed the connection between two messages. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        loop {
            if let Some(message) = self.take_packet()? {
                return Ok(Some(message));
            }
            self.raw.reserve(HEADER);
            if self.source.read_buf(&mut self.raw).await? == 0 {
                let between = self.raw.is_empty() && self.current.is_none();
                return if between {
                    Ok(None)
                } else {
                    Err(ProtocolError::Truncated)
                };
            }
        }
    }

    /// Takes whole packets off the raw bytes until a message is complete or more bytes are needed.
    fn take_packet(&mut self) -> Result<Option<Message>, ProtocolError> {
        while self.raw.len() >= HEADER {
            let (kind, status) = (self.raw[0], self.raw[1]);
            let length = usize::from(u16::from_be_bytes([self.raw[2], self.raw[3]]));
            if !(HEADER..=MAX_PACKET_SIZE + 1).contains(&length) {
                return Err(ProtocolError::malformed(
                    "packet",
                    format!("length {length}"),
                ));
            }
            check_kind(kind)?;
            if self.current.is_some_and(|current| current != kind) && kind != kind::ATTENTION {
                return Err(ProtocolError::malformed(
                    "packet",
                    "another message begins inside a message",
                ));
            }
            if self.raw.len() < length {
                self.raw.reserve(length - self.raw.len());
                return Ok(None);
            }
            let mut packet = self.raw.split_to(length);
            packet.advance(HEADER);
            if kind == kind::ATTENTION {
                self.body.clear();
                self.current = None;
                return Ok(Some(Message {
                    kind,
                    reset: false,
                    body: Bytes::new(),
                }));
            }
            if self.current.is_none() {
                self.reset = status & RESET != 0;
            }
            if self.body.len() + packet.len() > self.limit {
                return Err(ProtocolError::TooLarge { limit: self.limit });
            }
            self.body.extend_from_slice(&packet);
            self.current = Some(kind);
            if status & END_OF_MESSAGE != 0 {
                self.current = None;
                let body = self.body.split().freeze();
                if status & IGNORE != 0 {
                    continue;
                }
                return Ok(Some(Message {
                    kind,
                    reset: self.reset,
                    body,
                }));
            }
        }
        Ok(None)
    }

    /// The source back, with the bytes that were read ahead of the last message.
    pub(crate) fn into_parts(self) -> (R, BytesMut) {
        (self.source, self.raw)
    }
}

fn check_kind(kind: u8) -> Result<(), ProtocolError> {
    use kind::{ATTENTION, LOGIN7, PRELOGIN, RPC, SQL_BATCH, TRANSACTION};
    // 7 is a bulk load, 8 a federated token, 17 SSPI: known, and refused by whoever waits for something else.
    match kind {
        SQL_BATCH | RPC | ATTENTION | TRANSACTION | LOGIN7 | PRELOGIN | 0x07 | 0x08 | 0x11 => {
            Ok(())
        }
        found => Err(ProtocolError::Unexpected {
            found,
            expected: "a TDS packet",
        }),
    }
}

/// Cuts a stream of tokens into packets of the negotiated size.
#[derive(Debug)]
pub(crate) struct PacketWriter<W> {
    sink: W,
    /// Tokens that are not in a packet yet. Only whole tokens and whole rows may be appended.
    pub(crate) tokens: BytesMut,
    wire: BytesMut,
    packet_size: usize,
    number: u8,
    spid: u16,
}

impl<W: AsyncWrite + Unpin> PacketWriter<W> {
    /// Writes to `sink` in packets of `packet_size` bytes, header included.
    pub(crate) fn new(sink: W, spid: u16, packet_size: usize) -> Self {
        Self {
            sink,
            tokens: BytesMut::new(),
            wire: BytesMut::new(),
            packet_size,
            number: 1,
            spid,
        }
    }

    /// From the next packet on.
    pub(crate) fn set_packet_size(&mut self, packet_size: usize) {
        self.packet_size = packet_size;
    }

    /// Bytes of tokens in a full packet.
    pub(crate) fn payload_size(&self) -> usize {
        self.packet_size - HEADER
    }

    fn put_packet(&mut self, length: usize, last: bool) {
        let size = u16::try_from(length + HEADER).unwrap_or(u16::MAX);
        self.wire.reserve(length + HEADER);
        self.wire.put_u8(kind::RESPONSE);
        self.wire.put_u8(if last { END_OF_MESSAGE } else { 0 });
        self.wire.put_u16(size);
        self.wire.put_u16(self.spid);
        self.wire.put_u8(self.number);
        self.wire.put_u8(0);
        self.number = self.number.wrapping_add(1);
        self.wire.extend_from_slice(&self.tokens[..length]);
        self.tokens.advance(length);
    }

    /// Sends the full packets; at least a byte is held back, so that the last packet of a message is never empty.
    pub(crate) async fn send_full(&mut self) -> io::Result<()> {
        let payload = self.payload_size();
        while self.tokens.len() > payload {
            self.put_packet(payload, false);
        }
        self.write_wire().await
    }

    /// Sends everything so far, in a short packet if need be, without ending the message.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.send_full().await?;
        if !self.tokens.is_empty() {
            self.put_packet(self.tokens.len(), false);
        }
        self.write_wire().await?;
        self.sink.flush().await
    }

    /// Sends the rest and ends the message.
    pub(crate) async fn end_message(&mut self) -> io::Result<()> {
        let payload = self.payload_size();
        while self.tokens.len() > payload {
            self.put_packet(payload, false);
        }
        self.put_packet(self.tokens.len(), true);
        self.number = 1;
        self.write_wire().await?;
        self.sink.flush().await
    }

    async fn write_wire(&mut self) -> io::Result<()> {
        if self.wire.is_empty() {
            return Ok(());
        }
        self.sink.write_all(&self.wire).await?;
        self.wire.clear();
        Ok(())
    }
}
