//! The warehouse: SQL by an asynchronous API, several statements as one transaction.

mod redshift;
#[cfg(any(test, feature = "testing"))]
mod scripted;

use std::fmt;

use async_trait::async_trait;
use soxauto_domain::Code;

pub use redshift::{Compute, RedshiftWarehouse, WarehouseTarget};
#[cfg(any(test, feature = "testing"))]
pub use scripted::{Asked, ScriptedWarehouse};

use crate::retry::Deadline;

/// One SQL statement with named parameters (`:name` in the text).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text, without a semicolon at its end.
    pub sql: String,
    /// Names and values, all as text: the API has no NULL and no empty value.
    pub parameters: Vec<(String, String)>,
}

impl Statement {
    /// A statement without parameters.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }
}

/// A transaction that committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionResult {
    /// The API's identifier of the whole.
    pub statement_id: String,
    /// One for each statement, in their order.
    pub statements: Vec<SubStatement>,
}

/// One statement of a transaction that committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubStatement {
    /// The API's identifier, for [`Warehouse::rows`].
    pub id: String,
    /// Rows returned or affected; `None` when the warehouse does not say.
    pub rows: Option<u64>,
    /// Whether it has rows to fetch.
    pub has_rows: bool,
    /// The warehouse's own query number (`SYS_QUERY_HISTORY`); `None` when it does not say.
    pub query_id: Option<i64>,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values as canonical text: plain digits, `true` or `false`, lower-case hexadecimal for binary,
    /// and as the warehouse spells it for all else (decimals, dates). `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The value in the named column of the only row; `None` when there is not exactly one row, no
    /// such column, or a NULL.
    #[must_use]
    pub fn single(&self, column: &str) -> Option<&str> {
        let [row] = self.rows.as_slice() else {
            return None;
        };
        let index = self
            .columns
            .iter()
            .position(|c| c.eq_ignore_ascii_case(column))?;
        row.get(index)?.as_deref()
    }
}

/// A failed operation of the warehouse, by meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarehouseError {
    /// A statement failed; the transaction was rolled back.
    #[error(
        "statement {} of the transaction failed: {message} ({sql}; id {statement_id})",
        number(index)
    )]
    Statement {
        /// The API's identifier of the whole.
        statement_id: String,
        /// Which statement, from 0; `None` when the warehouse does not say.
        index: Option<usize>,
        /// The first 200 characters of its text; parameters are not in it.
        sql: String,
        /// The warehouse's words.
        message: String,
    },
    /// Not done by the deadline, or aborted by somebody: cancelled, rolled back.
    #[error("the statement was cancelled: {detail} (id {statement_id})")]
    Cancelled {
        /// The API's identifier of the whole.
        statement_id: String,
        /// By what.
        detail: String,
    },
    /// The deadline came and the warehouse did not confirm the cancellation: it may still commit.
    #[error("the statement's outcome is unknown: {detail} (id {statement_id})")]
    Unknown {
        /// The API's identifier of the whole.
        statement_id: String,
        /// What was tried.
        detail: String,
    },
    /// No workgroup, cluster, database or statement of that name.
    #[error("the warehouse does not know it: {0}")]
    NotFound(String),
    /// Role, secret or grants refuse.
    #[error("the warehouse denies access; check the role, the secret and the database user: {0}")]
    Denied(String),
    /// Throttling, network, timeout or service failure, after retries.
    #[error("the warehouse does not answer: {0}")]
    Unavailable(String),
    /// The request is wrong: no statement, too many, a parameter with two values.
    #[error("the request is not valid: {0}")]
    Invalid(String),
}

impl WarehouseError {
    /// Always [`Code::WarehouseFailed`].
    #[must_use]
    pub fn code(&self) -> Code {
        Code::WarehouseFailed
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Cancelled { .. } | Self::Unknown { .. }
        )
    }
}

fn number(index: &Option<usize>) -> String {
    index.map_or_else(|| "?".to_owned(), |i| (i + 1).to_string())
}

