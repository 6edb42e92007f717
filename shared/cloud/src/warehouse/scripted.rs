//! A warehouse that answers from a script and remembers what it was asked; SQL is not run.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Rows, Statement, SubStatement, TransactionResult, Warehouse, WarehouseError};
use crate::retry::Deadline;

/// What the warehouse was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// [`Warehouse::transaction`].
    Transaction {
        /// The statements.
        statements: Vec<Statement>,
        /// The token.
        token: String,
    },
    /// [`Warehouse::rows`] of that statement.
    Rows(String),
    /// [`Warehouse::query`].
    Query(Statement),
}

#[derive(Debug, Default)]
struct Script {
    transactions: VecDeque<Result<TransactionResult, WarehouseError>>,
    rows: VecDeque<Result<Rows, WarehouseError>>,
    asked: Vec<Asked>,
}

/// A scripted warehouse. Clones share the script. A transaction beyond the script commits with
/// statements that have no rows; rows beyond it are an error.
#[derive(Debug, Clone, Default)]
pub struct ScriptedWarehouse(Arc<Mutex<Script>>);

impl ScriptedWarehouse {
    /// The answer to the next transaction that has none yet.
    pub fn answer_transaction(&self, answer: Result<TransactionResult, WarehouseError>) {
        self.lock().transactions.push_back(answer);
    }

    /// The answer to the next query, or request for rows, that has none yet.
    pub fn answer_rows(&self, answer: Result<Rows, WarehouseError>) {
        self.lock().rows.push_back(answer);
    }

    /// One row, by the names of its columns.
    pub fn answer_row(&self, row: &[(&str, &str)]) {
        self.answer_rows(Ok(Rows {
            columns: row.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: vec![
                row.iter()
                    .map(|(_, value)| Some((*value).to_owned()))
                    .collect(),
            ],
        }));
    }

    /// Everything asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_rows(&self, asked: Asked) -> Result<Rows, WarehouseError> {
        let mut script = self.lock();
        let message = format!("the script has no rows for {asked:?}");
        script.asked.push(asked);
        script
            .rows
            .pop_front()
            .unwrap_or(Err(WarehouseError::Invalid(message)))
    }
}

#[async_trait]
impl Warehouse for ScriptedWarehouse {
    async fn transaction(
        &self,
        statements: &[Statement],
        token: &str,
        _: Deadline,
    ) -> Result<TransactionResult, WarehouseError> {
        super::check(statements, Some(token))?;
        let mut script = self.lock();
        script.asked.push(Asked::Transaction {
            statements: statements.to_vec(),
            token: token.to_owned(),
        });
        let number = script.asked.len();
        script.transactions.pop_front().unwrap_or_else(|| {
            let statement = |(i, _)| SubStatement {
                id: format!("scripted-{number}:{}", i + 1),
                rows: None,
                has_rows: false,
                query_id: None,
            };
            Ok(TransactionResult {
                statement_id: format!("scripted-{number}"),
                statements: statements.iter().enumerate().map(statement).collect(),
            })
        })
    }

    async fn rows(&self, statement_id: &str) -> Result<Rows, WarehouseError> {
        self.next_rows(Asked::Rows(statement_id.to_owned()))
    }

    async fn query(&self, statement: &Statement, _: Deadline) -> Result<Rows, WarehouseError> {
        super::check(std::slice::from_ref(statement), None)?;
        self.next_rows(Asked::Query(statement.clone()))
    }
}
