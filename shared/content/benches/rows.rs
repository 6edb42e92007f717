//! What the content digest costs per row, on 14 columns as NAV's ledger has them: `cargo bench -p soxauto-content`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{sync::Arc, time::Instant};

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use soxauto_content::{ContentDigest, SORTED_IN_MEMORY};

const ROWS: usize = 2_000_000;
const BATCH: usize = 8_192;
const ROUNDS: usize = 7;

/// 14 columns: two integers, four amounts of decimal(38,20), two instants, five texts, one boolean.
fn batch(first: i32) -> RecordBatch {
    let rows = || first..first + BATCH as i32;
    let int =
        |f: fn(i32) -> i32| -> ArrayRef { Arc::new(Int32Array::from_iter_values(rows().map(f))) };
    let amount = |factor: i128| -> ArrayRef {
        Arc::new(
            Decimal128Array::from_iter_values(rows().map(|n| i128::from(n) * factor))
                .with_precision_and_scale(38, 20)
                .unwrap(),
        )
    };
    let time = |step: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            rows().map(|n| 1_700_000_000_000_000 + i64::from(n) * step),
        ))
    };
    let text = |f: fn(i32) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows().map(f)))
    };
    RecordBatch::try_from_iter_with_nullable([
        ("Entry No_", int(|n| n), true),
        (
            "Customer No_",
            text(|n| Some(format!("C{:08}", n % 9_000))),
            true,
        ),
        ("Posting Date", time(1_000_000), true),
        (
            "Document No_",
            text(|n| Some(format!("SI-2024-{n:07}"))),
            true,
        ),
        (
            "Description",
            text(|n| (n % 3 != 0).then(|| format!("Order {n} delivered to customer"))),
            true,
        ),
        (
            "Account",
            text(|n| Some(format!("{}", 13_003 + n % 7))),
            true,
        ),
        (
            "Currency",
            text(|n| (n % 2 == 0).then(|| "NGN".to_owned())),
            true,
        ),
        ("Amount", amount(1_234_567_890_123_456_789), true),
        ("Amount (LCY)", amount(9_876_543_210_987_654_321), true),
        ("Debit", amount(1_000_000_007_000_000_000), true),
        ("Credit", amount(-1_000_000_009_000_000_000), true),
        ("Transaction No_", int(|n| n / 2), true),
        ("Created", time(977), true),
        (
            "Open",
            Arc::new(BooleanArray::from_iter(rows().map(|n| Some(n % 5 == 0)))) as ArrayRef,
            true,
        ),
    ])
    .unwrap()
}

fn main() {
    let batches: Vec<RecordBatch> = (0..ROWS / BATCH)
        .map(|n| batch((n * BATCH) as i32))
        .collect();
    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    for in_memory in [SORTED_IN_MEMORY, 10 * SORTED_IN_MEMORY] {
        let mut found: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let schema = batches[0].schema();
                let started = Instant::now();
                let mut digest =
                    ContentDigest::new(&schema, &std::env::temp_dir(), in_memory).unwrap();
                for batch in &batches {
                    digest.update(batch).unwrap();
                }
                let taken = started.elapsed();
                std::hint::black_box(digest.finish().unwrap());
                let per_row = |d: std::time::Duration| d.as_nanos() as f64 / rows as f64;
                (per_row(started.elapsed()), per_row(taken))
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (total, taken) = found[ROUNDS / 2];
        println!(
            "{rows} rows x 14 columns, {in_memory} sorted in memory: {total:.0} ns per row (median of {ROUNDS}; least {:.0}), of which {:.0} at the end",
            found[0].0,
            total - taken
        );
    }
}
