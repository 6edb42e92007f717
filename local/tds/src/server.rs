//! The listening server: its configuration, its start and its stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::backend::Backend;
use crate::collation::Collation;
use crate::connection;
use crate::error::StartError;
use crate::login::{Login, Logins};
use crate::tls::TlsIdentity;

/// The first session number that is a user's.
const FIRST_SPID: u16 = 51;

/// What the server asks of a client's encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncryptionPolicy {
    /// Whatever the client asks for: none, login only, everything, or strict.
    #[default]
    Optional,
    /// Everything is encrypted, by 7.x or by 8.0.
    Required,
    /// TDS 8.0 only.
    Strict,
}

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// Who may log in at first.
    pub logins: Vec<Login>,
    /// Its certificate.
    pub tls: TlsIdentity,
    /// What it asks of a client's encryption.
    pub encryption: EncryptionPolicy,
    /// What it calls itself in messages.
    pub server_name: String,
    /// Its product version: major, minor, and the build in two bytes. 15.0.4375 is SQL Server 2019.
    pub version: [u8; 4],
    /// The database of a login that names none.
    pub default_database: String,
    /// The databases that exist; another is refused with 4060. When empty, the backend alone decides.
    pub databases: Vec<String>,
    /// The server's collation.
    pub collation: Collation,
    /// The largest request in bytes; a larger one ends the connection.
    pub max_request_bytes: usize,
}

impl ServerConfig {
    /// A server on a free port of 127.0.0.1, with a new certificate and one login that may only read.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn local(login: &str, password: &str) -> Result<Self, StartError> {
        Ok(Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            logins: vec![Login {
                name: login.to_owned(),
                password: password.to_owned(),
                can_write: false,
            }],
            tls: TlsIdentity::generate()?,
            encryption: EncryptionPolicy::default(),
            server_name: "localhost".to_owned(),
            version: [15, 0, 0x11, 0x17],
            default_database: "master".to_owned(),
            databases: Vec::new(),
            collation: Collation::default(),
            max_request_bytes: 64 * 1024 * 1024,
        })
    }
}

/// A running server. Dropping it ends it as well, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ca_pem: String,
    logins: Logins,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        config: ServerConfig,
        backend: Arc<dyn Backend>,
    ) -> Result<Self, StartError> {
        let listen_error = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let ca_pem = config.tls.ca_pem().to_owned();
        let (stop, stopped) = watch::channel(false);
        let logins = Logins::new(config.logins.clone());
        let accepting = tokio::spawn(accept(
            listener,
            Arc::new(config),
            logins.clone(),
            backend,
            stopped,
        ));
        Ok(Self {
            address,
            ca_pem,
            logins,
            stop,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that clients are to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Who may log in from now on, and nobody else. Sessions that are open go on, as those of SQL Server do when a login
    /// gets another password.
    pub fn set_logins(&self, logins: Vec<Login>) {
        self.logins.replace(logins);
    }

    /// Stops listening and ends every session; returns when they have ended.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(accepting) = self.accepting.take()
            && let Err(error) = accepting.await
        {
            tracing::error!(%error, "the accept loop failed");
        }
    }
}

async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    logins: Logins,
    backend: Arc<dyn Backend>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    let next_spid = AtomicU16::new(FIRST_SPID);
    loop {
        tokio::select! {
            () = told_to_stop(&mut stopped) => break,
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => {
                    let spid = next_spid.fetch_add(1, Ordering::Relaxed).max(FIRST_SPID);
                    let (config, backend) = (Arc::clone(&config), Arc::clone(&backend));
                    let logins = logins.clone();
                    sessions.spawn(async move {
                        if let Err(error) = connection::serve(tcp, config, &logins, backend, spid).await {
                            tracing::debug!(spid, %peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
    sessions.shutdown().await;
}

/// Returns when the server is stopped or dropped.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender, and so the server, is gone.
    let _ = stopped.wait_for(|stop| *stop).await;
}
