//! What plan, receipts, load records and the small files of an attempt say of each other.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use soxauto_domain::{
    BoundQuery, CheckOutcome, Failure, IpeState, Plan, PlannedIpe, Receipt, RunId, Sha256,
    facts::Stored,
    layout,
    load::LoadRecord,
    plan::{PlannedWitness, Stage},
};

use crate::{check::Check, data, ledger::Ledger, partition, run::Run, same_value::same_value};

/// An attempt with a receipt.
pub(crate) struct Attempt {
    /// `IPE_07/attempt-1/`.
    pub(crate) folder: String,
    /// The receipt's name.
    pub(crate) file: String,
    pub(crate) run_id: RunId,
    pub(crate) receipt: Arc<Receipt>,
    pub(crate) planned: Arc<PlannedIpe>,
}

/// Files that every attempt with a receipt has besides its Parquet parts.
const RECORDS: [&str; 6] = [
    "checks.json",
    "log.jsonl",
    "parameters.json",
    "query.sql",
    "sample.csv",
    "summary.json",
];

/// The plan itself: about this run, and its texts have the digests that it gives them.
pub(crate) fn plan(plan: &Plan, run_id: &RunId, ledger: &mut Ledger) {
    const FILE: &str = "plan.json";
    ledger.equal(Check::Plan, FILE, "its run", &plan.run_id, run_id);
    ledger.equal(
        Check::Plan,
        FILE,
        "its control",
        &plan.control.id,
        run_id.control(),
    );
    ledger.equal(
        Check::Plan,
        FILE,
        "its period",
        &plan.period,
        &run_id.cutoff().period(),
    );
    let before = run_id.number().checked_sub(1).filter(|number| *number > 0);
    let before = before.map(|n| RunId::new(run_id.control().clone(), run_id.cutoff(), n));
    ledger.equal(
        Check::Plan,
        FILE,
        "the run that it supersedes",
        &plan.supersedes,
        &before,
    );
    let mut ids = std::collections::BTreeSet::new();
    for ipe in &plan.ipes {
        let approved =
            plan.stage != Stage::Prod || plan.approval.is_some() || ipe.baseline.is_approved();
        ledger.check(Check::Plan, FILE, approved, || {
            format!(
                "prod runs {} only with approved texts or an approval of the run, and there is neither",
                ipe.id
            )
        });
        ledger.check(Check::Plan, FILE, ids.insert(&ipe.id), || {
            format!("{} is planned twice", ipe.id)
        });
        let mut query = |what: &str, query: &BoundQuery| {
            let found = Sha256::of(&query.sql);
            ledger.check(Check::Query, FILE, found == query.sha256, || {
                format!(
                    "the {what} query of {} has digest {found}, the plan says {}",
                    ipe.id, query.sha256
                )
            });
        };
        query("extraction", &ipe.extraction);
        query("completeness", &ipe.completeness.query);
        query("negative", &ipe.negative.query);
        if let PlannedWitness::Query { query: witness } = &ipe.witness {
            query("witness", witness);
        }
    }
}

/// Whether `folder` is the attempt's place.
fn placed(name: &str, file: &str, ipe: &impl std::fmt::Display, attempt: u32) -> bool {
    name == format!("{ipe}/attempt-{attempt}/{file}")
}

/// A failure record.
pub(crate) fn failure(
    name: &str,
    failure: &Failure,
    plan: &Stored<Plan>,
    run_id: &RunId,
    ledger: &mut Ledger,
) {
    let right = failure.run_id == *run_id
        && placed(name, layout::FAILURE, &failure.ipe_id, failure.attempt)
        && plan.document.ipe(&failure.ipe_id).is_some();
    ledger.check(Check::Receipts, name, right, || {
        format!(
            "it is about {} {} attempt {}",
            failure.run_id, failure.ipe_id, failure.attempt
        )
    });
    let (planned, started, failed) = (
        plan.document.created_at,
        failure.started_at,
        failure.failed_at,
    );
    ledger.check(
        Check::Times,
        name,
        planned <= started && started <= failed,
        || format!("planned {planned}, started {started}, failed {failed}"),
    );
}

