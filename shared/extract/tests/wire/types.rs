//! Every type from the server's wire to canonical text; names, nullability and parameters on the way.

use soxauto_domain::{BoundParameter, BoundQuery, Code};
use soxauto_extract::{BulkDriver, DescribedType, NamedValue};
use soxauto_tds::{Cell, Rows, Script, ScriptedBackend};

use super::{
    DRIVER,
    server::{Fixture, column, limits, one_row, query},
};

const DAY: u64 = 864_000_000_000;

/// Days from 0001-01-01 of 2024-02-29.
const LEAP: i64 = 738_944;

fn cases() -> Vec<(&'static str, Cell<'static>, Option<&'static str>)> {
    let at = |days, ticks| Cell::DateTime { days, ticks };
    vec![
        ("bit", Cell::Bit(true), Some("1")),
        ("tinyint", Cell::Int(255), Some("255")),
        ("smallint", Cell::Int(-32_768), Some("-32768")),
        ("int", Cell::Int(i64::from(i32::MIN)), Some("-2147483648")),
        ("bigint", Cell::Int(i64::MIN), Some("-9223372036854775808")),
        ("real", Cell::Real(0.1), Some("0.1")),
        ("float", Cell::Float(-0.1), Some("-0.1")),
        (
            "decimal(38,20)",
            Cell::Decimal(-(10i128.pow(38) - 1)),
            Some("-999999999999999999.99999999999999999999"),
        ),
        ("decimal(9,2)", Cell::Decimal(5), Some("0.05")),
        (
            "numeric(28,0)",
            Cell::Decimal(10i128.pow(27)),
            Some("1000000000000000000000000000"),
        ),
        ("decimal(19,4)", Cell::Decimal(-1), Some("-0.0001")),
        ("money", Cell::Decimal(-12_345_678), Some("-1234.5678")),
        (
            "smallmoney",
            Cell::Decimal(i128::from(i32::MIN)),
            Some("-214748.3648"),
        ),
        ("date", Cell::Date(0), Some("0001-01-01")),
        ("date", Cell::Date(3_652_058), Some("9999-12-31")),
        (
            "smalldatetime",
            at(LEAP, 600_000_000 * 61),
            Some("2024-02-29T01:01:00"),
        ),
        (
            "datetime",
            at(LEAP, 10_000_000),
            Some("2024-02-29T00:00:01"),
        ),
        ("datetime", at(639_905, 0), Some("1753-01-01T00:00:00")),
        (
            "datetime2(7)",
            at(0, 1),
            Some("0001-01-01T00:00:00.0000001"),
        ),
        (
            "datetime2(7)",
            at(3_652_058, DAY - 1),
            Some("9999-12-31T23:59:59.9999999"),
        ),
        ("datetime2(0)", at(LEAP, 0), Some("2024-02-29T00:00:00")),
        (
            "datetime2(3)",
            at(LEAP, 1_230_000),
            Some("2024-02-29T00:00:00.123"),
        ),
        (
            "datetimeoffset(7)",
            Cell::DateTimeOffset {
                days: LEAP,
                ticks: 36_000_000_000,
                offset: 120,
            },
            Some("2024-02-29T01:00:00"),
        ),
        ("time(7)", Cell::Time(DAY - 1), Some("23:59:59.9999999")),
        ("time(0)", Cell::Time(DAY - 10_000_000), Some("23:59:59")),
        ("char(4)", Cell::text("ab"), Some("ab  ")),
        ("varchar(20)", Cell::text("é€"), Some("é€")),
        (
            "varchar(20) COLLATE Cyrillic_General_CI_AS",
            Cell::text("Жук"),
            Some("Жук"),
        ),
        ("varchar(max)", Cell::text("x".repeat(60_000)), None),
        ("nchar(4)", Cell::text("é"), Some("é   ")),
        ("nvarchar(20)", Cell::text("😀é"), Some("😀é")),
        ("nvarchar(20)", Cell::text(""), Some("")),
        ("nvarchar(max)", Cell::text("😀".repeat(10_000)), None),
        (
            "uniqueidentifier",
            Cell::text("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
            Some("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
        ),
        ("binary(4)", Cell::bytes([1, 2, 3, 255]), Some("010203ff")),
        ("varbinary(8)", Cell::bytes([]), Some("")),
        ("varbinary(max)", Cell::bytes([0xab]), Some("ab")),
        (
            "rowversion",
            Cell::bytes([0, 0, 0, 0, 0, 0, 7, 0xd1]),
            Some("00000000000007d1"),
        ),
        ("xml", Cell::text("<a>é</a>"), Some("<a>é</a>")),
    ]
}

#[tokio::test]
async fn every_type_with_a_value_and_with_null() {
    let names: Vec<String> = (0..cases().len()).map(|n| format!("c{n}")).collect();
    let columns: Vec<_> = names
        .iter()
        .zip(cases())
        .map(|(name, (sql_type, _, _))| column(name, sql_type))
        .collect();
    let not_null: Vec<_> = columns
        .iter()
        .cloned()
        .map(soxauto_tds::Column::not_null)
        .collect();
    let values: Vec<Cell<'static>> = cases().into_iter().map(|(_, cell, _)| cell).collect();
    let nulls = vec![Cell::Null; values.len()];
    let backend = ScriptedBackend::new()
        .on(
            "values",
            Script::rows(Rows::cells(columns.clone(), vec![values.clone()])),
        )
        .on(
            "not null",
            Script::rows(Rows::cells(not_null, vec![values])),
        )
        .on("nulls", Script::rows(Rows::cells(columns, vec![nulls])));
    let fixture = Fixture::start(backend).await;
    let mut source = fixture.session(&limits()).await.unwrap();
    for sql in ["values", "not null"] {
        let row = one_row(source.as_mut(), &query(sql)).await.unwrap();
        for (NamedValue { name, value }, (sql_type, cell, expected)) in row.iter().zip(cases()) {
            let expected = match (&cell, expected) {
                (Cell::Text(text), None) => text.to_string(),
                (_, expected) => expected.unwrap().to_owned(),
            };
            assert_eq!(
                value.as_deref(),
                Some(expected.as_str()),
                "{sql} {name} {sql_type}"
            );
        }
    }
    let row = one_row(source.as_mut(), &query("nulls")).await.unwrap();
    assert_eq!(row.len(), cases().len());
    assert!(row.iter().all(|v| v.value.is_none()));

    let described = source.describe(&query("values")).await.unwrap();
    for (column, (sql_type, _, _)) in described.iter().zip(cases()) {
        let plain = sql_type.split(" COLLATE").next().unwrap();
        assert_eq!(
            column.sql_type,
            DescribedType::Known(plain.parse().unwrap()),
            "{}",
            column.name
        );
        assert!(column.nullable);
    }
}

#[tokio::test]
async fn the_text_that_runs_is_byte_for_byte_the_plans() {
    let sql = "SELECT [Is_Active?], 'it''s', N'ü@x' -- @no\r\n\tFROM t WHERE d < @cutoff AND a IN (@a_0, @a_1);\n";
    let answer = Script::rows(Rows::cells(
        vec![column("n", "int").not_null()],
        vec![vec![Cell::Int(1)]],
    ));
    let fixture = Fixture::start(ScriptedBackend::new().on_containing("Is_Active", answer)).await;
    let mut source = fixture.session(&limits()).await.unwrap();
    let parameter = |name: &str, sql_type: &str, value: &str| BoundParameter {
        name: name.into(),
        sql_type: sql_type.parse().unwrap(),
        value: value.into(),
    };
    let long = "x".repeat(3_000);
    let bound = BoundQuery {
        parameters: vec![
            parameter("@cutoff", "datetime", "2024-05-01"),
            parameter("@a_0", "nvarchar(20)", "13'003"),
            parameter("@a_1", "nvarchar(4000)", &long),
            parameter("@amount", "decimal(38,20)", "-0.00000000000000000001"),
            parameter(
                "@widest",
                "decimal(38,20)",
                "999999999999999999.99999999999999999999",
            ),
            parameter("@fraction", "decimal(38,38)", "-0.1"),
            parameter("@day", "date", "9999-12-31"),
            parameter("@at", "datetime2(7)", "0001-01-01T00:00:00.0000001"),
            parameter("@bit", "bit", "1"),
            parameter("@tiny", "tinyint", "255"),
            parameter("@big", "bigint", "-9223372036854775808"),
        ],
        ..query(sql)
    };
    one_row(source.as_mut(), &bound).await.unwrap();
    source.describe(&bound).await.unwrap();
    let requests = fixture.backend.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[0].sql.as_str(), requests[1].sql.as_str()),
        (sql, sql)
    );
    let sent: Vec<(&str, &str, Option<&str>)> = requests[0]
        .params
        .iter()
        .map(|p| (p.name.as_str(), p.declared.as_str(), p.value.as_deref()))
        .collect();
    assert_eq!(
        sent,
        [
            ("@cutoff", "datetime", Some("2024-05-01T00:00:00")),
            ("@a_0", "nvarchar(20)", Some("13'003")),
            ("@a_1", "nvarchar(4000)", Some(long.as_str())),
            ("@amount", "decimal(38,20)", Some("-0.00000000000000000001")),
            (
                "@widest",
                "decimal(38,20)",
                Some("999999999999999999.99999999999999999999")
            ),
            (
                "@fraction",
                "decimal(38,38)",
                Some("-0.10000000000000000000000000000000000000")
            ),
            ("@day", "date", Some("9999-12-31")),
            ("@at", "datetime2(7)", Some("0001-01-01T00:00:00.0000001")),
            ("@bit", "bit", Some("1")),
            ("@tiny", "tinyint", Some("255")),
            ("@big", "bigint", Some("-9223372036854775808")),
        ]
    );
    let declared: Vec<&str> = requests[1]
        .params
        .iter()
        .map(|p| p.declared.as_str())
        .collect();
    assert_eq!(declared.len(), 11);
}

