//! The server of the benches: prints its port and the file with its authority's certificate, and runs until its input is closed.

use std::{io::Write as _, path::PathBuf, sync::Arc};

use clap::Parser;
use soxauto_benches::{Failure, LOGIN, Ledger, PASSWORD, backend};
use soxauto_tds::{Server, ServerConfig};

#[derive(Parser)]
struct Options {
    /// Rows of the ledger; they are kept in memory as they are sent, about 250 bytes each.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How often they are sent, one after the other: more rows without more memory, and with keys that come again.
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// At most so many bytes a second: a server that is the limit.
    #[arg(long)]
    bytes_per_second: Option<u64>,
    /// Where the certificate goes.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let mut config = ServerConfig::local(LOGIN, PASSWORD)?;
    config.databases = vec!["master".to_owned(), "AIG_Nav_DW".to_owned()];
    config.default_database = "AIG_Nav_DW".to_owned();
    let ledger = Ledger { rows: options.rows };
    let backend = backend(ledger, options.times, options.bytes_per_second)?;
    let server = Server::start(config, Arc::new(backend)).await?;
    let authority = options.folder.join("ca.pem");
    std::fs::write(&authority, server.ca_pem())?;
    println!("{} {}", server.addr().port(), authority.display());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    server.stop().await;
    Ok(())
}
