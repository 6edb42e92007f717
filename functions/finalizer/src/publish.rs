//! Publishing a run in the warehouse: one row in the table of runs, which the `…_current` views follow.

use std::time::Instant;

use jiff::{Unit, tz::TimeZone};
use soxauto_cloud::warehouse::Statement;
use soxauto_domain::{RunState, facts::RunFacts, manifest::ManifestLink};

use crate::{context::Context, error::FinalizerError, load::transaction, sql};

/// Writes the run's row; only a *complete* run is shown by the views.
///
/// # Errors
/// [`FinalizerError::Publish`] when the warehouse fails; the next call writes the row again.
pub async fn publish(
    context: &Context,
    facts: &RunFacts,
    link: &ManifestLink,
    state: RunState,
    deadline: Instant,
) -> Result<(), FinalizerError> {
    let schema = &facts.plan.control.warehouse_schema;
    let now = context.clock.now().to_zoned(TimeZone::UTC).datetime();
    let published_at = now
        .round(Unit::Microsecond)
        .unwrap_or(now)
        .to_string()
        .replace('T', " ");
    let mut statements = sql::create_runs(schema);
    statements.extend(sql::publish(
        schema,
        &link.run_id,
        link.revision,
        state.as_str(),
        &link.sha256.to_string(),
        &published_at,
    ));
    let statements: Vec<Statement> = statements.into_iter().map(Statement::new).collect();
    transaction(context, &statements, deadline)
        .await
        .map_err(|source| FinalizerError::Publish {
            run: link.run_id.clone(),
            source,
        })?;
    Ok(())
}
