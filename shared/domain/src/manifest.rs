//! The manifest: what is published, as an in-toto statement about every file of the run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    approval::{Approval, BaselineStatus},
    bind::BoundParameter,
    calendar::Period,
    check::CheckOutcome,
    code::Code,
    digest::Sha256,
    id::{IpeId, RunId, chained},
    lineage::Lineage,
    load::LoadedTotal,
    plan::{PlannedControl, Software, Stage},
    receipt::{ControlTotal, PartitionRecord, SourceIdentity},
    run::{IpeState, RunState},
    start::Trigger,
};

/// Type of the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Type of the predicate; the URI is stable, its version is its last part.
pub const PREDICATE_TYPE: &str = "https://soxauto.dev/manifest/v1";
/// DSSE payload type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// What a statement of ours says, besides the files that it is about.
pub trait PredicateKind: Serialize + serde::de::DeserializeOwned {
    /// The stable URI of the predicate's type; its version is its last part.
    const TYPE: &'static str;
}

impl PredicateKind for Predicate {
    const TYPE: &'static str = PREDICATE_TYPE;
}

/// An in-toto Statement v1: a manifest, or another statement of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement<P = Predicate> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// Every file of the run but manifests, in order of name.
    pub subject: Vec<Subject>,
    /// Always [`PredicateKind::TYPE`] of the predicate.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said about them.
    pub predicate: P,
}

impl<P: PredicateKind + schemars::JsonSchema> Statement<P> {
    /// The JSON Schema of the statement, which is published beside the documents.
    #[must_use]
    pub fn json_schema() -> schemars::Schema {
        let mut schema = schemars::schema_for!(Self);
        schema.insert("$id".to_owned(), format!("{}/schema.json", P::TYPE).into());
        for (field, value) in [("_type", STATEMENT_TYPE), ("predicateType", P::TYPE)] {
            if let Some(property) = schema.pointer_mut(&format!("/properties/{field}")) {
                property["const"] = value.into();
            }
        }
        schema
    }
}

/// One file of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Path relative to the run's folder.
    pub name: String,
    /// Digests.
    pub digest: SubjectDigest,
    /// Size and the like.
    pub annotations: SubjectAnnotations,
}

/// Digest set with the one algorithm used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// SHA-256 of the content.
    pub sha256: Sha256,
}

/// What in-toto has no field for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectAnnotations {
    /// Bytes.
    pub size: u64,
}

/// What the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The run; its number is 0 in the manifest of a month that nobody ran.
    #[serde(with = "chained")]
    #[schemars(with = "RunId")]
    pub run_id: RunId,
    /// From 1; a later revision tells of replays.
    pub revision: u32,
    /// State of the run.
    pub state: RunState,
    /// The manifest before this one in the control's chain; `None` for the first.
    pub previous: Option<ManifestLink>,
    /// The run that this one supersedes.
    pub supersedes: Option<RunId>,
    /// The control.
    pub control: PlannedControl,
    /// `dev`, `staging` or `prod`.
    pub stage: Stage,
    /// The period, as dates in the control's zone.
    pub period: Period,
    /// Who and what started the run; `None` for a month that nobody ran.
    pub trigger: Option<Trigger>,
    /// Leave to run queries without an approved baseline, if the start event carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Digest of `plan.json`; `None` for a month that nobody ran.
    pub plan_sha256: Option<Sha256>,
    /// Digest of the catalog.
    pub catalog_sha256: Sha256,
    /// When the plan was made; `None` for a month that nobody ran.
    pub started_at: Option<Timestamp>,
    /// When this manifest was made.
    pub finished_at: Timestamp,
    /// The program that made the plan; `None` for a month that nobody ran.
    pub planned_by: Option<Software>,
    /// The program that made this manifest.
    pub software: Software,
    /// Every IPE of the plan; none for a month that nobody ran.
    pub ipes: Vec<ManifestIpe>,
}

/// A manifest by its key and the digest of its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestLink {
    /// The run that it is about; its number is 0 for a month that nobody ran.
    #[serde(with = "chained")]
    #[schemars(with = "RunId")]
    pub run_id: RunId,
    /// Its revision.
    pub revision: u32,
    /// SHA-256 of the envelope's bytes.
    pub sha256: Sha256,
}

