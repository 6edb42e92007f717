//! SQL Server to Arrow to Parquet: driver port, drivers, type map, checks in the stream.
//!
//! [`extract`] is the whole of it. A [`Driver`] pushes typed cells into a [`RowSink`]; batches of them are checked,
//! written as Parquet parts and uploaded through a [`PartStore`] while the next rows come in. Every value converts
//! exactly or the extraction ends with an error that names column, row and value; memory does not grow with the rows.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod bulk;
mod canonical;
mod cells;
mod checks;
mod completeness;
mod conclude;
mod connection;
mod contract;
mod discreet;
mod error;
mod money;
mod mssql_driver;
mod observers;
mod one_row;
mod parameters;
mod parquet_parts;
mod part_reader;
mod pipeline;
mod progress;
mod ranged;
mod reperform;
mod rows;
mod sample;
mod server_error;
mod source;
mod store;
mod temporal;
mod tiberius_driver;
mod type_map;
mod view;

pub use bulk::BulkDriver;
pub use conclude::{PartDownload, PartSource, conclude};
pub use connection::{ConnectionSettings, Encryption, Secret, SecretError};
pub use error::{ExtractError, RowsFound};
pub use one_row::{NamedValue, OneRow};
pub use parquet_parts::{CHUNK_BYTES, Compression, PartOptions};
pub use part_reader::{PartFault, read_part};
pub use pipeline::{
    Extracted, Extraction, Options, Peaks, PendingUpload, Ranges, extract, refuse_writer,
};
pub use progress::{Progress, Step, StepTime, Timings};
pub use ranged::{Ranged, RangesDone, extract_ranges};
pub use reperform::{Claims, Reperformance, Reperformed};
pub use sample::SAMPLE_ROWS;
pub use source::{DescribedColumn, DescribedType, Driver, Flow, Limits, RowSink, Source};
pub use store::{MemoryStore, PartStore, PartUpload, StoreError};
pub use tiberius_driver::TiberiusDriver;
pub use type_map::{arrow_type, width};

#[cfg(test)]
#[path = "../tests/support/plan.rs"]
#[allow(unreachable_pub, dead_code)]
mod test_plan;
