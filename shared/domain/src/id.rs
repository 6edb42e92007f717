//! Identifiers that cannot be built wrong: control, IPE, run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::calendar::Cutoff;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 1 to 40 of `A-Z 0-9 _ -`, beginning with a letter.
    #[error(
        "{0:?} is not an identifier: 1 to 40 capital letters, digits, '_' or '-', beginning with a letter"
    )]
    Characters(String),
    /// Not `<control>/<cutoff>/r<n>`.
    #[error("{0:?} is not a run: expected <control>/<cutoff>/r<n>, such as C-PG-1/2024-05-01/r1")]
    Run(String),
}

fn check(text: &str) -> Result<(), IdError> {
    let ok = (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if ok {
        Ok(())
    } else {
        Err(IdError::Characters(text.to_owned()))
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^[A-Z][A-Z0-9_-]{0,39}$" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// A control, such as `C-PG-1`.
    ControlId
}

identifier! {
    /// An IPE or a custom report, such as `IPE_07` or `CR_04`.
    IpeId
}

/// One execution of a control for one cutoff: `C-PG-1/2024-05-01/r1`.
///
/// The text is also the run's folder below the evidence prefix. The number 0 stands for "no run": the manifest that says
/// that nobody ran the month lies in the folder `r0`. Only [`RunId::missing`] and [`RunId::parse_chained`] give it, so
/// that a plan, a message or a request can never name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId {
    control: ControlId,
    cutoff: Cutoff,
    number: u32,
}

impl RunId {
    /// The run `number` (from 1) of `control` at `cutoff`; 0 is taken as 1.
    #[must_use]
    pub fn new(control: ControlId, cutoff: Cutoff, number: u32) -> Self {
        Self {
            control,
            cutoff,
            number: number.max(1),
        }
    }

    /// "No run" of `control` at `cutoff`: what the manifest of a month is about that nobody ran.
    #[must_use]
    pub fn missing(control: ControlId, cutoff: Cutoff) -> Self {
        Self {
            control,
            cutoff,
            number: 0,
        }
    }

    /// Whether this stands for "no run".
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.number == 0
    }

    /// Reads what a manifest may be about: a run, or "no run" (`r0`).
    ///
    /// # Errors
    /// [`IdError::Run`] for any other text.
    pub fn parse_chained(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Run(text.to_owned());
        let mut parts = text.split('/');
        let (Some(control), Some(cutoff), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let digits = number.strip_prefix('r').ok_or_else(wrong)?;
        let run = Self {
            control: control.parse().map_err(|_| wrong())?,
            cutoff: cutoff.parse().map_err(|_| wrong())?,
            number: digits.parse().map_err(|_| wrong())?,
        };
        // One spelling only: `r01` would be a second name for a folder.
        if run.to_string() == text {
            Ok(run)
        } else {
            Err(wrong())
        }
    }

    /// The control.
    #[must_use]
    pub fn control(&self) -> &ControlId {
        &self.control
    }

    /// The cutoff, the exclusive upper bound of the period.
    #[must_use]
    pub fn cutoff(&self) -> Cutoff {
        self.cutoff
    }

    /// The run's number among those of the same control and cutoff, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The run that supersedes this one.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self.clone()
        }
    }
}

impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match Self::parse_chained(text)? {
            run if run.is_missing() => Err(IdError::Run(text.to_owned())),
            run => Ok(run),
        }
    }
}

/// For the fields that name what a manifest is about: a run, or "no run".
pub(crate) mod chained {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::RunId;

    pub(crate) fn serialize<S: Serializer>(run: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
        run.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RunId, D::Error> {
        let text = String::deserialize(deserializer)?;
        RunId::parse_chained(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for RunId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RunId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`<control>/<cutoff>/r<n>`; the number 0 stands for \"no run\".",
            "pattern": "^[A-Z][A-Z0-9_-]{0,39}/[0-9]{4}-(0[1-9]|1[0-2])-01/r(0|[1-9][0-9]*)$",
        })
    }
}

impl TryFrom<String> for RunId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/r{}", self.control, self.cutoff, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_accept_the_catalogs_names_and_refuse_others() {
        for good in ["IPE_07", "C-PG-1", "CR_05", "IPE_08_TIMING"] {
            assert_eq!(good.parse::<IpeId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ipe_07",
            "7",
            "IPE 07",
            "IPE/07",
            "IPE_07\n",
            "../IPE",
            "É",
            &"A".repeat(41),
        ] {
            assert!(bad.parse::<IpeId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_run_has_one_spelling() {
        let run: RunId = "C-PG-1/2024-05-01/r12".parse().unwrap();
        assert_eq!(run.number(), 12);
        assert_eq!(run.to_string(), "C-PG-1/2024-05-01/r12");
        assert_eq!(run.next().to_string(), "C-PG-1/2024-05-01/r13");
        for bad in [
            "C-PG-1/2024-05-01/r0",
            "C-PG-1/2024-05-01/r01",
            "C-PG-1/2024-5-1/r1",
            "C-PG-1/2024-05-01/r1/x",
            "C-PG-1/2024-05-02/r1",
            "x",
            "",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_run_is_named_by_manifests_only() {
        let missing = RunId::missing(
            "C-PG-1".parse().unwrap(),
            "2024-05-01".parse::<Cutoff>().unwrap(),
        );
        assert_eq!(missing.to_string(), "C-PG-1/2024-05-01/r0");
        assert!(missing.is_missing());
        assert_eq!(
            RunId::parse_chained("C-PG-1/2024-05-01/r0").unwrap(),
            missing
        );
        assert!(RunId::parse_chained("C-PG-1/2024-05-01/r00").is_err());
        assert!(serde_json::from_str::<RunId>("\"C-PG-1/2024-05-01/r0\"").is_err());
        // The first run after it is the month's first.
        assert_eq!(missing.next().number(), 1);
    }
}