/// One IPE in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestIpe {
    /// Identifier.
    pub id: IpeId,
    /// One line.
    pub title: String,
    /// State.
    pub state: IpeState,
    /// Why it is rejected, failed or missing; `None` when passed.
    pub reason: Option<String>,
    /// The attempt that counts; `None` without one.
    pub attempt: Option<u32>,
    /// Every attempt.
    pub attempts: Vec<AttemptSummary>,
    /// Digest of the T-SQL that the plan pins, and that ran: `query.sql` of the attempt.
    pub query_sha256: Sha256,
    /// How the texts stand to what was approved.
    #[serde(default)]
    pub baseline: BaselineStatus,
    /// Which columns of the source feed each column of the extract; `None` when the catalog does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// The parameters as they were bound to it, in canonical text.
    pub parameters: Vec<BoundParameter>,
    /// Digest of `parameters.json` of the attempt, which has those of every other query as well; `None` without an
    /// attempt that counts.
    pub parameters_sha256: Option<Sha256>,
    /// The program that extracted; `None` without an attempt that counts.
    pub extracted_by: Option<Software>,
    /// Rows at the four hops.
    pub counts: Option<HopCounts>,
    /// Digest of what the rows hold, as in the receipt; `None` without one.
    pub content_sha256: Option<Sha256>,
    /// How the rows were cut into key ranges; `None` for one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<ManifestPartition>,
    /// Control totals.
    pub control_totals: Vec<ControlTotal>,
    /// Totals as the warehouse computes them.
    pub warehouse_totals: Vec<LoadedTotal>,
    /// Every check, passed or not.
    pub checks: Vec<CheckOutcome>,
    /// Who answered.
    pub source: Option<SourceIdentity>,
    /// Where the rows are published; `None` when they are not.
    pub warehouse: Option<WarehouseRecord>,
}

/// How an extraction was cut, in short; its receipt has every range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestPartition {
    /// Column of the contract.
    pub column: String,
    /// Its lowest value when the attempt began; `None` without rows.
    pub lowest: Option<i64>,
    /// Its highest value then: rows that arrived above it are not in the extract.
    pub high_water_mark: Option<i64>,
    /// Queries that were run, one for each range.
    pub ranges: usize,
    /// Invocations that took part.
    pub invocations: usize,
}

impl ManifestPartition {
    /// What the receipt says in short.
    #[must_use]
    pub fn of(record: &PartitionRecord) -> Self {
        Self {
            column: record.column.clone(),
            lowest: record.span.map(|span| span.lowest),
            high_water_mark: record.span.map(|span| span.high_water_mark),
            ranges: record.ranges.len(),
            invocations: record.invocations.len(),
        }
    }
}

/// Rows at the four hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HopCounts {
    /// The independent count asked of the source.
    pub source: u64,
    /// Rows that the decoder delivered.
    pub decoded: u64,
    /// Rows in the Parquet footers.
    pub parquet: u64,
    /// Rows in the warehouse; `None` when not loaded.
    pub warehouse: Option<u64>,
}

/// One attempt in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptSummary {
    /// From 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The error of a failed one.
    pub code: Option<Code>,
    /// The error in words, without secrets.
    pub message: Option<String>,
    /// What the operator can do about it.
    pub remedy: Option<String>,
    /// Whether it failed and the queue did not deliver its message again: a later attempt is a replay.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// How often the message had been received; `None` without a record.
    pub receive_count: Option<u32>,
    /// When it began; `None` without a record.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` without a record.
    pub ended_at: Option<Timestamp>,
    /// The AWS principal whose replay it answers; `None` for the dispatcher's own message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_by: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// With a receipt that passed.
    Passed,
    /// With a receipt that is rejected.
    Rejected,
    /// With a failure record.
    Failed,
    /// With neither: the worker died.
    Abandoned,
    /// Not at all: an invocation stopped at the end of a key range, and no other has gone on with it yet.
    Suspended,
}

/// Where the rows are in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarehouseRecord {
    /// `schema.table`.
    pub table: String,
    /// Data API statement that loaded them.
    pub statement_id: String,
    /// When the load was proven.
    pub loaded_at: Timestamp,
}
