//! Clients that do not keep to the protocol: refused, never a panic, never memory for a length that was only claimed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{LOGIN, PASSWORD, connect, start, start_with};
use proptest::prelude::*;
use soxauto_tds::{Script, ScriptedBackend, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind, 1];
    packet.extend_from_slice(&((body.len() + 8) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 1, 0]);
    packet.extend_from_slice(body);
    packet
}

/// A PRELOGIN without encryption.
fn prelogin() -> Vec<u8> {
    let mut body = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    body.extend_from_slice(&[15, 0, 0, 0, 0, 0, 2]);
    packet(0x12, &body)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A LOGIN7 that is right.
fn login() -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&0x7400_0004_u32.to_le_bytes());
    body.extend_from_slice(&4096_u32.to_le_bytes());
    body.extend_from_slice(&[0; 12]);
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&[0; 8]);
    let password: Vec<u8> = utf16(PASSWORD)
        .iter()
        .map(|byte| byte.rotate_left(4) ^ 0xA5)
        .collect();
    let mut data = Vec::new();
    let fields = [Vec::new(), utf16(LOGIN), password, utf16("app")];
    for field in &fields {
        body.extend_from_slice(&((94 + data.len()) as u16).to_le_bytes());
        body.extend_from_slice(&((field.len() / 2) as u16).to_le_bytes());
        data.extend_from_slice(field);
    }
    body.resize(94, 0);
    body.extend_from_slice(&data);
    let length = (body.len() as u32).to_le_bytes();
    body[..4].copy_from_slice(&length);
    body
}

/// Whatever the server answers until it closes the connection; `None` when it does not close it.
async fn to_the_end(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    match tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await {
        Err(_) => None,
        // A reset is an end too.
        Ok(_) => Some(answer),
    }
}

async fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 8];
    stream.read_exact(&mut body).await.unwrap();
    body
}

async fn logged_in(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(&prelogin()).await.unwrap();
    read_packet(&mut stream).await;
    stream.write_all(&packet(0x10, &login())).await.unwrap();
    let answer = read_packet(&mut stream).await;
    assert!(answer.contains(&0xAD), "no LOGINACK");
    stream
}

async fn server() -> Server {
    let mut config = ServerConfig::local(LOGIN, PASSWORD).unwrap();
    config.max_request_bytes = 1024 * 1024;
    start_with(config, ScriptedBackend::new().on("SELECT 1", Script::new())).await
}

fn headers() -> Vec<u8> {
    let mut bytes = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0];
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes
}

/// `sp_executesql` up to its first argument.
fn rpc() -> Vec<u8> {
    let mut body = headers();
    body.extend_from_slice(&[0xFF, 0xFF, 10, 0, 0, 0]);
    body
}

#[tokio::test]
async fn what_is_no_tds_at_all_is_closed() {
    let server = server().await;
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![0xFF; 64],
        // A header whose length is less than a header.
        vec![0x12, 1, 0, 4, 0, 0, 1, 0],
        // A TLS record that is none.
        vec![0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5],
        // LOGIN7 before PRELOGIN.
        packet(0x10, &login()),
        // An option outside the message.
        packet(0x12, &[1, 0xFF, 0xFF, 0, 1, 0xFF]),
        packet(0x12, &[1, 0, 6, 0, 1]),
    ] {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        assert!(
            to_the_end(&mut stream).await.is_some(),
            "{bytes:02x?} is not refused"
        );
    }
    connect(&server).await;
}

#[tokio::test]
async fn a_login_with_wrong_lengths_is_closed() {
    let server = server().await;
    let right = login();
    let mut cases = vec![
        // Shorter and longer than announced.
        right[..right.len() - 1].to_vec(),
        [right.clone(), vec![0]].concat(),
        right[..40].to_vec(),
    ];
    // Each field's offset and length, pointing outside.
    for field in [0, 1, 2, 3, 4, 6, 7, 8] {
        let mut wrong = right.clone();
        wrong[36 + field * 4..40 + field * 4].copy_from_slice(&[0xFF, 0xFF, 0x40, 0]);
        cases.push(wrong);
    }
    // An old client.
    let mut old = right.clone();
    old[4..8].copy_from_slice(&0x7100_0001_u32.to_le_bytes());
    cases.push(old);
    for body in cases {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(&prelogin()).await.unwrap();
        read_packet(&mut stream).await;
        stream.write_all(&packet(0x10, &body)).await.unwrap();
        let answer = to_the_end(&mut stream).await;
        assert!(
            answer.is_some_and(|answer| !answer.contains(&0xAD)),
            "{:02x?}",
            &body[..40]
        );
    }
}

