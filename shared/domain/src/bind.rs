//! Binding: from the catalog's text and values to the text and typed parameters that will run.
//!
//! A parameter is a name such as `@cutoff`; it is never a piece of text put into the query. A list is expanded into
//! numbered parameters (`@accounts` becomes `@accounts_0, @accounts_1`). The scanner knows strings, quoted names and
//! comments, so a `?`, a quote or an `@` inside `[Is_Active?]` is not a parameter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256, partition::OpenParameter, sql_type::SqlType, value};

/// A query as it will run: the exact text, and the parameters bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundQuery {
    /// T-SQL.
    pub sql: String,
    /// SHA-256 of `sql` as UTF-8.
    pub sha256: Sha256,
    /// In the order of their first use.
    pub parameters: Vec<BoundParameter>,
}

/// One parameter of [`BoundQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundParameter {
    /// With its at sign: `@cutoff`, `@accounts_0`.
    pub name: String,
    /// Declared type.
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    pub sql_type: SqlType,
    /// Canonical text of the value.
    pub value: String,
}

impl BoundQuery {
    /// The declaration that `sp_executesql` takes: `@cutoff datetime, @accounts_0 nvarchar(20)`.
    #[must_use]
    pub fn declaration(&self) -> String {
        let parts: Vec<String> = self
            .parameters
            .iter()
            .map(|p| format!("{} {}", p.name, p.sql_type))
            .collect();
        parts.join(", ")
    }

    /// The same text with values for its open parameters. Those that it does not use are left out.
    #[must_use]
    pub fn completed(&self, values: &[(&OpenParameter, i64)]) -> Self {
        // A text that was bound has been read before.
        let used = uses(&self.sql).unwrap_or_default();
        let mut completed = self.clone();
        for (open, value) in values {
            let name = open.name.trim_start_matches('@');
            if used.iter().any(|one| one.name == name) {
                completed.parameters.push(BoundParameter {
                    name: open.name.clone(),
                    sql_type: open.sql_type,
                    value: value.to_string(),
                });
            }
        }
        completed
    }
}

/// A parameter's value before binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// Declared type.
    pub sql_type: SqlType,
    /// One value, or a list.
    pub values: Values,
}

/// One value or a list of them, in canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// `@name`.
    One(String),
    /// `@name` stands for a list, as in `IN (@name)`.
    List(Vec<String>),
    /// `@name`, whose value only the run knows: [`BoundQuery::completed`].
    Open,
}

/// Why a text cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The text uses a name that is not declared.
    #[error("line {line}: {name} is used but not declared under [parameters]")]
    Undeclared {
        /// With its at sign.
        name: String,
        /// From 1.
        line: usize,
    },
    /// A value does not fit its declared type.
    #[error("parameter {name}: {source}")]
    Value {
        /// Without its at sign.
        name: String,
        /// What is wrong.
        source: value::ValueError,
    },
    /// `IN ()` is not T-SQL.
    #[error("parameter {0} is an empty list")]
    EmptyList(String),
    /// A string, quoted name or comment does not end.
    #[error("line {0}: a string, quoted name or comment does not end")]
    Unterminated(usize),
    /// SQL Server takes at most 2,100 parameters; the call itself needs two.
    #[error("{0} parameters after expanding lists; SQL Server takes at most 2,098 here")]
    TooMany(usize),
}

/// One use of a parameter in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Without its at sign, as written.
    pub name: String,
    /// Byte range of `@name`.
    pub range: std::ops::Range<usize>,
    /// From 1.
    pub line: usize,
}

/// Finds the `@names` of a T-SQL text outside strings, quoted names and comments; `@@globals` are left out.
///
/// # Errors
/// [`BindError::Unterminated`] when a string, quoted name or comment does not end.
pub fn uses(sql: &str) -> Result<Vec<Use>, BindError> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'\'' => at = quoted(bytes, at, b'\'').ok_or(BindError::Unterminated(line))?,
            b'"' => at = quoted(bytes, at, b'"').ok_or(BindError::Unterminated(line))?,
            b'[' => at = quoted(bytes, at, b']').ok_or(BindError::Unterminated(line))?,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = comment(bytes, at).ok_or(BindError::Unterminated(line))?
            }
            b'@' => {
                at += 1;
                let global = bytes.get(at) == Some(&b'@');
                while at < bytes.len() && is_name(bytes[at]) {
                    at += 1;
                }
                if !global && at > start + 1 {
                    found.push(Use {
                        name: sql[start + 1..at].to_owned(),
                        range: start..at,
                        line,
                    });
                }
            }
            // A name such as `a@b` holds its at sign.
            b if is_name(b) => {
                while at < bytes.len() && is_name(bytes[at]) {
                    at += 1;
                }
            }
            _ => at += 1,
        }
        line += bytes[start..at.min(bytes.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
    }
    Ok(found)
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'#' | b'$') || b >= 0x80
}

/// The end of a quoted piece; a doubled closing quote stands for itself.
fn quoted(bytes: &[u8], start: usize, close: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        if *bytes.get(at)? == close {
            if bytes.get(at + 1) == Some(&close) {
                at += 2;
                continue;
            }
            return Some(at + 1);
        }
        at += 1;
    }
}

