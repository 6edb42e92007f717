//! Loading what passed: one transaction per IPE, proven equal to the receipt before it commits.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use soxauto_cloud::{
    lake::LakeError,
    retry::Deadline,
    telemetry::events,
    warehouse::{Statement, TransactionResult, WarehouseError},
};
use soxauto_domain::{
    IpeId, IpeState, PlannedIpe, Receipt, Sha256,
    facts::RunFacts,
    layout::{self, Attempt, state},
    load::{LoadChoice, LoadChoiceSchema, LoadRecord, LoadSchema, LoadedTotal},
};

use crate::{context::Context, error::FinalizerError, sql};

/// IPEs loaded at the same time.
const PARALLEL: usize = 4;
/// DDL statements in one transaction; the Data API takes at most 40.
const BATCH: usize = 30;
/// What a failed tie-out says first.
const TIE_OUT: &str = "tie-out failed";
/// What Redshift says first of a text that is no integer.
const CAST_FAILED: &str = "Invalid digit";
const JSON: &str = "application/json";

/// One IPE that waits for its load.
struct Pending<'a> {
    ipe: &'a PlannedIpe,
    receipt: &'a Receipt,
}

/// What became of the loads that were missing.
#[derive(Debug)]
pub struct Loaded {
    /// IPEs that are loaded and recorded now.
    pub ipes: BTreeSet<IpeId>,
    /// The first failure.
    pub outcome: Result<(), FinalizerError>,
}

