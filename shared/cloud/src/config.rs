//! Environment variables, read once at init: typed, and every problem reported together.
//!
//! ```
//! # use soxauto_cloud::config::{ConfigurationInvalid, Environment};
//! struct Config { bucket: String, days: u32, prefix: Option<String> }
//!
//! fn read(mut env: Environment) -> Result<Config, ConfigurationInvalid> {
//!     let bucket = env.require("SOXAUTO_EVIDENCE_BUCKET");
//!     let days = env.parse::<u32>("SOXAUTO_DAYS");
//!     let prefix = env.optional("SOXAUTO_PREFIX");
//!     env.check()?; // names all that is missing or wrong, not only the first
//!     Ok(Config { bucket: bucket.value()?, days: days.value()?, prefix })
//! }
//!
//! let error = read(Environment::from_map([("SOXAUTO_DAYS", "soon")])).err().map(|e| e.to_string());
//! assert!(error.is_some_and(|e| e.contains("SOXAUTO_EVIDENCE_BUCKET") && e.contains("SOXAUTO_DAYS")));
//! ```

use std::{collections::BTreeMap, fmt, str::FromStr};

use soxauto_domain::Code;

/// One variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Name of the variable.
    pub variable: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Environment variables are missing or wrong: all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigurationInvalid {
    /// In the order in which they were read.
    pub problems: Vec<ConfigProblem>,
}

impl ConfigurationInvalid {
    /// A single problem, named by what is wrong.
    #[must_use]
    pub fn of(variable: &str, reason: impl Into<String>) -> Self {
        Self {
            problems: vec![ConfigProblem {
                variable: variable.to_owned(),
                reason: reason.into(),
            }],
        }
    }

    /// Always [`Code::ConfigurationInvalid`].
    #[must_use]
    pub fn code(&self) -> Code {
        Code::ConfigurationInvalid
    }
}

impl fmt::Display for ConfigurationInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the environment is not usable")?;
        for (i, problem) in self.problems.iter().enumerate() {
            let separator = if i == 0 { ": " } else { "; " };
            write!(f, "{separator}{} {}", problem.variable, problem.reason)?;
        }
        Ok(())
    }
}

/// A variable that was asked for; its value counts once [`Environment::check`] has passed.
#[derive(Debug, Clone)]
pub struct Setting<T>(Result<T, ConfigProblem>);

impl<T> Setting<T> {
    /// The value.
    ///
    /// # Errors
    /// The variable's own problem; unreachable after [`Environment::check`] has passed.
    pub fn value(self) -> Result<T, ConfigurationInvalid> {
        self.0.map_err(|problem| ConfigurationInvalid {
            problems: vec![problem],
        })
    }
}

/// Environment variables and the problems met while reading them. An empty variable counts as absent,
/// because a template cannot leave a variable out.
pub struct Environment {
    values: BTreeMap<String, String>,
    problems: Vec<ConfigProblem>,
}

impl fmt::Debug for Environment {
    /// Names only: the process's environment holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.values.keys().collect::<Vec<_>>())
            .field("problems", &self.problems)
            .finish()
    }
}

impl Environment {
    /// The process's variables; those that are not Unicode are absent.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_map(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Variables given by the caller, for tests and tools.
    pub fn from_map<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = variables
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        Self {
            values,
            problems: Vec::new(),
        }
    }

    /// A text that must be there.
    pub fn require(&mut self, name: &str) -> Setting<String> {
        self.parse(name)
    }

    /// A text that may be absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .filter(|v| !v.trim().is_empty())
            .cloned()
    }

    /// A value that must be there and be a `T`.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Setting<T> {
        match self.parse_optional(name).0 {
            Ok(Some(value)) => Setting(Ok(value)),
            Ok(None) => self.wrong(name, "is missing"),
            Err(problem) => Setting(Err(problem)),
        }
    }

    /// A value that may be absent, but must be a `T` if it is there.
    pub fn parse_optional<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
    ) -> Setting<Option<T>> {
        match self.optional(name).map(|text| text.parse::<T>()) {
            None => Setting(Ok(None)),
            Some(Ok(value)) => Setting(Ok(Some(value))),
            Some(Err(error)) => self.wrong(name, &format!("is wrong: {error}")),
        }
    }

    /// A value that must be a `T` if it is there, and is `default` otherwise.
    pub fn parse_or<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &str,
        default: T,
    ) -> Setting<T> {
        Setting(
            self.parse_optional(name)
                .0
                .map(|value| value.unwrap_or(default)),
        )
    }

    /// Notes a problem that the caller found, such as two variables that exclude each other.
    pub fn problem(&mut self, name: &str, reason: &str) {
        self.problems.push(ConfigProblem {
            variable: name.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Whether everything asked for so far is usable.
    ///
    /// # Errors
    /// All problems met, together.
    pub fn check(&self) -> Result<(), ConfigurationInvalid> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigurationInvalid {
            problems: self.problems.clone(),
        })
    }

    fn wrong<T>(&mut self, name: &str, reason: &str) -> Setting<T> {
        let problem = ConfigProblem {
            variable: name.to_owned(),
            reason: reason.to_owned(),
        };
        self.problems.push(problem.clone());
        Setting(Err(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_named_together_with_their_reason() {
        let mut env = Environment::from_map([("A", "x"), ("B", ""), ("C", "12"), ("D", "-1")]);
        let a = env.require("A");
        let _b = env.require("B");
        let c = env.parse::<u32>("C");
        let d = env.parse::<u32>("D");
        let _missing = env.parse::<u32>("E");
        env.problem("F", "excludes G");
        assert_eq!(a.value().unwrap(), "x");
        assert_eq!(c.value().unwrap(), 12);
        assert_eq!(d.value().unwrap_err().problems.len(), 1);
        let error = env.check().unwrap_err();
        let named: Vec<_> = error.problems.iter().map(|p| p.variable.as_str()).collect();
        assert_eq!(named, ["B", "D", "E", "F"]);
        assert_eq!(
            error.to_string(),
            "the environment is not usable: B is missing; D is wrong: invalid digit found in string; E is missing; F excludes G"
        );
    }

    #[test]
    fn absent_and_empty_are_the_same() {
        let mut env = Environment::from_map([("EMPTY", " "), ("SET", "7")]);
        assert_eq!(env.optional("EMPTY"), None);
        assert_eq!(env.parse_optional::<u8>("EMPTY").value().unwrap(), None);
        assert_eq!(env.parse_or::<u8>("EMPTY", 3).value().unwrap(), 3);
        assert_eq!(env.parse_or::<u8>("SET", 3).value().unwrap(), 7);
        env.check().unwrap();
    }

    #[test]
    fn debug_shows_no_values() {
        let env = Environment::from_map([("AWS_SECRET_ACCESS_KEY", "hunter2")]);
        let text = format!("{env:?}");
        assert!(
            text.contains("AWS_SECRET_ACCESS_KEY") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
