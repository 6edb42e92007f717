//! The closed list of error codes: one name everywhere (log, failure record, HTTP answer, CLI, runbook).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What may be tried after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The worker tries again itself, with backoff, inside its deadline; then the queue does.
    Here,
    /// The queue delivers the message again later.
    Queue,
    /// Trying again changes nothing until somebody acts; the message goes to the dead-letter queue.
    Fatal,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $retry:ident, $remedy:literal;)*) => {
        /// A closed error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the run.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_start(),)* }
            }

            /// What may be tried.
            #[must_use]
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// What the operator can do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    /// The start event is not one of the four accepted forms.
    StartEventInvalid = "START_EVENT_INVALID", Fatal, "Send {\"cutoff_date\": \"YYYY-MM-01\", \"ipes\": [\"IPE_07\"]}; both fields are optional.";
    /// The cutoff is not the first day of a month.
    CutoffInvalid = "CUTOFF_INVALID", Fatal, "Give the first day after the period as YYYY-MM-01, or leave cutoff_date out for the current month.";
    /// The period has not ended yet.
    CutoffInFuture = "CUTOFF_IN_FUTURE", Fatal, "Wait for the period to end, or give an earlier cutoff_date.";
    /// An IPE that the catalog does not have.
    IpeUnknown = "IPE_UNKNOWN", Fatal, "Name IPEs of the catalog; GET /config lists them.";
    /// The compiled-in catalog does not pass its own checks.
    CatalogInvalid = "CATALOG_INVALID", Fatal, "Run `soxauto catalog check`, correct what it names, release again.";
    /// A query without an approved baseline, in prod.
    QueryUnapproved = "QUERY_UNAPPROVED", Fatal, "See what changed with `soxauto catalog diff`, have it approved, release again; or start the run with an approval: {by, ticket, reason}.";
    /// A run for this cutoff exists and holds other IPEs.
    RunConflict = "RUN_CONFLICT", Fatal, "Ask for the same IPEs, or start a new run with \"supersede\": true.";
    /// No run of that name.
    RunNotFound = "RUN_NOT_FOUND", Fatal, "Check the run id: <control>/<cutoff>/r<n>.";
    /// HTTP path or method that does not exist.
    RouteNotFound = "ROUTE_NOT_FOUND", Fatal, "Use POST /, GET /health, GET /config or GET /runs/{id}.";
    /// An environment variable is missing or wrong.
    ConfigurationInvalid = "CONFIGURATION_INVALID", Fatal, "Correct the function's environment variables; all problems are listed together.";
    /// The message is not a job.
    MessageInvalid = "MESSAGE_INVALID", Fatal, "Delete the message, or send {schema, run_id, ipe_id, plan: {key, sha256}}.";
    /// The plan is not in the evidence bucket.
    PlanNotFound = "PLAN_NOT_FOUND", Fatal, "Check that message and worker use the same bucket and prefix.";
    /// The plan's digest is not the message's.
    PlanDigestMismatch = "PLAN_DIGEST_MISMATCH", Fatal, "Somebody changed the plan or the message: compare both before anything else runs.";
    /// The plan cannot be read.
    PlanInvalid = "PLAN_INVALID", Fatal, "Run it with the release that wrote the plan.";
    /// The plan does not hold the IPE.
    IpeNotInPlan = "IPE_NOT_IN_PLAN", Fatal, "Delete the message; it belongs to another run.";
    /// Another worker holds the IPE.
    LeaseHeld = "LEASE_HELD", Queue, "Nothing: the message comes back when the other worker is done.";
    /// The secret cannot be fetched.
    SecretUnavailable = "SECRET_UNAVAILABLE", Here, "Check the secret's name, its value and the worker's role.";
    /// The secret is none of the accepted forms.
    SecretInvalid = "SECRET_INVALID", Fatal, "Store an ODBC or ADO connection string, or the RDS JSON form.";
    /// No connection to SQL Server.
    SourceUnreachable = "SOURCE_UNREACHABLE", Here, "Check host, port, security groups and that the server is up.";
    /// TLS could not be established or the certificate is not trusted.
    SourceTls = "SOURCE_TLS", Fatal, "Give the certificate authority with the secret (ca_pem), or correct the host name.";
    /// The server refuses the login: SQL Server error 18456 and its like.
    LoginRefused = "LOGIN_REFUSED", Fatal, "Check user and password in the secret and that the login is enabled.";
    /// The login can change data.
    LoginCanWrite = "LOGIN_CAN_WRITE", Fatal, "Use a login with read rights only; prod refuses others.";
    /// The database cannot be opened: SQL Server errors 4060, 911 and their like.
    DatabaseUnavailable = "DATABASE_UNAVAILABLE", Fatal, "Check the database's name and the login's access to it.";
    /// The server is busy, failing over or out of resources: 40613, 40501, 10928, ….
    SourceBusy = "SOURCE_BUSY", Here, "Wait; the server was busy or failing over.";
    /// The server chose the query as deadlock victim: SQL Server error 1205.
    DeadlockVictim = "DEADLOCK_VICTIM", Here, "Wait; the server chose this query as deadlock victim.";
    /// The query failed in SQL Server.
    QueryFailed = "QUERY_FAILED", Fatal, "Read the SQL Server error; correct the query by a reviewed release.";
    /// More or less than one result set.
    ResultSets = "RESULT_SETS", Fatal, "Write the query as one SELECT statement.";
    /// Names, order, types or nullability differ from the contract.
    ContractMismatch = "CONTRACT_MISMATCH", Fatal, "Make query and [[columns]] agree; the difference is named.";
    /// A type without an exact counterpart.
    TypeUnsupported = "TYPE_UNSUPPORTED", Fatal, "CAST the column to a supported type in the query.";
    /// A column name twice.
    DuplicateColumn = "DUPLICATE_COLUMN", Fatal, "Give every column a name of its own.";
    /// More columns than Redshift takes.
    TooManyColumns = "TOO_MANY_COLUMNS", Fatal, "Select fewer columns: 1,595 at most besides the five traceability columns.";
    /// A value cannot be converted exactly.
    ValueNotExact = "VALUE_NOT_EXACT", Fatal, "Widen the contract's type, or declare rounding for the column.";
    /// The connection broke in the middle of the rows.
    ConnectionLost = "CONNECTION_LOST", Here, "Nothing at first: it is tried again. If it stays, check network and server log.";
    /// The server stopped sending.
    SourceStalled = "SOURCE_STALLED", Here, "Look for blocking sessions on the server.";
    /// The function's time is nearly over.
    DeadlineNear = "DEADLINE_NEAR", Queue, "Cut the report into key ranges ([partition] in the catalog), give the worker more memory (and so processor), or narrow the query.";
    /// Control totals before and after differ.
    SourceMoved = "SOURCE_MOVED", Here, "Run when nobody posts to the period, or close the period first.";
    /// A completeness, witness or description query did not answer as declared.
    ControlQueryInvalid = "CONTROL_QUERY_INVALID", Fatal, "Correct the query: the columns that it must return are named.";
    /// An object with that key exists already with other content.
    ObjectExists = "OBJECT_EXISTS", Queue, "Nothing: a rival worker wrote it first; the attempt is discarded.";
    /// A worker was lost in the last delivery of its message; the finalizer says so in its place.
    WorkerLost = "WORKER_LOST", Fatal, "Look into the worker's log for `Task timed out` or memory at its limit; raise WorkerMemory if it was. Then replay it.";
    /// S3 failed.
    StorageFailed = "STORAGE_FAILED", Here, "Check the bucket's policy, the key and the service's health.";
    /// SQS failed.
    QueueFailed = "QUEUE_FAILED", Here, "Check the queue's policy and the service's health.";
    /// Redshift failed.
    WarehouseFailed = "WAREHOUSE_FAILED", Queue, "Read the statement's error; check the COPY role and the table.";
    /// Loaded rows or totals differ from the receipt.
    TieOutFailed = "TIE_OUT_FAILED", Fatal, "Nothing was published: compare table, Parquet files and receipt.";
    /// A receipt or another stored document cannot be read.
    EvidenceInvalid = "EVIDENCE_INVALID", Fatal, "An object of the run is not what this release writes: verify the folder.";
    /// KMS did not sign.
    SignerFailed = "SIGNER_FAILED", Queue, "Check the signing key's policy and state.";
    /// Another manifest took the place in the chain.
    ChainConflict = "CHAIN_CONFLICT", Queue, "Nothing: it is tried again behind the new head.";
    /// A defect of this program.
    Internal = "INTERNAL", Queue, "Report it with the log of this request.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_name_in_text_and_json() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(!code.remedy().is_empty());
            assert!(code.meaning().ends_with('.'), "{code}");
        }
    }
}
