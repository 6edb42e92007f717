//! Re-performance: the checks once more, over the Parquet files alone and by the plan's declarations.
//!
//! A part is decoded only if its bytes are the signed ones, in batches, so that memory does not grow with the data. What
//! only the source could answer is never said to hold: it is listed as not performed, with the reason.

use std::{fs::File, path::PathBuf, sync::Arc};

use arrow_array::RecordBatch;
use soxauto_content::{ContentDigest, SORTED_IN_MEMORY};
use soxauto_domain::{
    CheckKind, CheckOutcome, Receipt, Sha256,
    plan::PlannedWitness,
    receipt::{ControlTotal, FileRecord},
};
use soxauto_extract::{Claims, NamedValue, PartFault, Reperformance, Reperformed, read_part};

use crate::{
    attempts::Attempt,
    check::Check,
    partition::Strays,
    repeat, row_variance,
    run::{Published, Run},
};

/// Keys that the key check keeps in memory; more go to a scratch file.
const KEYS_IN_MEMORY: usize = 1_000_000;

/// What a re-performance looks at.
const ALL: &[Check] = &[
    Check::DataFooters,
    Check::DataContract,
    Check::DataTraceability,
    Check::DataRows,
    Check::DataTotals,
    Check::DataCompleteness,
    Check::DataNotEmpty,
    Check::DataKeyUnique,
    Check::DataWitness,
    Check::DataNegative,
    Check::DataSample,
    Check::DataPartition,
    Check::DataContentDigest,
];

/// Why a part is not what it should be.
struct Refusal {
    check: Check,
    reason: String,
}

impl Refusal {
    fn new(check: Check, reason: impl ToString) -> Self {
        Self {
            check,
            reason: reason.to_string(),
        }
    }
}

fn begin(attempt: &Attempt) -> Result<Reperformance, String> {
    let witness: Vec<NamedValue> = match &attempt.planned.witness {
        PlannedWitness::Match { values } => values
            .iter()
            .map(|(name, value)| NamedValue {
                name: name.clone(),
                value: Some(value.clone()),
            })
            .collect(),
        PlannedWitness::Query { .. } => attempt
            .receipt
            .witness
            .iter()
            .filter(|w| !w.masked)
            .map(|w| NamedValue {
                name: w.column.clone(),
                value: w.value.clone(),
            })
            .collect(),
    };
    Reperformance::new(
        Arc::clone(&attempt.planned),
        &attempt.run_id,
        attempt.receipt.extracted_at,
        &witness,
        &scratch(),
        KEYS_IN_MEMORY,
    )
    .map_err(|e| e.to_string())
}

fn scratch() -> PathBuf {
    std::env::temp_dir()
}

/// The identifiers of the checks that the plan declares for the attempt's IPE.
///
/// # Errors
/// In words, when the plan contradicts itself.
pub(crate) fn declared(attempt: &Attempt) -> Result<Vec<String>, String> {
    let totals: Vec<ControlTotal> = attempt
        .planned
        .completeness
        .totals
        .iter()
        .map(|total| ControlTotal {
            column: total.column.clone(),
            function: total.function,
            source_before: None,
            source_after: None,
            extracted: None,
        })
        .collect();
    let claims = Claims {
        source_rows: 0,
        control_totals: &totals,
        last_published_rows: None,
    };
    let nothing = begin(attempt)?.finish(&claims).map_err(|e| e.to_string())?;
    let mut ids: Vec<String> = nothing.outcomes.iter().map(CheckOutcome::id).collect();
    ids.push(CheckKind::AccuracyNegative.as_str().to_owned());
    Ok(ids)
}

/// Reads the attempt's parts and compares what they say with what is recorded.
pub(crate) async fn reperform(run: &mut Run<'_>, attempt: &Attempt, published: &Published) {
    match rows(run, attempt).await {
        Ok((found, content, strays)) => {
            if let Some(strays) = strays {
                strays.report(run, &attempt.file);
            }
            content_digest(run, attempt, content);
            repeat::compare(run, attempt, &found, published);
        }
        Err(Refused::Not(file, why)) => {
            for check in ALL {
                run.ledger
                    .skip(*check, &file, format!("not re-performed: {why}"));
            }
        }
        Err(Refused::Broken(file, refusal)) => {
            run.ledger.fail(refusal.check, &file, &refusal.reason);
            for check in ALL.iter().filter(|c| **c != refusal.check) {
                run.ledger.skip(
                    *check,
                    &attempt.file,
                    format!("not re-performed: {file} is not what it should be"),
                );
            }
        }
    }
}

/// Compares the content digest over the rows, if it was computed.
fn content_digest(run: &mut Run<'_>, attempt: &Attempt, found: Option<Sha256>) {
    if let Some(found) = found {
        run.ledger.equal(
            Check::DataContentDigest,
            &attempt.file,
            "the recorded content digest",
            &attempt.receipt.content_sha256,
            &found,
        );
    }
}

/// What looks at the rows.
struct Looking {
    rows: Reperformance,
    content: Option<ContentDigest>,
    strays: Option<Strays>,
}

