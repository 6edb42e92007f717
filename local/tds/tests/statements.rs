//! Statements and parameters in all the forms in which clients send them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{column, connect, start};
use soxauto_tds::{
    Cell, Column, Parameter, Request, Rows, Script, ScriptedBackend, SqlError, Step,
};
use tiberius::{ColumnData, Query, ToSql};

/// Answers every statement with its own text and parameters, one row each.
fn echo() -> ScriptedBackend {
    ScriptedBackend::new().on_request(|request| {
        let text = |text: &str| Cell::text(text);
        let mut rows = vec![vec![text("sql"), text(""), text(&request.sql)]];
        for parameter in &request.params {
            rows.push(vec![
                text(&parameter.name),
                text(&parameter.declared),
                parameter.value.as_deref().map_or(Cell::Null, text),
            ]);
        }
        let columns = vec![
            column("name", "nvarchar(128)").not_null(),
            column("declared", "nvarchar(128)").not_null(),
            column("value", "nvarchar(max)"),
        ];
        Some(Script::rows(Rows::cells(columns, rows)))
    })
}

/// A parameter of a type for which tiberius has no Rust type.
struct Typed(ColumnData<'static>);

impl ToSql for Typed {
    fn to_sql(&self) -> ColumnData<'_> {
        self.0.clone()
    }
}

async fn echoed(
    client: &mut common::TestClient,
    sql: &str,
    params: &[&dyn ToSql],
) -> (String, Vec<(String, String, Option<String>)>) {
    let rows = client
        .query(sql, params)
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    let mut rows = rows.iter().map(|row| {
        let text = |name: &str| row.get::<&str, _>(name).map(str::to_owned);
        (
            text("name").unwrap(),
            text("declared").unwrap(),
            text("value"),
        )
    });
    (rows.next().unwrap().2.unwrap(), rows.collect())
}

async fn error_number(client: &mut common::TestClient, sql: &str) -> u32 {
    let result = match client.simple_query(sql).await {
        Ok(stream) => stream.into_results().await.map(drop),
        Err(error) => Err(error),
    };
    match result {
        Err(tiberius::error::Error::Server(token)) => token.code(),
        other => panic!("{sql}: {other:?}"),
    }
}

fn param(name: &str, declared: &str, value: Option<&str>) -> (String, String, Option<String>) {
    (
        name.to_owned(),
        declared.to_owned(),
        value.map(str::to_owned),
    )
}

#[tokio::test]
async fn a_batch_is_passed_on_as_it_is() {
    let server = start(echo()).await;
    let mut client = connect(&server).await;
    let sql = "SELECT [Is_Active?], N'é漢😀' FROM [Jade DZ$Currency Exchange Rate] -- ?";
    let rows = client
        .simple_query(sql)
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    assert_eq!(rows[0].get::<&str, _>("value"), Some(sql));
}

