//! The opening of a conversation: TLS or not, PRELOGIN, LOGIN7, and the server's welcome or refusal.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadHalf};
use tokio::net::TcpStream;

use crate::backend::{Backend, Session, SessionInfo};
use crate::error::{ProtocolError, SqlError};
use crate::login::{Login7, Logins};
use crate::packet::{
    DEFAULT_PACKET_SIZE, HEADER, MAX_PACKET_SIZE, MIN_PACKET_SIZE, Message, PacketReader,
    PacketWriter, kind,
};
use crate::prelogin::{self, Encryption, Prelogin};
use crate::response::SessionWriter;
use crate::server::{EncryptionPolicy, ServerConfig};
use crate::tokens::{self, Done, TextChange, status};
use crate::transport::{HandshakeFraming, Transport};

/// Before the login a client has no business sending much.
const HANDSHAKE_LIMIT: usize = 128 * 1024;

/// A session whose login succeeded.
pub(crate) struct LoggedIn {
    pub(crate) reader: PacketReader<ReadHalf<Transport>>,
    pub(crate) writer: SessionWriter,
    pub(crate) session: Box<dyn Session>,
    pub(crate) database: String,
    /// The client reads UTF-8 in varchar columns.
    pub(crate) utf8: bool,
}

/// Takes a fresh connection to a session, or refuses it; a refusal that was said to the client is `Ok(None)`.
pub(crate) async fn run(
    tcp: TcpStream,
    config: &ServerConfig,
    logins: &Logins,
    backend: &Arc<dyn Backend>,
    spid: u16,
) -> Result<Option<LoggedIn>, ProtocolError> {
    let mut first = [0];
    if tcp.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    // A TLS record instead of a TDS packet: TDS 8.0.
    let strict = first[0] == 0x16;
    let mut transport = if strict {
        let tls = config.tls.strict().accept(tcp).await?;
        Transport::Strict(Box::new(tls))
    } else if config.encryption == EncryptionPolicy::Strict {
        return Err(ProtocolError::Unsupported(
            "TDS 7.x: this server is strict".to_owned(),
        ));
    } else {
        Transport::Plain(tcp)
    };

    let (hello, ahead) = read_one(&mut transport, "PRELOGIN").await?;
    expect(&hello, kind::PRELOGIN, "PRELOGIN")?;
    let hello = Prelogin::parse(&hello.body)?;
    let agreed = hello
        .encryption
        .answer(config.encryption == EncryptionPolicy::Required);
    let mut answer = BytesMut::new();
    prelogin::answer(config.version, agreed, &hello, &mut answer);
    write_message(&mut transport, &answer).await?;

    transport = match transport {
        Transport::Plain(tcp) if agreed != Encryption::NotSupported => {
            let framing = HandshakeFraming::new(tcp, ahead);
            let mut tls = config.tls.wrapped().accept(framing).await?;
            tls.get_mut().0.finish();
            Transport::Wrapped(Box::new(tls))
        }
        other if ahead.is_empty() => other,
        _ => {
            return Err(ProtocolError::malformed(
                "PRELOGIN",
                "bytes before the server's answer",
            ));
        }
    };

    let (message, ahead) = read_one(&mut transport, "LOGIN7").await?;
    expect(&message, kind::LOGIN7, "LOGIN7")?;
    if !ahead.is_empty() {
        return Err(ProtocolError::malformed(
            "LOGIN7",
            "bytes before the server's answer",
        ));
    }
    if agreed == Encryption::Off && !strict {
        transport = transport.into_plain();
    }
    let login = Login7::parse(&message.body)?;
    let opened = open(&login, config, logins, backend, spid).await;
    welcome(transport, &login, config, opened, spid).await
}

