//! Writes the corpus of the target `tds`: what the SQL Server stand-in says to a client that extracts, that reads every
//! type, and that is refused. Once, by hand: `cargo run -p soxauto-fuzz-targets --example record`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, sync::Arc};

use soxauto_domain::Plan;
use soxauto_fuzz_targets::record;
use soxauto_tds::{
    Cell, Column, EncryptionPolicy, Request, Rows, Script, ScriptedBackend, Server, ServerConfig,
    SqlError,
};

/// Days from 0001-01-01 to 2024-04-30.
const DAY: i64 = 739_005;
const ONE: i128 = 100_000_000_000_000_000_000;

fn column(name: &str, declared: &str) -> Column {
    Column::new(name, declared).unwrap()
}

/// The rows that the plan's queries ask for.
fn answer(request: &Request, plan: &Plan) -> Option<Script> {
    let ipe = &plan.ipes[0];
    if request.sql.contains("ORIGINAL_LOGIN()") {
        return Script::identity(false).ok();
    }
    if *request.sql == *ipe.completeness.query.sql {
        let columns = vec![
            column("row_count", "bigint"),
            column("sum_lcy_per_usd", "decimal(38,20)"),
        ];
        let row = vec![Cell::Int(2), Cell::Decimal(2 * ONE)];
        return Some(Script::rows(Rows::cells(columns, vec![row])));
    }
    let columns = ipe
        .columns
        .iter()
        .map(|c| column(&c.name, &c.sql_type.to_string()))
        .collect();
    let row = |company: &str| {
        vec![
            Cell::text(company),
            Cell::text("Nigeria"),
            Cell::text("NG"),
            Cell::text("Nigeria"),
            Cell::text("West"),
            Cell::text("NGN"),
            Cell::text("Closing"),
            Cell::Date(DAY),
            Cell::Bit(company.ends_with("USD")),
            Cell::Decimal(ONE),
        ]
    };
    let rows = vec![row("EC_NG"), row("EC_NG_USD")];
    Some(Script::rows(Rows::cells(columns, rows)))
}

/// Every type with a value and with NULL.
fn every_type() -> Script {
    let point = Cell::DateTime {
        days: DAY,
        ticks: 600_000_000,
    };
    let types = vec![
        ("bit", Cell::Bit(true)),
        ("tinyint", Cell::Int(255)),
        ("smallint", Cell::Int(-1)),
        ("int", Cell::Int(7)),
        ("bigint", Cell::Int(i64::MIN)),
        ("real", Cell::Real(0.25)),
        ("float", Cell::Float(0.1)),
        ("decimal(38,20)", Cell::Decimal(ONE)),
        ("numeric(9,2)", Cell::Decimal(1250)),
        ("money", Cell::Decimal(12_345)),
        ("smallmoney", Cell::Decimal(-1)),
        ("date", Cell::Date(DAY)),
        ("time(7)", Cell::Time(1)),
        ("datetime", point.clone()),
        ("smalldatetime", point.clone()),
        ("datetime2(3)", point),
        (
            "datetimeoffset(7)",
            Cell::DateTimeOffset {
                days: DAY,
                ticks: 1,
                offset: -210,
            },
        ),
        ("char(4)", Cell::text("ab")),
        ("varchar(20)", Cell::text("12 €")),
        ("varchar(max)", Cell::text("y".repeat(300))),
        ("nvarchar(20)", Cell::text("é漢😀")),
        ("nvarchar(max)", Cell::text("z".repeat(300))),
        (
            "uniqueidentifier",
            Cell::text("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ),
        ("varbinary(8)", Cell::bytes([0, 255])),
        ("varbinary(max)", Cell::bytes(vec![9; 100])),
        ("xml", Cell::text("<a/>")),
    ];
    let columns = types.iter().map(|(name, _)| column(name, name)).collect();
    let values = types.iter().map(|(_, cell)| cell.clone()).collect();
    let nulls = vec![Cell::Null; types.len()];
    Script::rows(Rows::cells(columns, vec![values, nulls]))
}

#[tokio::main]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let plan: Plan = serde_json::from_slice(&fs::read(folder.join("plan.json")).unwrap()).unwrap();
    let backends = [
        (
            "extraction",
            0b000,
            ScriptedBackend::new().on_request(move |request| answer(request, &plan)),
        ),
        (
            "every_type",
            0b1010,
            ScriptedBackend::new().on_request(|_| Some(every_type())),
        ),
        (
            "error",
            0b1010,
            ScriptedBackend::new()
                .on_request(|_| Some(Script::error(SqlError::deadlock_victim(51)))),
        ),
    ];
    for (name, choice, backend) in backends {
        let mut config = ServerConfig::local("reader", "x").unwrap();
        config.encryption = EncryptionPolicy::Strict;
        let server = Server::start(config, Arc::new(backend)).await.unwrap();
        let recorded = record(choice, server.addr().port(), server.ca_pem()).await;
        println!("{name}: {} bytes", recorded.len());
        // The same bytes in place of TLS: the first answer is read before any encryption.
        fs::write(folder.join("tds").join(name), &recorded).unwrap();
        let clear: Vec<u8> = std::iter::once(recorded[0] | 1)
            .chain(recorded.iter().skip(1).copied().take(200))
            .collect();
        fs::write(folder.join("tds").join(format!("{name}_clear")), clear).unwrap();
        server.stop().await;
    }
}
