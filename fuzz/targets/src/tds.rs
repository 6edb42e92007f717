//! A SQL Server that answers with any bytes, to every driver of the product.
//!
//! The first byte of the input chooses: whether the bytes come inside TLS (as of a server whose certificate holds) or in
//! place of it (as of anybody on the way), and what the client wants. The rest is sent as it is, whatever the client says.

use std::{
    io,
    sync::{Arc, LazyLock, Once},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use soxauto_domain::{Plan, PlannedIpe, plan::Stage};
use soxauto_extract::{
    BulkDriver, ConnectionSettings, Driver, Extraction, Limits, MemoryStore, Options,
    TiberiusDriver, extract,
};
use soxauto_tds::TlsIdentity;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::sink::Anything;

/// The drivers of the product. All of them read the same hostile bytes.
fn drivers() -> Vec<Box<dyn Driver>> {
    let boxed = |driver| Box::new(driver) as Box<dyn Driver>;
    BulkDriver::ALL.into_iter().map(boxed).collect()
}

/// An input longer than this adds nothing.
const LONGEST: usize = 256 * 1024;
/// How long a session of nonsense may take.
const PATIENCE: Duration = Duration::from_secs(20);

static PLAN: LazyLock<Plan> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../corpus/plan.json")).unwrap());
static IDENTITY: LazyLock<TlsIdentity> = LazyLock::new(|| TlsIdentity::generate().unwrap());

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
}

/// Serves the bytes to each driver.
pub(crate) fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    if bytes.len() > LONGEST {
        return;
    }
    quiet();
    for driver in drivers() {
        RUNTIME.with(|runtime| {
            runtime.block_on(async {
                timeout(PATIENCE, session(&*driver, *choice, bytes))
                    .await
                    .expect("a session ends");
            });
        });
    }
}

async fn session(driver: &dyn Driver, choice: u8, bytes: &[u8]) {
    let in_tls = choice & 1 == 0;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes: Arc<[u8]> = bytes.into();
    let serving = async {
        // One client may have several connections at a time, and be sent on.
        let mut sessions = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            sessions.spawn(serve(tcp, in_tls, Arc::clone(&bytes)));
        }
    };
    let encryption = if in_tls { "strict" } else { "yes" };
    let settings = settings(port, encryption, IDENTITY.ca_pem());
    tokio::select! {
        () = client(driver, choice >> 1, &settings) => {}
        () = async { serving.await; std::future::pending().await } => {}
    }
}

/// The settings of a client of this port.
fn settings(port: u16, encryption: &str, ca_pem: &str) -> ConnectionSettings {
    let secret = serde_json::json!({
        "connection_string": format!(
            "SERVER=tcp:127.0.0.1,{port};DATABASE=master;UID=reader;PWD=x;Encrypt={encryption}"
        ),
        "ca_pem": ca_pem,
    });
    ConnectionSettings::parse(&secret.to_string()).unwrap()
}

async fn serve(tcp: TcpStream, in_tls: bool, bytes: Arc<[u8]>) -> io::Result<()> {
    if !in_tls {
        return answer(tcp, &bytes).await;
    }
    answer(IDENTITY.strict().accept(tcp).await?, &bytes).await
}

/// A driver may contain the panics of a library. libFuzzer ends the process at any panic before it can; one that is not
/// contained leaves the target and ends it all the same.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(std::panic::take_hook()));
}

/// Sends the bytes, and then nothing more; what the client says is not listened to.
async fn answer(stream: impl AsyncRead + AsyncWrite, bytes: &[u8]) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let mut heard = vec![0; 64 * 1024];
    let said = async {
        to.write_all(bytes).await?;
        to.shutdown().await
    };
    let listening = async {
        while from.read(&mut heard).await.is_ok_and(|read| read > 0) {}
        Ok::<(), io::Error>(())
    };
    tokio::try_join!(said, listening).map(|_| ())
}

/// What the worker asks for of a source, or a part of it.
async fn client(driver: &dyn Driver, choice: u8, settings: &ConnectionSettings) {
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(8),
        stall: Duration::from_secs(2),
        connect: Duration::from_secs(4),
    };
    let ipe = &PLAN.ipes[0];
    if choice & 1 == 0 {
        let store = MemoryStore::default();
        let _ = extract(extraction(driver, ipe, settings, limits), &store, &()).await;
        return;
    }
    let Ok(mut source) = driver.connect(settings, "master", &limits).await else {
        return;
    };
    for step in 0..3u8 {
        let failed = match (choice >> 1).wrapping_add(step) % 3 {
            0 => source.identity().await.is_err(),
            1 => source.describe(&ipe.extraction).await.is_err(),
            _ => source
                .read(&ipe.extraction, &mut Anything::default())
                .await
                .is_err(),
        };
        if failed {
            return;
        }
    }
}

fn extraction<'e>(
    driver: &'e dyn Driver,
    ipe: &'e PlannedIpe,
    settings: &'e ConnectionSettings,
    limits: Limits,
) -> Extraction<'e> {
    Extraction {
        ipe,
        run_id: &PLAN.run_id,
        extracted_at: Timestamp::UNIX_EPOCH,
        stage: Stage::Prod,
        driver,
        settings,
        limits,
        options: Options::default(),
        last_published_rows: None,
    }
}

/// Records what a real server says to a client, for the corpus: stands between the two, and writes down what the server
/// sends once TLS is taken off. `server` has the port and the authority of a stand-in; the client does what `choice` says.
///
/// # Panics
/// When the session cannot be recorded.
pub async fn record(choice: u8, server: u16, ca_pem: &str) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"tds/8.0".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut recorded = vec![choice & !1];
    let between = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let client = IDENTITY.strict().accept(tcp).await.unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let server = connector.connect(name, tcp).await.unwrap();
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let up = async {
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            let _ = to_server.shutdown().await;
        };
        let down = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                recorded.extend_from_slice(&buffer[..read]);
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(up, down);
    };
    let settings = settings(port, "strict", IDENTITY.ca_pem());
    tokio::select! {
        () = async { client(&TiberiusDriver::new(), choice >> 1, &settings).await } => {}
        () = between => {}
    }
    recorded
}
