//! Scripts: what the scripted backend answers to a statement, and how it misbehaves while doing so.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;

use crate::cell::Cell;
use crate::error::SqlError;
use crate::recording::Recording;
use crate::types::Column;

/// Makes the batches of a result set, one after the other, anew for each run.
pub type BatchSource = Arc<dyn Fn() -> Box<dyn Iterator<Item = RecordBatch> + Send> + Send + Sync>;

/// What goes wrong after some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends between two rows.
    Cut,
    /// The connection ends in the middle of a row.
    CutMidRow,
    /// Nothing comes for this time; then the rows go on.
    Stall(Duration),
    /// Nothing comes for this time in the middle of a row; then it goes on.
    StallMidRow(Duration),
    /// The statement ends with this error.
    Error(SqlError),
}

/// Where the rows of a result set come from.
#[derive(Clone)]
pub(crate) enum RowSource {
    Batches(BatchSource),
    Cells(Arc<[Vec<Cell<'static>>]>),
}

/// A result set of a script.
#[derive(Clone)]
pub struct Rows {
    columns: Arc<[Column]>,
    pub(crate) source: RowSource,
    pub(crate) fault: Option<(u64, Fault)>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("columns", &self.columns)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Rows {
    /// Rows from Arrow batches, whose columns are `columns` in their order.
    pub fn batches(columns: Vec<Column>, batches: Vec<RecordBatch>) -> Self {
        Self::generated(columns, move || Box::new(batches.clone().into_iter()))
    }

    /// Rows from a generator, so that a large result needs no memory.
    pub fn generated(
        columns: Vec<Column>,
        batches: impl Fn() -> Box<dyn Iterator<Item = RecordBatch> + Send> + Send + Sync + 'static,
    ) -> Self {
        Self {
            columns: columns.into(),
            source: RowSource::Batches(Arc::new(batches)),
            fault: None,
        }
    }

    /// Rows of cells: for values that Arrow cannot carry, and for columns of the same name.
    pub fn cells(columns: Vec<Column>, rows: Vec<Vec<Cell<'static>>>) -> Self {
        Self {
            columns: columns.into(),
            source: RowSource::Cells(rows.into()),
            fault: None,
        }
    }

    /// Something goes wrong after so many rows of this result set; after 0, before the first one.
    #[must_use]
    pub fn with_fault(mut self, after_rows: u64, fault: Fault) -> Self {
        self.fault = Some((after_rows, fault));
        self
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// One thing that a script does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Waits, before the first byte of what follows.
    Wait(Duration),
    /// Sends a result set.
    Rows(Rows),
    /// Says that so many rows were touched.
    RowCount(u64),
    /// Sends a message of severity 0.
    Info(u32, String),
    /// Tells the client that the database is another one now.
    Database(String),
    /// Ends the statement with an error.
    Fail(SqlError),
    /// Ends the connection at once.
    Cut,
    /// Replays a recording.
    Replay(Recording),
}

/// What is answered to a statement.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: Vec<Step>,
    first: Option<(u32, Box<Script>)>,
}

impl Script {
    /// A script that does nothing: the statement succeeds without a result.
    pub fn new() -> Self {
        Self::default()
    }

    /// One result set.
    pub fn rows(rows: Rows) -> Self {
        Self::new().then(Step::Rows(rows))
    }

    /// One result set of Arrow batches.
    pub fn batches(columns: Vec<Column>, batches: Vec<RecordBatch>) -> Self {
        Self::rows(Rows::batches(columns, batches))
    }

    /// An error and nothing else.
    pub fn error(error: SqlError) -> Self {
        Self::new().then(Step::Fail(error))
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The first `attempts` times the same statement comes, in whichever session, another script is run.
    #[must_use]
    pub fn but_first(mut self, attempts: u32, script: Self) -> Self {
        self.first = Some((attempts, Box::new(script)));
        self
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is run the n-th time, counted from 1.
    pub(crate) fn for_attempt(self, attempt: u32) -> Self {
        match self.first {
            Some((attempts, script)) if attempt <= attempts => *script,
            _ => self,
        }
    }
}