/// The receipt beside a load record.
pub(crate) enum Beside<'r> {
    /// It is believed.
    Receipt(&'r Receipt),
    /// The manifest names one, but its bytes are not the signed ones.
    Unbelieved,
    /// The manifest names none.
    Nothing,
}

/// A load record.
pub(crate) fn load(
    name: &str,
    load: &LoadRecord,
    receipt: Beside<'_>,
    plan: &Plan,
    ledger: &mut Ledger,
) {
    let right =
        load.run_id == plan.run_id && placed(name, layout::LOAD, &load.ipe_id, load.attempt);
    ledger.check(Check::Load, name, right, || {
        format!(
            "it is about {} {} attempt {}",
            load.run_id, load.ipe_id, load.attempt
        )
    });
    if let Some(planned) = plan.ipe(&load.ipe_id) {
        let table = format!("{}.{}", plan.control.warehouse_schema, planned.table);
        ledger.equal(Check::Load, name, "the table", &load.table, &table);
    }
    let receipt = match receipt {
        Beside::Receipt(receipt) => receipt,
        Beside::Unbelieved => {
            // That is told by its digest.
            ledger.skip(Check::Load, name, "the receipt beside it is not believed");
            return;
        }
        Beside::Nothing => {
            ledger.fail(
                Check::Load,
                name,
                "the manifest names no receipt beside it: nothing was extracted that could be loaded",
            );
            return;
        }
    };
    ledger.check(
        Check::Load,
        name,
        receipt.state == IpeState::Passed,
        || "what was loaded had not passed",
    );
    ledger.equal(
        Check::Counts,
        name,
        "the rows in the warehouse",
        &load.rows,
        &receipt.counts.parquet,
    );
    let extracted: BTreeMap<_, _> = receipt
        .control_totals
        .iter()
        .map(|t| {
            (
                (t.column.as_str(), t.function.as_str()),
                t.extracted.as_deref(),
            )
        })
        .collect();
    let loaded: BTreeMap<_, _> = load
        .totals
        .iter()
        .map(|t| ((t.column.as_str(), t.function.as_str()), t.value.as_deref()))
        .collect();
    ledger.check(
        Check::ControlTotals,
        name,
        extracted.keys().eq(loaded.keys()),
        || "it has totals of other columns than the receipt",
    );
    for ((column, function), value) in &loaded {
        let Some(expected) = extracted.get(&(*column, *function)) else {
            continue;
        };
        let same = same_value(value.unwrap_or("0"), expected.unwrap_or("0"));
        ledger.check(Check::ControlTotals, name, same, || {
            format!(
                "{function} of {column} is {} in the warehouse, {} in the receipt",
                value.unwrap_or("NULL"),
                expected.unwrap_or("NULL")
            )
        });
    }
}

/// A receipt and the small files beside it.
pub(crate) async fn records(run: &mut Run<'_>, attempt: &Attempt, plan: &Stored<Plan>) {
    let (receipt, file) = (Arc::clone(&attempt.receipt), attempt.file.as_str());
    let ledger = &mut run.ledger;
    let right = receipt.run_id == attempt.run_id
        && placed(file, layout::RECEIPT, &receipt.ipe_id, receipt.attempt);
    ledger.check(Check::Receipts, file, right, || {
        format!(
            "it is about {} {} attempt {}",
            receipt.run_id, receipt.ipe_id, receipt.attempt
        )
    });
    ledger.equal(
        Check::Receipts,
        file,
        "the digest of the plan that it followed",
        &receipt.plan_sha256,
        &plan.sha256,
    );
    ledger.check(
        Check::Times,
        file,
        plan.document.created_at <= receipt.started_at
            && receipt.started_at <= receipt.extracted_at
            && receipt.extracted_at <= receipt.finished_at,
        || {
            format!(
                "planned {}, started {}, extracted {}, finished {}",
                plan.document.created_at,
                receipt.started_at,
                receipt.extracted_at,
                receipt.finished_at
            )
        },
    );
    let database = &attempt.planned.database;
    ledger.check(
        Check::Source,
        file,
        receipt.source.database.eq_ignore_ascii_case(database),
        || {
            format!(
                "{} answered, the plan says {database}",
                receipt.source.database
            )
        },
    );
    let source = &receipt.source;
    ledger.check(
        Check::Source,
        file,
        source.can_write != source.write_rights.is_empty(),
        || {
            format!(
                "the login is said to {} write, with the rights {:?}",
                if source.can_write {
                    "be able to"
                } else {
                    "be unable to"
                },
                source.write_rights
            )
        },
    );
    ledger.check(
        Check::Source,
        file,
        plan.document.stage != Stage::Prod || !source.can_write,
        || "prod refuses a login that can write, and this one can",
    );
    outcomes(attempt, ledger);
    counts(attempt, ledger);
    listed(run, attempt);
    partition::records(run, attempt, plan.sha256).await;
    small_files(run, attempt).await;
}

