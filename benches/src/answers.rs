//! What the server answers: the ledger as a recording, the questions that our extraction asks about it, and those that the
//! drivers of others ask of themselves.

use soxauto_tds::{Cell, Column, Recording, Request, Rows, Script, ScriptedBackend, Step};

use crate::{
    Failure,
    plan::COMPLETENESS,
    table::{COMPANIES, Ledger},
};

/// The only login.
pub const LOGIN: &str = "reader";
/// Its password: the server holds nothing and listens on 127.0.0.1.
pub const PASSWORD: &str = "Benchmark-1";

/// Days from year 1 to 1970, in which the stand-in counts.
const TO_1970: i64 = 719_162;

/// The backend with `ledger`, sent `times` times over, at most so many bytes a second if that is said.
///
/// # Errors
/// Never: the rows fit their types.
pub fn backend(
    ledger: Ledger,
    times: u64,
    bytes_per_second: Option<u64>,
) -> Result<ScriptedBackend, Failure> {
    let columns = Ledger::columns()?;
    let mut recording = Recording::new(columns.clone(), ledger.batches(), times)?;
    if let Some(pace) = bytes_per_second {
        recording = recording.paced(pace);
    }
    eprintln!(
        "{} rows, {} bytes on the wire",
        recording.rows(),
        recording.bytes()
    );
    let whole = Script::new().then(Step::Replay(recording));
    // Any rows without the last company do for the negative.
    let few = Rows::batches(columns, vec![]);
    let last = TO_1970 + ledger.last_day();
    let completeness = Script::rows(Rows::cells(
        vec![
            Column::new("rows", "bigint")?,
            Column::new("amount", "decimal(38,20)")?,
            Column::new("last", "datetime")?,
        ],
        vec![vec![
            Cell::Int(i64::try_from(ledger.rows * times)?),
            Cell::Decimal(ledger.amount() * i128::from(times)),
            Cell::DateTime {
                days: last,
                ticks: 0,
            },
        ]],
    ));
    let identity = Script::identity(false)?;
    let one = Script::rows(Rows::cells(
        vec![Column::new("one", "int")?],
        vec![vec![Cell::Int(1)]],
    ));
    Ok(ScriptedBackend::new().on_request(move |request| {
        let sql = request.sql.trim();
        if sql.contains("FROM [Ledger] WHERE") {
            return Some(match request.params.len() {
                n if n < COMPANIES.len() => Script::rows(few.clone()),
                _ => whole.clone(),
            });
        }
        if sql == COMPLETENESS {
            return Some(completeness.clone());
        }
        if sql.contains("FROM [Ledger]") {
            return Some(whole.clone());
        }
        if sql.contains("@@SERVERNAME") {
            return Some(identity.clone());
        }
        // ConnectorX tries its connections with this.
        if sql == "SELECT 1" {
            return Some(one.clone());
        }
        unknown(request)
    }))
}

/// What a client sends of itself is worth seeing.
fn unknown(request: &Request) -> Option<Script> {
    eprintln!("no script for: {}", request.sql);
    None
}
