//! Microsoft's TDS client against the SQL Server stand-in: every encryption, refusals, every type, parameters, cancel.
//!
//! Usage: `mssql-tds-client PORT`, with the server's authority in the file that `SSL_CERT_FILE` names.

use std::time::{Duration, Instant};

use mssql_tds::connection::client_context::ClientContext;
use mssql_tds::connection::tds_client::{ResultSet, StatementResult, TdsClient};
use mssql_tds::connection_provider::tds_connection_provider::TdsConnectionProvider;
use mssql_tds::core::{EncryptionOptions, EncryptionSetting};
use mssql_tds::datatypes::column_values::{ColumnValues, SqlTime};
use mssql_tds::datatypes::decoder::DecimalParts;
use mssql_tds::datatypes::sql_string::SqlString;
use mssql_tds::datatypes::sqltypes::SqlType;
use mssql_tds::error::Error;
use mssql_tds::message::parameters::rpc_parameters::{RpcParameter, StatusFlags};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Each type with its low and its high value, as [`show`] shows them.
fn types() -> Vec<(&'static str, String, String)> {
    let long_ascii = "0123456789".repeat(10_000);
    let long_wide = "é漢😀.".repeat(10_000);
    [
        ("bit", "false", "true"),
        ("tinyint", "0", "255"),
        ("smallint", "-32768", "32767"),
        ("int", "-2147483648", "2147483647"),
        ("bigint", "-9223372036854775808", "9223372036854775807"),
        ("real", "-1.5", "0.25"),
        ("float", "-1.5e300", "0.1"),
        (
            "decimal(38,20)",
            "-99999999999999999999999999999999999999e-20",
            "1e-20",
        ),
        ("numeric(9,2)", "-999999999e-2", "1250e-2"),
        ("money", "-9223372036854775808e-4", "9223372036854775807e-4"),
        ("smallmoney", "-2147483648e-4", "2147483647e-4"),
        ("date", "day 0", "day 3652058"),
        ("time(7)", "0 of 7", "863999999999 of 7"),
        ("time(0)", "0 of 0", "863990000000 of 0"),
        ("datetime", "day -53690 0/300", "day 2958463 25919999/300"),
        ("smalldatetime", "day 0 minute 0", "day 65535 minute 1439"),
        (
            "datetime2(7)",
            "day 0 0 of 7",
            "day 3652058 863999999999 of 7",
        ),
        (
            "datetime2(3)",
            "day 738976 1230000 of 3",
            "day 738976 450001230000 of 3",
        ),
        (
            "datetimeoffset(7)",
            "day 738976 432000000000 of 7 -210",
            "day 738976 1 of 7 840",
        ),
        ("char(4)", "ab  ", "été!"),
        ("varchar(20)", "", "œuvre 12 €"),
        ("varchar(20) COLLATE Cyrillic_General_CI_AS", "x", "Привет"),
        (
            "varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8",
            "x",
            "é漢😀",
        ),
        ("varchar(max)", "y", &long_ascii),
        ("nchar(4)", "ab  ", "漢字漢字"),
        ("nvarchar(20)", "", "é漢😀"),
        ("nvarchar(max)", "z", &long_wide),
        (
            "uniqueidentifier",
            "00000000-0000-0000-0000-000000000000",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        ),
        ("binary(4)", "[1, 0, 0, 0]", "[1, 2, 3, 255]"),
        ("varbinary(8)", "[]", "[0, 255]"),
        (
            "varbinary(max)",
            "[7]",
            &format!("{:?}", vec![9_u8; 50_000]),
        ),
        (
            "rowversion",
            "[0, 0, 0, 0, 0, 0, 0, 0]",
            "[0, 0, 0, 0, 0, 0, 7, 209]",
        ),
        ("xml", "<a/>", "<a>é</a>"),
    ]
    .map(|(name, low, high)| (name, low.to_owned(), high.to_owned()))
    .to_vec()
}

fn show_decimal(decimal: &DecimalParts) -> String {
    let sign = if decimal.is_positive { "" } else { "-" };
    format!("{sign}{}e-{}", decimal.magnitude(), decimal.scale)
}

/// The client calls it nanoseconds and gives ticks of 100 ns.
fn show_time(time: &SqlTime) -> String {
    format!("{} of {}", time.time_nanoseconds, time.scale)
}

