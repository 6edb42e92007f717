//! Every type on the wire, from Arrow and from raw cells, as tiberius reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::borrow::Cow;

use common::{column, connect, start};
use soxauto_tds::{Cell, Column, Rows, Script, ScriptedBackend};
use tiberius::{ColumnData, Row};

async fn rows_of(columns: Vec<Column>, rows: Vec<Vec<Cell<'static>>>) -> Vec<Row> {
    let backend = ScriptedBackend::new().on("SELECT", Script::rows(Rows::cells(columns, rows)));
    let server = start(backend).await;
    let mut client = connect(&server).await;
    client
        .simple_query("SELECT")
        .await
        .unwrap()
        .into_first_result()
        .await
        .unwrap()
}

/// One value there and back, in a column that may be NULL, followed by a NULL.
async fn one(declared: &str, cell: Cell<'static>) -> ColumnData<'static> {
    let rows = rows_of(
        vec![
            column("before", "int"),
            column("c", declared),
            column("after", "int"),
        ],
        vec![
            vec![Cell::Int(1), cell, Cell::Int(2)],
            vec![Cell::Int(3), Cell::Null, Cell::Int(4)],
        ],
    )
    .await;
    let mut values: Vec<Vec<ColumnData<'static>>> = rows
        .into_iter()
        .map(|row| row.into_iter().collect())
        .collect();
    assert_eq!(values[1][0], ColumnData::I32(Some(3)), "{declared}");
    assert_eq!(values[1][2], ColumnData::I32(Some(4)), "{declared}");
    assert!(
        format!("{:?}", values[1][1]).contains("None"),
        "{declared}: {:?}",
        values[1][1]
    );
    assert_eq!(values[0][0], ColumnData::I32(Some(1)), "{declared}");
    assert_eq!(values[0][2], ColumnData::I32(Some(2)), "{declared}");
    values[0].remove(1)
}

fn text(text: &str) -> ColumnData<'static> {
    ColumnData::String(Some(Cow::Owned(text.to_owned())))
}

#[tokio::test]
async fn numbers() {
    assert_eq!(
        one("bit", Cell::Bit(true)).await,
        ColumnData::Bit(Some(true))
    );
    assert_eq!(
        one("tinyint", Cell::Int(255)).await,
        ColumnData::U8(Some(255))
    );
    assert_eq!(
        one("smallint", Cell::Int(-32768)).await,
        ColumnData::I16(Some(i16::MIN))
    );
    assert_eq!(
        one("int", Cell::Int(i32::MIN.into())).await,
        ColumnData::I32(Some(i32::MIN))
    );
    assert_eq!(
        one("bigint", Cell::Int(i64::MIN)).await,
        ColumnData::I64(Some(i64::MIN))
    );
    assert_eq!(
        one("real", Cell::Real(f32::MIN_POSITIVE)).await,
        ColumnData::F32(Some(f32::MIN_POSITIVE))
    );
    assert_eq!(
        one("float", Cell::Float(-1.0e308)).await,
        ColumnData::F64(Some(-1.0e308))
    );
    let widest = 10_i128.pow(38) - 1;
    for (declared, value) in [
        ("decimal(38,20)", widest),
        ("decimal(38,0)", -widest),
        ("numeric(9,2)", 999_999_999),
        ("decimal(19,4)", -1),
        ("decimal(28,10)", 0),
    ] {
        let ColumnData::Numeric(Some(numeric)) = one(declared, Cell::Decimal(value)).await else {
            panic!("{declared} is not a numeric");
        };
        assert_eq!(numeric.value(), value, "{declared}");
    }
    assert_eq!(
        one("money", Cell::Decimal(-12_345_678_901)).await,
        ColumnData::F64(Some(-1_234_567.890_1))
    );
    assert_eq!(
        one("smallmoney", Cell::Decimal(2_147_483_647)).await,
        ColumnData::F64(Some(214_748.364_7))
    );
}

