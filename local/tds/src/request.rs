//! Messages that ask for work: SQL batches, remote procedure calls, transaction requests.

use crate::cursor::{Cursor, utf16_text};
use crate::declaration::Argument;
use crate::error::ProtocolError;
use crate::tokens::TransactionChange;
use crate::wire_value;

/// A procedure call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) procedure: Procedure,
    pub(crate) arguments: Vec<Argument>,
}

/// Which procedure is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Procedure {
    ExecuteSql,
    Prepare,
    Execute,
    PrepExec,
    Unprepare,
    DescribeFirstResultSet,
    Other(String),
}

impl Procedure {
    fn by_number(number: u16) -> Self {
        match number {
            10 => Self::ExecuteSql,
            11 => Self::Prepare,
            12 => Self::Execute,
            13 => Self::PrepExec,
            15 => Self::Unprepare,
            1 => Self::Other("sp_cursor".to_owned()),
            2 => Self::Other("sp_cursoropen".to_owned()),
            3 => Self::Other("sp_cursorprepare".to_owned()),
            4 => Self::Other("sp_cursorexecute".to_owned()),
            5 => Self::Other("sp_cursorprepexec".to_owned()),
            6 => Self::Other("sp_cursorunprepare".to_owned()),
            7 => Self::Other("sp_cursorfetch".to_owned()),
            8 => Self::Other("sp_cursoroption".to_owned()),
            9 => Self::Other("sp_cursorclose".to_owned()),
            14 => Self::Other("sp_prepexecrpc".to_owned()),
            other => Self::Other(format!("procedure number {other}")),
        }
    }

    /// The procedure of this name, which may be quoted and may say its schema or database.
    pub(crate) fn by_name(name: &str) -> Self {
        let bare = name
            .rsplit('.')
            .next()
            .unwrap_or(name)
            .trim_matches(['[', ']', '"'])
            .to_ascii_lowercase();
        match bare.as_str() {
            "sp_executesql" => Self::ExecuteSql,
            "sp_prepare" => Self::Prepare,
            "sp_execute" => Self::Execute,
            "sp_prepexec" => Self::PrepExec,
            "sp_unprepare" => Self::Unprepare,
            "sp_describe_first_result_set" => Self::DescribeFirstResultSet,
            _ => Self::Other(name.to_owned()),
        }
    }
}

/// Skips ALL_HEADERS, which every request begins with.
fn skip_headers(cursor: &mut Cursor<'_>) -> Result<(), ProtocolError> {
    let total = cursor.u32()? as usize;
    let rest = total
        .checked_sub(4)
        .ok_or_else(|| cursor.error("ALL_HEADERS shorter than its own length"))?;
    cursor.take(rest)?;
    Ok(())
}

/// The text of a SQL batch.
pub(crate) fn batch(body: &[u8]) -> Result<String, ProtocolError> {
    let mut cursor = Cursor::new(body, "SQL batch");
    skip_headers(&mut cursor)?;
    let text = cursor.take(cursor.remaining())?;
    utf16_text(text).ok_or_else(|| cursor.error("the text is not valid UTF-16"))
}

/// The calls of an RPC message: usually one.
pub(crate) fn calls(body: &[u8]) -> Result<Vec<Call>, ProtocolError> {
    /// Ends a call that another follows.
    const NEXT: u8 = 0xFF;
    /// The same, where the call is not to be run.
    const NEXT_WITHOUT_RUN: u8 = 0xFE;
    const BY_REFERENCE: u8 = 0x01;
    const ENCRYPTED: u8 = 0x08;
    let mut cursor = Cursor::new(body, "RPC");
    skip_headers(&mut cursor)?;
    let mut calls = Vec::new();
    while !cursor.is_empty() {
        let procedure = match cursor.u16()? {
            0xFFFF => Procedure::by_number(cursor.u16()?),
            units => Procedure::by_name(&cursor.utf16(usize::from(units))?),
        };
        cursor.u16()?;
        let mut arguments = Vec::new();
        loop {
            match cursor.peek() {
                None => break,
                Some(NEXT | NEXT_WITHOUT_RUN) => {
                    cursor.u8()?;
                    break;
                }
                Some(_) => {}
            }
            let name = cursor.b_varchar()?;
            let flags = cursor.u8()?;
            if flags & ENCRYPTED != 0 {
                return Err(ProtocolError::Unsupported(
                    "encrypted parameters".to_owned(),
                ));
            }
            let value = wire_value::read(&mut cursor)?;
            // Handles of prepared statements come back by reference; nothing else does.
            let _ = flags & BY_REFERENCE;
            arguments.push(Argument { name, value });
        }
        calls.push(Call {
            procedure,
            arguments,
        });
    }
    Ok(calls)
}

/// What a transaction manager request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TransactionRequest {
    Change(TransactionChange, /* begin another at once */ bool),
    Save,
}

/// Reads a transaction manager request.
pub(crate) fn transaction(body: &[u8]) -> Result<TransactionRequest, ProtocolError> {
    let mut cursor = Cursor::new(body, "transaction request");
    skip_headers(&mut cursor)?;
    let kind = cursor.u16()?;
    match kind {
        5 => Ok(TransactionRequest::Change(TransactionChange::Begin, false)),
        7 | 8 => {
            cursor.b_varchar()?;
            let again = if cursor.is_empty() {
                false
            } else {
                cursor.u8()? & 1 != 0
            };
            let change = if kind == 7 {
                TransactionChange::Commit
            } else {
                TransactionChange::Rollback
            };
            Ok(TransactionRequest::Change(change, again))
        }
        9 => Ok(TransactionRequest::Save),
        other => Err(ProtocolError::Unsupported(format!(
            "transaction request {other} (distributed transactions)"
        ))),
    }
}