/// A warehouse that takes SQL.
#[async_trait]
pub trait Warehouse: Send + Sync + fmt::Debug {
    /// Runs 1 to 40 statements as one transaction and waits for the commit.
    ///
    /// `token` (1 to 64 characters) makes the request idempotent for some hours: the same token again
    /// gives the transaction of the first. A new try after a failure needs a new token. At the
    /// deadline the statement is cancelled.
    ///
    /// # Errors
    /// See [`WarehouseError`].
    async fn transaction(
        &self,
        statements: &[Statement],
        token: &str,
        deadline: Deadline,
    ) -> Result<TransactionResult, WarehouseError>;

    /// The rows of one statement of a transaction: all pages.
    ///
    /// # Errors
    /// See [`WarehouseError`].
    async fn rows(&self, statement_id: &str) -> Result<Rows, WarehouseError>;

    /// Runs one statement and fetches its rows. At the deadline the statement is cancelled.
    ///
    /// # Errors
    /// See [`WarehouseError`].
    async fn query(
        &self,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<Rows, WarehouseError>;
}

/// The most statements of one transaction.
const MOST_STATEMENTS: usize = 40;

/// What the API would refuse; gives the parameters of all statements together, as the API wants them.
fn check(
    statements: &[Statement],
    token: Option<&str>,
) -> Result<Vec<(String, String)>, WarehouseError> {
    let invalid = |reason: String| Err(WarehouseError::Invalid(reason));
    if statements.is_empty() || statements.len() > MOST_STATEMENTS {
        return invalid(format!(
            "{} statements; 1 to {MOST_STATEMENTS} are allowed",
            statements.len()
        ));
    }
    if token.is_some_and(|token| !(1..=64).contains(&token.len())) {
        return invalid("the token has 1 to 64 characters".to_owned());
    }
    let mut all = std::collections::BTreeMap::new();
    for (i, statement) in statements.iter().enumerate() {
        if statement.sql.trim().is_empty() {
            return invalid(format!("statement {} is empty", i + 1));
        }
        for (name, value) in &statement.parameters {
            if value.is_empty() {
                return invalid(format!(
                    "parameter {name} is empty, which the API does not take"
                ));
            }
            if !statement.sql.contains(&format!(":{name}")) {
                return invalid(format!(
                    "statement {} does not use its parameter {name}",
                    i + 1
                ));
            }
            // The API has one set of parameters for the whole transaction.
            if all
                .insert(name.clone(), value.clone())
                .is_some_and(|other| other != *value)
            {
                return invalid(format!(
                    "parameter {name} has two values in one transaction"
                ));
            }
        }
    }
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_would_refuse_is_refused_before() {
        let ok = Statement::new("select :a").bind("a", "1");
        assert_eq!(
            check(&[ok.clone(), ok.clone()], Some("t")).unwrap(),
            [("a".into(), "1".into())]
        );
        let wrong: [(Vec<Statement>, &str); 7] = [
            (vec![], "t"),
            (vec![ok.clone(); 41], "t"),
            (vec![ok.clone()], ""),
            (vec![Statement::new(" ")], "t"),
            (vec![Statement::new("select :a").bind("a", "")], "t"),
            (vec![Statement::new("select 1").bind("a", "1")], "t"),
            (vec![ok, Statement::new("select :a").bind("a", "2")], "t"),
        ];
        for (statements, token) in wrong {
            assert!(
                matches!(
                    check(&statements, Some(token)),
                    Err(WarehouseError::Invalid(_))
                ),
                "{statements:?}"
            );
        }
    }

    #[test]
    fn a_single_value_is_read_only_from_a_single_row() {
        let row = |v: &str| vec![Some(v.to_owned()), None];
        let rows = Rows {
            columns: vec!["n".into(), "x".into()],
            rows: vec![row("7")],
        };
        assert_eq!(
            (rows.single("N"), rows.single("x"), rows.single("y")),
            (Some("7"), None, None)
        );
        assert_eq!(
            Rows {
                rows: vec![row("7"), row("8")],
                ..rows
            }
            .single("n"),
            None
        );
    }
}