#[tokio::test]
async fn dates_and_times() {
    let ColumnData::Date(Some(first)) = one("date", Cell::Date(0)).await else {
        panic!()
    };
    assert_eq!(first.days(), 0);
    let ColumnData::Date(Some(last)) = one("date", Cell::Date(3_652_058)).await else {
        panic!()
    };
    assert_eq!(last.days(), 3_652_058);
    for scale in 0..=7_u8 {
        let ticks = 863_999_999_999;
        let unit = 10_u64.pow(u32::from(7 - scale));
        let down = ticks / unit * unit;
        let ColumnData::Time(Some(time)) = one(&format!("time({scale})"), Cell::Time(down)).await
        else {
            panic!("time({scale})")
        };
        assert_eq!((time.increments(), time.scale()), (down / unit, scale));
        let ColumnData::DateTime2(Some(stamp)) = one(
            &format!("datetime2({scale})"),
            Cell::DateTime {
                days: 3_652_058,
                ticks: down,
            },
        )
        .await
        else {
            panic!("datetime2({scale})")
        };
        assert_eq!(stamp.date().days(), 3_652_058);
        assert_eq!(stamp.time().increments(), down / unit);
        let ColumnData::DateTimeOffset(Some(stamp)) = one(
            &format!("datetimeoffset({scale})"),
            Cell::DateTimeOffset {
                days: 738_976,
                ticks: down,
                offset: -210,
            },
        )
        .await
        else {
            panic!("datetimeoffset({scale})")
        };
        assert_eq!(stamp.offset(), -210);
        assert_eq!(stamp.datetime2().time().increments(), down / unit);
    }
    // 1753-01-01, and a time whose ticks are 23:59:59.997.
    let ColumnData::DateTime(Some(stamp)) = one(
        "datetime",
        Cell::DateTime {
            days: 639_905,
            ticks: 863_999_970_000,
        },
    )
    .await
    else {
        panic!()
    };
    assert_eq!(
        (stamp.days(), stamp.seconds_fragments()),
        (-53_690, 86_400 * 300 - 1)
    );
    let ColumnData::SmallDateTime(Some(stamp)) = one(
        "smalldatetime",
        Cell::DateTime {
            days: 693_595 + 65_535,
            ticks: 863_400_000_000,
        },
    )
    .await
    else {
        panic!()
    };
    assert_eq!((stamp.days(), stamp.seconds_fragments()), (65_535, 1439));
}

#[tokio::test]
async fn texts() {
    for (declared, given, expected) in [
        ("nvarchar(10)", "é漢😀", "é漢😀"),
        ("nvarchar(10)", "", ""),
        ("nchar(4)", "ab", "ab  "),
        ("varchar(10)", "été €", "été €"),
        ("varchar(10)", "漢", "?"),
        ("char(4)", "ab", "ab  "),
        (
            "varchar(20) COLLATE Cyrillic_General_CI_AS",
            "Привет",
            "Привет",
        ),
        ("varchar(20) COLLATE Polish_CI_AS", "Łódź", "Łódź"),
        ("varchar(20) COLLATE Japanese_CI_AS", "日本語", "日本語"),
        ("varchar(max) COLLATE Greek_CI_AS", "Ελλάδα", "Ελλάδα"),
        ("nvarchar(max)", "", ""),
        // tiberius does not say that it reads UTF-8, and gets UTF-16.
        (
            "varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8",
            "é漢😀",
            "é漢😀",
        ),
        (
            "varchar(max) COLLATE Latin1_General_100_CI_AS_SC_UTF8",
            "é漢😀",
            "é漢😀",
        ),
    ] {
        assert_eq!(
            one(declared, Cell::text(given)).await,
            text(expected),
            "{declared}"
        );
    }
    let long = "é漢😀x".repeat(200_000);
    assert_eq!(
        one("nvarchar(max)", Cell::text(long.as_str())).await,
        text(&long)
    );
    let ascii = "z".repeat(1_000_001);
    assert_eq!(
        one("varchar(max)", Cell::text(ascii.as_str())).await,
        text(&ascii)
    );
    let ColumnData::Xml(Some(xml)) = one("xml", Cell::text("<a>é</a>")).await else {
        panic!()
    };
    assert_eq!(xml.to_string(), "<a>é</a>");
    let guid = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
    let ColumnData::Guid(Some(read)) = one("uniqueidentifier", Cell::text(guid)).await else {
        panic!()
    };
    assert_eq!(read.to_string().to_uppercase(), guid);
}

#[tokio::test]
async fn bytes() {
    let binary = |bytes: &[u8]| ColumnData::Binary(Some(Cow::Owned(bytes.to_vec())));
    assert_eq!(
        one("binary(4)", Cell::bytes([1, 2])).await,
        binary(&[1, 2, 0, 0])
    );
    assert_eq!(
        one("varbinary(8000)", Cell::bytes(vec![7; 8000])).await,
        binary(&[7; 8000])
    );
    assert_eq!(
        one("varbinary(max)", Cell::bytes(vec![9; 100_000])).await,
        binary(&[9; 100_000])
    );
    assert_eq!(
        one("rowversion", Cell::bytes([0, 0, 0, 0, 0, 0, 7, 209])).await,
        binary(&[0, 0, 0, 0, 0, 0, 7, 209])
    );
    assert_eq!(
        one("geography", Cell::bytes([0xE6, 0x10])).await,
        binary(&[0xE6, 0x10])
    );
    assert_eq!(
        one("sql_variant", Cell::VariantInt(42)).await,
        ColumnData::I32(Some(42))
    );
}

