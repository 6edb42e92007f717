//! Every row of the type table through the sink, exact or refused.

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array, cast::AsArray,
};
use soxauto_domain::catalog::{Rounding, Sample};

use super::*;
use crate::{
    canonical,
    test_plan::column,
    view::{Reading as _, cells},
};

/// Pushes one cell into a sink of one column; the batch, or the error.
async fn one(
    contract: ColumnContract,
    push: impl Fn(&mut dyn RowSink) -> Result<(), ExtractError>,
) -> Result<RecordBatch, ExtractError> {
    let mut batches = Vec::new();
    let mut take = |batch: &RecordBatch| {
        batches.push(batch.clone());
        Ok(())
    };
    let name = contract.name.clone();
    let contract = [contract];
    let mut sink = BatchSink::new(&contract, |_| true, Out::Inline(&mut take));
    sink.start(&[&name])?;
    push(&mut sink)?;
    sink.end_row()?;
    sink.null()?;
    sink.end_row()?;
    sink.flush().await?;
    drop(sink);
    Ok(batches.remove(0))
}

async fn value(
    sql_type: &str,
    push: impl Fn(&mut dyn RowSink) -> Result<(), ExtractError>,
) -> RecordBatch {
    let batch = one(column("c", sql_type), push).await.unwrap();
    assert!(batch.column(0).is_null(1), "{sql_type}: NULL");
    assert!(!batch.column(0).is_null(0), "{sql_type}");
    batch
}

/// The reason of a refusal, which names column and row.
async fn refusal(
    contract: ColumnContract,
    push: impl Fn(&mut dyn RowSink) -> Result<(), ExtractError>,
) -> String {
    let error = one(contract, push).await.unwrap_err();
    assert_eq!(error.code(), soxauto_domain::Code::ValueNotExact);
    let text = error.to_string();
    assert!(text.starts_with("row 1, column \"c\", value "), "{text}");
    text
}

fn canonical_of(batch: &RecordBatch) -> String {
    cells(batch.column(0).as_ref())
        .unwrap()
        .canonical(0)
        .unwrap()
}

fn ticks(text: &str) -> i64 {
    canonical::parse_timestamp(text).unwrap()
}

