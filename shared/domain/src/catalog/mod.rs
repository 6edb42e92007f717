//! The catalog: what the accountant edits, read strictly.
//!
//! A control has one `control.toml`, and for each IPE a TOML file and its T-SQL texts. Everything that proves an
//! extract (key, completeness, witness, negative) is mandatory: a check that is left out is an error, not a pass.

mod baseline;
mod check;
mod file;
mod lineage;
mod locate;
mod model;
#[cfg(test)]
mod partition_tests;
mod problem;
mod read;
mod resolve;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use baseline::{BaselineFile, BaselineSchema, Texts};
pub use file::{
    Column, Completeness, ControlFile, IpeFile, Negative, Parameter, ParameterSource, Partition,
    PartitionBound, Rounding, Sample, Total, TotalFunction, Witness,
};
pub use model::{Catalog, Ipe, MAX_COLUMNS, TRACEABILITY_COLUMNS};
pub use problem::Problem;
pub use read::{Inspection, inspect, read};
pub use resolve::ResolveError;
