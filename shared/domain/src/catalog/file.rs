//! The shape of the catalog's TOML files; the JSON Schema is generated from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema_tag::schema_tag;

schema_tag! {
    /// Schema of `control.toml`.
    ControlSchema = "soxauto.control/1"
}
schema_tag! {
    /// Schema of an IPE's TOML file.
    IpeSchema = "soxauto.ipe/1"
}

/// `control.toml`: the control that the IPEs of this folder serve.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlFile {
    /// Always `soxauto.control/1`.
    pub schema: ControlSchema,
    /// Identifier such as `C-PG-1`.
    pub id: String,
    /// One line.
    pub title: String,
    /// What the control does, for a reader who is not technical.
    pub description: String,
    /// IANA name of the zone in which the months of the control begin, such as `Europe/Paris`.
    pub time_zone: String,
    /// Hours after the start at which the run is closed with what is there.
    pub deadline_hours: u32,
    /// Redshift schema of the tables.
    pub warehouse_schema: String,
}

/// One IPE or custom report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpeFile {
    /// Always `soxauto.ipe/1`.
    pub schema: IpeSchema,
    /// Identifier such as `IPE_07`; the file is named after it.
    pub id: String,
    /// One line.
    pub title: String,
    /// What the report is and what the control uses it for.
    pub description: String,
    /// G/L accounts the report supports.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// SQL Server database the session opens.
    pub database: String,
    /// File with the extraction query, beside this one.
    pub query: String,
    /// Whether a month without rows is a success.
    pub allow_empty: bool,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// Redshift table, without schema.
    pub table: String,
    /// Most percent by which the row count may differ from the last published run.
    #[serde(default)]
    pub max_row_variance_percent: Option<u32>,
    /// Named, typed parameters of all queries of the IPE.
    pub parameters: BTreeMap<String, Parameter>,
    /// The contract, in the order of the SELECT list.
    pub columns: Vec<Column>,
    /// How the rows are cut into key ranges, so that an extraction can stop between two and go on later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Independent count and control totals.
    pub completeness: Completeness,
    /// Accuracy, positive.
    pub witness: Witness,
    /// Accuracy, negative.
    pub negative: Negative,
}

/// A parameter: derived from the cutoff, one value, a list, or a bound of a key range. Exactly one of `from`, `value`,
/// `values`, `partition`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// SQL Server type.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// A date derived from the cutoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ParameterSource>,
    /// One value, in canonical text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A list of values; `IN (@name)` is expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// A bound that each query of a partitioned extraction gets anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionBound>,
}

/// What a parameter of a partitioned extraction is bound to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBound {
    /// The value behind which the range begins: `column > @after`.
    After,
    /// The last value of the range: `column <= @upto`.
    Upto,
    /// The highest value when the attempt began: `column <= @high_water_mark`, in completeness and witness.
    HighWaterMark,
}

impl PartitionBound {
    /// The name in the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::After => "after",
            Self::Upto => "upto",
            Self::HighWaterMark => "high_water_mark",
        }
    }
}

/// Key ranges: one query each.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Column of the contract: an integer, not nullable.
    pub column: String,
    /// File with a query that returns one row, `lowest` and `highest` value of the column.
    pub query: String,
    /// Rows that a range should have.
    pub rows_per_range: u64,
}

/// Dates derived from the cutoff in the control's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterSource {
    /// First day after the period: the exclusive upper bound.
    Cutoff,
    /// First day of the period.
    PeriodStart,
    /// Last day of the period.
    ClosingDate,
    /// First day of the closing date's year.
    YearStart,
}

/// One column of the contract.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name in the SELECT list, and in the warehouse.
    pub name: String,
    /// SQL Server type.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The only values allowed, in canonical text; NULL is governed by `nullable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Vec<String>>,
    /// Smallest number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Largest number allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Earliest date allowed (inclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ParameterSource>,
    /// Bound of dates (exclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ParameterSource>,
    /// What happens to digits below a microsecond; without it they are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    /// How the column appears in `sample.csv`.
    #[serde(default)]
    pub sample: Sample,
}

/// What happens to digits below a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest microsecond, halves away from zero.
    Round,
}

/// How a column appears in the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// As it is.
    #[default]
    Show,
    /// Masked: personal data.
    Mask,
}

/// Completeness: an independent query that returns one row.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Completeness {
    /// File with the query, beside this one.
    pub query: String,
    /// Its column that holds the row count.
    pub rows: String,
    /// Control totals.
    #[serde(default)]
    pub totals: Vec<Total>,
}

/// One control total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// Extracted column.
    pub column: String,
    /// Function over the extracted rows, NULLs left out.
    pub function: TotalFunction,
    /// Column of the completeness query with the independent value.
    pub result: String,
}

/// Function of a control total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TotalFunction {
    /// Exact sum.
    Sum,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
}

impl TotalFunction {
    /// The name in JSON, SQL and report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// Accuracy, positive: exactly one of `query` and `match`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// File with a query that returns one row of columns of the contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Values of columns that identify a known transaction, in canonical text.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<BTreeMap<String, String>>,
}

/// Accuracy, negative: the extraction query runs again with one filter value changed, and the rows that match must go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Negative {
    /// Parameter to change.
    pub parameter: String,
    /// Value to take out of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<String>,
    /// Value to put in the place of a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
    /// Values of columns by which the rows of the value are known, in canonical text.
    #[serde(rename = "match")]
    pub matching: BTreeMap<String, String>,
}
