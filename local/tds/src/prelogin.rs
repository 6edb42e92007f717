//! PRELOGIN: the first exchange, which settles whether and when TLS begins.

use bytes::{BufMut, BytesMut};

use crate::cursor::Cursor;
use crate::error::ProtocolError;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const FEDERATED: u8 = 6;
const TERMINATOR: u8 = 0xFF;

/// What the client said about encryption, and what the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Available, not asked for: only the login is encrypted.
    Off,
    /// Everything is encrypted.
    On,
    /// Not available: nothing is encrypted.
    NotSupported,
    /// Everything must be encrypted.
    Required,
}

impl Encryption {
    fn from_wire(byte: u8) -> Option<Self> {
        // The high bits speak of client certificates, which this server does not ask for.
        match byte & 0x0F {
            0 => Some(Self::Off),
            1 => Some(Self::On),
            2 => Some(Self::NotSupported),
            3 => Some(Self::Required),
            _ => None,
        }
    }

    fn to_wire(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::NotSupported => 2,
            Self::Required => 3,
        }
    }

    /// The server's answer: `None` when client and server cannot agree.
    pub(crate) fn answer(self, required: bool) -> Self {
        match (self, required) {
            (Self::Off, false) => Self::Off,
            (Self::NotSupported, false) => Self::NotSupported,
            (Self::Off | Self::NotSupported, true) => Self::Required,
            (Self::On | Self::Required, _) => Self::On,
        }
    }
}

/// What the server needs of a client's PRELOGIN.
#[derive(Debug)]
pub(crate) struct Prelogin {
    pub(crate) encryption: Encryption,
    pub(crate) asks_federated: bool,
}

impl Prelogin {
    /// Reads the option table and the options this server cares about.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let mut table = Cursor::new(body, "PRELOGIN");
        let mut prelogin = Self {
            encryption: Encryption::NotSupported,
            asks_federated: false,
        };
        loop {
            let token = table.u8()?;
            if token == TERMINATOR {
                return Ok(prelogin);
            }
            let offset = usize::from(table.u16()?.swap_bytes());
            let length = usize::from(table.u16()?.swap_bytes());
            let option = body
                .get(offset..offset + length)
                .ok_or_else(|| table.error(format!("option {token} lies outside the message")))?;
            match (token, option) {
                (ENCRYPTION, [byte, ..]) => {
                    prelogin.encryption = Encryption::from_wire(*byte)
                        .ok_or_else(|| table.error(format!("encryption {byte:#04x}")))?;
                }
                (FEDERATED, [byte, ..]) => prelogin.asks_federated = *byte != 0,
                _ => {}
            }
        }
    }
}

/// The server's PRELOGIN.
pub(crate) fn answer(
    version: [u8; 4],
    encryption: Encryption,
    client: &Prelogin,
    out: &mut BytesMut,
) {
    let [major, minor, build_high, build_low] = version;
    let mut options: Vec<(u8, Vec<u8>)> = vec![
        (VERSION, vec![major, minor, build_high, build_low, 0, 0]),
        (ENCRYPTION, vec![encryption.to_wire()]),
        (INSTANCE, vec![0]),
        (THREAD, vec![]),
        (MARS, vec![0]),
    ];
    if client.asks_federated {
        options.push((FEDERATED, vec![0]));
    }
    let mut offset = options.len() * 5 + 1;
    for (token, data) in &options {
        out.put_u8(*token);
        out.put_u16(u16::try_from(offset).unwrap_or(u16::MAX));
        out.put_u16(u16::try_from(data.len()).unwrap_or(u16::MAX));
        offset += data.len();
    }
    out.put_u8(TERMINATOR);
    for (_, data) in &options {
        out.extend_from_slice(data);
    }
}
