//! The plan: what will run, pinned before anything does.
//!
//! Written once (create-only) as `plan.json`; every message carries its digest, and a worker refuses another.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    approval::{Approval, BaselineStatus},
    bind::BoundQuery,
    calendar::Period,
    catalog::{Rounding, Sample, Total},
    digest::Sha256,
    id::{ControlId, IpeId, RunId},
    lineage::Lineage,
    partition::{KeyRange, OpenParameter, Span},
    receipt::{PartitionRecord, RangeRecord},
    schema_tag::schema_tag,
    sql_type::SqlType,
    start::Trigger,
};

schema_tag! {
    /// Schema of `plan.json`.
    PlanSchema = "soxauto.plan/1"
}

/// `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always `soxauto.plan/1`.
    pub schema: PlanSchema,
    /// The run.
    pub run_id: RunId,
    /// The run that this one supersedes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<RunId>,
    /// The control.
    pub control: PlannedControl,
    /// The month, as dates in the control's zone.
    pub period: Period,
    /// When the plan was made.
    pub created_at: Timestamp,
    /// When the run is closed with what is there.
    pub deadline: Timestamp,
    /// What started the run.
    pub trigger: Trigger,
    /// Leave to run queries without an approved baseline, if the start event carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// `dev`, `staging` or `prod`.
    pub stage: Stage,
    /// The release that made the plan.
    pub software: Software,
    /// Digest of the catalog that the release holds.
    pub catalog_sha256: Sha256,
    /// What will be extracted, in the order of the identifiers.
    pub ipes: Vec<PlannedIpe>,
}

impl Plan {
    /// The planned IPE of that identifier.
    #[must_use]
    pub fn ipe(&self, id: &IpeId) -> Option<&PlannedIpe> {
        self.ipes.iter().find(|ipe| ipe.id == *id)
    }
}

/// The control as the plan pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedControl {
    /// Identifier.
    pub id: ControlId,
    /// One line.
    pub title: String,
    /// IANA name of the zone.
    pub time_zone: String,
    /// Redshift schema of the tables.
    pub warehouse_schema: String,
}

/// How strict the environment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Laptop and development account.
    Dev,
    /// As prod, with other data.
    Staging,
    /// What auditors rely on.
    Prod,
}

impl Stage {
    /// The name in variables, JSON and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }
}

impl std::str::FromStr for Stage {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            _ => Err(format!("{text:?} is not a stage: dev, staging or prod")),
        }
    }
}

/// The program that did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Software {
    /// `soxauto-dispatcher`, `soxauto-worker` or `soxauto-finalizer`.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// SHA-256 of the program's file as it ran: `bootstrap` in the release's archive.
    pub binary_sha256: Sha256,
}

/// One IPE as it will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedIpe {
    /// Identifier.
    pub id: IpeId,
    /// One line.
    pub title: String,
    /// For a reader who is not technical.
    pub description: String,
    /// G/L accounts.
    pub accounts: Vec<String>,
    /// Database that the session opens.
    pub database: String,
    /// The extraction.
    pub extraction: BoundQuery,
    /// The contract, in the order of the SELECT list.
    pub columns: Vec<ColumnContract>,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// Whether no rows is a success.
    pub allow_empty: bool,
    /// Most percent of movement against the last published run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_row_variance_percent: Option<u32>,
    /// Independent count and control totals.
    pub completeness: PlannedCompleteness,
    /// Accuracy, positive.
    pub witness: PlannedWitness,
    /// Accuracy, negative.
    pub negative: PlannedNegative,
    /// How the rows are cut into key ranges; `None` for one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PlannedPartition>,
    /// Redshift table, without schema.
    pub table: String,
    /// How the texts stand to what was approved.
    #[serde(default)]
    pub baseline: BaselineStatus,
    /// Which columns of the source feed each column of the extract; `None` when the catalog does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
}