#[tokio::test]
async fn columns_that_are_never_null_are_sent_bare() {
    let columns = [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "real",
        "float",
        "money",
        "smallmoney",
        "datetime",
        "smalldatetime",
        "decimal(10,2)",
        "date",
        "nvarchar(5)",
    ];
    let rows = rows_of(
        columns
            .iter()
            .map(|declared| column(declared, declared).not_null())
            .collect(),
        vec![vec![
            Cell::Bit(true),
            Cell::Int(1),
            Cell::Int(2),
            Cell::Int(3),
            Cell::Int(4),
            Cell::Real(5.5),
            Cell::Float(6.5),
            Cell::Decimal(75_000),
            Cell::Decimal(85_000),
            Cell::DateTime {
                days: 738_976,
                ticks: 0,
            },
            Cell::DateTime {
                days: 738_976,
                ticks: 0,
            },
            Cell::Decimal(950),
            Cell::Date(738_976),
            Cell::text("ten"),
        ]],
    )
    .await;
    let row = &rows[0];
    assert_eq!(row.get::<bool, _>("bit"), Some(true));
    assert_eq!(row.get::<u8, _>("tinyint"), Some(1));
    assert_eq!(row.get::<i16, _>("smallint"), Some(2));
    assert_eq!(row.get::<i32, _>("int"), Some(3));
    assert_eq!(row.get::<i64, _>("bigint"), Some(4));
    assert_eq!(row.get::<f32, _>("real"), Some(5.5));
    assert_eq!(row.get::<f64, _>("float"), Some(6.5));
    assert_eq!(row.get::<f64, _>("money"), Some(7.5));
    assert_eq!(row.get::<f64, _>("smallmoney"), Some(8.5));
    assert_eq!(row.get::<&str, _>("nvarchar(5)"), Some("ten"));
}

#[tokio::test]
async fn values_that_do_not_fit_are_errors_after_the_rows_before_them() {
    let cases: Vec<(&str, Cell<'static>, u32)> = vec![
        ("tinyint", Cell::Int(256), 8115),
        ("decimal(5,2)", Cell::Decimal(100_000), 8115),
        ("nvarchar(2)", Cell::text("abc"), 8115),
        ("datetime", Cell::DateTime { days: 0, ticks: 0 }, 8115),
        ("date", Cell::Date(-1), 8115),
        ("int", Cell::text("7"), 50000),
    ];
    for (declared, cell, expected) in cases {
        let backend = ScriptedBackend::new().on(
            "SELECT",
            Script::rows(Rows::cells(
                vec![column("c", declared)],
                vec![vec![Cell::Null], vec![cell]],
            )),
        );
        let server = start(backend).await;
        let mut client = connect(&server).await;
        let error = match client.simple_query("SELECT").await {
            Ok(stream) => stream.into_results().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), Some(expected), "{declared}: {error}");
    }
}

#[tokio::test]
async fn unpaired_surrogates_and_repeated_names_reach_the_client() {
    let backend = ScriptedBackend::new().on(
        "SELECT",
        Script::rows(Rows::cells(
            vec![column("same", "nvarchar(5)"), column("same", "int")],
            vec![vec![
                Cell::Utf16(Cow::Owned(vec![0x61, 0xD800, 0x62])),
                Cell::Int(1),
            ]],
        )),
    );
    let server = start(backend).await;
    let mut client = connect(&server).await;
    let mut stream = client.simple_query("SELECT").await.unwrap();
    let names: Vec<_> = stream
        .columns()
        .await
        .unwrap()
        .unwrap()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    assert_eq!(names, ["same", "same"]);
    // tiberius refuses the text; other clients replace the surrogate.
    let error = stream.into_results().await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("utf"), "{error}");
}

#[tokio::test]
async fn wide_results_are_sent() {
    let columns: Vec<Column> = (0..4096).map(|n| column(&format!("c{n}"), "int")).collect();
    let row = (0..4096)
        .map(|n| if n % 3 == 0 { Cell::Null } else { Cell::Int(n) })
        .collect();
    let rows = rows_of(columns, vec![row]).await;
    assert_eq!(rows[0].len(), 4096);
    assert_eq!(rows[0].get::<i32, _>(4094), Some(4094));
    assert_eq!(rows[0].get::<i32, _>(4095), None);
}
