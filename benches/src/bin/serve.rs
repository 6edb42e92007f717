//! The server of the benches: prints its port and the file with its authority's certificate, and runs until its input is closed.

use std::{io::Write as _, path::PathBuf};

use clap::Parser;
use soxauto_benches::{Content, Failure, Sending, Table, backend, start};

#[derive(Parser)]
struct Options {
    /// What the table has.
    #[arg(long, value_enum, default_value_t = Table::Ledger)]
    table: Table,
    /// Its rows; unless they are streamed they are kept in memory as they are sent, about 250 bytes each of the ledger.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How often they are sent, one after the other: more rows without more memory, and with keys that come again.
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// At most so many bytes a second: a server that is the limit.
    #[arg(long)]
    bytes_per_second: Option<u64>,
    /// Make the rows while they are sent: any number of them in constant memory, from a server that is slower.
    #[arg(long, conflicts_with_all = ["times", "bytes_per_second"])]
    streamed: bool,
    /// Where the certificate goes.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let content = Content {
        table: options.table,
        rows: options.rows,
    };
    let sending = if options.streamed {
        Sending::Streamed
    } else {
        Sending::Prepared {
            times: options.times,
            bytes_per_second: options.bytes_per_second,
        }
    };
    let server = start(backend(content, sending)?).await?;
    let authority = options.folder.join("ca.pem");
    std::fs::write(&authority, server.ca_pem())?;
    println!("{} {}", server.addr().port(), authority.display());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    server.stop().await;
    Ok(())
}
