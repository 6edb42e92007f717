//! The dry run: could a run be loaded and published now? Nothing is signed, nothing is written.

use soxauto_cloud::{
    dry_run::{LIMIT, look as look_at},
    retry::Deadline,
    warehouse::Statement,
};
use soxauto_domain::{dry_run::DryRunReport, layout::state};

use crate::{context::Context, error::FinalizerError};

/// Looks at settings, both buckets, signing key and warehouse.
///
/// # Errors
/// [`FinalizerError::DryRun`] names everything that is refused.
pub async fn look(context: &Context, request_id: &str) -> Result<DryRunReport, FinalizerError> {
    // The function would not have started without its settings.
    let settings = look_at("settings", FinalizerError::code, async {
        let settings = &context.settings;
        Ok(format!(
            "stage {}, {}",
            settings.stage.as_str(),
            settings.control
        ))
    });
    let evidence = look_at("evidence", FinalizerError::code, async {
        let controls = context.reader.controls().await?;
        Ok(format!("{} controls", controls.len()))
    });
    let open = look_at("state", FinalizerError::code, async {
        let open = context.state.list(state::OPEN_RUNS).await?;
        Ok(format!("{} open runs", open.len()))
    });
    let signer = look_at("signing_key", FinalizerError::code, async {
        context.signer.public_key_pem().await?;
        Ok(context.signer.key_id().to_owned())
    });
    let warehouse = look_at(
        "warehouse",
        FinalizerError::code,
        warehouse(context, request_id),
    );
    let (settings, evidence, open, signer, warehouse) =
        tokio::join!(settings, evidence, open, signer, warehouse);
    Ok(DryRunReport::of(
        "finalizer",
        env!("CARGO_PKG_VERSION"),
        vec![settings, evidence, open, signer, warehouse],
    )?)
}

/// A transaction like a load's, with the same right, that only asks who answers.
async fn warehouse(context: &Context, request_id: &str) -> Result<String, FinalizerError> {
    let statement = Statement::new("SELECT 1 AS one");
    // Cancelled before the look gives up, so that nothing is left running.
    let deadline = Deadline::after(LIMIT * 3 / 4);
    let token: String = format!("check-{request_id}").chars().take(64).collect();
    let done = context
        .warehouse
        .transaction(&[statement], &token, deadline)
        .await?;
    Ok(format!(
        "database {}, statement {}",
        context.settings.warehouse.database, done.statement_id
    ))
}
