//! Checks and their outcomes: recorded with what was measured, whether they pass or not.

use serde::{Deserialize, Serialize};

/// The closed list of checks.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Names, order, types and nullability equal the catalog's contract.
    Contract,
    /// At least one row, unless the catalog allows none.
    NotEmpty,
    /// No two rows share the key.
    KeyUnique,
    /// Rows extracted equal the independent count.
    CompletenessRows,
    /// A total over the extracted rows equals the independent control total.
    CompletenessTotal,
    /// A known transaction is in the extract.
    AccuracyPositive,
    /// With one filter value taken out, the rows of that value are gone.
    AccuracyNegative,
    /// No NULL in a column declared without.
    NotNull,
    /// Only declared values in a column.
    AcceptedValues,
    /// Numbers within declared bounds.
    Range,
    /// Dates within the period.
    Period,
    /// The row count moved no more than declared since the last published run.
    RowVariance,
}

impl CheckKind {
    /// The name in JSON, CLI and report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::NotEmpty => "not_empty",
            Self::KeyUnique => "key_unique",
            Self::CompletenessRows => "completeness_rows",
            Self::CompletenessTotal => "completeness_total",
            Self::AccuracyPositive => "accuracy_positive",
            Self::AccuracyNegative => "accuracy_negative",
            Self::NotNull => "not_null",
            Self::AcceptedValues => "accepted_values",
            Self::Range => "range",
            Self::Period => "period",
            Self::RowVariance => "row_variance",
        }
    }
}

/// Pass or fail; there is no third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The check ran and holds.
    Passed,
    /// The check ran and does not hold, or could not be evaluated.
    Failed,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOutcome {
    /// Which check.
    pub check: CheckKind,
    /// The column or control total it is about; absent for checks of the whole extract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// What was declared or independently asked for, in words and plain digits.
    pub expected: String,
    /// What was found.
    pub measured: String,
    /// The first offending rows or values, at most ten, in words; empty when passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

impl CheckOutcome {
    /// An outcome that passed if `holds`.
    #[must_use]
    pub fn new(
        check: CheckKind,
        subject: Option<&str>,
        holds: bool,
        expected: impl Into<String>,
        measured: impl Into<String>,
    ) -> Self {
        Self {
            check,
            subject: subject.map(str::to_owned),
            verdict: if holds {
                Verdict::Passed
            } else {
                Verdict::Failed
            },
            expected: expected.into(),
            measured: measured.into(),
            examples: Vec::new(),
        }
    }

    /// Whether the check holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }

    /// `kind` or `kind:subject`, unique within an extract.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{}:{subject}", self.check.as_str()),
            None => self.check.as_str().to_owned(),
        }
    }
}
