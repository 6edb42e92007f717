//! The dry run: could a run be started now? Everything is read, nothing is written.

use soxauto_cloud::dry_run::look as look_at;
use soxauto_domain::{Cutoff, dry_run::DryRunReport};

use crate::{context::Context, error::DispatcherError};

/// Looks at settings, catalog and evidence bucket.
///
/// # Errors
/// [`DispatcherError::DryRun`] names everything that is refused.
pub async fn look(context: &Context) -> Result<DryRunReport, DispatcherError> {
    let checks = vec![
        // The function would not have started without them.
        look_at("settings", DispatcherError::code, async {
            let settings = &context.settings;
            Ok(format!("stage {}", settings.stage.as_str()))
        })
        .await,
        look_at("catalog", DispatcherError::code, async { catalog(context) }).await,
        look_at("evidence", DispatcherError::code, evidence(context)).await,
    ];
    Ok(DryRunReport::of(
        "dispatcher",
        env!("CARGO_PKG_VERSION"),
        checks,
    )?)
}

/// Every query of the catalog can be bound for the period that a schedule would close now.
fn catalog(context: &Context) -> Result<String, DispatcherError> {
    let catalog = context.catalog()?;
    let cutoff = Cutoff::current(context.clock.now(), &catalog.time_zone)?;
    let period = cutoff.period();
    for ipe in &catalog.ipes {
        ipe.resolve(&period)
            .map_err(|source| DispatcherError::Bind {
                ipe: ipe.id.clone(),
                source,
            })?;
    }
    Ok(format!(
        "{} IPEs of {} for the cutoff {cutoff}",
        catalog.ipes.len(),
        catalog.control_id
    ))
}

/// The bucket answers the first question of every start.
async fn evidence(context: &Context) -> Result<String, DispatcherError> {
    let catalog = context.catalog()?;
    let cutoff = Cutoff::current(context.clock.now(), &catalog.time_zone)?;
    let latest = context.reader.latest(&catalog.control_id, cutoff).await?;
    Ok(latest.map_or_else(|| format!("no run of {cutoff} yet"), |run| run.to_string()))
}