fn outcomes(attempt: &Attempt, ledger: &mut Ledger) {
    let (receipt, file) = (&attempt.receipt, attempt.file.as_str());
    let claimed: Vec<String> = receipt.checks.iter().map(CheckOutcome::id).collect();
    match data::declared(attempt) {
        Ok(mut declared) => {
            let mut sorted = claimed.clone();
            sorted.sort();
            declared.sort();
            let missing: Vec<&String> = declared.iter().filter(|id| !sorted.contains(id)).collect();
            ledger.check(Check::DeclaredChecks, file, sorted == declared, || {
                format!("missing: {missing:?}; recorded: {claimed:?}; declared: {declared:?}")
            });
        }
        Err(why) => ledger.fail(Check::DeclaredChecks, file, why),
    }
    let all_hold = !receipt.checks.is_empty() && receipt.checks.iter().all(CheckOutcome::passed);
    let state = if all_hold {
        IpeState::Passed
    } else {
        IpeState::Rejected
    };
    ledger.equal(Check::State, file, "the state", &receipt.state, &state);
}

fn counts(attempt: &Attempt, ledger: &mut Ledger) {
    let (receipt, file) = (&attempt.receipt, attempt.file.as_str());
    let counts = receipt.counts;
    ledger.equal(
        Check::Counts,
        file,
        "the count of decoded rows",
        &counts.decoded,
        &counts.parquet,
    );
    let parts: u64 = receipt
        .files
        .iter()
        .filter_map(|f| f.rows)
        .fold(0, u64::saturating_add);
    ledger.equal(
        Check::Counts,
        file,
        "the sum of the parts' rows",
        &parts,
        &counts.parquet,
    );
    if receipt.state == IpeState::Passed {
        ledger.equal(
            Check::Counts,
            file,
            "the independent count",
            &counts.source,
            &counts.decoded,
        );
    }
    let planned: Vec<_> = attempt
        .planned
        .completeness
        .totals
        .iter()
        .map(|t| (t.column.as_str(), t.function))
        .collect();
    let recorded: Vec<_> = receipt
        .control_totals
        .iter()
        .map(|t| (t.column.as_str(), t.function))
        .collect();
    ledger.equal(
        Check::ControlTotals,
        file,
        "the list of control totals",
        &recorded,
        &planned,
    );
    for total in &receipt.control_totals {
        ledger.check(
            Check::ControlTotals,
            file,
            total.source_before == total.source_after,
            || {
                format!(
                    "{} of {} was {:?} before and {:?} after",
                    total.function.as_str(),
                    total.column,
                    total.source_before,
                    total.source_after
                )
            },
        );
    }
}