#[tokio::test]
async fn numbers_bits_and_their_extremes() {
    for bit in [false, true] {
        let batch = value("bit", |s| s.bit(bit)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<BooleanArray>()
                .unwrap()
                .value(0),
            bit
        );
    }
    for n in [0, 255] {
        let batch = value("tinyint", |s| s.tinyint(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<UInt8Array>()
                .unwrap()
                .value(0),
            n
        );
    }
    for n in [i16::MIN, i16::MAX] {
        let batch = value("smallint", |s| s.smallint(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Int16Array>()
                .unwrap()
                .value(0),
            n
        );
    }
    for n in [i32::MIN, i32::MAX] {
        let batch = value("int", |s| s.int(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Int32Array>()
                .unwrap()
                .value(0),
            n
        );
    }
    for n in [i64::MIN, i64::MAX] {
        let batch = value("bigint", |s| s.bigint(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .value(0),
            n
        );
    }
    for n in [f32::MIN, f32::MIN_POSITIVE, -0.0] {
        let batch = value("real", |s| s.real(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Float32Array>()
                .unwrap()
                .value(0)
                .to_bits(),
            n.to_bits()
        );
    }
    for n in [f64::MAX, f64::MIN_POSITIVE, 0.1] {
        let batch = value("float", |s| s.float(n)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Float64Array>()
                .unwrap()
                .value(0)
                .to_bits(),
            n.to_bits()
        );
    }
}

#[tokio::test]
async fn decimals_at_full_width() {
    let widest = 10i128.pow(38) - 1;
    for n in [widest, -widest, 1, 0] {
        let batch = value("decimal(38,20)", |s| s.decimal(n, 20)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Decimal128Array>()
                .unwrap()
                .value(0),
            n
        );
    }
    let batch = value("decimal(38,20)", |s| s.decimal(-(10i128.pow(38) - 1), 20)).await;
    assert_eq!(
        canonical_of(&batch),
        "-999999999999999999.99999999999999999999"
    );
    assert_eq!(
        canonical_of(&value("decimal(10,4)", |s| s.decimal(15, 1)).await),
        "1.5000"
    );
    let text = refusal(column("c", "decimal(4,2)"), |s| s.decimal(10_000, 2)).await;
    assert!(
        text.contains("value 100.00") && text.contains("decimal(4,2)"),
        "{text}"
    );
    assert!(
        refusal(column("c", "decimal(4,2)"), |s| s.decimal(1_001, 3))
            .await
            .contains("1.001")
    );
}

#[tokio::test]
async fn money_exact_or_refused() {
    assert_eq!(
        canonical_of(&value("money", |s| s.money(-1234.5678)).await),
        "-1234.5678"
    );
    assert_eq!(
        canonical_of(&value("smallmoney", |s| s.money(214_748.364_7)).await),
        "214748.3647"
    );
    assert_eq!(
        canonical_of(&value("smallmoney", |s| s.decimal(-(1 << 31), 4)).await),
        "-214748.3648"
    );
    let text = refusal(column("c", "money"), |s| s.money(922_337_203_685_477.6)).await;
    assert!(text.contains("CAST(… AS decimal(19,4))"), "{text}");
    refusal(column("c", "smallmoney"), |s| s.decimal(1 << 31, 4)).await;
}

#[tokio::test]
async fn dates_and_times_and_their_extremes() {
    for text in ["0001-01-01", "1752-12-31", "2024-02-29", "9999-12-31"] {
        let days = canonical::parse_date(text).unwrap();
        let batch = value("date", |s| s.date(days)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<Date32Array>()
                .unwrap()
                .value(0),
            days
        );
        assert_eq!(canonical_of(&batch), text);
    }
    for text in [
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.999999",
        "1969-12-31T23:59:59.999999",
    ] {
        let batch = value("datetime2(7)", |s| s.timestamp(ticks(text))).await;
        let micros = batch
            .column(0)
            .as_any()
            .downcast_ref::<TimestampMicrosecondArray>()
            .unwrap()
            .value(0);
        assert_eq!(
            (micros * 10, canonical_of(&batch).as_str()),
            (ticks(text), text)
        );
    }
    assert_eq!(
        canonical_of(
            &value("smalldatetime", |s| s
                .timestamp(ticks("2079-06-06T23:59:00")))
            .await
        ),
        "2079-06-06T23:59:00"
    );
    assert_eq!(
        canonical_of(
            &value("datetimeoffset(7)", |s| s
                .timestamp(ticks("2024-04-30T22:00:00")))
            .await
        ),
        "2024-04-30T22:00:00"
    );
    // 1753-01-01 and 9999-12-31 23:59:59.997, as SQL Server shows it.
    let first = canonical::parse_date("1753-01-01").unwrap();
    assert_eq!(
        canonical_of(&value("datetime", |s| s.datetime(first, 0)).await),
        "1753-01-01T00:00:00"
    );
    assert_eq!(
        canonical_of(&value("datetime", |s| s.datetime(2_932_896, 25_919_999)).await),
        "9999-12-31T23:59:59.996667"
    );
    let batch = value("time(7)", |s| s.time(863_999_999_990)).await;
    assert_eq!(
        batch
            .column(0)
            .as_any()
            .downcast_ref::<Time64MicrosecondArray>()
            .unwrap()
            .value(0),
        86_399_999_999
    );
    assert_eq!(canonical_of(&batch), "23:59:59.999999");
}

#[tokio::test]
async fn digits_below_a_microsecond_are_refused_or_rounded_as_declared() {
    let rounded = |sql_type: &str| ColumnContract {
        rounding: Some(Rounding::Round),
        ..column("c", sql_type)
    };
    let last = ticks("9999-12-31T23:59:59.9999999");
    let text = refusal(column("c", "datetime2(7)"), |s| s.timestamp(last)).await;
    assert!(
        text.contains("value 9999-12-31T23:59:59.9999999") && text.contains("rounding"),
        "{text}"
    );
    assert!(
        refusal(rounded("datetime2(7)"), |s| s.timestamp(last))
            .await
            .contains("leaves the type's range")
    );
    for (from, to) in [
        ("2024-04-30T23:59:59.9999994", "2024-04-30T23:59:59.999999"),
        ("2024-04-30T23:59:59.9999995", "2024-05-01T00:00:00"),
        ("0001-01-01T00:00:00.0000001", "0001-01-01T00:00:00"),
    ] {
        let batch = one(rounded("datetime2(7)"), |s| s.timestamp(ticks(from)))
            .await
            .unwrap();
        assert_eq!(canonical_of(&batch), to);
    }
    refusal(column("c", "time(7)"), |s| s.time(1)).await;
    refusal(rounded("time(7)"), |s| s.time(863_999_999_999)).await;
    assert_eq!(
        canonical_of(&one(rounded("time(7)"), |s| s.time(15)).await.unwrap()),
        "00:00:00.000002"
    );
}

#[tokio::test]
async fn texts_and_their_extremes() {
    for text in ["", " ", "é😀", "a\0b", "x\r\n"] {
        for sql_type in [
            "nvarchar(20)",
            "varchar(20)",
            "nchar(20)",
            "char(20)",
            "nvarchar(max)",
            "varchar(max)",
            "xml",
        ] {
            let batch = value(sql_type, |s| s.text(text)).await;
            assert_eq!(
                batch
                    .column(0)
                    .as_any()
                    .downcast_ref::<StringArray>()
                    .unwrap()
                    .value(0),
                text
            );
        }
    }
    // Two UTF-16 units, four bytes, one character.
    value("nvarchar(2)", |s| s.text("😀")).await;
    assert!(
        refusal(column("c", "nvarchar(1)"), |s| s.text("😀"))
            .await
            .contains("longer than nvarchar(1)")
    );
    assert!(
        refusal(column("c", "varchar(2)"), |s| s.text("abc"))
            .await
            .contains("varchar(2)")
    );
    let longest = "é".repeat(32_767);
    value("nvarchar(max)", |s| s.text(&longest)).await;
    let megabyte = "x".repeat(1 << 20);
    let text = refusal(column("c", "nvarchar(max)"), |s| s.text(&megabyte)).await;
    assert!(text.contains("1048576 bytes") && text.len() < 400, "{text}");
    let masked = ColumnContract {
        sample: Sample::Mask,
        ..column("c", "nvarchar(1)")
    };
    let text = refusal(masked, |s| s.text("Ada Lovelace")).await;
    assert!(!text.contains("Ada"), "{text}");
}

#[tokio::test]
async fn binaries_and_uniqueidentifiers() {
    for bytes in [&b""[..], b"\x00\xff"] {
        let batch = value("varbinary(8)", |s| s.binary(bytes)).await;
        assert_eq!(
            batch
                .column(0)
                .as_any()
                .downcast_ref::<BinaryArray>()
                .unwrap()
                .value(0),
            bytes
        );
    }
    value("rowversion", |s| s.binary(&[0, 0, 0, 0, 0, 0, 7, 0xd1])).await;
    value("varbinary(max)", |s| s.binary(&vec![7; 1_024_000])).await;
    refusal(column("c", "varbinary(max)"), |s| {
        s.binary(&vec![7; 1_024_001])
    })
    .await;
    refusal(column("c", "binary(2)"), |s| s.binary(&[1, 2, 3])).await;
    let id = uuid::Uuid::parse_str("6F9619FF-8B86-D011-B42D-00C04FC964FF").unwrap();
    let batch = value("uniqueidentifier", |s| s.uuid(*id.as_bytes())).await;
    assert_eq!(
        batch.column(0).as_string::<i32>().value(0),
        "6F9619FF-8B86-D011-B42D-00C04FC964FF"
    );
}

#[tokio::test]
async fn a_cell_of_another_type_than_described_is_a_broken_contract() {
    for (sql_type, push) in [
        (
            "int",
            (|s: &mut dyn RowSink| s.bigint(1)) as fn(&mut dyn RowSink) -> Result<(), ExtractError>,
        ),
        ("bigint", |s| s.int(1)),
        ("datetime", |s| s.date(1)),
        ("uniqueidentifier", |s| s.text("x")),
        ("nvarchar(20)", |s| s.binary(b"x")),
        ("decimal(4,2)", |s| s.float(1.0)),
    ] {
        let error = one(column("c", sql_type), push).await.unwrap_err();
        assert_eq!(
            error.code(),
            soxauto_domain::Code::ContractMismatch,
            "{sql_type}"
        );
    }
    let names = one(column("c", "int"), |s| s.start(&["d"]))
        .await
        .unwrap_err();
    assert_eq!(names.code(), soxauto_domain::Code::ContractMismatch);
    let too_many = one(column("c", "int"), |s| s.int(1).and_then(|()| s.int(2)))
        .await
        .unwrap_err();
    assert_eq!(too_many.code(), soxauto_domain::Code::Internal);
}

#[tokio::test]
async fn batches_are_bounded_by_rows_and_by_bytes() {
    let contract = [
        column("n", "int"),
        column("t", "nvarchar(max)"),
        column("skipped", "xml"),
    ];
    let mut sizes = Vec::new();
    let mut take = |batch: &RecordBatch| {
        assert_eq!(batch.num_columns(), 2);
        sizes.push(batch.num_rows());
        Ok(())
    };
    let mut sink = BatchSink::new(&contract, |c| c.name != "skipped", Out::Inline(&mut take));
    let text = "x".repeat(60_000);
    let too_long_but_not_looked_at = "x".repeat(1 << 17);
    for n in 0..10_000 {
        sink.int(n).unwrap();
        sink.text(if n < 200 { &text } else { "x" }).unwrap();
        sink.text(&too_long_but_not_looked_at).unwrap();
        if sink.end_row().unwrap() == Flow::Full {
            sink.flush().await.unwrap();
        }
    }
    sink.flush().await.unwrap();
    assert!(
        sink.peak_bytes() < BATCH_BYTES + 100_000,
        "{}",
        sink.peak_bytes()
    );
    drop(sink);
    assert_eq!(sizes.iter().sum::<usize>(), 10_000);
    assert!(
        sizes.iter().all(|rows| *rows <= BATCH_ROWS) && sizes.len() == 7,
        "{sizes:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_decoded_names_the_row_and_the_columns_it_can_be() {
    let contract = [
        column("n", "int"),
        column("a", "nvarchar(5)"),
        column("b", "varchar(5)"),
    ];
    let mut take = |_: &RecordBatch| Ok(());
    let mut sink = BatchSink::new(&contract, |_| true, Out::Inline(&mut take));
    for _ in 0..2 {
        sink.int(1).unwrap();
        sink.null().unwrap();
        sink.null().unwrap();
        sink.end_row().unwrap();
    }
    let text = sink.undecodable("unpaired surrogate").to_string();
    assert!(
        text.contains("row 3") && text.contains("one of a, b"),
        "{text}"
    );
}
