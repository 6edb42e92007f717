//! Response tokens, each written by one function.

use bytes::{BufMut, BytesMut};

use crate::collation::Collation;
use crate::error::SqlError;
use crate::type_info::{put_b_varchar, put_us_varchar};
use crate::types::{Column, SqlType};

const COLMETADATA: u8 = 0x81;
const RETURNSTATUS: u8 = 0x79;
const ERROR: u8 = 0xAA;
const INFO: u8 = 0xAB;
const RETURNVALUE: u8 = 0xAC;
const LOGINACK: u8 = 0xAD;
const FEATUREEXTACK: u8 = 0xAE;
const ENVCHANGE: u8 = 0xE3;
/// A row with a value for every column.
pub(crate) const ROW: u8 = 0xD1;
/// A row that starts with a bitmap of its NULLs.
pub(crate) const NBCROW: u8 = 0xD2;
const DONE: u8 = 0xFD;
const DONEPROC: u8 = 0xFE;
const DONEINPROC: u8 = 0xFF;

/// The current command in a DONE token: a SELECT.
pub(crate) const COMMAND_SELECT: u16 = 0xC1;

/// Bits of a DONE token's status.
pub(crate) mod status {
    pub(crate) const FINAL: u16 = 0x00;
    pub(crate) const MORE: u16 = 0x01;
    pub(crate) const ERROR: u16 = 0x02;
    pub(crate) const COUNT: u16 = 0x10;
    pub(crate) const ATTENTION: u16 = 0x20;
}

/// Which of the three DONE tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// The end of a statement of a batch.
    Statement,
    /// The end of a statement inside a procedure.
    InProcedure,
    /// The end of a procedure.
    Procedure,
}

pub(crate) fn done(kind: Done, status: u16, command: u16, rows: u64, out: &mut BytesMut) {
    out.put_u8(match kind {
        Done::Statement => DONE,
        Done::InProcedure => DONEINPROC,
        Done::Procedure => DONEPROC,
    });
    out.put_u16_le(status);
    out.put_u16_le(command);
    out.put_u64_le(rows);
}

pub(crate) fn return_status(value: i32, out: &mut BytesMut) {
    out.put_u8(RETURNSTATUS);
    out.put_i32_le(value);
}

/// An output parameter of type int.
pub(crate) fn return_int(ordinal: u16, name: &str, value: i32, out: &mut BytesMut) {
    out.put_u8(RETURNVALUE);
    out.put_u16_le(ordinal);
    put_b_varchar(out, name);
    out.put_u8(1);
    out.put_u32_le(0);
    out.put_u16_le(0);
    out.extend_from_slice(&[crate::type_info::token::INTN, 4, 4]);
    out.put_i32_le(value);
}

pub(crate) fn column_metadata(columns: &[Column], out: &mut BytesMut) {
    const NULLABLE: u16 = 0x01;
    const UPDATEABLE_UNKNOWN: u16 = 0x08;
    out.put_u8(COLMETADATA);
    out.put_u16_le(u16::try_from(columns.len()).unwrap_or(u16::MAX));
    for column in columns {
        let user_type = if column.ty == SqlType::RowVersion {
            0x50
        } else {
            0
        };
        out.put_u32_le(user_type);
        let mut flags = UPDATEABLE_UNKNOWN;
        if column.nullable {
            flags |= NULLABLE;
        }
        out.put_u16_le(flags);
        column.put_type_info(out);
        put_b_varchar(out, &column.name);
    }
}

pub(crate) fn error(error: &SqlError, server: &str, out: &mut BytesMut) {
    message(ERROR, error, server, out);
}

/// A message that is not an error: severity 10 and below.
pub(crate) fn info(number: u32, state: u8, text: &str, server: &str, out: &mut BytesMut) {
    let message_of = SqlError::new(number, 10, text).with_state(state);
    message(
        INFO,
        &SqlError {
            class: 0,
            ..message_of
        },
        server,
        out,
    );
}

fn message(token: u8, error: &SqlError, server: &str, out: &mut BytesMut) {
    // The whole token must fit its 16-bit length: SQL Server's own messages end at 2,047 characters.
    let text: String = error.message.chars().take(2047).collect();
    let mut body = BytesMut::new();
    body.put_u32_le(error.number);
    body.put_u8(error.state);
    body.put_u8(error.class);
    put_us_varchar(&mut body, &text);
    put_b_varchar(&mut body, server);
    put_b_varchar(&mut body, "");
    body.put_u32_le(error.line);
    out.put_u8(token);
    out.put_u16_le(u16::try_from(body.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(&body);
}

pub(crate) fn login_ack(tds_version: u32, program: &str, version: [u8; 4], out: &mut BytesMut) {
    let mut body = BytesMut::new();
    // The T-SQL interface.
    body.put_u8(1);
    body.put_u32(tds_version);
    put_b_varchar(&mut body, program);
    body.extend_from_slice(&version);
    out.put_u8(LOGINACK);
    out.put_u16_le(u16::try_from(body.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(&body);
}

/// The answer to LOGIN7's feature extensions: of them only UTF-8 is offered.
pub(crate) fn feature_ack(utf8: bool, out: &mut BytesMut) {
    out.put_u8(FEATUREEXTACK);
    if utf8 {
        out.put_u8(0x0A);
        out.put_u32_le(1);
        out.put_u8(1);
    }
    out.put_u8(0xFF);
}

/// What ENVCHANGE tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextChange {
    Database,
    Language,
    PacketSize,
}

pub(crate) fn text_change(change: TextChange, new: &str, old: &str, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    body.put_u8(match change {
        TextChange::Database => 1,
        TextChange::Language => 2,
        TextChange::PacketSize => 4,
    });
    put_b_varchar(&mut body, new);
    put_b_varchar(&mut body, old);
    env_change(&body, out);
}

pub(crate) fn collation_change(new: Collation, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    body.extend_from_slice(&[7, 5]);
    body.extend_from_slice(&new.to_wire());
    body.put_u8(0);
    env_change(&body, out);
}

/// The three things that can happen to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionChange {
    Begin,
    Commit,
    Rollback,
}

pub(crate) fn transaction_change(change: TransactionChange, descriptor: u64, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    let value = descriptor.to_le_bytes();
    match change {
        TransactionChange::Begin => {
            body.extend_from_slice(&[8, 8]);
            body.extend_from_slice(&value);
            body.put_u8(0);
        }
        TransactionChange::Commit | TransactionChange::Rollback => {
            let kind = if change == TransactionChange::Commit {
                9
            } else {
                10
            };
            body.extend_from_slice(&[kind, 0, 8]);
            body.extend_from_slice(&value);
        }
    }
    env_change(&body, out);
}

/// The session was reset, as a pooled connection asks.
pub(crate) fn reset_ack(out: &mut BytesMut) {
    env_change(&[18, 0, 0], out);
}

fn env_change(body: &[u8], out: &mut BytesMut) {
    out.put_u8(ENVCHANGE);
    out.put_u16_le(u16::try_from(body.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(body);
}