#[tokio::test]
async fn positional_parameters_arrive_typed() {
    let server = start(echo()).await;
    let mut client = connect(&server).await;
    let numeric = tiberius::numeric::Numeric::new_with_scale(-1234567, 4);
    let guid = tiberius::Uuid::parse_str("6f9619ff-8b86-d011-b42d-00c04fc964ff").unwrap();
    let date = tiberius::time::Date::new(738_976);
    let time = tiberius::time::Time::new(863_999_999_999, 7);
    let stamp = tiberius::time::DateTime2::new(date, time);
    let long = "x".repeat(10_000);
    let (sql, params) = echoed(
        &mut client,
        "SELECT @P1, @P2",
        &[
            &true,
            &255_u8,
            &-5_i16,
            &70_000_i32,
            &i64::MIN,
            &1.5_f32,
            &0.1_f64,
            &"l'été 😀",
            &numeric,
            &guid,
            &Typed(ColumnData::Date(Some(date))),
            &Typed(ColumnData::Time(Some(time))),
            &Typed(ColumnData::DateTime2(Some(stamp))),
            &vec![0_u8, 255].as_slice(),
            &Option::<i32>::None,
            &long.as_str(),
        ],
    )
    .await;
    assert_eq!(sql, "SELECT @P1, @P2");
    let values: Vec<_> = params.iter().map(|p| p.2.as_deref()).collect();
    assert_eq!(values.last(), Some(&Some(long.as_str())));
    assert_eq!(
        values[..values.len() - 1],
        [
            Some("1"),
            Some("255"),
            Some("-5"),
            Some("70000"),
            Some("-9223372036854775808"),
            Some("1.5"),
            Some("0.1"),
            Some("l'été 😀"),
            Some("-123.4567"),
            Some("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
            Some("2024-04-01"),
            Some("23:59:59.9999999"),
            Some("2024-04-01T23:59:59.9999999"),
            Some("00ff"),
            None,
        ]
    );
    assert_eq!(params[0].0, "@P1");
    assert_eq!(params[3].1, "int");
}

#[tokio::test]
async fn named_parameters_come_through_an_inner_call() {
    let server = start(echo()).await;
    let mut client = connect(&server).await;
    let (sql, params) = echoed(
        &mut client,
        "EXEC sys.sp_executesql @P1, @P2, @cutoff = @P3, @amount = @P4, @none = @P5",
        &[
            &"SELECT @cutoff, N'it''s'",
            &"@cutoff date, @amount decimal(18,2), @none nvarchar(20)",
            &"2024-05-01",
            &"12.345",
            &Option::<&str>::None,
        ],
    )
    .await;
    assert_eq!(sql, "SELECT @cutoff, N'it''s'");
    assert_eq!(
        params,
        [
            param("@cutoff", "date", Some("2024-05-01")),
            param("@amount", "decimal(18,2)", Some("12.35")),
            param("@none", "nvarchar(20)", None),
        ]
    );
    let (sql, params) = echoed(
        &mut client,
        "EXEC sp_executesql N'SELECT @a, ''x''', N'@a int, @b varbinary(4)', @b = 0x0AFF, @a = -3;",
        &[],
    )
    .await;
    assert_eq!(sql, "SELECT @a, 'x'");
    assert_eq!(
        params,
        [
            param("@a", "int", Some("-3")),
            param("@b", "varbinary(4)", Some("0aff"))
        ]
    );
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused() {
    let server = start(echo()).await;
    let mut client = connect(&server).await;
    for (sql, expected) in [
        ("EXEC sp_executesql N'SELECT @a', N'@a int'", 8178),
        ("EXEC sp_executesql N'SELECT @a', N'@a int', @b = 1", 8145),
        ("EXEC sp_executesql N'SELECT @a', N'@a int', 1, 2", 8144),
        (
            "EXEC sp_executesql N'SELECT @a', N'@a int', 1, @a = 2",
            8143,
        ),
        (
            "EXEC sp_executesql N'SELECT @a', N'@a date', '2024-02-30'",
            8114,
        ),
        ("EXEC sp_executesql N'SELECT @a', N'@a whatever', 1", 2715),
        ("EXEC sp_executesql @nowhere", 137),
    ] {
        assert_eq!(error_number(&mut client, sql).await, expected, "{sql}");
    }
    // The session is none the worse for it.
    assert_eq!(echoed(&mut client, "SELECT 1", &[]).await.0, "SELECT 1");
}

#[tokio::test]
async fn a_first_result_set_is_described() {
    let columns = || -> Vec<Column> {
        vec![
            column("Entry No_", "int").not_null(),
            column("Amount (LCY)", "decimal(38,20)"),
            column("Posting Date", "datetime"),
            column("Text", "nvarchar(max)"),
            column("Code", "varchar(20)"),
            column("Stamp", "datetime2(3)"),
        ]
    };
    let backend = ScriptedBackend::new()
        .on(
            "SELECT everything",
            Script::rows(Rows::cells(columns(), vec![])),
        )
        .on(
            "SELECT nothing",
            Script::error(SqlError::new(208, 16, "Invalid object name 'nothing'.")),
        );
    let server = start(backend.clone()).await;
    let mut client = connect(&server).await;
    let mut query = Query::new(
        "EXEC sys.sp_describe_first_result_set @tsql = @P1, @params = @P2, @browse_information_mode = 0",
    );
    query.bind("SELECT everything");
    query.bind("@cutoff date");
    let rows = query
        .query(&mut client)
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.get::<i32, _>("column_ordinal").unwrap(),
                row.get::<&str, _>("name").unwrap(),
                row.get::<&str, _>("system_type_name").unwrap(),
                row.get::<bool, _>("is_nullable").unwrap(),
                row.get::<i32, _>("system_type_id").unwrap(),
                row.get::<i16, _>("max_length").unwrap(),
                row.get::<u8, _>("precision").unwrap(),
                row.get::<u8, _>("scale").unwrap(),
                row.get::<&str, _>("collation_name"),
            )
        })
        .collect();
    let latin = Some("SQL_Latin1_General_CP1_CI_AS");
    assert_eq!(
        found,
        [
            (1, "Entry No_", "int", false, 56, 4, 10, 0, None),
            (
                2,
                "Amount (LCY)",
                "decimal(38,20)",
                true,
                106,
                17,
                38,
                20,
                None
            ),
            (3, "Posting Date", "datetime", true, 61, 8, 23, 3, None),
            (4, "Text", "nvarchar(max)", true, 231, -1, 0, 0, latin),
            (5, "Code", "varchar(20)", true, 167, 20, 0, 0, latin),
            (6, "Stamp", "datetime2(3)", true, 42, 7, 23, 3, None),
        ]
    );
    assert_eq!(rows[0].columns().len(), 39);
    assert_eq!(
        backend.requests(),
        [Request {
            sql: "SELECT everything".to_owned(),
            params: vec![Parameter {
                name: "@cutoff".to_owned(),
                declared: "date".to_owned(),
                value: None
            }]
        }]
    );
    let sql = "EXEC sp_describe_first_result_set N'SELECT nothing'";
    assert_eq!(error_number(&mut client, sql).await, 208);
}

