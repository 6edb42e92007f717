//! The warehouse over the Redshift Data API.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use aws_sdk_redshiftdata::{
    Client,
    operation::describe_statement::DescribeStatementOutput,
    types::{Field, SqlParameter, StatementStatusString, StatusString},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{sleep, timeout};

use super::{Rows, Statement, SubStatement, TransactionResult, Warehouse, WarehouseError, check};
use crate::{
    aws::failure::{self, Meaning},
    retry::{Backoff, Deadline},
};

/// The long poll of one DescribeStatement.
const LONG_POLL: Duration = Duration::from_secs(10);
/// Between two polls of a service that does not wait.
const POLL: Backoff = Backoff {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(2),
    tries: u32::MAX,
};
/// How long a cancellation may take before the outcome counts as unknown.
const CANCEL: Duration = Duration::from_secs(5);
/// Characters of a failed statement that go into the error.
const SHOWN: usize = 200;

/// Where the SQL runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// Redshift Serverless, by workgroup.
    Workgroup(String),
    /// A provisioned cluster, by identifier; the user for temporary credentials when there is no secret.
    Cluster {
        /// Identifier.
        id: String,
        /// Database user; `None` for the role's own.
        user: Option<String>,
    },
}

/// The warehouse's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseTarget {
    /// Where the SQL runs.
    pub compute: Compute,
    /// Database.
    pub database: String,
    /// Secret with the database user; `None` for temporary credentials of the role.
    pub secret_arn: Option<String>,
}

/// Redshift, by its Data API.
#[derive(Debug, Clone)]
pub struct RedshiftWarehouse {
    client: Client,
    target: WarehouseTarget,
}

impl RedshiftWarehouse {
    /// The warehouse at that address.
    #[must_use]
    pub fn new(client: Client, target: WarehouseTarget) -> Self {
        Self { client, target }
    }

    fn compute(&self) -> (Option<String>, Option<String>, Option<String>) {
        match &self.target.compute {
            Compute::Workgroup(name) => (Some(name.clone()), None, None),
            Compute::Cluster { id, user } => (None, Some(id.clone()), user.clone()),
        }
    }

    /// Waits until the statement ends, or cancels it at the deadline.
    async fn finish(
        &self,
        id: &str,
        statements: &[Statement],
        deadline: Deadline,
    ) -> Result<DescribeStatementOutput, WarehouseError> {
        let mut n = 1;
        while !deadline.is_over() {
            let wait = LONG_POLL.min(deadline.remaining());
            // A poll that outlives the deadline is abandoned; a failed one is tried again until then.
            match timeout(deadline.remaining(), self.describe(id, wait)).await {
                Ok(Ok(described)) => {
                    if let Some(end) = ended(id, statements, described) {
                        return end;
                    }
                }
                Ok(Err(WarehouseError::Unavailable(_))) | Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
            sleep(POLL.bound(n).min(deadline.remaining())).await;
            n += 1;
        }
        self.cancel(id, statements).await
    }

    /// Cancels the statement; one that has committed meanwhile is a success after all.
    async fn cancel(
        &self,
        id: &str,
        statements: &[Statement],
    ) -> Result<DescribeStatementOutput, WarehouseError> {
        let give_up = Deadline::after(CANCEL);
        let mut tried = "cancelling at the deadline".to_owned();
        let cancelled = timeout(CANCEL, self.client.cancel_statement().id(id).send()).await;
        if let Ok(Err(error)) = cancelled {
            // Redshift refuses to cancel what has ended; the state below says how.
            tried = format!(
                "cancelling at the deadline failed: {}",
                failure::read(&error).detail
            );
        }
        let mut n = 1;
        while !give_up.is_over() {
            if let Ok(Ok(described)) =
                timeout(give_up.remaining(), self.describe(id, Duration::ZERO)).await
                && let Some(end) = ended(id, statements, described)
            {
                return end;
            }
            sleep(POLL.bound(n).min(give_up.remaining())).await;
            n += 1;
        }
        Err(WarehouseError::Unknown {
            statement_id: id.to_owned(),
            detail: tried,
        })
    }

    async fn describe(
        &self,
        id: &str,
        wait: Duration,
    ) -> Result<DescribeStatementOutput, WarehouseError> {
        let seconds = i32::try_from(wait.as_secs()).ok().filter(|s| *s > 0);
        let request = self
            .client
            .describe_statement()
            .id(id)
            .set_wait_time_seconds(seconds);
        request.send().await.map_err(|e| error(&e))
    }
}

#[async_trait]
impl Warehouse for RedshiftWarehouse {
    async fn transaction(
        &self,
        statements: &[Statement],
        token: &str,
        deadline: Deadline,
    ) -> Result<TransactionResult, WarehouseError> {
        let parameters = sql_parameters(check(statements, Some(token))?)?;
        let (workgroup, cluster, user) = self.compute();
        let request = self
            .client
            .batch_execute_statement()
            .set_sqls(Some(statements.iter().map(|s| s.sql.clone()).collect()))
            .set_parameters(parameters)
            .set_workgroup_name(workgroup)
            .set_cluster_identifier(cluster)
            .set_db_user(user)
            .database(&self.target.database)
            .set_secret_arn(self.target.secret_arn.clone())
            .client_token(token);
        let answer = request.send().await.map_err(|e| error(&e))?;
        let id = answer.id.ok_or_else(no_id)?;
        let described = self.finish(&id, statements, deadline).await?;
        let parts = described.sub_statements().iter().map(|part| SubStatement {
            id: part.id().to_owned(),
            rows: u64::try_from(part.result_rows()).ok(),
            has_rows: part.has_result_set().unwrap_or(false),
            query_id: Some(part.redshift_query_id()).filter(|n| *n > 0),
        });
        let parts: Vec<_> = parts.collect();
        if parts.len() != statements.len() {
            // Which statement is which could only be guessed.
            let detail = format!(
                "{} statements were sent, {} are described",
                statements.len(),
                parts.len()
            );
            return Err(WarehouseError::Unknown {
                statement_id: id,
                detail,
            });
        }
        Ok(TransactionResult {
            statement_id: id,
            statements: parts,
        })
    }