/// The end of a block comment; T-SQL nests them.
fn comment(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// Binds `values` to `sql`: lists expanded, every value checked against its type.
///
/// Parameters that the text does not use are left out. Names are compared without regard to case, as SQL Server does.
///
/// # Errors
/// [`BindError`] says which name or value is wrong and where.
pub fn bind(sql: &str, values: &BTreeMap<String, ParameterValue>) -> Result<BoundQuery, BindError> {
    let mut text = String::with_capacity(sql.len() + 64);
    let mut parameters: Vec<BoundParameter> = Vec::new();
    let mut copied = 0;
    for used in uses(sql)? {
        let (name, value) = values
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&used.name))
            .ok_or_else(|| BindError::Undeclared {
                name: format!("@{}", used.name),
                line: used.line,
            })?;
        text.push_str(&sql[copied..used.range.start]);
        copied = used.range.end;
        let numbered: Vec<(String, &String)> = match &value.values {
            Values::Open => {
                text.push_str(&format!("@{name}"));
                continue;
            }
            Values::One(one) => vec![(format!("@{name}"), one)],
            Values::List(list) if list.is_empty() => {
                return Err(BindError::EmptyList(name.clone()));
            }
            Values::List(list) => list
                .iter()
                .enumerate()
                .map(|(i, v)| (format!("@{name}_{i}"), v))
                .collect(),
        };
        for (position, (numbered_name, one)) in numbered.into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            text.push_str(&numbered_name);
            if parameters.iter().all(|p| p.name != numbered_name) {
                value::parse_parameter(value.sql_type, one).map_err(|source| BindError::Value {
                    name: name.clone(),
                    source,
                })?;
                parameters.push(BoundParameter {
                    name: numbered_name,
                    sql_type: value.sql_type,
                    value: one.clone(),
                });
            }
        }
    }
    text.push_str(&sql[copied..]);
    if parameters.len() > 2_098 {
        return Err(BindError::TooMany(parameters.len()));
    }
    Ok(BoundQuery {
        sha256: Sha256::of(&text),
        sql: text,
        parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, ParameterValue> {
        let text: SqlType = "nvarchar(20)".parse().unwrap();
        BTreeMap::from([
            (
                "cutoff".to_owned(),
                ParameterValue {
                    sql_type: SqlType::Date,
                    values: Values::One("2024-05-01".into()),
                },
            ),
            (
                "accounts".to_owned(),
                ParameterValue {
                    sql_type: text,
                    values: Values::List(vec!["13003".into(), "1300'4".into()]),
                },
            ),
        ])
    }

    #[test]
    fn lists_are_expanded_and_each_parameter_is_bound_once() {
        let bound = bind(
            "SELECT 1 WHERE a IN (@accounts) AND d < @cutoff AND e < @CUTOFF OR b IN (@Accounts)",
            &values(),
        )
        .unwrap();
        assert_eq!(
            bound.sql,
            "SELECT 1 WHERE a IN (@accounts_0, @accounts_1) AND d < @cutoff AND e < @cutoff OR b IN (@accounts_0, @accounts_1)"
        );
        assert_eq!(
            bound.declaration(),
            "@accounts_0 nvarchar(20), @accounts_1 nvarchar(20), @cutoff date"
        );
        // The value with a quote stays a value.
        assert_eq!(bound.parameters[1].value, "1300'4");
        assert_eq!(bound.sha256, Sha256::of(&bound.sql));
    }

    #[test]
    fn an_open_parameter_is_bound_where_the_text_uses_it() {
        let mut with_open = values();
        with_open.insert(
            "Upto".to_owned(),
            ParameterValue {
                sql_type: SqlType::BigInt,
                values: Values::Open,
            },
        );
        let bound = bind("SELECT 1 WHERE n <= @UPTO AND d < @cutoff", &with_open).unwrap();
        assert_eq!(bound.sql, "SELECT 1 WHERE n <= @Upto AND d < @cutoff");
        assert_eq!(bound.declaration(), "@cutoff date");
        let open = |name: &str| OpenParameter {
            name: name.to_owned(),
            sql_type: SqlType::BigInt,
        };
        let completed = bound.completed(&[(&open("@Upto"), -7), (&open("@other"), 1)]);
        assert_eq!(completed.declaration(), "@cutoff date, @Upto bigint");
        assert_eq!(completed.parameters[1].value, "-7");
        assert_eq!(completed.sha256, bound.sha256);
    }

    #[test]
    fn names_strings_and_comments_hold_no_parameters() {
        let sql = "SELECT [Is_Active?], [a@x]]@y], 'it''s @no', \"q@r\", @@ROWCOUNT, a@b -- @c\n/* @d /* @e */ @f */ FROM t WHERE d < @cutoff";
        let found = uses(sql).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].line), ("cutoff", 2));
        assert_eq!(bind(sql, &values()).unwrap().sql, sql);
    }

    #[test]
    fn wrong_texts_are_refused_with_their_line() {
        assert_eq!(uses("a\n'b").unwrap_err(), BindError::Unterminated(2));
        assert_eq!(uses("/* a").unwrap_err(), BindError::Unterminated(1));
        assert_eq!(
            bind("x\ny = @z", &values()).unwrap_err(),
            BindError::Undeclared {
                name: "@z".into(),
                line: 2
            }
        );
        let mut empty = values();
        empty.insert(
            "accounts".into(),
            ParameterValue {
                sql_type: SqlType::Int,
                values: Values::List(vec![]),
            },
        );
        assert_eq!(
            bind("@accounts", &empty).unwrap_err(),
            BindError::EmptyList("accounts".into())
        );
    }
}
