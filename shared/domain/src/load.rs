//! The record of a load: what the warehouse holds of an attempt, proven equal to its receipt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::TotalFunction,
    id::{IpeId, RunId},
    schema_tag::schema_tag,
};

schema_tag! {
    /// Schema of `load.json`.
    LoadSchema = "soxauto.load/1"
}

schema_tag! {
    /// Schema of a [`LoadChoice`].
    LoadChoiceSchema = "soxauto.load_choice/1"
}

/// Which attempt at an IPE is loaded; in the state bucket, written once before the first load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadChoice {
    /// Always `soxauto.load_choice/1`.
    pub schema: LoadChoiceSchema,
    /// The attempt.
    pub attempt: u32,
}

/// `load.json`, beside the receipt it belongs to; written after the load committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRecord {
    /// Always `soxauto.load/1`.
    pub schema: LoadSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE.
    pub ipe_id: IpeId,
    /// The attempt that was loaded.
    pub attempt: u32,
    /// `schema.table`.
    pub table: String,
    /// Rows of this run in the table: the fourth hop.
    pub rows: u64,
    /// Totals computed by the warehouse over those rows.
    pub totals: Vec<LoadedTotal>,
    /// Identifier of the Data API statement whose transaction loaded them.
    pub statement_id: String,
    /// When the load was proven.
    pub loaded_at: Timestamp,
}

/// One total as the warehouse computes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadedTotal {
    /// Column.
    pub column: String,
    /// Function.
    pub function: TotalFunction,
    /// Plain digits or ISO date; `None` when there are no rows.
    pub value: Option<String>,
}
