//! What goes wrong while a query runs, and the code that it ends with. Never fewer rows without an error.

use std::time::{Duration, Instant};

use soxauto_domain::Code;
use soxauto_extract::{ExtractError, Limits, OneRow, RowsFound};
use soxauto_tds::{Cell, Fault, Rows, Script, ScriptedBackend, SqlError, Step};

use super::server::{Fixture, column, limits, one_row, query};

fn rows(count: i64) -> Rows {
    let rows = (0..count)
        .map(|n| vec![Cell::Int(n), Cell::text("x".repeat(50))])
        .collect();
    Rows::cells(
        vec![column("n", "int").not_null(), column("t", "nvarchar(100)")],
        rows,
    )
}

/// A sink that counts.
mod counting {
    use async_trait::async_trait;
    use soxauto_extract::{ExtractError, Flow, RowSink};

    #[derive(Default)]
    pub(super) struct Counter {
        pub(super) rows: u64,
        pub(super) cells: u64,
    }

    macro_rules! count {
        ($($name:ident($type:ty)),*) => {
            $(fn $name(&mut self, _: $type) -> Result<(), ExtractError> { self.cells += 1; Ok(()) })*
        };
    }

    #[async_trait]
    impl RowSink for Counter {
        count!(
            bit(bool),
            tinyint(u8),
            smallint(i16),
            int(i32),
            bigint(i64),
            real(f32),
            float(f64),
            money(f64),
            date(i32),
            time(i64),
            timestamp(i64),
            text(&str),
            binary(&[u8]),
            uuid([u8; 16])
        );
        fn start(&mut self, _: &[&str]) -> Result<(), ExtractError> {
            Ok(())
        }
        fn null(&mut self) -> Result<(), ExtractError> {
            self.cells += 1;
            Ok(())
        }
        fn decimal(&mut self, _: i128, _: u8) -> Result<(), ExtractError> {
            self.cells += 1;
            Ok(())
        }
        fn datetime(&mut self, _: i32, _: u32) -> Result<(), ExtractError> {
            self.cells += 1;
            Ok(())
        }
        fn undecodable(&self, reason: &str) -> ExtractError {
            ExtractError::Internal(reason.into())
        }
        fn end_row(&mut self) -> Result<Flow, ExtractError> {
            self.rows += 1;
            Ok(Flow::Continue)
        }
        async fn flush(&mut self) -> Result<(), ExtractError> {
            Ok(())
        }
    }
}

async fn read(script: Script, limits: Limits) -> (Result<u64, ExtractError>, u64) {
    let fixture = Fixture::start(ScriptedBackend::new().on("q", script)).await;
    let mut source = fixture.session(&limits).await.unwrap();
    let mut sink = counting::Counter::default();
    let outcome = source.read(&query("q"), &mut sink).await;
    (outcome, sink.rows)
}

fn quick(stall: u64) -> Limits {
    Limits {
        stall: Duration::from_millis(stall),
        ..limits()
    }
}

#[tokio::test]
async fn all_rows_are_all_rows() {
    let (outcome, seen) = read(Script::rows(rows(20_000)), quick(5_000)).await;
    assert_eq!((outcome.unwrap(), seen), (20_000, 20_000));
}

#[tokio::test]
async fn a_cut_between_rows_and_in_a_row_is_an_error() {
    for (after, fault) in [
        (0, Fault::Cut),
        (1, Fault::Cut),
        (1_000, Fault::Cut),
        (0, Fault::CutMidRow),
        (777, Fault::CutMidRow),
        (2_000, Fault::Cut),
    ] {
        let (outcome, seen) = read(
            Script::rows(rows(2_000).with_fault(after, fault.clone())),
            quick(5_000),
        )
        .await;
        let error = outcome.unwrap_err();
        assert_eq!(
            error.code(),
            Code::ConnectionLost,
            "{after} {fault:?}: {error}"
        );
        assert!(seen <= after, "{seen}");
    }
    let (outcome, _) = read(Script::new().then(Step::Cut), quick(5_000)).await;
    assert_eq!(outcome.unwrap_err().code(), Code::ConnectionLost);
}

#[tokio::test]
async fn silence_among_the_rows_is_a_stall_but_before_them_it_is_not() {
    for fault in [
        Fault::Stall(Duration::from_secs(30)),
        Fault::StallMidRow(Duration::from_secs(30)),
    ] {
        let began = Instant::now();
        let (outcome, seen) = read(
            Script::rows(rows(2_000).with_fault(1_000, fault.clone())),
            quick(300),
        )
        .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Code::SourceStalled, "{fault:?}: {error}");
        assert!(seen > 0 && began.elapsed() < Duration::from_secs(10));
    }
    // Slow to begin: three times the patience among rows.
    let slow = Script::new()
        .then(Step::Wait(Duration::from_millis(900)))
        .then(Step::Rows(rows(5)));
    assert_eq!(read(slow, quick(300)).await.0.unwrap(), 5);
    // The columns at once, the first row late: a sort that takes its time.
    let late = rows(5).with_fault(0, Fault::Stall(Duration::from_millis(900)));
    assert_eq!(read(Script::rows(late), quick(300)).await.0.unwrap(), 5);
    // A pause that is shorter than the patience.
    let pause = rows(500).with_fault(250, Fault::Stall(Duration::from_millis(100)));
    assert_eq!(
        read(Script::rows(pause), quick(2_000)).await.0.unwrap(),
        500
    );
}

