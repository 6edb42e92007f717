//! The scripted server that the clients of `local/clients` are tried against: prints its port and the path of its
//! authority's certificate, and runs until its input is closed.
#![allow(
    clippy::expect_used,
    reason = "a tool for tests: it may stop with a message"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use soxauto_tds::{
    Cell, Column, EncryptionPolicy, Request, Rows, Script, ScriptedBackend, Server, ServerConfig,
    SqlError, Step,
};

/// Every type with a value at one end, a value at the other end, and NULL.
fn every_type() -> Vec<(&'static str, Cell<'static>, Cell<'static>)> {
    let text = |text: &str| Cell::text(text);
    let point = |days, ticks| Cell::DateTime { days, ticks };
    let last_tick = 863_999_999_999;
    vec![
        ("bit", Cell::Bit(false), Cell::Bit(true)),
        ("tinyint", Cell::Int(0), Cell::Int(255)),
        ("smallint", Cell::Int(-32768), Cell::Int(32767)),
        (
            "int",
            Cell::Int(i32::MIN.into()),
            Cell::Int(i32::MAX.into()),
        ),
        ("bigint", Cell::Int(i64::MIN), Cell::Int(i64::MAX)),
        ("real", Cell::Real(-1.5), Cell::Real(0.25)),
        ("float", Cell::Float(-1.5e300), Cell::Float(0.1)),
        (
            "decimal(38,20)",
            Cell::Decimal(1 - 10_i128.pow(38)),
            Cell::Decimal(1),
        ),
        (
            "numeric(9,2)",
            Cell::Decimal(-999_999_999),
            Cell::Decimal(1250),
        ),
        (
            "money",
            Cell::Decimal(i64::MIN.into()),
            Cell::Decimal(i64::MAX.into()),
        ),
        (
            "smallmoney",
            Cell::Decimal(i32::MIN.into()),
            Cell::Decimal(i32::MAX.into()),
        ),
        ("date", Cell::Date(0), Cell::Date(3_652_058)),
        ("time(7)", Cell::Time(0), Cell::Time(last_tick)),
        ("time(0)", Cell::Time(0), Cell::Time(863_990_000_000)),
        (
            "datetime",
            point(639_905, 0),
            point(3_652_058, 863_999_970_000),
        ),
        (
            "smalldatetime",
            point(693_595, 0),
            point(759_130, 863_400_000_000),
        ),
        ("datetime2(7)", point(0, 0), point(3_652_058, last_tick)),
        (
            "datetime2(3)",
            point(738_976, 1_230_000),
            point(738_976, 450_001_230_000),
        ),
        (
            "datetimeoffset(7)",
            Cell::DateTimeOffset {
                days: 738_976,
                ticks: 432_000_000_000,
                offset: -210,
            },
            Cell::DateTimeOffset {
                days: 738_976,
                ticks: 1,
                offset: 840,
            },
        ),
        ("char(4)", text("ab"), text("été!")),
        ("varchar(20)", text(""), text("œuvre 12 €")),
        (
            "varchar(20) COLLATE Cyrillic_General_CI_AS",
            text("x"),
            text("Привет"),
        ),
        (
            "varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8",
            text("x"),
            text("é漢😀"),
        ),
        (
            "varchar(max)",
            text("y"),
            text(&"0123456789".repeat(10_000)),
        ),
        ("nchar(4)", text("ab"), text("漢字漢字")),
        ("nvarchar(20)", text(""), text("é漢😀")),
        ("nvarchar(max)", text("z"), text(&"é漢😀.".repeat(10_000))),
        (
            "uniqueidentifier",
            text("00000000-0000-0000-0000-000000000000"),
            text("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ),
        ("binary(4)", Cell::bytes([1]), Cell::bytes([1, 2, 3, 255])),
        ("varbinary(8)", Cell::bytes([]), Cell::bytes([0, 255])),
        (
            "varbinary(max)",
            Cell::bytes([7]),
            Cell::bytes(vec![9; 50_000]),
        ),
        (
            "rowversion",
            Cell::bytes([0; 8]),
            Cell::bytes([0, 0, 0, 0, 0, 0, 7, 209]),
        ),
        ("xml", text("<a/>"), text("<a>é</a>")),
    ]
}

fn column(name: &str, declared: &str) -> Column {
    Column::new(name, declared).expect("a valid type")
}

fn types_script() -> Script {
    let types = every_type();
    let columns = types
        .iter()
        .map(|(declared, _, _)| column(declared, declared))
        .collect();
    let low = types.iter().map(|(_, low, _)| low.clone()).collect();
    let high = types.iter().map(|(_, _, high)| high.clone()).collect();
    let nulls = vec![Cell::Null; types.len()];
    Script::rows(Rows::cells(columns, vec![low, high, nulls]))
}

fn numbers(rows: i64) -> Script {
    let cells = (0..rows)
        .map(|n| vec![Cell::Int(n), Cell::text(format!("row {n}"))])
        .collect();
    Script::rows(Rows::cells(
        vec![column("n", "bigint"), column("t", "nvarchar(40)")],
        cells,
    ))
}

/// The parameters, one row each.
fn echo(request: &Request) -> Option<Script> {
    if !request.sql.contains("ECHO") {
        return None;
    }
    let rows = request
        .params
        .iter()
        .map(|parameter| {
            vec![
                Cell::text(parameter.name.as_str()),
                Cell::text(parameter.declared.as_str()),
                parameter.value.as_deref().map_or(Cell::Null, Cell::text),
            ]
        })
        .collect();
    Some(Script::rows(Rows::cells(
        vec![
            column("name", "nvarchar(128)"),
            column("declared", "nvarchar(128)"),
            column("value", "nvarchar(max)"),
        ],
        rows,
    )))
}

fn backend() -> ScriptedBackend {
    ScriptedBackend::new()
        .on(
            "SELECT 1 AS one",
            Script::rows(Rows::cells(
                vec![column("one", "int")],
                vec![vec![Cell::Int(1)]],
            )),
        )
        .on("SELECT types", types_script())
        .on("SELECT many", numbers(100_000))
        .on(
            "SELECT two",
            numbers(2).then(Step::Rows(Rows::cells(
                vec![column("x", "int")],
                vec![vec![Cell::Int(7)]],
            ))),
        )
        .on(
            "WAITFOR",
            Script::new().then(Step::Wait(Duration::from_secs(600))),
        )
        .on("DEADLOCK", Script::error(SqlError::deadlock_victim(51)))
        .on_request(echo)
        .on_request(|request| {
            // What a client sends of itself is worth seeing.
            eprintln!("no script for: {request:?}");
            None
        })
}

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .expect("usage: serve FOLDER [strict]"),
    );
    let mut config = ServerConfig::local("reader", "Str0ng;{Pass}wörd").expect("a configuration");
    config.databases = vec!["master".to_owned(), "AIG_Nav_DW".to_owned()];
    config.default_database = "AIG_Nav_DW".to_owned();
    if std::env::args().nth(2).as_deref() == Some("strict") {
        config.encryption = EncryptionPolicy::Strict;
    }
    let server = Server::start(config, Arc::new(backend()))
        .await
        .expect("the server starts");
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, server.ca_pem()).expect("the folder can be written to");
    println!("{} {}", server.addr().port(), ca.display());
    std::io::stdout().flush().expect("the output is open");
    // Until whoever started this closes the input.
    let closed =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    closed
        .await
        .expect("the input is read")
        .expect("the input can be read");
    server.stop().await;
}