fn show(value: &ColumnValues) -> String {
    match value {
        ColumnValues::TinyInt(value) => value.to_string(),
        ColumnValues::SmallInt(value) => value.to_string(),
        ColumnValues::Int(value) => value.to_string(),
        ColumnValues::BigInt(value) => value.to_string(),
        ColumnValues::Real(value) => format!("{value:?}"),
        ColumnValues::Float(value) => format!("{value:?}"),
        ColumnValues::Decimal(value) | ColumnValues::Numeric(value) => show_decimal(value),
        ColumnValues::Bit(value) => value.to_string(),
        ColumnValues::String(value) => value.to_utf8_string(),
        ColumnValues::DateTime(value) => format!("day {} {}/300", value.days, value.time),
        ColumnValues::Date(value) => format!("day {}", value.get_days()),
        ColumnValues::Time(value) => show_time(value),
        ColumnValues::DateTime2(value) => format!("day {} {}", value.days, show_time(&value.time)),
        ColumnValues::DateTimeOffset(value) => format!(
            "day {} {} {}",
            value.datetime2.days,
            show_time(&value.datetime2.time),
            value.offset
        ),
        ColumnValues::SmallDateTime(value) => format!("day {} minute {}", value.days, value.time),
        ColumnValues::SmallMoney(value) => format!("{}e-4", value.int_val),
        ColumnValues::Money(value) => {
            let whole = i64::from(value.msb_part) << 32 | i64::from(value.lsb_part.cast_unsigned());
            format!("{whole}e-4")
        }
        ColumnValues::Bytes(value) => format!("{value:?}"),
        ColumnValues::Xml(value) => value.as_string(),
        ColumnValues::Null => "NULL".to_owned(),
        ColumnValues::Uuid(value) => value.to_string(),
        other => format!("unexpected {other:?}"),
    }
}

/// How to reach the server.
struct Target {
    port: u16,
}

impl Target {
    async fn connect(
        &self,
        mode: EncryptionSetting,
        password: &str,
        database: &str,
    ) -> Result<TdsClient, Error> {
        let source = format!("tcp:localhost,{}", self.port);
        let mut context = ClientContext::with_data_source(&source);
        context.user_name = "reader".to_owned();
        context.password = password.to_owned();
        context.database = database.to_owned();
        context.packet_size = 32_000;
        context.encryption_options = EncryptionOptions {
            mode,
            trust_server_certificate: false,
            host_name_in_cert: None,
            server_certificate: None,
        };
        TdsConnectionProvider::new()
            .create_client(context, &source, None)
            .await
    }

    async fn open(&self) -> Result<TdsClient, Error> {
        self.connect(EncryptionSetting::On, PASSWORD, DATABASE)
            .await
    }
}

const PASSWORD: &str = "Str0ng;{Pass}wörd";
const DATABASE: &str = "AIG_Nav_DW";

/// All rows of the current result set, as texts.
async fn rows(client: &mut TdsClient) -> Outcome<Vec<Vec<String>>> {
    let mut all = Vec::new();
    while let Some(row) = client.next_row().await? {
        all.push(row.iter().map(show).collect());
    }
    Ok(all)
}

fn numbers(error: &Error) -> Vec<u32> {
    match error {
        Error::SqlServerError { diagnostics } => diagnostics
            .errors
            .iter()
            .map(|error| error.number)
            .collect(),
        _ => Vec::new(),
    }
}

async fn every_encryption(target: &Target) -> Outcome<()> {
    for (mode, encrypted) in [
        (EncryptionSetting::PreferOff, false),
        (EncryptionSetting::On, true),
        (EncryptionSetting::Required, true),
        (EncryptionSetting::Strict, true),
    ] {
        let mut client = target.connect(mode, PASSWORD, DATABASE).await?;
        client.execute("SELECT 1 AS one".to_owned(), ()).await?;
        assert_eq!(rows(&mut client).await?, [["1"]], "{mode:?}");
        client.close_query().await?;
        assert_eq!(client.is_encrypted(), encrypted, "{mode:?}");
        assert_eq!(client.database(), DATABASE);
        assert_eq!(client.packet_size(), 32_000);
    }
    Ok(())
}

async fn refusals(target: &Target) -> Outcome<()> {
    let mode = EncryptionSetting::On;
    let error = target
        .connect(mode, "wrong", DATABASE)
        .await
        .err()
        .ok_or("a wrong password is accepted")?;
    assert_eq!(numbers(&error), [18456], "{error:?}");
    let error = target
        .connect(mode, PASSWORD, "nowhere")
        .await
        .err()
        .ok_or("a wrong database is accepted")?;
    assert!(numbers(&error).contains(&4060), "{error:?}");
    Ok(())
}

