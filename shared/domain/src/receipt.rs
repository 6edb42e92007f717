//! The receipt: the commit point of an attempt, and the record of a failed one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    bind::BoundParameter,
    catalog::TotalFunction,
    check::CheckOutcome,
    code::{Code, Retry},
    digest::Sha256,
    id::{IpeId, RunId},
    partition::{KeyRange, Span},
    plan::Software,
    run::IpeState,
    schema_tag::schema_tag,
};

schema_tag! {
    /// Schema of `receipt.json`.
    ReceiptSchema = "soxauto.receipt/1"
}
schema_tag! {
    /// Schema of `failure.json`.
    FailureSchema = "soxauto.failure/1"
}

/// `receipt.json`: written last; without it an attempt does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Always `soxauto.receipt/1`.
    pub schema: ReceiptSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE.
    pub ipe_id: IpeId,
    /// From 1.
    pub attempt: u32,
    /// Digest of the plan that was followed.
    pub plan_sha256: Sha256,
    /// `passed` or `rejected`.
    pub state: IpeState,
    /// When the worker began.
    pub started_at: Timestamp,
    /// When the receipt was written.
    pub finished_at: Timestamp,
    /// The value of `_extracted_at` in every row.
    pub extracted_at: Timestamp,
    /// Who answered.
    pub source: SourceIdentity,
    /// What ran.
    pub query: QueryRecord,
    /// Rows at the hops that the worker sees.
    pub counts: Counts,
    /// Digest of what the rows hold, whatever their order and however they are cut into files (`docs/EVIDENCE.md`).
    pub content_sha256: Sha256,
    /// Control totals.
    pub control_totals: Vec<ControlTotal>,
    /// Every check, passed or not.
    pub checks: Vec<CheckOutcome>,
    /// The witness that was looked for, so that an outsider can look for it again in the Parquet files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Vec<WitnessValue>,
    /// How the rows were cut into ranges and invocations; `None` for an IPE that is extracted by one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionRecord>,
    /// Every file of the attempt but this one, in order of path.
    pub files: Vec<FileRecord>,
    /// The program.
    pub software: Software,
    /// The invocation.
    pub worker: WorkerRecord,
}

/// How an extraction was cut: the bounds that were bound to each query, and who ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionRecord {
    /// Column of the contract.
    pub column: String,
    /// Its values when the attempt began; `None` when there were no rows.
    pub span: Option<Span>,
    /// One query each, in order: the first begins below the lowest value, the last ends at the high-water mark.
    pub ranges: Vec<RangeRecord>,
    /// The invocations that took part, in order; the last wrote the receipt.
    pub invocations: Vec<InvocationRecord>,
}

/// One range of the extraction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeRecord {
    /// The value behind which it begins.
    pub after: i64,
    /// Its last value.
    pub upto: i64,
    /// Rows extracted.
    pub rows: u64,
    /// Its Parquet parts.
    pub files: Vec<String>,
}

impl RangeRecord {
    /// The bounds that were bound.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange {
            after: self.after,
            upto: self.upto,
        }
    }
}

/// One invocation of several that did an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvocationRecord {
    /// The segment record that it left; `None` for one that only concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// Ranges that it did.
    pub ranges: usize,
    /// When it began.
    pub started_at: Timestamp,
    /// When it stopped.
    pub ended_at: Timestamp,
    /// Who it was.
    pub worker: WorkerRecord,
}

/// Rows at the hops that the worker sees; the warehouse is the fourth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The independent count asked of the source.
    pub source: u64,
    /// Rows that the decoder delivered.
    pub decoded: u64,
    /// Rows in the footers of the Parquet parts.
    pub parquet: u64,
}

/// What ran: digest of the text, and the parameters bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRecord {
    /// SHA-256 of the T-SQL, which is `query.sql`.
    pub sha256: Sha256,
    /// As bound.
    pub parameters: Vec<BoundParameter>,
    /// Which program decoded the rows; `None` in receipts of before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Decoder>,
}

/// A program that decodes what SQL Server sends. Control totals, witnesses and identity are always read by tiberius: with
/// another decoder for the rows, two that are independent of each other agree on every extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decoder {
    /// The crate `tiberius`.
    Tiberius,
    /// Microsoft's crate `mssql-tds`.
    MssqlTds,
}

impl Decoder {
    /// As receipts and settings spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tiberius => "tiberius",
            Self::MssqlTds => "mssql-tds",
        }
    }
}

/// One control total at its places. Values are plain digits or ISO dates; `None` when there are no rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlTotal {
    /// Extracted column.
    pub column: String,
    /// Function.
    pub function: TotalFunction,
    /// Asked of the source before the extraction.
    pub source_before: Option<String>,
    /// Asked of the source after it.
    pub source_after: Option<String>,
    /// Computed over the extracted rows.
    pub extracted: Option<String>,
}

/// One value of the witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessValue {
    /// Column of the contract.
    pub column: String,
    /// Canonical text; `None` is NULL, or masked.
    pub value: Option<String>,
    /// Whether the value is left out because the sample masks the column: it stands in the Parquet files only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

/// One stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Relative to the attempt's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest of the content.
    pub sha256: Sha256,
    /// Rows, for Parquet parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Who answered the query, by the server's own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceIdentity {
    /// `@@SERVERNAME`.
    pub server: String,
    /// `DB_NAME()`.
    pub database: String,
    /// The login.
    pub login: String,
    /// `@@VERSION`, first line.
    pub version: String,
    /// The server's clock in UTC.
    pub server_time: String,
    /// Isolation level of the session.
    pub isolation: String,
    /// Whether the login can change data in the database, or give itself the right to.
    pub can_write: bool,
    /// The rights that say so: permissions and fixed roles, by SQL Server's names; empty for a login that only reads.
    pub write_rights: Vec<String>,
    /// Whether TLS was used, and whether the certificate was verified.
    pub tls: TlsRecord,
}

/// How the connection was protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsRecord {
    /// Encrypted, certificate verified.
    Verified,
    /// Encrypted, certificate not verified because the secret says so.
    Unverified,
    /// Not encrypted because the secret says so.
    Off,
}

/// The invocation that did the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRecord {
    /// Lambda request id.
    pub request_id: String,
    /// Lambda function and version.
    pub function: String,
    /// How often the message had been received.
    pub receive_count: u32,
    /// The AWS principal that sent the message again, as the message says it; `None` for the dispatcher's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_by: Option<String>,
}

/// `failure.json`: an attempt that ended without a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Always `soxauto.failure/1`.
    pub schema: FailureSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE.
    pub ipe_id: IpeId,
    /// From 1.
    pub attempt: u32,
    /// What happened.
    pub code: Code,
    /// In words, without secrets.
    pub message: String,
    /// What the operator can do.
    pub remedy: String,
    /// What may be tried.
    pub retry: Retry,
    /// Whether the queue will not deliver the message again: the IPE is *failed*.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// When the worker began.
    pub started_at: Timestamp,
    /// When it ended.
    pub failed_at: Timestamp,
    /// The program.
    pub software: Software,
    /// The invocation.
    pub worker: WorkerRecord,
}