/// What was found, the digest if it was asked for, and rows outside their key range if there are any.
type Looked = (Reperformed, Option<Sha256>, Option<Strays>);

impl Looking {
    fn begin(attempt: &Attempt, deep: bool) -> Result<Self, Refusal> {
        let rows = begin(attempt).map_err(|e| Refusal::new(Check::DeclaredChecks, e))?;
        let content = deep
            .then(|| ContentDigest::new(rows.schema(), &scratch(), SORTED_IN_MEMORY))
            .transpose()
            .map_err(|e| Refusal::new(Check::DataContentDigest, e))?;
        Ok(Self {
            rows,
            content,
            strays: Strays::of(&attempt.receipt),
        })
    }

    fn observe(&mut self, batch: &RecordBatch) -> Result<(), Refusal> {
        if let Some(strays) = &mut self.strays {
            strays.observe(batch);
        }
        if let Some(content) = &mut self.content {
            content
                .update(batch)
                .map_err(|e| Refusal::new(Check::DataContentDigest, e))?;
        }
        self.rows
            .observe(batch)
            .map_err(|e| Refusal::new(Check::DataRows, e))
    }

    fn finish(self, receipt: &Receipt) -> Result<Looked, Refusal> {
        let claims = Claims {
            source_rows: receipt.counts.source,
            control_totals: &receipt.control_totals,
            last_published_rows: row_variance::claimed(&receipt.checks),
        };
        let rows = self
            .rows
            .finish(&claims)
            .map_err(|e| Refusal::new(Check::DataKeyUnique, e))?;
        let content = self
            .content
            .map(ContentDigest::finish)
            .transpose()
            .map_err(|e| Refusal::new(Check::DataContentDigest, e))?;
        Ok((rows, content, self.strays))
    }
}

/// Why the rows of an attempt cannot be looked at.
enum Refused {
    /// Something before this failed, and is told there.
    Not(String, String),
    /// The file is wrong in itself.
    Broken(String, Refusal),
}

async fn rows(run: &mut Run<'_>, attempt: &Attempt) -> Result<Looked, Refused> {
    let mut state = Looking::begin(attempt, run.request.deep)
        .map_err(|refusal| Refused::Broken(attempt.file.clone(), refusal))?;
    let parts = parts(attempt).map_err(|why| {
        Refused::Broken(attempt.file.clone(), Refusal::new(Check::DataFooters, why))
    })?;
    for (record, claimed) in parts {
        let name = format!("{}{}", attempt.folder, record.path);
        let not = |why: String| Refused::Not(name.clone(), why);
        let file = run.open(&name).await.map_err(not)?;
        if let Some(strays) = &mut state.strays {
            strays.part(&record.path);
        }
        // In a thread of its own: should the reader panic over a hostile file, it is a failure of that file.
        let looked =
            tokio::task::spawn_blocking(move || look(file, &mut state, claimed).map(|()| state));
        state = match looked.await {
            Ok(Ok(state)) => state,
            Ok(Err(refusal)) => return Err(Refused::Broken(name, refusal)),
            Err(e) => {
                let refusal = Refusal::new(
                    Check::DataFooters,
                    format!("the reader gave up over it: {e}"),
                );
                return Err(Refused::Broken(name, refusal));
            }
        };
        run.ledger.holds(Check::DataFooters);
    }
    let receipt = Arc::clone(&attempt.receipt);
    let broken = |refusal| Refused::Broken(attempt.file.clone(), refusal);
    tokio::task::spawn_blocking(move || state.finish(&receipt))
        .await
        .map_err(|e| broken(Refusal::new(Check::DataKeyUnique, e)))?
        .map_err(broken)
}

/// The Parquet parts in their order, with the rows that they are said to have.
fn parts(attempt: &Attempt) -> Result<Vec<(&FileRecord, u64)>, String> {
    let mut parts: Vec<&FileRecord> = attempt
        .receipt
        .files
        .iter()
        .filter(|f| f.path.starts_with("data/"))
        .collect();
    parts.sort_by(|a, b| a.path.cmp(&b.path));
    if parts.is_empty() {
        return Err("it lists no Parquet part".to_owned());
    }
    let with_rows = parts.iter().enumerate().map(|(n, part)| {
        let expected = format!("data/part-{n:05}.parquet");
        match part.rows {
            Some(rows) if part.path == expected => Ok((*part, rows)),
            Some(_) => Err(format!("it lists {} where {expected} belongs", part.path)),
            None => Err(format!("it does not say how many rows {} has", part.path)),
        }
    });
    with_rows.collect()
}

/// Decodes a part.
fn look(file: File, state: &mut Looking, claimed: u64) -> Result<(), Refusal> {
    let schema = Arc::clone(state.rows.schema());
    read_part(&file, &schema, claimed, |batch| state.observe(batch)).map_err(|fault| match fault {
        PartFault::Footer(why) => Refusal::new(Check::DataFooters, why),
        PartFault::Schema(why) => Refusal::new(Check::DataContract, why),
        PartFault::Rows(why) => Refusal::new(Check::DataRows, why),
        PartFault::Taken(refusal) => refusal,
    })
}
