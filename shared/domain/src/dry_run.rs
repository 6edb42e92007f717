//! The dry run: a deployed function says whether it could work, and changes nothing. It stands between a new version and
//! its traffic.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{code::Code, schema_tag::schema_tag};

schema_tag! {
    /// Schema of the event and of the answer.
    DryRunSchema = "soxauto.check/1"
}

/// The event: the same for every function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Always `soxauto.check/1`.
    pub schema: DryRunSchema,
}

impl DryRun {
    /// The event, if it is one and nothing more: what carries other fields asks for something else.
    #[must_use]
    pub fn read(event: &Value) -> Option<Self> {
        Self::deserialize(event).ok()
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What: `settings`, `catalog`, `evidence`, `secret`, ….
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Outcome {
    /// It would do.
    Ok {
        /// What was seen, in words; never a secret.
        seen: String,
    },
    /// It would not.
    Refused {
        /// The closed code.
        code: Code,
        /// What is wrong; never a secret.
        message: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Ok { seen } => write!(f, "{}: {seen}", self.name),
            Outcome::Refused { code, message } => {
                write!(f, "{}: {code}: {message}", self.name)
            }
        }
    }
}

/// The answer of a function that could work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunReport {
    /// Always `soxauto.check/1`.
    pub schema: DryRunSchema,
    /// `dispatcher`, `worker` or `finalizer`.
    pub function: String,
    /// The release that answered.
    pub version: String,
    /// What was looked at, in a fixed order.
    pub checks: Vec<Finding>,
}

impl DryRunReport {
    /// The report of a function, if nothing was refused.
    ///
    /// # Errors
    /// [`DryRunRefused`] when something was, and when nothing was looked at.
    pub fn of(function: &str, version: &str, checks: Vec<Finding>) -> Result<Self, DryRunRefused> {
        let good = |finding: &Finding| matches!(finding.outcome, Outcome::Ok { .. });
        if checks.is_empty() || !checks.iter().all(good) {
            return Err(DryRunRefused { checks });
        }
        Ok(Self {
            schema: DryRunSchema,
            function: function.to_owned(),
            version: version.to_owned(),
            checks,
        })
    }
}

/// A function could not work: what was looked at, with at least one refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dry run refuses: {}", refusals(checks))]
pub struct DryRunRefused {
    /// Everything that was looked at.
    pub checks: Vec<Finding>,
}

impl DryRunRefused {
    /// The code of the first refusal; [`Code::Internal`] when nothing was looked at.
    #[must_use]
    pub fn code(&self) -> Code {
        self.checks
            .iter()
            .find_map(|finding| match finding.outcome {
                Outcome::Refused { code, .. } => Some(code),
                Outcome::Ok { .. } => None,
            })
            .unwrap_or(Code::Internal)
    }
}

fn refusals(checks: &[Finding]) -> String {
    let refused: Vec<String> = checks
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Refused { .. }))
        .map(ToString::to_string)
        .collect();
    if refused.is_empty() {
        return "nothing was looked at".to_owned();
    }
    refused.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ok(name: &str) -> Finding {
        Finding {
            name: name.into(),
            outcome: Outcome::Ok {
                seen: "there".into(),
            },
        }
    }

    fn refused(name: &str, code: Code) -> Finding {
        Finding {
            name: name.into(),
            outcome: Outcome::Refused {
                code,
                message: "not there".into(),
            },
        }
    }

    #[test]
    fn only_the_event_itself_is_a_dry_run() {
        assert!(DryRun::read(&json!({"schema": "soxauto.check/1"})).is_some());
        for other in [
            json!({}),
            json!({"schema": "soxauto.check/2"}),
            json!({"schema": "soxauto.check/1", "cutoff_date": "2024-05-01"}),
            json!("soxauto.check/1"),
        ] {
            assert!(DryRun::read(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_report_names_what_was_seen() {
        let report = DryRunReport::of("worker", "1.2.3", vec![ok("settings")]).unwrap();
        assert_eq!(
            serde_json::to_value(report).unwrap(),
            json!({"schema": "soxauto.check/1", "function": "worker", "version": "1.2.3",
                "checks": [{"name": "settings", "verdict": "ok", "seen": "there"}]})
        );
    }

    #[test]
    fn one_refusal_refuses_all_and_is_named() {
        let error = DryRunReport::of(
            "worker",
            "1",
            vec![
                ok("settings"),
                refused("secret", Code::SecretInvalid),
                refused("source", Code::LoginRefused),
            ],
        )
        .unwrap_err();
        assert_eq!(error.code(), Code::SecretInvalid);
        assert_eq!(
            error.to_string(),
            "the dry run refuses: secret: SECRET_INVALID: not there; source: LOGIN_REFUSED: not there"
        );
    }

    #[test]
    fn looking_at_nothing_is_no_pass() {
        let error = DryRunReport::of("worker", "1", vec![]).unwrap_err();
        assert_eq!(error.code(), Code::Internal);
    }
}