#[tokio::test]
async fn what_is_not_exact_is_refused_with_row_and_column() {
    let texts = |cell| {
        Script::rows(Rows::cells(
            vec![column("n", "int"), column("t", "nvarchar(20)")],
            vec![vec![Cell::Int(1), cell]],
        ))
    };
    let money = Script::rows(Rows::cells(
        vec![column("m", "money")],
        vec![vec![Cell::Decimal(i128::from(i64::MAX))]],
    ));
    let backend = ScriptedBackend::new()
        .on("surrogate", texts(Cell::Utf16(vec![0x41, 0xD800].into())))
        .on(
            "low surrogate",
            texts(Cell::Utf16(vec![0xDC00, 0x41].into())),
        )
        .on(
            "megabyte",
            Script::rows(Rows::cells(
                vec![column("t", "nvarchar(max)")],
                vec![vec![Cell::text("x".repeat(1 << 20))]],
            )),
        )
        .on("money", money);
    let fixture = Fixture::start(backend).await;
    for (sql, says) in [
        ("surrogate", "surrogate"),
        ("low surrogate", "surrogate"),
        ("megabyte", "65,535 bytes"),
        ("money", "decimal(19,4)"),
    ] {
        let mut source = fixture.session(&limits()).await.unwrap();
        let outcome = one_row(source.as_mut(), &query(sql)).await;
        if sql == "money" && DRIVER == BulkDriver::MssqlTds {
            // This driver has the integer of the wire.
            let row = outcome.unwrap();
            assert_eq!(row[0].value.as_deref(), Some("922337203685477.5807"));
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Code::ValueNotExact, "{sql}: {error}");
        assert!(
            error.to_string().contains("row 1") && error.to_string().contains(says),
            "{error}"
        );
    }
}

#[tokio::test]
async fn types_without_a_counterpart_and_nameless_columns_are_described_as_such() {
    let columns = vec![
        column("v", "sql_variant"),
        column("g", "geography"),
        column("", "int").not_null(),
    ];
    let rows = Rows::cells(columns, vec![]);
    let fixture = Fixture::start(ScriptedBackend::new().on("q", Script::rows(rows))).await;
    let described = fixture
        .session(&limits())
        .await
        .unwrap()
        .describe(&query("q"))
        .await
        .unwrap();
    assert_eq!(
        described[0].sql_type,
        DescribedType::Refused("sql_variant".into())
    );
    assert!(
        matches!(&described[1].sql_type, DescribedType::Refused(name) if name.contains("geography")),
        "{:?}",
        described[1]
    );
    assert_eq!(
        (described[2].name.as_str(), described[2].nullable),
        ("", false)
    );
}
