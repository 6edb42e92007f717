//! LOGIN7: who the client is, what it wants, and whether its password is right.

use std::sync::{Arc, PoisonError, RwLock};

use crate::cursor::{Cursor, utf16_text};
use crate::error::{ProtocolError, SqlError};

/// TDS 7.3B, the oldest version whose rows this server writes.
const OLDEST: u32 = 0x730B_0003;
/// TDS 7.4.
const TDS_74: u32 = 0x7400_0004;
/// TDS 8.0.
const TDS_80: u32 = 0x0800_0000;

const FEATURE_UTF8: u8 = 0x0A;
const FEATURE_END: u8 = 0xFF;

/// A login that the server accepts.
#[derive(Clone)]
pub struct Login {
    /// The SQL login's name; compared without regard to case, as SQL Server does by default.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Whether the backend may let it change data.
    pub can_write: bool,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .field("can_write", &self.can_write)
            .finish_non_exhaustive()
    }
}

/// Who may log in now: changes while the server runs, as ALTER LOGIN changes it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Logins(Arc<RwLock<Vec<Login>>>);

impl Logins {
    pub(crate) fn new(logins: Vec<Login>) -> Self {
        Self(Arc::new(RwLock::new(logins)))
    }

    pub(crate) fn replace(&self, logins: Vec<Login>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// The login that a client asks for, if its password is right.
    pub(crate) fn authenticate(&self, request: &Login7) -> Result<Login, SqlError> {
        let logins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        authenticate(&logins, request).cloned()
    }
}

/// Finds the login and compares the password in time that does not depend on where they differ.
fn authenticate<'a>(logins: &'a [Login], request: &Login7) -> Result<&'a Login, SqlError> {
    let found = logins
        .iter()
        .find(|login| login.name.to_lowercase() == request.user.to_lowercase());
    let expected = found.map_or("", |login| login.password.as_str());
    let same = same_in_constant_time(expected.as_bytes(), request.password.as_bytes());
    match found {
        None => Err(SqlError::login_failed(&request.user, 5)),
        Some(_) if !same => Err(SqlError::login_failed(&request.user, 8)),
        Some(login) => Ok(login),
    }
}

fn same_in_constant_time(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(expected.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        let other = expected.get(index).copied().unwrap_or(0);
        difference |= std::hint::black_box(byte ^ other);
    }
    difference == 0
}

/// What a client's LOGIN7 says.
pub(crate) struct Login7 {
    pub(crate) tds_version: u32,
    pub(crate) packet_size: usize,
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) application: String,
    pub(crate) language: String,
    pub(crate) database: String,
    /// The client sent feature extensions, and so waits for an answer to them.
    pub(crate) has_features: bool,
    /// The client reads UTF-8 in varchar columns.
    pub(crate) utf8: bool,
}

impl Login7 {
    /// Reads and checks a LOGIN7 message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ProtocolError> {
        let mut head = Cursor::new(body, "LOGIN7");
        let length = head.u32()? as usize;
        if length != body.len() {
            return Err(head.error(format!("{length} bytes announced, {} received", body.len())));
        }
        let tds_version = head.u32()?;
        if tds_version != TDS_80 && !(OLDEST..=TDS_74).contains(&tds_version) {
            return Err(ProtocolError::Unsupported(format!(
                "TDS version {tds_version:#010x}; 7.3B, 7.4 and 8.0 are"
            )));
        }
        let packet_size = head.u32()? as usize;
        // Program version, process, connection, then the four option bytes.
        head.take(12)?;
        let (_flags1, flags2, _types, flags3) = (head.u8()?, head.u8()?, head.u8()?, head.u8()?);
        if flags2 & 0x80 != 0 {
            return Err(ProtocolError::Unsupported(
                "integrated (Windows) authentication; use a SQL login".to_owned(),
            ));
        }
        // Time zone and locale.
        head.take(8)?;
        let host = field(&mut head, body)?;
        let user = field(&mut head, body)?;
        let password = field(&mut head, body)?;
        let application = field(&mut head, body)?;
        let _server = field(&mut head, body)?;
        let extension = {
            let (offset, length) = (usize::from(head.u16()?), usize::from(head.u16()?));
            (flags3 & 0x10 != 0 && length >= 4).then_some(offset)
        };
        let _library = field(&mut head, body)?;
        let language = field(&mut head, body)?;
        let database = field(&mut head, body)?;
        let read = |bytes: &[u8]| {
            utf16_text(bytes)
                .ok_or_else(|| ProtocolError::malformed("LOGIN7", "a field is not UTF-16"))
        };
        let mut login = Self {
            tds_version,
            packet_size,
            host: read(host)?,
            user: read(user)?,
            password: read(&reveal(password))?,
            application: read(application)?,
            language: read(language)?,
            database: read(database)?,
            has_features: false,
            utf8: false,
        };
        if let Some(offset) = extension {
            login.read_features(body, offset)?;
        }
        Ok(login)
    }

    fn read_features(&mut self, body: &[u8], pointer: usize) -> Result<(), ProtocolError> {
        let outside = || ProtocolError::malformed("LOGIN7", "the features lie outside the message");
        let at = body.get(pointer..pointer + 4).ok_or_else(outside)?;
        let offset = u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize;
        let mut features = Cursor::new(body.get(offset..).ok_or_else(outside)?, "LOGIN7 features");
        self.has_features = true;
        loop {
            let id = features.u8()?;
            if id == FEATURE_END {
                return Ok(());
            }
            let length = features.u32()? as usize;
            let data = features.take(length)?;
            if id == FEATURE_UTF8 {
                self.utf8 = data.first() == Some(&1);
            }
        }
    }
}

/// One of LOGIN7's texts: its place and its length in UTF-16 code units.
fn field<'a>(head: &mut Cursor<'_>, body: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
    const LONGEST: usize = 128;
    let (offset, units) = (usize::from(head.u16()?), usize::from(head.u16()?));
    if units > LONGEST {
        return Err(head.error(format!("a field of {units} characters")));
    }
    if units == 0 {
        return Ok(&[]);
    }
    body.get(offset..offset + units * 2)
        .ok_or_else(|| head.error("a field lies outside the message"))
}

/// A password travels with its half-bytes swapped and every bit of 0xA5 flipped.
fn reveal(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .map(|byte| (byte ^ 0xA5).rotate_left(4))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_compared_whole() {
        assert!(same_in_constant_time(b"secret", b"secret"));
        assert!(!same_in_constant_time(b"secret", b"secreT"));
        assert!(!same_in_constant_time(b"secret", b"secret1"));
        assert!(!same_in_constant_time(b"secret", b"secre"));
        assert!(!same_in_constant_time(b"secret", b""));
    }

    #[test]
    fn the_obfuscation_is_undone() {
        // "a" is 61 00: swapped 16 00, flipped B3 A5.
        assert_eq!(reveal(&[0xB3, 0xA5]), [0x61, 0x00]);
    }
}
