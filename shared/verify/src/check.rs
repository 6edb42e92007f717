//! The closed list of what is checked, each with one stable name: in output, documents and tests.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The folder as a whole.
    Folder,
    /// The chain of a control's manifests.
    Chain,
    /// The manifests of a run.
    Manifests,
    /// The files of a run.
    Files,
    /// What plan, receipts and manifest say of each other.
    Records,
    /// The checks once more, over the Parquet files.
    Data,
}

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $group:ident, $meaning:literal;)*) => {
        /// One check of the closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = $meaning] $name,)*
        }

        impl Check {
            /// Every check, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it is about.
            #[must_use]
            pub fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }

            /// What holds when the check holds, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

checks! {
    Folder = "folder", Folder, "The folder can be read; it holds runs and nothing else: no links, no strange names, no stray files.";
    Chain = "chain", Chain, "Every manifest names the one before it, which is no younger, back to the control's first or to a trusted digest; none is missing, and no run of a cutoff.";
    ChainFork = "chain_fork", Chain, "No two manifests follow the same one, and only one is the first.";
    ChainHead = "chain_head", Chain, "The newest manifest of each control is one given with `--head`.";
    Envelope = "envelope", Manifests, "Each manifest is a DSSE envelope with a payload of the right type.";
    Signature = "signature", Manifests, "A signature of each envelope holds under a given key.";
    Statement = "statement", Manifests, "Each payload is an in-toto Statement v1 with this product's predicate, about this run and this revision.";
    Revisions = "revisions", Manifests, "The revisions of the manifest count from 1 without a gap, and none is older than the one before it.";
    SubjectNames = "subject_names", Files, "Each subject has a name of the layout, once.";
    FilesMissing = "files_missing", Files, "Every subject of every revision is there.";
    FilesExtra = "files_extra", Files, "The newest manifest names every file that is there.";
    FileSize = "file_size", Files, "Each file has the size that its subject says.";
    FileDigest = "file_digest", Files, "Each file has the SHA-256 that its subject says.";
    Plan = "plan", Records, "The plan is the manifest's, its queries have the digests that it gives them, it supersedes the run before, and prod runs approved texts only.";
    Receipts = "receipts", Records, "Each receipt, failure and load record is about its own folder, and each receipt follows this plan.";
    Query = "query", Records, "query.sql is the text that the plan pins, by the digest in plan, receipt and manifest.";
    Parameters = "parameters", Records, "The parameters bound are the plan's, in receipt and parameters.json.";
    FilesListed = "files_listed", Records, "Each receipt lists all files of its attempt, with the sizes and digests of the subjects.";
    DeclaredChecks = "declared_checks", Records, "Every check that the plan declares has an outcome, and there is no other.";
    Outcomes = "outcomes", Records, "Manifest, receipt and checks.json say the same of every check.";
    Counts = "counts", Records, "Row counts agree between manifest, receipt, summary and load record.";
    ControlTotals = "control_totals", Records, "Control totals agree between manifest, receipt and load record, before and after the extraction.";
    Source = "source", Records, "Manifest and receipt name the same server, login and session, and the plan's database; in prod the login cannot write.";
    Attempts = "attempts", Records, "The manifest tells of every attempt, counted from 1 without a gap, and the one that counts is the right one.";
    State = "state", Records, "The states of run and IPEs follow from the plan, the receipts and the load records.";
    Partition = "partition", Records, "The key ranges of an extraction that is cut follow each other without gap or overlap from the lowest value to the high-water mark, their parts and rows are the receipt's, and each invocation left the segment record that the receipt names.";
    Times = "times", Records, "An attempt begins, extracts, ends and is loaded in this order, after its plan and before the manifest was made.";
    Load = "load", Records, "The only load record is about the attempt that counts, which has a receipt, and its table is the plan's.";
    Report = "report", Records, "Each revision has its report among its subjects.";
    ManifestFields = "manifest_fields", Records, "Everything else that the manifest says follows from plan and records.";
    DataFooters = "data_footers", Data, "The footers of the Parquet files hold the rows that receipt and manifest say.";
    DataContract = "data_contract", Data, "The Parquet files have the columns of the contract, by name, order and type.";
    DataTraceability = "data_traceability", Data, "Each row names this run, IPE, cutoff and extraction, and row numbers count from 1 without a gap.";
    DataRows = "data_rows", Data, "The rows that are read are as many as the receipt says.";
    DataTotals = "data_totals", Data, "The control totals over the rows are those of the receipt, to the last digit.";
    DataCompleteness = "data_completeness", Data, "Rows and totals agree with the source's independent answer as it is recorded.";
    DataNotEmpty = "data_not_empty", Data, "There are rows, unless the plan allows none.";
    DataKeyUnique = "data_key_unique", Data, "As many rows repeat a key as the receipt says.";
    DataWitness = "data_witness", Data, "The recorded witness is among the rows where the receipt says, and masked is only what the plan masks.";
    DataNegative = "data_negative", Data, "The rows that the perturbed query had to lose are in the extract, as many as the receipt says, and its verdict follows from its figures.";
    DataNotNull = "data_not_null", Data, "As many values are NULL where none may be as the receipt says.";
    DataAcceptedValues = "data_accepted_values", Data, "As many values are outside the accepted ones as the receipt says.";
    DataRange = "data_range", Data, "As many numbers are outside their bounds as the receipt says.";
    DataPeriod = "data_period", Data, "As many dates are outside the period as the receipt says.";
    DataRowVariance = "data_row_variance", Data, "The movement of the row count is what the receipt says, by the last run that was published then.";
    DataSample = "data_sample", Data, "sample.csv is made of the first rows.";
    DataPartition = "data_partition", Data, "Every row of a part is in the key range that the part belongs to.";
    DataContentDigest = "data_content_digest", Data, "With `--deep`: the content digest over the rows is the receipt's and the manifest's.";
    Review = "review", Records, "With `--review-key`: every review is signed by that key, about its manifest, by somebody who did not prepare the run. With `--require-review`: the newest manifest is final.";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
