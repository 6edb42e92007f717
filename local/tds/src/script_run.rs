//! Runs a script against a client.

use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::BytesMut;

use crate::cell::Cell;
use crate::error::Failure;
use crate::response::Response;
use crate::script::{Fault, RowSource, Rows, Script, Step};

/// Runs all steps.
pub(crate) async fn run(script: &Script, out: &mut Response<'_>) -> Result<(), Failure> {
    for step in script.steps() {
        match step {
            Step::Wait(time) => wait(*time, out).await?,
            Step::Rows(rows) => run_rows(rows, out).await?,
            Step::RowCount(rows) => out.row_count(*rows),
            Step::Info(number, text) => out.info(*number, text),
            Step::Database(database) => out.database_changed(database),
            Step::Fail(error) => return Err(error.clone().into()),
            Step::Cut => {
                out.flush().await?;
                return Err(Failure::Cut);
            }
            Step::Replay(recording) => recording.replay(out).await?,
        }
    }
    Ok(())
}

/// Waits, or stops at once when the client cancels.
async fn wait(time: Duration, out: &Response<'_>) -> Result<(), Failure> {
    let mut cancel = out.cancel_signal();
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = cancel.cancelled() => Err(Failure::Cancelled),
    }
}

async fn run_rows(rows: &Rows, out: &mut Response<'_>) -> Result<(), Failure> {
    out.start(rows.columns()).await?;
    let mut fault = rows.fault.clone();
    let mut sent = 0;
    match &rows.source {
        RowSource::Batches(source) => {
            for batch in source() {
                send_batch(&batch, &mut fault, sent, out).await?;
                sent += batch.num_rows() as u64;
            }
        }
        RowSource::Cells(cells) => {
            for row in cells.iter() {
                if !fault_is_due(&mut fault, sent, || Source::Cells(row), out).await? {
                    out.row(row).await?;
                }
                sent += 1;
            }
        }
    }
    if let Some((_, fault)) = fault {
        // The fault was to come after more rows than there are: it comes after the last one.
        misbehave(fault, None, out).await?;
    }
    out.end_rows();
    Ok(())
}

/// The row that a fault in the middle of a row would break.
enum Source<'a> {
    Cells(&'a [Cell<'static>]),
    Batch(&'a RecordBatch, usize),
}

async fn send_batch(
    batch: &RecordBatch,
    fault: &mut Option<(u64, Fault)>,
    sent: u64,
    out: &mut Response<'_>,
) -> Result<(), Failure> {
    let due = fault
        .as_ref()
        .and_then(|(after, _)| usize::try_from(after.checked_sub(sent)?).ok())
        .filter(|row| *row < batch.num_rows());
    let Some(row) = due else {
        return out.batch(batch).await;
    };
    out.batch_rows(batch, 0..row).await?;
    let row_is_sent =
        fault_is_due(fault, sent + row as u64, || Source::Batch(batch, row), out).await?;
    out.batch_rows(batch, row + usize::from(row_is_sent)..batch.num_rows())
        .await
}

/// Runs the fault if this is its place. Says whether the row was sent along with it.
async fn fault_is_due<'a>(
    fault: &mut Option<(u64, Fault)>,
    sent: u64,
    row: impl FnOnce() -> Source<'a>,
    out: &mut Response<'_>,
) -> Result<bool, Failure> {
    match fault.take() {
        Some((after, fault)) if after == sent => {
            let row = match row() {
                Source::Cells(cells) => out.encoded_row(cells)?,
                Source::Batch(batch, row) => out.encoded_batch_row(batch, row)?,
            };
            misbehave(fault, Some(row), out).await
        }
        other => {
            *fault = other;
            Ok(false)
        }
    }
}

async fn misbehave(
    fault: Fault,
    row: Option<BytesMut>,
    out: &mut Response<'_>,
) -> Result<bool, Failure> {
    out.flush().await?;
    match (fault, row) {
        (Fault::Cut, _) | (Fault::CutMidRow, None) => Err(Failure::Cut),
        (Fault::CutMidRow, Some(row)) => {
            out.half_row(row).await?;
            Err(Failure::Cut)
        }
        (Fault::Stall(time), _) | (Fault::StallMidRow(time), None) => {
            wait(time, out).await?;
            Ok(false)
        }
        (Fault::StallMidRow(time), Some(row)) => {
            let rest = out.half_row(row).await?;
            let waited = wait(time, out).await;
            // A cancelled row is completed all the same: the client reads tokens up to the acknowledgement.
            out.rest_of_row(&rest);
            waited?;
            Ok(true)
        }
        (Fault::Error(error), _) => Err(error.into()),
    }
}
