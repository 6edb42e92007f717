//! Our own reader, as `benches/compare` measures it: the whole extraction of the table, checks, digests and all, into files.

use std::path::PathBuf;

use clap::Parser;
use serde_json::json;
use soxauto_benches::{
    Content, Discard, Failure, Folder, Table, an_hour, ipe, plain, read, settings,
};
use soxauto_domain::CheckOutcome;
use soxauto_extract::{BulkDriver, Driver as _};

#[derive(Parser)]
struct Options {
    /// Port of the server on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The server's authority.
    #[arg(long)]
    ca: PathBuf,
    /// Which table the server has.
    #[arg(long, value_enum, default_value_t = Table::Ledger)]
    table: Table,
    /// Whether all is encrypted, or the login only.
    #[arg(long)]
    tls: bool,
    /// Only read, and forget the rows.
    #[arg(long)]
    discard: bool,
    /// Which driver reads the rows.
    #[arg(long, default_value = BulkDriver::default().name())]
    driver: BulkDriver,
    /// Where the parts go.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let authority = std::fs::read_to_string(&options.ca)?;
    let settings = settings(options.port, &authority, options.tls)?;
    let driver = options.driver;
    // How many rows there are is for the source to say.
    let ipe = ipe(Content {
        table: options.table,
        rows: 0,
    })?;
    if options.discard {
        let mut source = driver.connect(&settings, &ipe.database, &an_hour()).await?;
        let mut sink = Discard::default();
        source
            .read(&plain("SELECT * FROM [Ledger]"), &mut sink)
            .await?;
        println!("{}", json!({"rows": sink.rows}));
        return Ok(());
    }
    let mut extracted = read(&driver, &settings, &ipe, &Folder::new(&options.folder)).await??;
    extracted.complete_uploads().await?;
    let failed: Vec<String> = extracted
        .checks
        .iter()
        .filter(|check| !check.passed())
        .map(CheckOutcome::id)
        .collect();
    println!(
        "{}",
        json!({
            "rows": extracted.counts.decoded,
            "bytes": extracted.files.iter().map(|f| f.size).sum::<u64>(),
            "content_sha256": extracted.content_sha256,
            "failed_checks": failed,
            "timings": extracted.timings,
            "peaks": extracted.peaks,
        })
    );
    Ok(())
}
