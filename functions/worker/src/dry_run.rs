//! The dry run: could an IPE be extracted now? The source is asked who it is; nothing is written.

use std::time::Instant;

use soxauto_cloud::dry_run::{LIMIT, look as look_at};
use soxauto_domain::{
    Code,
    dry_run::{DryRunReport, Finding, Outcome},
    receipt::TlsRecord,
};
use soxauto_extract::{ConnectionSettings, Limits, refuse_writer};

use crate::{context::Context, error::WorkerError};

/// The database that every server has, for a secret that names none.
const ANY_DATABASE: &str = "master";

/// Looks at settings, evidence bucket, secret and source.
///
/// # Errors
/// [`WorkerError::DryRun`] names everything that is refused.
pub async fn look(context: &Context) -> Result<DryRunReport, WorkerError> {
    // The function would not have started without its settings.
    let settings = look_at("settings", WorkerError::code, async {
        Ok(format!("stage {}", context.settings.stage.as_str()))
    });
    let evidence = look_at("evidence", WorkerError::code, async {
        let controls = context.reader.controls().await?;
        Ok(format!("{} controls", controls.len()))
    });
    let (settings, evidence, source) = tokio::join!(settings, evidence, source(context));
    let mut checks = vec![settings, evidence];
    checks.extend(source);
    Ok(DryRunReport::of(
        "worker",
        env!("CARGO_PKG_VERSION"),
        checks,
    )?)
}

/// The secret, and with it the server. Without a secret that can be used the server cannot be looked at, and that is no
/// pass either.
async fn source(context: &Context) -> [Finding; 2] {
    let mut found = None;
    let secret = look_at("secret", WorkerError::code, async {
        // As it is now, not as an earlier invocation has seen it.
        context.secret.invalidate().await;
        let text = context.secret.get().await?;
        let settings = ConnectionSettings::parse(text.expose())?;
        let seen = format!(
            "login {} at {}:{}",
            settings.user(),
            settings.host(),
            settings.port()
        );
        found = Some(settings);
        Ok(seen)
    })
    .await;
    let source = match (&found, &secret.outcome) {
        (Some(settings), Outcome::Ok { .. }) => {
            look_at("source", WorkerError::code, connect(context, settings)).await
        }
        (_, outcome) => Finding {
            name: "source".to_owned(),
            outcome: Outcome::Refused {
                code: match outcome {
                    Outcome::Refused { code, .. } => *code,
                    Outcome::Ok { .. } => Code::Internal,
                },
                message: "not looked at, since the secret cannot be used".to_owned(),
            },
        },
    };
    [secret, source]
}

/// Connects as an extraction does, with the same encryption, and asks the server who it is and what the login may do.
async fn connect(context: &Context, settings: &ConnectionSettings) -> Result<String, WorkerError> {
    let database = settings.database().unwrap_or(ANY_DATABASE);
    let limits = Limits::until(Instant::now() + LIMIT);
    let mut source = context.driver.connect(settings, database, &limits).await?;
    let identity = source.identity().await?;
    refuse_writer(context.settings.stage, &identity)?;
    let tls = match identity.tls {
        TlsRecord::Verified => "TLS, certificate verified",
        TlsRecord::Unverified => "TLS, certificate not verified",
        TlsRecord::Off => "no TLS",
    };
    Ok(format!("{} as {}, {tls}", identity.server, identity.login))
}
