//! A proxy before the SQL Server stand-in that cuts, stalls, slows or refuses connections, and counts the server's bytes.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It is refused: accepted, and closed before the first byte.
    Refuse,
    /// It ends after so many bytes of the server's.
    CutAfter(u64),
    /// Nothing comes for this time after so many bytes of the server's; then it goes on.
    StallAfter(u64, Duration),
    /// No more than so many bytes of the server's come in a second.
    Pace(u64),
}

type Choose = Box<dyn FnMut(u64) -> Trouble + Send>;

/// The running proxy.
pub struct Wire {
    address: SocketAddr,
    choose: Arc<Mutex<Choose>>,
    bytes: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Listens on 127.0.0.1 before `server`.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let choose: Arc<Mutex<Choose>> = Arc::new(Mutex::new(Box::new(|_| Trouble::None)));
        let chooser = Arc::clone(&choose);
        let bytes: Arc<AtomicU64> = Arc::default();
        let counter = Arc::clone(&bytes);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((client, _)) = listener.accept().await {
                number += 1;
                let trouble = chooser.lock().unwrap_or_else(PoisonError::into_inner)(number);
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let _ = carry(client, server, trouble, &counter).await;
                });
            }
        });
        Self {
            address,
            choose,
            bytes,
            task,
        }
    }

    /// Where the server is now.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of the server's so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// From now on `choose` decides, given the number of the connection since the start, from 1.
    pub fn trouble(&self, choose: impl FnMut(u64) -> Trouble + Send + 'static) {
        *self.choose.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(choose);
    }

    /// From now on nothing happens to new connections.
    pub fn calm(&self) {
        self.trouble(|_| Trouble::None);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    trouble: Trouble,
    counter: &AtomicU64,
) -> io::Result<()> {
    if trouble == Trouble::Refuse {
        return Ok(());
    }
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let down = async {
        let mut sent = 0u64;
        let mut trouble = trouble;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from_server.read(&mut buffer).await?;
            if length == 0 {
                return Ok::<_, io::Error>(());
            }
            let mut rest = &buffer[..length];
            counter.fetch_add(length as u64, Ordering::Relaxed);
            if let Trouble::Pace(per_second) = trouble {
                tokio::time::sleep(Duration::from_secs_f64(length as f64 / per_second as f64))
                    .await;
            }
            if let Trouble::CutAfter(limit) | Trouble::StallAfter(limit, _) = trouble
                && sent + rest.len() as u64 > limit
            {
                let room = usize::try_from(limit.saturating_sub(sent)).unwrap_or(rest.len());
                let (first, second) = rest.split_at(room.min(rest.len()));
                to_client.write_all(first).await?;
                let Trouble::StallAfter(_, time) = trouble else {
                    return Ok(());
                };
                tokio::time::sleep(time).await;
                trouble = Trouble::None;
                sent += first.len() as u64;
                rest = second;
            }
            to_client.write_all(rest).await?;
            sent += rest.len() as u64;
        }
    };
    tokio::select! {
        ended = up => ended.map(drop),
        ended = down => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&[7; 100]).await;
            }
        });
        address
    }

    async fn read(wire: &Wire) -> usize {
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        all.len()
    }

    #[tokio::test]
    async fn connections_are_cut_where_it_was_asked_for() {
        let wire = Wire::start(server().await).await;
        assert_eq!(read(&wire).await, 100);
        wire.trouble(|n| match n {
            2 => Trouble::CutAfter(30),
            3 => Trouble::Refuse,
            _ => Trouble::StallAfter(10, Duration::from_millis(200)),
        });
        assert_eq!((read(&wire).await, read(&wire).await), (30, 0));
        let started = std::time::Instant::now();
        assert_eq!(read(&wire).await, 100);
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
}