#[tokio::test]
async fn the_deadline_ends_a_query_that_never_answers() {
    let began = Instant::now();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_millis(1_500),
        ..limits()
    };
    let (outcome, _) = read(
        Script::new().then(Step::Wait(Duration::from_secs(30))),
        limits,
    )
    .await;
    assert_eq!(outcome.unwrap_err().code(), Code::DeadlineNear);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn server_errors_keep_their_number_before_and_among_rows() {
    for (number, code) in [
        (1205, Code::DeadlockVictim),
        (208, Code::QueryFailed),
        (40501, Code::SourceBusy),
        (8115, Code::QueryFailed),
    ] {
        let error = SqlError::new(number, 16, "Something's wrong with 'x'.");
        let (outcome, _) = read(Script::error(error.clone()), quick(5_000)).await;
        assert_eq!(outcome.unwrap_err().code(), code, "{number}");
        let (outcome, _) = read(
            Script::rows(rows(100).with_fault(50, Fault::Error(error))),
            quick(5_000),
        )
        .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), code, "{number}");
        assert!(
            error.to_string().contains(&number.to_string())
                && error.to_string().contains("wrong with 'x'"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_value_larger_than_any_that_fits_is_not_gathered_in_memory() {
    // 40 MB on the wire; a value may have 2 GB.
    let huge = Rows::cells(
        vec![column("t", "nvarchar(max)")],
        vec![
            vec![Cell::text("small")],
            vec![Cell::text("x".repeat(20_000_000))],
        ],
    );
    let (outcome, seen) = read(Script::rows(huge), quick(5_000)).await;
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("32 MiB"), "{error}");
    assert_eq!(seen, 1);
    // Many rows may have more together.
    let many = Rows::cells(
        vec![column("t", "nvarchar(max)")],
        (0..40)
            .map(|_| vec![Cell::text("x".repeat(500_000))])
            .collect(),
    );
    assert_eq!(read(Script::rows(many), quick(5_000)).await.0.unwrap(), 40);
}

#[tokio::test]
async fn exactly_one_result_set() {
    let two = Script::new()
        .then(Step::Rows(rows(3)))
        .then(Step::Rows(rows(3)));
    assert_eq!(
        read(two, quick(5_000)).await.0.unwrap_err().code(),
        Code::ResultSets
    );
    let two_empty = Script::new()
        .then(Step::Rows(rows(0)))
        .then(Step::Rows(rows(0)));
    assert_eq!(
        read(two_empty, quick(5_000)).await.0.unwrap_err().code(),
        Code::ResultSets
    );
    let none = Script::new().then(Step::RowCount(7));
    assert_eq!(
        read(none, quick(5_000)).await.0.unwrap_err().code(),
        Code::ResultSets
    );
    assert_eq!(
        read(Script::rows(rows(0)), quick(5_000)).await.0.unwrap(),
        0
    );
    let chatty = Script::new()
        .then(Step::Info(5701, "Changed database context.".into()))
        .then(Step::Rows(rows(2)))
        .then(Step::Info(0, "done".into()));
    assert_eq!(read(chatty, quick(5_000)).await.0.unwrap(), 2);
}

#[tokio::test]
async fn a_single_row_is_exactly_one() {
    let backend = ScriptedBackend::new()
        .on("none", Script::rows(rows(0)))
        .on("one", Script::rows(rows(1)))
        .on("two", Script::rows(rows(2)));
    let fixture = Fixture::start(backend).await;
    let mut source = fixture.session(&limits()).await.unwrap();
    let found = |outcome: Result<_, ExtractError>| match outcome.unwrap_err() {
        ExtractError::NotOneRow { found, .. } => found,
        other => panic!("{other}"),
    };
    assert_eq!(
        found(one_row(source.as_mut(), &query("none")).await.map(drop)),
        RowsFound::None
    );
    // The session goes on after a complete answer.
    assert_eq!(
        one_row(source.as_mut(), &query("one")).await.unwrap().len(),
        2
    );
    assert_eq!(
        found(one_row(source.as_mut(), &query("two")).await.map(drop)),
        RowsFound::Many
    );
    let unused = OneRow::default();
    assert_eq!(found(unused.take().map(drop)), RowsFound::None);
}