#[tokio::test]
async fn several_result_sets_and_counts_come_in_order() {
    let rows = |name: &str, values: &[i64]| {
        Step::Rows(Rows::cells(
            vec![column(name, "bigint")],
            values.iter().map(|value| vec![Cell::Int(*value)]).collect(),
        ))
    };
    let backend = ScriptedBackend::new()
        .on(
            "two",
            Script::new()
                .then(rows("a", &[1, 2]))
                .then(Step::Info(50001, "between".to_owned()))
                .then(rows("b", &[]))
                .then(rows("c", &[3])),
        )
        .on("insert", Script::new().then(Step::RowCount(17)))
        .on("nothing", Script::new());
    let server = start(backend).await;
    let mut client = connect(&server).await;
    let sets = client
        .simple_query("two")
        .await
        .unwrap()
        .into_results()
        .await
        .unwrap();
    let sizes: Vec<_> = sets.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 0, 1]);
    assert_eq!(sets[2][0].get::<i64, _>("c"), Some(3));
    assert_eq!(
        client.execute("insert", &[]).await.unwrap().rows_affected(),
        [17]
    );
    assert_eq!(
        client
            .simple_query("nothing")
            .await
            .unwrap()
            .into_results()
            .await
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn session_set_up_and_transactions_are_answered() {
    let backend = echo();
    let server = start(backend.clone()).await;
    let mut client = connect(&server).await;
    for sql in [
        "SET ANSI_NULLS ON; SET QUOTED_IDENTIFIER ON",
        "SET LOCK_TIMEOUT 30000",
    ] {
        client
            .simple_query(sql)
            .await
            .unwrap()
            .into_results()
            .await
            .unwrap();
    }
    client.begin_transaction().await.unwrap();
    assert_eq!(echoed(&mut client, "SELECT 1", &[]).await.0, "SELECT 1");
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    assert_eq!(backend.requests().len(), 1);
}