#[tokio::test]
async fn requests_with_wrong_lengths_end_the_session() {
    let server = server().await;
    let argument = |ty: &[u8]| [rpc(), vec![0, 0], ty.to_vec()].concat();
    for (kind, body) in [
        (1, vec![]),
        (1, vec![2, 0, 0, 0]),
        (1, vec![0xFF, 0xFF, 0xFF, 0x7F, 1]),
        // Half a code unit; an unpaired surrogate.
        (1, [headers(), vec![b'S']].concat()),
        (1, [headers(), vec![0, 0xD8]].concat()),
        (3, [headers(), vec![0xFF]].concat()),
        (3, [headers(), vec![0xFE, 0xFF, 1]].concat()),
        // A type that does not exist; one that is cut off.
        (3, argument(&[0x01])),
        (3, argument(&[0xE7, 0x10])),
        (3, argument(&[0x26, 3, 3, 1, 2, 3])),
        (3, argument(&[0x6A, 17, 39, 0, 0])),
        (3, argument(&[0x6A, 17, 38, 0, 30, 1])),
        (3, argument(&[0x29, 9, 5])),
        (3, argument(&[0x28, 3, 0xFF, 0xFF, 0xFF])),
        // 4 GB in one chunk, of which nothing comes; 2^63 bytes announced.
        (
            3,
            argument(&[
                0xA5, 0xFF, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
            ]),
        ),
        (
            3,
            argument(&[
                0xA5, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            ]),
        ),
        (
            3,
            argument(&[0x22, 0xFF, 0xFF, 0xFF, 0x7F, 0xFE, 0xFF, 0xFF, 0xFF]),
        ),
        (0x0E, [headers(), vec![0, 0]].concat()),
        // Bulk load is not offered.
        (7, vec![0]),
        // A second login.
        (0x10, login()),
    ] {
        let mut stream = logged_in(&server).await;
        stream.write_all(&packet(kind, &body)).await.unwrap();
        assert!(
            to_the_end(&mut stream).await.is_some(),
            "{kind}: {body:02x?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_ends_the_session() {
    let server = server().await;
    let mut stream = logged_in(&server).await;
    let mut part = packet(1, &[0; 4000]);
    part[1] = 0;
    for _ in 0..300 {
        if stream.write_all(&part).await.is_err() {
            break;
        }
    }
    assert!(to_the_end(&mut stream).await.is_some());
}

#[tokio::test]
async fn a_message_given_up_half_way_is_ignored() {
    let server = server().await;
    let mut stream = logged_in(&server).await;
    let mut part = packet(1, &headers());
    part[1] = 0;
    stream.write_all(&part).await.unwrap();
    let mut ignored = packet(1, &[]);
    ignored[1] = 3;
    stream.write_all(&ignored).await.unwrap();
    stream
        .write_all(&packet(1, &[headers(), utf16("SELECT 1")].concat()))
        .await
        .unwrap();
    let answer = read_packet(&mut stream).await;
    assert_eq!(answer[..3], [0xFD, 0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes after a login: an answer or an end, and the server lives.
    #[test]
    fn noise_is_survived(kind in prop::sample::select(vec![1_u8, 3, 0x0E]), noise in prop::collection::vec(any::<u8>(), 0..200), named in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = start(ScriptedBackend::new()).await;
            let mut stream = logged_in(&server).await;
            let body = if named { [rpc(), noise].concat() } else { [headers(), noise].concat() };
            stream.write_all(&packet(kind, &body)).await.unwrap();
            let mut one = [0];
            let answered = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut one)).await;
            assert!(answered.is_ok(), "neither an answer nor an end");
            connect(&server).await;
        });
    }
}