    async fn rows(&self, statement_id: &str) -> Result<Rows, WarehouseError> {
        let mut rows = Rows::default();
        let mut pages = self
            .client
            .get_statement_result()
            .id(statement_id)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error(&e))?;
            if rows.columns.is_empty() {
                let names = page
                    .column_metadata()
                    .iter()
                    .map(|c| c.label().or(c.name()).unwrap_or_default().to_owned());
                rows.columns = names.collect();
            }
            for record in page.records {
                rows.rows
                    .push(record.into_iter().map(text).collect::<Result<_, _>>()?);
            }
        }
        Ok(rows)
    }

    async fn query(
        &self,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<Rows, WarehouseError> {
        let statements = std::slice::from_ref(statement);
        let parameters = sql_parameters(check(statements, None)?)?;
        let (workgroup, cluster, user) = self.compute();
        let request = self
            .client
            .execute_statement()
            .sql(&statement.sql)
            .set_parameters(parameters)
            .set_workgroup_name(workgroup)
            .set_cluster_identifier(cluster)
            .set_db_user(user)
            .database(&self.target.database)
            .set_secret_arn(self.target.secret_arn.clone());
        let answer = request.send().await.map_err(|e| error(&e))?;
        let id = answer.id.ok_or_else(no_id)?;
        let described = self.finish(&id, statements, deadline).await?;
        if described.has_result_set().unwrap_or(false) {
            self.rows(&id).await
        } else {
            Ok(Rows::default())
        }
    }
}

fn no_id() -> WarehouseError {
    WarehouseError::Unavailable("the answer has no statement id".to_owned())
}

/// How the statement ended; `None` while it runs.
fn ended(
    id: &str,
    statements: &[Statement],
    described: DescribeStatementOutput,
) -> Option<Result<DescribeStatementOutput, WarehouseError>> {
    match described.status() {
        Some(StatusString::Finished) => Some(Ok(described)),
        Some(StatusString::Aborted) => Some(Err(WarehouseError::Cancelled {
            statement_id: id.to_owned(),
            detail: described
                .error()
                .unwrap_or("at the deadline, or by somebody else")
                .to_owned(),
        })),
        Some(StatusString::Failed) => {
            let parts = described.sub_statements();
            let failed = parts
                .iter()
                .position(|part| part.status() == Some(&StatementStatusString::Failed));
            let index = failed.or((statements.len() == 1).then_some(0));
            let message = failed
                .and_then(|i| parts.get(i)?.error())
                .or(described.error());
            let sql = index
                .and_then(|i| statements.get(i))
                .map(|s| s.sql.chars().take(SHOWN).collect());
            Some(Err(WarehouseError::Statement {
                statement_id: id.to_owned(),
                index,
                sql: sql.unwrap_or_default(),
                message: message.unwrap_or("no message").to_owned(),
            }))
        }
        _ => None,
    }
}

fn sql_parameters(
    parameters: Vec<(String, String)>,
) -> Result<Option<Vec<SqlParameter>>, WarehouseError> {
    if parameters.is_empty() {
        return Ok(None);
    }
    let build =
        |(name, value): (String, String)| SqlParameter::builder().name(name).value(value).build();
    let built: Result<Vec<_>, _> = parameters.into_iter().map(build).collect();
    built
        .map(Some)
        .map_err(|e| WarehouseError::Invalid(e.to_string()))
}

/// A value as canonical text.
fn text(field: Field) -> Result<Option<String>, WarehouseError> {
    Ok(match field {
        Field::IsNull(_) => None,
        Field::StringValue(text) => Some(text),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(value) => Some(value.to_string()),
        Field::BlobValue(bytes) => Some(hex::encode(bytes)),
        other => {
            return Err(WarehouseError::Invalid(format!(
                "a value of a kind that this release does not know: {other:?}"
            )));
        }
    })
}

fn error<E>(error: &SdkError<E, HttpResponse>) -> WarehouseError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let failure = failure::read(error);
    match failure.meaning {
        Meaning::NotFound => WarehouseError::NotFound(failure.detail),
        Meaning::Denied => WarehouseError::Denied(failure.detail),
        Meaning::Throttled | Meaning::Unavailable | Meaning::Conflict => {
            WarehouseError::Unavailable(failure.detail)
        }
        Meaning::Precondition | Meaning::Other => WarehouseError::Invalid(failure.detail),
    }
}

#[cfg(test)]
mod tests;