/// Loads every IPE that passed and has no load record. All are tried, also when one fails; what was loaded stays loaded
/// and recorded.
pub async fn load_missing(context: &Context, facts: &RunFacts, deadline: Instant) -> Loaded {
    let mut loaded = Loaded {
        ipes: BTreeSet::new(),
        outcome: Ok(()),
    };
    let pending = pending(facts);
    if pending.is_empty() {
        return loaded;
    }
    let schema = &facts.plan.control.warehouse_schema;
    if let Err(error) = prepare(context, schema, &pending, deadline).await {
        loaded.outcome = Err(error);
        return loaded;
    }
    let outcomes: Vec<(&IpeId, Result<(), FinalizerError>)> = stream::iter(&pending)
        .map(|one| async move {
            let outcome = match choose(context, facts, one).await {
                Ok(chosen) => match refuse_other_files(context, facts, &chosen) {
                    Ok(()) => load(context, schema, &chosen, deadline).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            (&one.ipe.id, outcome)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    for (ipe, outcome) in outcomes {
        let error = match outcome {
            Ok(()) => {
                loaded.ipes.insert(ipe.clone());
                continue;
            }
            Err(error) => error,
        };
        tracing::error!(code = error.code().as_str(), "{error}");
        // An error that may pass counts more than one that will not: it decides whether the run is looked at again.
        if loaded
            .outcome
            .as_ref()
            .err()
            .is_none_or(FinalizerError::is_refused_load)
        {
            loaded.outcome = Err(error);
        }
    }
    loaded
}

/// Whether an IPE passed and has no load record.
#[must_use]
pub fn is_missing(facts: &RunFacts) -> bool {
    !pending(facts).is_empty()
}

fn pending(facts: &RunFacts) -> Vec<Pending<'_>> {
    facts
        .plan
        .ipes
        .iter()
        .zip(&facts.ipes)
        .filter_map(|(ipe, known)| {
            let (attempt, receipt) = known.deciding()?;
            (receipt.state == IpeState::Passed && attempt.load.is_none())
                .then_some(Pending { ipe, receipt })
        })
        .collect()
}

/// Makes schema, tables and views.
async fn prepare(
    context: &Context,
    schema: &str,
    pending: &[Pending<'_>],
    deadline: Instant,
) -> Result<(), FinalizerError> {
    let Some(first) = pending.first() else {
        return Ok(());
    };
    let mut ddl = sql::create_runs(schema);
    ddl.extend(
        pending
            .iter()
            .flat_map(|one| sql::create_ipe(schema, one.ipe)),
    );
    for batch in ddl.chunks(BATCH) {
        let statements: Vec<Statement> = batch.iter().map(Statement::new).collect();
        transaction(context, &statements, deadline)
            .await
            .map_err(|source| FinalizerError::Load {
                ipe: first.ipe.id.clone(),
                source,
            })?;
    }
    Ok(())
}

/// Which attempt is loaded: the first finalizer that loads one says so, and everybody follows.
///
/// Two attempts may both pass when a worker outlived its lease. A finalizer that was frozen, or died after it had sent its
/// transaction, may know of one of them only: without this, it would replace the rows that another has proven and recorded.
async fn choose<'a>(
    context: &Context,
    facts: &'a RunFacts,
    pending: &Pending<'a>,
) -> Result<Pending<'a>, FinalizerError> {
    let Pending { ipe, receipt } = pending;
    let key = state::load_choice(&receipt.run_id, &ipe.id);
    let own = LoadChoice {
        schema: LoadChoiceSchema,
        attempt: receipt.attempt,
    };
    let bytes = Bytes::from(serde_json::to_vec(&own)?);
    let chosen = match context.state.create(&key, bytes, JSON).await {
        Ok(_) => own,
        Err(LakeError::AlreadyExists(_)) => {
            serde_json::from_slice(&context.state.get(&key).await?.bytes)?
        }
        Err(e) => return Err(e.into()),
    };
    let attempts = facts.ipe(&ipe.id).into_iter().flat_map(|i| &i.attempts);
    attempts
        .filter_map(|attempt| attempt.receipt.as_ref())
        .map(|stored| &stored.document)
        .find(|receipt| receipt.attempt == chosen.attempt && receipt.state == IpeState::Passed)
        .map(|receipt| Pending { ipe, receipt })
        .ok_or_else(|| FinalizerError::Choice {
            ipe: ipe.id.clone(),
            attempt: chosen.attempt,
        })
}

/// Refuses an attempt whose folder lacks a file of its receipt or holds it with another size: what would be signed as
/// its evidence is not what the worker wrote. (Equal sizes with other bytes are found by whoever verifies the manifest.)
fn refuse_other_files(
    context: &Context,
    facts: &RunFacts,
    pending: &Pending<'_>,
) -> Result<(), FinalizerError> {
    let Pending { ipe, receipt } = pending;
    let layout = context.reader.layout();
    let folder = layout.run_folder(&receipt.run_id);
    let attempt = Attempt {
        run_id: receipt.run_id.clone(),
        ipe_id: receipt.ipe_id.clone(),
        number: receipt.attempt,
    };
    for file in &receipt.files {
        let key = layout.file(&attempt, &file.path);
        let name = key.strip_prefix(&folder).unwrap_or(&key);
        // They are in order of path.
        let found = facts
            .objects
            .binary_search_by(|(object, _)| object.as_str().cmp(name))
            .ok()
            .and_then(|at| facts.objects.get(at));
        let difference = match found {
            Some((_, size)) if *size == file.size => continue,
            Some((_, size)) => format!("has {size} bytes, not the receipt's {}", file.size),
            None => "is in the receipt and not in the bucket".to_owned(),
        };
        return Err(FinalizerError::Files {
            ipe: ipe.id.clone(),
            message: format!("{name} {difference}"),
        });
    }
    Ok(())
}

async fn load(
    context: &Context,
    schema: &str,
    pending: &Pending<'_>,
    deadline: Instant,
) -> Result<(), FinalizerError> {
    let Pending { ipe, receipt } = pending;
    let failed = |source| FinalizerError::Load {
        ipe: ipe.id.clone(),
        source,
    };
    let attempt = Attempt {
        run_id: receipt.run_id.clone(),
        ipe_id: receipt.ipe_id.clone(),
        number: receipt.attempt,
    };
    let target = sql::table(schema, &ipe.table);
    let mut statements = vec![
        sql::lock(&target),
        sql::delete_run(&target, &receipt.run_id),
    ];
    if let Some(url) = copy_manifest(context, receipt, &attempt).await? {
        statements.push(sql::copy(
            &target,
            &url,
            context.settings.copy_role.as_deref(),
        ));
    }
    let assertion = statements.len();
    statements.push(sql::assert_tie_out(&target, ipe, receipt));
    statements.push(sql::select_totals(
        &target,
        &ipe.completeness.totals,
        &receipt.run_id,
    ));
    let statements: Vec<Statement> = statements.into_iter().map(Statement::new).collect();
    let started = Instant::now();
    let result = match transaction(context, &statements, deadline).await {
        Ok(result) => result,
        // Redshift may shorten the message to that of the cast; then the place says what failed.
        Err(WarehouseError::Statement { index, message, .. })
            if message.contains(TIE_OUT)
                || (index == Some(assertion) && message.contains(CAST_FAILED)) =>
        {
            return Err(FinalizerError::TieOut {
                ipe: ipe.id.clone(),
                message,
            });
        }
        Err(source) => return Err(failed(source)),
    };
    let record = record(context, ipe, receipt, &result, schema).await?;
    let bytes = Bytes::from(serde_json::to_vec_pretty(&record)?);
    context
        .evidence
        .create(
            &context.reader.layout().file(&attempt, layout::LOAD),
            bytes,
            JSON,
        )
        .await?;
    context.telemetry.emit(&events::LoadCommitted {
        run_id: &receipt.run_id,
        ipe_id: &ipe.id,
        attempt: receipt.attempt,
        rows: record.rows,
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// Writes the list of parts that COPY reads; `None` for an extract without parts.
async fn copy_manifest(
    context: &Context,
    receipt: &Receipt,
    attempt: &Attempt,
) -> Result<Option<String>, FinalizerError> {
    let bucket = &context.settings.evidence_bucket;
    let entries: Vec<_> = receipt
        .files
        .iter()
        .filter(|file| file.rows.is_some_and(|rows| rows > 0))
        .map(|file| {
            let key = context.reader.layout().file(attempt, &file.path);
            json!({"url": format!("s3://{bucket}/{key}"), "mandatory": true, "meta": {"content_length": file.size}})
        })
        .collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let key = state::copy_manifest(&attempt.run_id, &attempt.ipe_id, attempt.number);
    let bytes = Bytes::from(serde_json::to_vec(&json!({"entries": entries}))?);
    context.state.create(&key, bytes, JSON).await?;
    Ok(Some(format!(
        "s3://{}/{key}",
        context.settings.state_bucket
    )))
}

/// Reads what the warehouse says that it holds.
async fn record(
    context: &Context,
    ipe: &PlannedIpe,
    receipt: &Receipt,
    result: &TransactionResult,
    schema: &str,
) -> Result<LoadRecord, FinalizerError> {
    let missing = |what: &str| FinalizerError::Answer {
        ipe: ipe.id.clone(),
        missing: what.to_owned(),
    };
    let last = result.statements.last().ok_or_else(|| missing("result"))?;
    let rows = context
        .warehouse
        .rows(&last.id)
        .await
        .map_err(|source| FinalizerError::Load {
            ipe: ipe.id.clone(),
            source,
        })?;
    let [values] = rows.rows.as_slice() else {
        return Err(missing("single row"));
    };
    let value = |name: &str| -> Result<Option<String>, FinalizerError> {
        let index = rows
            .columns
            .iter()
            .position(|c| c.eq_ignore_ascii_case(name))
            .ok_or_else(|| missing(name))?;
        values.get(index).cloned().ok_or_else(|| missing(name))
    };
    let loaded_rows = value("loaded_rows")?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| missing("loaded_rows"))?;
    let mut totals = Vec::new();
    for (i, total) in ipe.completeness.totals.iter().enumerate() {
        totals.push(LoadedTotal {
            column: total.column.clone(),
            function: total.function,
            value: value(&format!("total_{i}"))?,
        });
    }
    Ok(LoadRecord {
        schema: LoadSchema,
        run_id: receipt.run_id.clone(),
        ipe_id: ipe.id.clone(),
        attempt: receipt.attempt,
        table: format!("{schema}.{}", ipe.table),
        rows: loaded_rows,
        totals,
        statement_id: result.statement_id.clone(),
        loaded_at: context.clock.now(),
    })
}

/// Runs one transaction. The statements are idempotent, so one that failed for a passing reason is tried again.
pub(crate) async fn transaction(
    context: &Context,
    statements: &[Statement],
    deadline: Instant,
) -> Result<TransactionResult, WarehouseError> {
    let mut tries = 0u32;
    loop {
        tries += 1;
        // The token lets the service see a repeated request; a new try is a new request.
        let token = Sha256::of(format!(
            "{}/{tries}/{}",
            context.clock.now(),
            statements
                .iter()
                .map(|s| s.sql.as_str())
                .collect::<String>()
        ));
        let left = deadline.saturating_duration_since(Instant::now());
        match context
            .warehouse
            .transaction(statements, &token.to_string(), Deadline::after(left))
            .await
        {
            Err(e)
                if tries < 4
                    && (e.is_transient() || is_conflict(&e))
                    && left > Duration::from_secs(10) =>
            {
                tracing::warn!(tries, "the transaction is tried again: {e}");
                tokio::time::sleep(Duration::from_millis(250) * 4u32.pow(tries)).await;
            }
            other => return other,
        }
    }
}

/// Two transactions that touch the same table may not be serialisable (Redshift error 1023); the loser tries again. The
/// figures of a failed tie-out may hold any number, so it is told apart first.
fn is_conflict(error: &WarehouseError) -> bool {
    matches!(error, WarehouseError::Statement { message, .. }
        if !message.contains(TIE_OUT) && (message.contains("1023") || message.to_ascii_lowercase().contains("conflict")))
}
