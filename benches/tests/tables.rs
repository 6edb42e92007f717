//! Every table of the benches is what its plan declares: an extraction of it, over a socket, passes all checks. A measurement of
//! a reader that failed half-way would look very good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use soxauto_benches::{
    Content, Nowhere, Prepared, Sending, Table, backend, ipe, read, settings, start,
};
use soxauto_domain::CheckOutcome;
use soxauto_extract::{BulkDriver, Driver, ExtractError, Extracted};

const ROWS: u64 = 1_200;

async fn extracted(
    driver: &dyn Driver,
    table: Table,
    sending: Sending,
) -> Result<Extracted, ExtractError> {
    let content = Content { table, rows: ROWS };
    let server = start(backend(content, sending).unwrap()).await.unwrap();
    let settings = settings(server.addr().port(), server.ca_pem(), false).unwrap();
    let ipe = ipe(content).unwrap();
    let found = read(driver, &settings, &ipe, &Nowhere).await.unwrap();
    server.stop().await;
    found
}

fn sound(extracted: &Extracted) {
    let failed: Vec<_> = extracted.checks.iter().filter(|c| !c.passed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(extracted.checks.iter().any(CheckOutcome::passed));
    assert_eq!(extracted.counts.parquet, ROWS);
}

#[tokio::test]
async fn each_table_is_extracted_by_both_drivers_to_the_same_content() {
    for table in [Table::Ledger, Table::Long, Table::Wide] {
        let prepared = extracted(&BulkDriver::MssqlTds, table, Sending::default())
            .await
            .unwrap();
        let streamed = extracted(&BulkDriver::Tiberius, table, Sending::Streamed)
            .await
            .unwrap();
        sound(&prepared);
        sound(&streamed);
        assert_eq!(prepared.content_sha256, streamed.content_sha256);
    }
}

#[tokio::test]
async fn a_text_that_no_warehouse_takes_ends_the_extraction_at_its_row() {
    let refused = extracted(&BulkDriver::MssqlTds, Table::TooLong, Sending::Streamed).await;
    match refused {
        Err(ExtractError::Value { column, row, .. }) => {
            assert_eq!((column.as_str(), row), ("Note", 1_000));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_without_a_server_are_the_rows_of_the_server() {
    let driver = Prepared::new(Content {
        table: Table::Ledger,
        rows: ROWS,
    });
    let pushed = extracted(&driver, Table::Ledger, Sending::default())
        .await
        .unwrap();
    let over_the_wire = extracted(&BulkDriver::MssqlTds, Table::Ledger, Sending::default())
        .await
        .unwrap();
    sound(&pushed);
    assert_eq!(pushed.content_sha256, over_the_wire.content_sha256);
    assert!(!driver.take_pushing().is_zero());
}
