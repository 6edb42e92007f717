//! Our own reader, as `benches/compare` measures it: the whole extraction of the ledger, checks, digests and all, into files.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;
use soxauto_benches::{Discard, Failure, Folder, LOGIN, PASSWORD, ipe};
use soxauto_domain::{CheckOutcome, plan::Stage};
use soxauto_extract::{
    BulkDriver, ConnectionSettings, Driver as _, Extraction, Limits, Options as Sizes, Progress,
    Step, extract,
};

#[derive(Parser)]
struct Options {
    /// Port of the server on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The server's authority.
    #[arg(long)]
    ca: PathBuf,
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

struct Silent;

impl Progress for Silent {
    fn step(&self, _: Step) {}
    fn rows(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let encrypt = if options.tls { "yes" } else { "no" };
    let secret = json!({
        "connection_string": format!("SERVER=tcp:localhost,{};DATABASE=master;UID={LOGIN};PWD={PASSWORD};Encrypt={encrypt}", options.port),
        "ca_pem": std::fs::read_to_string(&options.ca)?,
    });
    let settings = ConnectionSettings::parse(&secret.to_string())?;
    let limits = Limits::until(Instant::now() + Duration::from_secs(3600));
    let driver = options.driver;
    let ipe = ipe()?;
    if options.discard {
        let mut source = driver.connect(&settings, &ipe.database, &limits).await?;
        let mut sink = Discard::default();
        source.read(&ipe.extraction, &mut sink).await?;
        println!("{}", json!({"rows": sink.rows}));
        return Ok(());
    }
    let request = Extraction {
        ipe: &ipe,
        run_id: &"BENCH/2024-05-01/r1".parse()?,
        extracted_at: "2024-05-01T09:00:00Z".parse()?,
        stage: Stage::Dev,
        driver: &driver,
        settings: &settings,
        limits,
        options: Sizes::default(),
        last_published_rows: None,
    };
    let mut extracted = extract(request, &Folder::new(&options.folder), &Silent).await?;
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