async fn every_type(target: &Target) -> Outcome<()> {
    let mut client = target.open().await?;
    client.execute("SELECT types".to_owned(), ()).await?;
    let names: Vec<String> = client
        .get_metadata()
        .iter()
        .map(|column| column.column_name.clone())
        .collect();
    let rows = rows(&mut client).await?;
    assert_eq!(rows.len(), 3);
    let types = types();
    assert_eq!(names.len(), types.len());
    for (index, (name, low, high)) in types.iter().enumerate() {
        assert_eq!(&names[index], name);
        assert_eq!(&rows[0][index], low, "{name}, low");
        assert_eq!(&rows[1][index], high, "{name}, high");
        assert_eq!(rows[2][index], "NULL", "{name}");
    }
    Ok(())
}

async fn parameters(target: &Target) -> Outcome<()> {
    let mut client = target.open().await?;
    let text = |text: &str| Some(SqlString::from_utf8_string(text.to_owned()));
    let values = [
        ("@a", SqlType::Int(Some(-7)), "int", "-7"),
        ("@b", SqlType::BigInt(None), "bigint", "NULL"),
        (
            "@c",
            SqlType::NVarchar(text("été 😀"), 20),
            "nvarchar(20)",
            "été 😀",
        ),
        ("@d", SqlType::NVarcharMax(text("z")), "nvarchar(max)", "z"),
        (
            "@e",
            SqlType::Decimal(Some(DecimalParts::from_string("-12.34", 18, 2)?)),
            "decimal(18,2)",
            "-12.34",
        ),
        ("@f", SqlType::Bit(Some(true)), "bit", "1"),
        (
            "@g",
            SqlType::VarBinary(Some(vec![0, 255]), 8),
            "varbinary(8)",
            "00ff",
        ),
        (
            "@h",
            SqlType::Date(Some(mssql_tds::datatypes::column_values::SqlDate::create(
                738_976,
            )?)),
            "date",
            "2024-04-01",
        ),
    ];
    let expected: Vec<Vec<String>> = values
        .iter()
        .map(|(name, _, declared, value)| [*name, *declared, *value].map(str::to_owned).to_vec())
        .collect();
    let parameters = values
        .into_iter()
        .map(|(name, value, _, _)| {
            RpcParameter::new(Some(name.to_owned()), StatusFlags::NONE, value)
        })
        .collect();
    client
        .execute_sp_executesql("SELECT ECHO".to_owned(), parameters, ())
        .await?;
    assert_eq!(rows(&mut client).await?, expected);
    Ok(())
}

async fn statements(target: &Target) -> Outcome<()> {
    let mut client = target.open().await?;
    client.execute("SELECT two".to_owned(), ()).await?;
    assert_eq!(rows(&mut client).await?, [["0", "row 0"], ["1", "row 1"]]);
    assert!(matches!(client.advance().await?, StatementResult::Rows));
    assert_eq!(rows(&mut client).await?, [["7"]]);
    client.close_query().await?;
    client.execute("SELECT many".to_owned(), ()).await?;
    assert_eq!(rows(&mut client).await?.len(), 100_000);
    client.close_query().await?;
    let error = client
        .execute("DEADLOCK".to_owned(), ())
        .await
        .err()
        .ok_or("no deadlock")?;
    assert_eq!(numbers(&error), [1205]);
    Ok(())
}

async fn cancel(target: &Target) -> Outcome<()> {
    let mut client = target.open().await?;
    client.execute("SELECT many".to_owned(), ()).await?;
    client.next_row().await?.ok_or("no row")?;
    client.cancel_query(5).await?;
    let started = Instant::now();
    assert!(
        client
            .execute(
                "WAITFOR".to_owned(),
                mssql_tds::connection::tds_client::ExecuteOptions {
                    timeout: Some(1),
                    ..Default::default()
                }
            )
            .await
            .is_err()
    );
    assert!(started.elapsed() < Duration::from_secs(10));
    client.execute("SELECT 1 AS one".to_owned(), ()).await?;
    assert_eq!(rows(&mut client).await?, [["1"]]);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let port = std::env::args()
        .nth(1)
        .ok_or("usage: mssql-tds-client PORT")?
        .parse()?;
    let target = Target { port };
    every_encryption(&target).await?;
    println!("every encryption ... ok");
    refusals(&target).await?;
    println!("refusals ... ok");
    every_type(&target).await?;
    println!("every type ... ok");
    parameters(&target).await?;
    println!("parameters ... ok");
    statements(&target).await?;
    println!("statements ... ok");
    cancel(&target).await?;
    println!("cancel ... ok");
    Ok(())
}
