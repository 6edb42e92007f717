//! HTTP/1.1 messages as the SDKs and the emulator send them: read whole, changed little, sent on.

use std::io::{Error, ErrorKind, Result};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const HEADERS: usize = 96;

/// A request or an answer.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The first line, without its end.
    pub(super) start: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Message {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Method and target of a request.
    pub(super) fn request(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        )
    }

    /// Status of an answer.
    pub(super) fn status(&self) -> u16 {
        let status = self.start.split(' ').nth(1);
        status.and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// An answer that a service gives when it refuses.
    pub(super) fn refusal(status: u16, code: &str, message: &str, is_json: bool) -> Self {
        let (kind, body) = if is_json {
            let body = serde_json::json!({"__type": code, "message": message}).to_string();
            ("application/x-amz-json-1.1", body)
        } else {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            );
            ("application/xml", body)
        };
        Self {
            start: format!("HTTP/1.1 {status} injected"),
            headers: vec![
                ("content-type".into(), kind.into()),
                ("content-length".into(), body.len().to_string()),
                ("x-amzn-requestid".into(), "injected".into()),
            ],
            body: body.into(),
        }
    }

    /// The same without what only its own body has.
    pub(super) fn without_checksums(mut self) -> Self {
        self.headers.retain(|(name, _)| {
            let name = name.to_ascii_lowercase();
            !name.contains("checksum") && name != "content-md5" && name != "x-amz-content-sha256"
        });
        self
    }

    /// The same with another body.
    pub(super) fn with_body(mut self, body: Bytes) -> Self {
        self.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        self.headers
            .push(("content-length".into(), body.len().to_string()));
        self.body = body;
        self
    }

    pub(super) async fn send(&self, to: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        to.write_all(text.as_bytes()).await?;
        to.write_all(&self.body).await?;
        to.flush().await
    }
}

/// Reads one request; `None` when the connection ends before one begins.
pub(super) async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut BytesMut,
) -> Result<Option<Message>> {
    let Some((start, headers)) = head(stream, buffer, Kind::Request).await? else {
        return Ok(None);
    };
    let mut message = Message {
        start,
        headers,
        body: Bytes::new(),
    };
    if message.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        let expects = |name: &str| name.eq_ignore_ascii_case("expect");
        message.headers.retain(|(name, _)| !expects(name));
    }
    body(stream, buffer, &mut message, false).await?;
    Ok(Some(message))
}

/// Reads the answer to a request of that method.
pub(super) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut BytesMut,
    method: &str,
) -> Result<Message> {
    loop {
        let Some((start, headers)) = head(stream, buffer, Kind::Answer).await? else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        let mut message = Message {
            start,
            headers,
            body: Bytes::new(),
        };
        match message.status() {
            100..200 => {}
            204 | 304 => return Ok(message),
            _ if method == "HEAD" => return Ok(message),
            _ => {
                body(stream, buffer, &mut message, true).await?;
                return Ok(message);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Request,
    Answer,
}

type Head = (String, Vec<(String, String)>);

async fn head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    kind: Kind,
) -> Result<Option<Head>> {
    loop {
        let mut space = [httparse::EMPTY_HEADER; HEADERS];
        let parsed = match kind {
            Kind::Request => {
                let mut head = httparse::Request::new(&mut space);
                head.parse(buffer)
                    .map(|status| (status, owned(head.headers)))
            }
            Kind::Answer => {
                let mut head = httparse::Response::new(&mut space);
                head.parse(buffer)
                    .map(|status| (status, owned(head.headers)))
            }
        };
        match parsed.map_err(|e| Error::new(ErrorKind::InvalidData, e.to_string()))? {
            (httparse::Status::Complete(length), headers) => {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                buffer.advance(length);
                let start = text.lines().next().unwrap_or_default().to_owned();
                return Ok(Some((start, headers)));
            }
            (httparse::Status::Partial, _) => {
                if stream.read_buf(buffer).await? == 0 {
                    return if buffer.is_empty() {
                        Ok(None)
                    } else {
                        Err(ErrorKind::UnexpectedEof.into())
                    };
                }
            }
        }
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|h| {
            (
                h.name.to_owned(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        })
        .collect()
}

/// Reads the body; one that came in chunks goes on as a whole.
async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    message: &mut Message,
    may_end_with_connection: bool,
) -> Result<()> {
    let chunked = message
        .header("transfer-encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
    if chunked {
        let mut whole = BytesMut::new();
        loop {
            let line = line(stream, buffer).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|e| Error::new(ErrorKind::InvalidData, e.to_string()))?;
            fill(stream, buffer, size).await?;
            whole.extend_from_slice(&buffer.split_to(size));
            if !self::line(stream, buffer).await?.is_empty() {
                return Err(ErrorKind::InvalidData.into());
            }
            if size == 0 {
                break;
            }
        }
        let coding = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
        message.headers.retain(|(name, _)| !coding(name));
        *message = message.clone().with_body(whole.freeze());
        return Ok(());
    }
    match message.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) => {
            fill(stream, buffer, length).await?;
            message.body = buffer.split_to(length).freeze();
        }
        Some(Err(e)) => return Err(Error::new(ErrorKind::InvalidData, e.to_string())),
        None if may_end_with_connection => {
            while stream.read_buf(buffer).await? > 0 {}
            let body = buffer.split().freeze();
            *message = message.clone().with_body(body);
        }
        None => {}
    }
    Ok(())
}

async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    size: usize,
) -> Result<()> {
    while buffer.len() < size {
        if stream.read_buf(buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn line(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<String> {
    loop {
        if let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = buffer.split_to(end);
            buffer.advance(2);
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_read_one_after_the_other_and_sent_on_whole() {
        let text = "PUT /a HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(text.as_bytes()).await.unwrap();
        let mut buffer = BytesMut::new();
        let first = request(&mut near, &mut buffer).await.unwrap().unwrap();
        assert_eq!(first.request(), ("PUT", "/a"));
        assert_eq!(
            (first.header("expect"), &first.body[..]),
            (None, &b"abc"[..])
        );
        let second = request(&mut near, &mut buffer).await.unwrap().unwrap();
        assert_eq!(second.request(), ("GET", "/b"));
        let mut sent = Vec::new();
        first.send(&mut sent).await.unwrap();
        assert_eq!(sent, b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    }

    #[tokio::test]
    async fn a_body_in_chunks_becomes_one() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(text.as_bytes()).await.unwrap();
        let answer = answer(&mut near, &mut BytesMut::new(), "GET")
            .await
            .unwrap();
        assert_eq!((answer.status(), &answer.body[..]), (200, &b"abcde"[..]));
        assert_eq!(answer.header("content-length"), Some("5"));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}