/// Tells the client whether it is in.
async fn welcome(
    transport: Transport,
    login: &Login7,
    config: &ServerConfig,
    opened: Result<(Box<dyn Session>, String), Vec<SqlError>>,
    spid: u16,
) -> Result<Option<LoggedIn>, ProtocolError> {
    let (read_half, write_half) = tokio::io::split(transport);
    let mut writer = PacketWriter::new(write_half, spid, DEFAULT_PACKET_SIZE);
    let (session, database) = match opened {
        Ok(opened) => opened,
        Err(errors) => {
            for error in &errors {
                tracing::info!(
                    spid,
                    number = error.number,
                    state = error.state,
                    "login refused"
                );
                tokens::error(error, &config.server_name, &mut writer.tokens);
            }
            tokens::done(Done::Statement, status::ERROR, 0, 0, &mut writer.tokens);
            writer.end_message().await?;
            return Ok(None);
        }
    };
    let packet_size = match login.packet_size {
        0 => DEFAULT_PACKET_SIZE,
        asked => asked.clamp(MIN_PACKET_SIZE, MAX_PACKET_SIZE),
    };
    put_welcome(login, config, &database, packet_size, &mut writer.tokens);
    writer.end_message().await?;
    writer.set_packet_size(packet_size);
    Ok(Some(LoggedIn {
        reader: PacketReader::new(read_half, config.max_request_bytes),
        writer,
        session,
        database,
        utf8: login.utf8,
    }))
}

/// Checks the login and opens the backend's session.
async fn open(
    login: &Login7,
    config: &ServerConfig,
    logins: &Logins,
    backend: &Arc<dyn Backend>,
    spid: u16,
) -> Result<(Box<dyn Session>, String), Vec<SqlError>> {
    let account = logins.authenticate(login).map_err(|error| vec![error])?;
    let refused = |error: SqlError| {
        // SQL Server says both what is wrong and that therefore the login failed.
        vec![error, SqlError::login_failed(&login.user, 1)]
    };
    let wanted = if login.database.is_empty() {
        &config.default_database
    } else {
        &login.database
    };
    let database = if config.databases.is_empty() {
        wanted.clone()
    } else {
        config
            .databases
            .iter()
            .find(|known| known.to_lowercase() == wanted.to_lowercase())
            .cloned()
            .ok_or_else(|| refused(SqlError::cannot_open_database(wanted)))?
    };
    let info = SessionInfo {
        login: account.name.clone(),
        database: database.clone(),
        application: login.application.clone(),
        host: login.host.clone(),
        spid,
        server_name: config.server_name.clone(),
        can_write: account.can_write,
    };
    match backend.open(info).await {
        Ok(session) => Ok((session, database)),
        Err(error) if error.number == 4060 => Err(refused(error)),
        Err(error) => Err(vec![error]),
    }
}

fn put_welcome(
    login: &Login7,
    config: &ServerConfig,
    database: &str,
    packet_size: usize,
    out: &mut BytesMut,
) {
    let language = if login.language.is_empty() {
        "us_english"
    } else {
        &login.language
    };
    let server = &config.server_name;
    tokens::text_change(TextChange::Database, database, "master", out);
    let text = format!("Changed database context to '{database}'.");
    tokens::info(5701, 2, &text, server, out);
    tokens::collation_change(config.collation, out);
    tokens::text_change(TextChange::Language, language, "", out);
    let text = format!("Changed language setting to {language}.");
    tokens::info(5703, 1, &text, server, out);
    tokens::login_ack(
        login.tds_version,
        "Microsoft SQL Server",
        config.version,
        out,
    );
    tokens::text_change(
        TextChange::PacketSize,
        &packet_size.to_string(),
        &DEFAULT_PACKET_SIZE.to_string(),
        out,
    );
    if login.has_features {
        tokens::feature_ack(login.utf8, out);
    }
    tokens::done(Done::Statement, status::FINAL, 0, 0, out);
}

/// Reads one message, and gives the bytes back that came after it.
async fn read_one<T: AsyncRead + Unpin>(
    transport: &mut T,
    expected: &'static str,
) -> Result<(Message, BytesMut), ProtocolError> {
    let mut reader = PacketReader::new(transport, HANDSHAKE_LIMIT);
    let message = reader.next().await?.ok_or(ProtocolError::Truncated)?;
    tracing::trace!(kind = message.kind, expected, "handshake message");
    Ok((message, reader.into_parts().1))
}

fn expect(message: &Message, kind: u8, expected: &'static str) -> Result<(), ProtocolError> {
    if message.kind == kind {
        return Ok(());
    }
    Err(ProtocolError::Unexpected {
        found: message.kind,
        expected,
    })
}

/// One short message in one packet.
async fn write_message(transport: &mut Transport, body: &[u8]) -> Result<(), ProtocolError> {
    let length = u16::try_from(body.len() + HEADER).unwrap_or(u16::MAX);
    let mut packet = vec![kind::RESPONSE, 1];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 1, 0]);
    packet.extend_from_slice(body);
    transport.write_all(&packet).await?;
    transport.flush().await?;
    Ok(())
}
