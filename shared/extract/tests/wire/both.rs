//! Two decoders that know nothing of each other, the same server: the same files, byte for byte.

use std::collections::BTreeMap;

use soxauto_domain::{
    PlannedIpe,
    catalog::{Rounding, TotalFunction},
    plan::{PlannedWitness, Stage},
};
use soxauto_extract::{BulkDriver, Extracted, Extraction, MemoryStore, Options, extract};
use soxauto_tds::{Cell, Column, Rows, Script, ScriptedBackend};

use crate::{
    mssql_tds::server::{Fixture, column, limits},
    plan,
};

const DAY: u64 = 864_000_000_000;
const LEAP: i64 = 738_944;
const LAST_DAY: i64 = 3_652_058;

fn at(days: i64, ticks: u64) -> Cell<'static> {
    Cell::DateTime { days, ticks }
}

fn offset(days: i64, ticks: u64, offset: i16) -> Cell<'static> {
    Cell::DateTimeOffset {
        days,
        ticks,
        offset,
    }
}

/// Each type with its extremes and something usual.
fn types() -> Vec<(&'static str, Vec<Cell<'static>>)> {
    let ints = |values: &[i64]| values.iter().map(|n| Cell::Int(*n)).collect();
    let decimals = |values: &[i128]| values.iter().map(|n| Cell::Decimal(*n)).collect();
    let texts = |values: &[&str]| {
        values
            .iter()
            .map(|t| Cell::text((*t).to_owned()))
            .collect::<Vec<_>>()
    };
    let bytes = |values: &[&[u8]]| values.iter().map(|b| Cell::bytes(b.to_vec())).collect();
    let widest = 10i128.pow(38) - 1;
    let long = "é漢😀.".repeat(4_000);
    let ascii = "0123456789".repeat(6_000);
    let at_the_end = format!("{}😀", "x".repeat(15));
    vec![
        ("bit", vec![Cell::Bit(false), Cell::Bit(true)]),
        ("tinyint", ints(&[0, 255, 7])),
        ("smallint", ints(&[-32_768, 32_767, 0])),
        ("int", ints(&[i64::from(i32::MIN), i64::from(i32::MAX), -1])),
        ("bigint", ints(&[i64::MIN, i64::MAX, 0])),
        (
            "real",
            [f32::MIN, f32::MAX, f32::MIN_POSITIVE, -0.0, 0.1]
                .map(Cell::Real)
                .to_vec(),
        ),
        (
            "float",
            [f64::MIN, f64::MAX, f64::MIN_POSITIVE, -0.0, 0.1]
                .map(Cell::Float)
                .to_vec(),
        ),
        ("decimal(38,20)", decimals(&[-widest, widest, 0, 1, -1])),
        ("decimal(9,2)", decimals(&[-999_999_999, 999_999_999, 5])),
        (
            "numeric(19,0)",
            decimals(&[-(10i128.pow(19) - 1), 10i128.pow(18), 0]),
        ),
        ("decimal(28,28)", decimals(&[10i128.pow(28) - 1, -1])),
        // Beyond 2^53 ten-thousandths tiberius cannot know the amount, and says so.
        (
            "money",
            decimals(&[
                -9_007_199_254_740_000,
                9_007_199_254_740_000,
                1,
                -12_345_678,
            ]),
        ),
        (
            "smallmoney",
            decimals(&[i128::from(i32::MIN), i128::from(i32::MAX), 0]),
        ),
        ("date", [0, LAST_DAY, LEAP].map(Cell::Date).to_vec()),
        ("time(7)", [0, DAY - 10, 10].map(Cell::Time).to_vec()),
        ("time(0)", [0, DAY - 10_000_000].map(Cell::Time).to_vec()),
        (
            "time(3)",
            [12_340_000, DAY - 10_000].map(Cell::Time).to_vec(),
        ),
        (
            "datetime",
            vec![at(639_905, 0), at(LAST_DAY, DAY - 30_000), at(LEAP, 33_333)],
        ),
        (
            "smalldatetime",
            vec![
                at(693_595, 0),
                at(693_595 + 65_535, DAY - 600_000_000),
                at(LEAP, 0),
            ],
        ),
        (
            "datetime2(7)",
            vec![at(0, 0), at(LAST_DAY, DAY - 10), at(LEAP, 10)],
        ),
        (
            "datetime2(3)",
            vec![at(0, 0), at(LAST_DAY, DAY - 10_000), at(LEAP, 1_230_000)],
        ),
        (
            "datetime2(0)",
            vec![at(0, 0), at(LAST_DAY, DAY - 10_000_000)],
        ),
        (
            "datetimeoffset(7)",
            vec![
                offset(1, 0, 0),
                offset(LAST_DAY - 1, DAY - 10, -840),
                offset(LEAP, 36_000_000_000, 330),
            ],
        ),
        (
            "datetimeoffset(0)",
            vec![offset(LEAP, 0, 840), offset(LEAP, 10_000_000, -210)],
        ),
        ("char(4)", texts(&["ab", "été!", ""])),
        ("varchar(20)", texts(&["", "œuvre 12 €", "plain"])),
        (
            "varchar(20) COLLATE Cyrillic_General_CI_AS",
            texts(&["Привет", "x"]),
        ),
        (
            "varchar(40) COLLATE Latin1_General_100_CI_AS_SC_UTF8",
            texts(&["é漢😀", "x", ""]),
        ),
        ("nchar(4)", texts(&["漢字漢字", "ab", ""])),
        ("nvarchar(40)", texts(&["", "é漢😀", "plain", &at_the_end])),
        ("varchar(max)", texts(&["", "y", &ascii])),
        ("nvarchar(max)", texts(&["z", "", &long])),
        (
            "uniqueidentifier",
            texts(&[
                "00000000-0000-0000-0000-000000000000",
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ]),
        ),
        ("binary(4)", bytes(&[&[1, 0, 0, 0], &[1, 2, 3, 255]])),
        ("varbinary(8)", bytes(&[&[], &[0, 255]])),
        ("varbinary(max)", bytes(&[&[], &[7], &[9; 50_000]])),
        (
            "rowversion",
            bytes(&[&[0; 8], &[0, 0, 0, 0, 0, 0, 7, 0xd1]]),
        ),
        ("xml", texts(&["<a/>", "<a>é</a>"])),
        // After the unbounded ones, a bounded one.
        ("int", ints(&[1, 2, 3])),
    ]
}