/// The receipt's list of files against the manifest's subjects.
fn listed(run: &mut Run<'_>, attempt: &Attempt) {
    let (receipt, file) = (&attempt.receipt, attempt.file.as_str());
    let ledger = &mut run.ledger;
    let mut listed = BTreeMap::new();
    for record in &receipt.files {
        ledger.check(
            Check::FilesListed,
            file,
            listed.insert(record.path.as_str(), record).is_none(),
            || format!("{} is listed twice", record.path),
        );
    }
    for name in RECORDS {
        ledger.check(Check::FilesListed, file, listed.contains_key(name), || {
            format!("{name} is not listed")
        });
    }
    for (path, record) in &listed {
        match run.subjects.get(&format!("{}{path}", attempt.folder)) {
            None => ledger.fail(
                Check::FilesListed,
                file,
                format!("{path} is listed, but is no subject of the manifest"),
            ),
            Some(subject) => {
                ledger.check(
                    Check::FilesListed,
                    file,
                    (subject.size, subject.sha256) == (record.size, record.sha256),
                    || format!("{path} has another size or digest than the manifest's subject"),
                );
            }
        }
    }
    for name in run.subjects.keys() {
        let Some(path) = name.strip_prefix(&attempt.folder) else {
            continue;
        };
        let known = [layout::RECEIPT, layout::LOAD, layout::FAILURE].contains(&path);
        ledger.check(
            Check::FilesListed,
            file,
            known || listed.contains_key(path),
            || format!("{path} is a subject of the manifest, but is not listed"),
        );
    }
}

async fn small_files(run: &mut Run<'_>, attempt: &Attempt) {
    let receipt = Arc::clone(&attempt.receipt);
    let planned = Arc::clone(&attempt.planned);
    let name = |file: &str| format!("{}{file}", attempt.folder);

    run.ledger.check(
        Check::Query,
        &attempt.file,
        receipt.query.sha256 == planned.extraction.sha256,
        || "it names another query than the plan",
    );
    let file = name("query.sql");
    match run.document(&file).await {
        Err(why) => run.ledger.skip(Check::Query, &file, why),
        Ok(text) => {
            run.ledger.check(
                Check::Query,
                &file,
                text == planned.extraction.sql.as_bytes(),
                || "it is another text than the plan's",
            );
        }
    }

    run.ledger.check(
        Check::Parameters,
        &attempt.file,
        receipt.query.parameters == planned.extraction.parameters,
        || "other values were bound than the plan pins",
    );
    let file = name("parameters.json");
    json_file(run, Check::Parameters, &file, |found| {
        (*found != planned.parameters_document(receipt.partition.as_ref()))
            .then(|| "it holds other values than the plan pins".to_owned())
    })
    .await;

    let file = name("checks.json");
    let checks = serde_json::to_value(&receipt.checks).unwrap_or_default();
    json_file(run, Check::Outcomes, &file, |found| {
        (*found != checks).then(|| "it differs from the receipt's checks".to_owned())
    })
    .await;

    let file = name("summary.json");
    let passed = receipt.checks.iter().filter(|c| c.passed()).count();
    let parts: Vec<_> = receipt.files.iter().filter(|f| f.rows.is_some()).collect();
    let expected = [
        ("ipe", json!(planned.id)),
        ("title", json!(planned.title)),
        ("state", json!(receipt.state)),
        ("rows", json!(receipt.counts.decoded)),
        ("parts", json!(parts.len())),
        (
            "bytes",
            json!(parts.iter().map(|f| f.size).fold(0, u64::saturating_add)),
        ),
        (
            "checks",
            json!({"passed": passed, "total": receipt.checks.len()}),
        ),
    ];
    json_file(run, Check::Counts, &file, |found| {
        let wrong = expected.iter().find(|(key, value)| found[key] != *value);
        wrong.map(|(key, value)| format!("{key} is {}, the receipt says {value}", found[key]))
    })
    .await;
}

/// Reads a JSON file that is believed, and lets `problem` say what is wrong with it.
async fn json_file(
    run: &mut Run<'_>,
    check: Check,
    file: &str,
    problem: impl FnOnce(&Value) -> Option<String>,
) {
    match run.document(file).await {
        Err(why) => run.ledger.skip(check, file, why),
        Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
            Err(e) => run
                .ledger
                .fail(check, file, format!("it cannot be read: {e}")),
            Ok(value) => match problem(&value) {
                Some(reason) => run.ledger.fail(check, file, reason),
                None => run.ledger.holds(check),
            },
        },
    }
}