impl PlannedIpe {
    /// `parameters.json` of an attempt at this IPE: what was bound to which query.
    ///
    /// The bounds of the ranges are known only when the attempt has ended.
    #[must_use]
    pub fn parameters_document(&self, ranges: Option<&PartitionRecord>) -> serde_json::Value {
        let (completeness, negative) = (&self.completeness.query, &self.negative);
        let mut document = serde_json::json!({
            "extraction": self.extraction.parameters,
            "completeness": {"sql": completeness.sql, "parameters": completeness.parameters},
            "witness": self.witness,
            "negative": {
                "changed": negative.parameter,
                "change": negative.change,
                "parameters": negative.query.parameters,
            },
        });
        if let Some(partition) = &self.partition {
            document["partition"] = serde_json::json!({
                "column": partition.column,
                "sql": partition.query.sql,
                "parameters": partition.query.parameters,
                "open": partition.open(),
                "high_water_mark": ranges.and_then(|r| r.span).map(|span| span.high_water_mark),
                "ranges": ranges.map_or_else(Vec::new, |r| r.ranges.iter().map(RangeRecord::range).collect()),
            });
        }
        document
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnContract> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// One column of the contract, its bounds resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnContract {
    /// Name.
    pub name: String,
    /// SQL Server type.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The only values allowed, in canonical text.
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
    pub from: Option<Date>,
    /// Bound of dates (exclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Date>,
    /// What happens to digits below a microsecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    /// How the column appears in the sample.
    pub sample: Sample,
}

/// The completeness query and how to read its one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCompleteness {
    /// The query.
    pub query: BoundQuery,
    /// Column with the row count.
    pub rows: String,
    /// Control totals.
    pub totals: Vec<Total>,
}

/// How the rows are cut into key ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPartition {
    /// Column of the contract: an integer, never NULL.
    pub column: String,
    /// Returns one row: [`LOWEST`](Self::LOWEST) and [`HIGHEST`](Self::HIGHEST) value of the column.
    pub query: BoundQuery,
    /// Rows that a range should have.
    pub rows_per_range: u64,
    /// Bound to the value behind which a range begins.
    pub after: OpenParameter,
    /// Bound to the last value of a range.
    pub upto: OpenParameter,
    /// Bound to the highest value when the attempt began, where a query uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_water_mark: Option<OpenParameter>,
}

impl PlannedPartition {
    /// Column of the bounds query with the lowest value.
    pub const LOWEST: &'static str = "lowest";
    /// Column of the bounds query with the highest value.
    pub const HIGHEST: &'static str = "highest";

    /// The parameters that the run binds.
    #[must_use]
    pub fn open(&self) -> Vec<&OpenParameter> {
        let mut open = vec![&self.after, &self.upto];
        open.extend(&self.high_water_mark);
        open
    }

    /// The query with the bounds of a range bound to it.
    #[must_use]
    pub fn within(&self, query: &BoundQuery, range: KeyRange) -> BoundQuery {
        query.completed(&[(&self.after, range.after), (&self.upto, range.upto)])
    }

    /// The query with the high-water mark bound to it, where it uses it. Without rows, and so without a mark, it looks at
    /// nothing.
    #[must_use]
    pub fn below_mark(&self, query: &BoundQuery, span: Option<Span>) -> BoundQuery {
        let Some(open) = &self.high_water_mark else {
            return query.clone();
        };
        let mark = span.map_or(open.bounds().0, |span| span.high_water_mark);
        query.completed(&[(open, mark)])
    }

    /// The query as if no value were above the high-water mark.
    #[must_use]
    pub fn without_mark(&self, query: &BoundQuery) -> BoundQuery {
        let Some(open) = &self.high_water_mark else {
            return query.clone();
        };
        query.completed(&[(open, open.bounds().1)])
    }
}

/// A known transaction that must be in the extract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlannedWitness {
    /// The source is asked for it.
    Query {
        /// Returns one row of columns of the contract.
        query: BoundQuery,
    },
    /// The catalog names it.
    Match {
        /// Column → value in canonical text.
        values: BTreeMap<String, String>,
    },
}

/// The extraction with one filter value changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedNegative {
    /// The perturbed query.
    pub query: BoundQuery,
    /// The parameter that differs.
    pub parameter: String,
    /// How it differs, in words: `without 13004`.
    pub change: String,
    /// Column → value: the rows that must be gone.
    pub values: BTreeMap<String, String>,
}
