//! What the server answers: the table, the questions that our extraction asks about it, and those that the drivers of others
//! ask of themselves.

use soxauto_tds::{Cell, Column, Recording, Request, Rows, Script, ScriptedBackend, Step};

use crate::{
    Failure,
    plan::COMPLETENESS,
    table::{COMPANIES, Content},
};

/// Days from year 1 to 1970, in which the stand-in counts.
const TO_1970: i64 = 719_162;

/// How the rows are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// From memory, as prepared once.
    Prepared {
        /// How often, one after the other: more rows without more memory, and with keys that come again.
        times: u64,
        /// At most so many bytes a second: a server that is the limit.
        bytes_per_second: Option<u64>,
    },
    /// Made while they are sent: any number of rows in the memory of one batch, and a server that is slower.
    Streamed,
}

impl Default for Sending {
    fn default() -> Self {
        Self::Prepared {
            times: 1,
            bytes_per_second: None,
        }
    }
}

/// The backend with the table `Ledger`.
///
/// # Errors
/// Never: the rows fit their types.
pub fn backend(content: Content, sending: Sending) -> Result<ScriptedBackend, Failure> {
    let columns = content.columns()?;
    let mut repeated = 1;
    let whole = match sending {
        Sending::Streamed => {
            Script::rows(Rows::generated(columns.clone(), move || content.batches()))
        }
        Sending::Prepared {
            times,
            bytes_per_second,
        } => {
            repeated = times;
            let mut recording = Recording::new(columns.clone(), content.batches(), times)?;
            if let Some(pace) = bytes_per_second {
                recording = recording.paced(pace);
            }
            eprintln!(
                "{} rows, {} bytes on the wire",
                recording.rows(),
                recording.bytes()
            );
            Script::new().then(Step::Replay(recording))
        }
    };
    // Any rows without the last company do for the negative.
    let few = Rows::batches(columns, vec![]);
    let completeness = Script::rows(Rows::cells(
        vec![
            Column::new("rows", "bigint")?,
            Column::new("amount", "decimal(38,20)")?,
            Column::new("last", "datetime")?,
        ],
        vec![vec![
            Cell::Int(i64::try_from(content.rows * repeated)?),
            Cell::Decimal(content.amount() * i128::from(repeated)),
            Cell::DateTime {
                days: TO_1970 + content.last_day(),
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