/// A mixture without chance: the same in every run.
fn mixed(row: usize, column: usize) -> usize {
    (row * 2_654_435_761 + column * 40_503 + (row * column) % 97) >> 3
}

/// The rows of a query over these types: without NULLs, or with a third of the cells NULL in ever other patterns.
fn rows(types: &[(&'static str, Vec<Cell<'static>>)], count: usize, nulls: bool) -> Rows {
    let columns: Vec<Column> = types
        .iter()
        .enumerate()
        .map(|(n, (sql_type, _))| {
            let column = column(&format!("c{n}"), sql_type);
            if nulls { column } else { column.not_null() }
        })
        .collect();
    let rows = (0..count)
        .map(|row| {
            let cell = |(n, (sql_type, values)): (usize, &(&str, Vec<Cell<'static>>))| {
                let at = mixed(row, n);
                if nulls && at.is_multiple_of(3) {
                    return Cell::Null;
                }
                // The long ones rarely.
                let few = sql_type.contains("(max)") && !row.is_multiple_of(50);
                let values = if few {
                    &values[..values.len() - 1]
                } else {
                    values
                };
                values[(row + at) % values.len()].clone()
            };
            types.iter().enumerate().map(cell).collect()
        })
        .collect();
    Rows::cells(columns, rows)
}

fn ipe(types: &[(&'static str, Vec<Cell<'static>>)]) -> PlannedIpe {
    let mut ipe = plan::ipe();
    ipe.columns = types
        .iter()
        .enumerate()
        .map(|(n, (sql_type, _))| {
            let plain = sql_type.split(" COLLATE").next().unwrap();
            let mut column = plan::column(&format!("c{n}"), plain);
            column.rounding = plain.contains("(7)").then_some(Rounding::Round);
            column
        })
        .collect();
    ipe.key = vec!["c3".into()];
    ipe.completeness
        .totals
        .retain(|t| t.function == TotalFunction::Min);
    ipe.witness = PlannedWitness::Match {
        values: BTreeMap::from([("c0".to_owned(), "1".to_owned())]),
    };
    ipe.negative.values = BTreeMap::from([("c0".to_owned(), "1".to_owned())]);
    ipe
}

async fn extracted(driver: BulkDriver, fixture: &Fixture, ipe: &PlannedIpe) -> Extracted {
    let settings = fixture.settings();
    let request = Extraction {
        ipe,
        run_id: &"C-PG-1/2024-05-01/r1".parse().unwrap(),
        extracted_at: "2024-05-02T07:00:00Z".parse().unwrap(),
        stage: Stage::Dev,
        driver: &driver,
        settings: &settings,
        limits: limits(),
        options: Options::default(),
        last_published_rows: None,
    };
    extract(request, &MemoryStore::default(), &())
        .await
        .unwrap_or_else(|e| panic!("{driver:?}: {e}"))
}

async fn compare(types: Vec<(&'static str, Vec<Cell<'static>>)>, count: usize, nulls: bool) {
    let total = Rows::cells(
        vec![column("rows", "int")],
        vec![vec![Cell::Int(count as i64)]],
    );
    let backend = ScriptedBackend::new()
        .on_containing("ORIGINAL_LOGIN()", Script::identity(false).unwrap())
        .on(plan::COMPLETENESS, Script::rows(total))
        .on_containing("[Entries]", Script::rows(rows(&types, count, nulls)));
    let fixture = Fixture::start(backend).await;
    let ipe = ipe(&types);
    let one = extracted(BulkDriver::Tiberius, &fixture, &ipe).await;
    let other = extracted(BulkDriver::MssqlTds, &fixture, &ipe).await;
    assert_eq!(one.counts.decoded, count as u64);
    // The sample shows the first column that differs; the digests see all of it.
    let lines = |e: &Extracted| String::from_utf8(e.sample_csv.clone()).unwrap();
    for (ours, theirs) in lines(&one).lines().zip(lines(&other).lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(one.content_sha256, other.content_sha256);
    assert_eq!(one.files, other.files);
    assert_eq!(one.checks, other.checks);
    let decoders = [one.decoder, other.decoder].map(|d| d.unwrap().as_str());
    assert_eq!(decoders, ["tiberius", "mssql-tds"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_and_extreme_with_and_without_nulls() {
    for nulls in [false, true] {
        compare(types(), 600, nulls).await;
    }
}

/// Without the unbounded types mssql-tds reads rows in another way, and they cross the ends of packets everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bounded_type_across_packets() {
    for nulls in [false, true] {
        let mut types = types();
        types.retain(|(sql_type, _)| !sql_type.contains("max") && *sql_type != "xml");
        compare(types, 10_000, nulls).await;
    }
}

/// Unbounded columns first, in between, one after the other and last; and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unbounded_columns_anywhere() {
    let text = || {
        vec![
            Cell::text(""),
            Cell::text("é"),
            Cell::text("x".repeat(60_000)),
        ]
    };
    let number = || vec![Cell::Int(1), Cell::Int(2)];
    for order in ["m", "mi", "im", "mmim", "iimiimi", "imm", "mmiim"] {
        let types = order
            .chars()
            .map(|kind| match kind {
                'm' => ("nvarchar(max)", text()),
                _ => ("int", number()),
            })
            .collect::<Vec<_>>();
        let mut types = types;
        // The key check looks at the fourth column.
        while types.len() < 4 {
            types.push(("nvarchar(max)", text()));
        }
        for nulls in [false, true] {
            compare(types.clone(), 400, nulls).await;
        }
    }
}
