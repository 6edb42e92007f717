//! Runs to report on: the real catalog, with figures that look like a month's, and every way in which a run can end.

use jiff::{SignedDuration, Timestamp};
use soxauto_domain::{
    CheckKind, CheckOutcome, Code, Failure, IpeId, IpeState, Plan, PlannedIpe, Receipt, Retry,
    RunId, Sha256,
    approval::{Approval, BaselineStatus},
    facts::{AttemptFacts, IpeFacts, RunFacts, Stored},
    layout::Attempt,
    load::{LoadRecord, LoadSchema, LoadedTotal},
    manifest::{ManifestLink, Predicate},
    plan::{PlanSchema, PlannedControl, Software, Stage},
    receipt::{
        ControlTotal, Counts, FailureSchema, QueryRecord, ReceiptSchema, SourceIdentity, TlsRecord,
        WorkerRecord,
    },
    start::{Trigger, TriggerSource},
};
use soxauto_evidence::{
    report::{Earlier, EarlierIpe, Month, Report},
    statement::{self, Closing},
};

/// What a report needs.
pub(crate) struct Case {
    /// File name without ending.
    pub(crate) name: &'static str,
    /// The manifest's predicate.
    pub(crate) predicate: Predicate,
    /// The plan.
    pub(crate) plan: Plan,
    /// Earlier months.
    pub(crate) history: Vec<Month>,
}

impl Case {
    /// As the renderer takes it.
    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            predicate: &self.predicate,
            plan: Some(&self.plan),
            history: &self.history,
        }
    }
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    vec![
        complete(),
        rejected(),
        incomplete(),
        missing(),
        open(),
        hostile(),
    ]
}

const START: &str = "2024-05-01T07:00:02.417Z";

fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = START.parse().unwrap();
    start + SignedDuration::from_secs_f64(seconds)
}

fn software(name: &str) -> Software {
    Software {
        name: name.into(),
        version: "0.1.0".into(),
        binary_sha256: Sha256::of("bootstrap"),
    }
}

/// The plan of some of the catalog.
fn plan(stage: Stage, ipes: &[&str]) -> Plan {
    let catalog = soxauto_catalog::load().unwrap();
    let run_id: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
    let period = run_id.cutoff().period();
    Plan {
        schema: PlanSchema,
        supersedes: None,
        control: PlannedControl {
            id: run_id.control().clone(),
            title: "Ledger balances against the operational systems".into(),
            time_zone: "Europe/Paris".into(),
            warehouse_schema: "reconciliation".into(),
        },
        period,
        created_at: at(0.0),
        deadline: at(12.0 * 3600.0),
        trigger: Trigger {
            source: TriggerSource::Schedule,
            id: "5f2c6e1a-93d4-4a7e-8c55-2f9f0b1c7d11".into(),
            scheduled_time: Some("2024-05-01T07:00:00Z".parse().unwrap()),
            principal: None,
        },
        stage,
        approval: None,
        software: software("soxauto-dispatcher"),
        catalog_sha256: catalog.sha256,
        ipes: catalog
            .ipes
            .iter()
            .map(|ipe| PlannedIpe {
                baseline: approved(),
                ..ipe.resolve(&period).unwrap()
            })
            .filter(|ipe| ipes.contains(&ipe.id.as_str()))
            .collect(),
        run_id,
    }
}

fn approved() -> BaselineStatus {
    BaselineStatus::Unchanged {
        sha256: Sha256::of("what was approved"),
        approved_by: "Ada Reviewer".into(),
        approved_at: at(-4e6),
        ticket: "SOX-99".into(),
    }
}

fn worker(receive_count: u32) -> WorkerRecord {
    WorkerRecord {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".into(),
        function: "soxauto-prod-worker:live".into(),
        receive_count,
        replayed_by: None,
    }
}

fn source(database: &str) -> SourceIdentity {
    SourceIdentity {
        server: "NAVSQL01".into(),
        database: database.into(),
        login: "soxauto_reader".into(),
        version: "Microsoft SQL Server 2019 (RTM-CU28) - 15.0.4385.2 (X64)".into(),
        server_time: "2024-05-01T07:00:03.5000000".into(),
        isolation: "READ COMMITTED SNAPSHOT".into(),
        can_write: false,
        write_rights: vec![],
        tls: TlsRecord::Verified,
    }
}

/// Rows of an IPE in a month: the same on every machine, and as uneven as real ones.
fn rows(ipe: &IpeId, month: u64) -> u64 {
    let seed = ipe
        .as_str()
        .bytes()
        .fold(7_u64, |n, b| (n * 31 + u64::from(b)) % 9973);
    seed * 13 + (seed * 7 + month * 97) % (seed + 11) * 2 + month * seed / 9
}

fn amount(ipe: &IpeId, month: u64, scale: usize) -> String {
    let rows = rows(ipe, month);
    let sign = if ipe.as_str().ends_with('4') { "-" } else { "" };
    format!("{sign}{}.{:0<scale$}", rows * 7351, rows % 89 + 10)
}

fn totals(planned: &PlannedIpe, month: u64) -> Vec<ControlTotal> {
    let totals = planned.completeness.totals.iter();
    totals
        .map(|total| {
            let value = Some(amount(&planned.id, month, 20));
            ControlTotal {
                column: total.column.clone(),
                function: total.function,
                source_before: value.clone(),
                source_after: value.clone(),
                extracted: value,
            }
        })
        .collect()
}

fn checks(planned: &PlannedIpe, rows: u64, totals: &[ControlTotal]) -> Vec<CheckOutcome> {
    let held = |kind, subject: Option<&str>, expected: String, measured: String| {
        CheckOutcome::new(kind, subject, true, expected, measured)
    };
    let columns = planned.columns.len();
    let mut all = vec![
        held(
            CheckKind::Contract,
            None,
            format!("{columns} columns as declared: names, order and types"),
            format!("{columns} columns as declared"),
        ),
        held(
            CheckKind::NotEmpty,
            None,
            "at least one row".into(),
            format!("{rows} rows"),
        ),
        held(
            CheckKind::KeyUnique,
            None,
            format!("no two rows share {}", planned.key.join(", ")),
            "0 rows repeat a key".into(),
        ),
        held(
            CheckKind::CompletenessRows,
            None,
            format!("{rows} rows by the independent count"),
            format!("{rows} rows extracted"),
        ),
    ];
    for (total, planned) in totals.iter().zip(&planned.completeness.totals) {
        let value = total.extracted.as_deref().unwrap();
        let what = format!("{} of {}", total.function.as_str(), total.column);
        all.push(held(
            CheckKind::CompletenessTotal,
            Some(&planned.result),
            format!("{what}: {value} by the independent query"),
            format!("{value} over the extracted rows"),
        ));
    }
    all.push(held(
        CheckKind::AccuracyPositive,
        None,
        "the witness, a known transaction, is among the rows".into(),
        "1 rows are, the first is row 17".into(),
    ));
    let negative = &planned.negative;
    all.push(held(
        CheckKind::AccuracyNegative,
        None,
        format!(
            "rows with the value are there, and gone when {} runs {}",
            negative.parameter, negative.change
        ),
        format!(
            "{} such rows in the extract, 0 of {} rows in the perturbed query",
            rows / 3,
            rows - rows / 3
        ),
    ));
    for column in planned.columns.iter().filter(|column| !column.nullable) {
        all.push(held(
            CheckKind::NotNull,
            Some(&column.name),
            "no NULL".into(),
            format!("0 of {rows} rows offend"),
        ));
    }
    for column in planned.columns.iter() {
        if let Some(accepted) = &column.accepted {
            all.push(held(
                CheckKind::AcceptedValues,
                Some(&column.name),
                format!("one of {}", accepted.join(", ")),
                format!("0 of {rows} rows offend"),
            ));
        }
    }
    all
}

fn stored<T>(document: T) -> Stored<T> {
    Stored {
        document,
        sha256: Sha256::of("document"),
        size: 8,
    }
}

/// Facts under construction.
struct Run {
    facts: RunFacts,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let ipes = plan.ipes.iter().map(|planned| IpeFacts {
            id: planned.id.clone(),
            attempts: Vec::new(),
        });
        Self {
            facts: RunFacts {
                ipes: ipes.collect(),
                plan_sha256: Sha256::of("plan"),
                plan_size: 4,
                plan,
                manifests: Vec::new(),
                objects: Vec::new(),
            },
        }
    }

    fn ids(&self) -> Vec<IpeId> {
        self.facts
            .plan
            .ipes
            .iter()
            .map(|ipe| ipe.id.clone())
            .collect()
    }

    fn push(
        &mut self,
        id: &IpeId,
        make: impl FnOnce(Attempt, &PlannedIpe, AttemptFacts) -> AttemptFacts,
    ) {
        let planned = self.facts.plan.ipe(id).unwrap().clone();
        let ipe = self
            .facts
            .ipes
            .iter_mut()
            .find(|ipe| ipe.id == *id)
            .unwrap();
        let attempt = Attempt {
            run_id: self.facts.plan.run_id.clone(),
            ipe_id: id.clone(),
            number: ipe.next_attempt(),
        };
        let empty = AttemptFacts {
            number: attempt.number,
            receipt: None,
            failure: None,
            load: None,
            segments: 0,
        };
        ipe.attempts.push(make(attempt, &planned, empty));
    }

    fn passed(&mut self, id: &IpeId, from: f64, to: f64) {
        self.receipt(id, from, to, |receipt| receipt);
    }

    fn receipt(&mut self, id: &IpeId, from: f64, to: f64, change: impl FnOnce(Receipt) -> Receipt) {
        self.push(id, |attempt, planned, empty| {
            let rows = rows(id, 12);
            let control_totals = totals(planned, 12);
            let receipt = change(Receipt {
                schema: ReceiptSchema,
                run_id: attempt.run_id.clone(),
                ipe_id: id.clone(),
                attempt: attempt.number,
                plan_sha256: Sha256::of("plan"),
                state: IpeState::Passed,
                started_at: at(from),
                finished_at: at(to),
                extracted_at: at(from),
                source: source(&planned.database),
                query: QueryRecord {
                    sha256: planned.extraction.sha256,
                    parameters: planned.extraction.parameters.clone(),
                    decoder: None,
                },
                counts: Counts {
                    source: rows,
                    decoded: rows,
                    parquet: rows,
                },
                content_sha256: Sha256::of(id.as_str()),
                checks: checks(planned, rows, &control_totals),
                witness: vec![],
                control_totals,
                partition: None,
                files: vec![],
                software: software("soxauto-worker"),
                worker: worker(1),
            });
            let load = (receipt.state == IpeState::Passed).then(|| {
                let totals = receipt.control_totals.iter().map(|total| LoadedTotal {
                    column: total.column.clone(),
                    function: total.function,
                    value: total.extracted.clone(),
                });
                stored(LoadRecord {
                    schema: LoadSchema,
                    run_id: attempt.run_id.clone(),
                    ipe_id: id.clone(),
                    attempt: attempt.number,
                    table: format!("reconciliation.{}", planned.table),
                    rows: receipt.counts.decoded,
                    totals: totals.collect(),
                    statement_id: "d4f1c2aa-27b5-4d65-b0cc-6d5d5b6f7f6e:2".into(),
                    loaded_at: at(to + 9.0),
                })
            });
            AttemptFacts {
                receipt: Some(stored(receipt)),
                load,
                ..empty
            }
        });
    }

    fn failed(
        &mut self,
        id: &IpeId,
        (from, to): (f64, f64),
        code: Code,
        message: &str,
        deliveries: u32,
    ) {
        self.push(id, |attempt, _, empty| AttemptFacts {
            failure: Some(stored(Failure {
                schema: FailureSchema,
                run_id: attempt.run_id.clone(),
                ipe_id: id.clone(),
                attempt: attempt.number,
                code,
                message: message.into(),
                remedy: code.remedy().into(),
                retry: Retry::Queue,
                is_final: deliveries >= 3,
                started_at: at(from),
                failed_at: at(to),
                software: software("soxauto-worker"),
                worker: worker(deliveries),
            })),
            ..empty
        });
    }

    fn died(&mut self, id: &IpeId) {
        self.push(id, |_, _, empty| empty);
    }

    fn close(
        self,
        name: &'static str,
        revision: u32,
        finished: f64,
        past_deadline: bool,
        history: Vec<Month>,
    ) -> Case {
        let closing = Closing {
            revision,
            previous: Some(ManifestLink {
                run_id: if revision > 1 {
                    self.facts.plan.run_id.clone()
                } else {
                    "C-PG-1/2024-04-01/r1".parse().unwrap()
                },
                revision: revision.max(2) - 1,
                sha256: Sha256::of("previous"),
            }),
            past_deadline,
            finished_at: at(finished),
            software: software("soxauto-finalizer"),
        };
        Case {
            name,
            predicate: statement::predicate(&self.facts, &closing),
            plan: self.facts.plan,
            history,
        }
    }
}

/// Twelve months: one without a complete run, one that is not believed.
fn history(plan: &Plan) -> Vec<Month> {
    let months = (0..12_u64).filter(|month| *month != 4);
    months
        .map(|month| {
            let (year, of_year) = if month < 8 {
                (2023, month + 5)
            } else {
                (2024, month - 7)
            };
            let cutoff = format!("{year}-{of_year:02}-01").parse().unwrap();
            let run_id = RunId::new(plan.control.id.clone(), cutoff, 1);
            let found = match month {
                2 => Earlier::NotComplete,
                6 => Earlier::NotBelieved {
                    run_id,
                    revision: 1,
                    reason: "no signature of the envelope holds under the given key".into(),
                },
                _ => Earlier::Complete {
                    link: ManifestLink {
                        run_id,
                        revision: 1,
                        sha256: Sha256::of(month.to_string()),
                    },
                    ipes: plan
                        .ipes
                        .iter()
                        .map(|ipe| EarlierIpe {
                            id: ipe.id.clone(),
                            rows: rows(&ipe.id, month),
                            totals: totals(ipe, month),
                        })
                        .collect(),
                },
            };
            Month { cutoff, found }
        })
        .collect()
}

/// Everything passed, in prod.
pub(crate) fn complete() -> Case {
    let plan = plan(
        Stage::Prod,
        &["CR_04", "CR_05", "IPE_07", "IPE_08_TIMING", "IPE_31"],
    );
    let history = history(&plan);
    let mut run = Run::new(plan);
    for (n, id) in run.ids().iter().enumerate() {
        let from = 2.0 + f64::from(u8::try_from(n / 4).unwrap()) * 61.0;
        run.passed(
            id,
            from,
            from + 20.0 + f64::from(u8::try_from(n * 37 % 40).unwrap()),
        );
    }
    run.close("complete", 1, 226.5, false, history)
}

/// Two reports are rejected by checks, in dev.
pub(crate) fn rejected() -> Case {
    let mut run = Run::new(plan(Stage::Dev, &["CR_04", "IPE_07", "IPE_12"]));
    run.facts.plan.ipes[1].baseline = BaselineStatus::None;
    for (n, id) in run.ids().iter().enumerate() {
        let from = f64::from(u8::try_from(n).unwrap()) * 3.0;
        run.receipt(id, from, from + 14.0, |mut receipt| {
            if id.as_str() == "IPE_07" {
                receipt.state = IpeState::Rejected;
                let key = receipt
                    .checks
                    .iter_mut()
                    .find(|c| c.check == CheckKind::KeyUnique)
                    .unwrap();
                key.verdict = soxauto_domain::check::Verdict::Failed;
                key.measured = "2 rows repeat a key".into();
                key.examples = vec![
                    "rows 17 and 18 share a key".into(),
                    "rows 900 and 1211 share a key".into(),
                ];
            }
            if id.as_str() == "IPE_12" {
                receipt.state = IpeState::Rejected;
                receipt.counts.source += 3;
                let source = receipt.counts.source;
                let total = receipt
                    .checks
                    .iter_mut()
                    .find(|c| c.check == CheckKind::CompletenessRows)
                    .unwrap();
                total.verdict = soxauto_domain::check::Verdict::Failed;
                total.expected = format!("{source} rows by the independent count");
            }
            receipt
        });
    }
    run.close("rejected", 1, 61.25, false, Vec::new())
}

/// Closed at its deadline: one report was replayed and passed, one failed for good, one was never tried.
pub(crate) fn incomplete() -> Case {
    let mut plan = plan(
        Stage::Prod,
        &["CR_03", "CR_04", "IPE_07", "IPE_12", "IPE_31", "IPE_34"],
    );
    plan.approval = Some(Approval {
        by: "Ada Reviewer".into(),
        ticket: "SOX-113".into(),
        reason: "the close is tomorrow".into(),
    });
    let changed = plan.ipes.iter_mut().find(|ipe| ipe.id.as_str() == "IPE_31");
    changed.unwrap().baseline = BaselineStatus::Changed {
        sha256: Sha256::of("what runs"),
        baseline_sha256: Sha256::of("what was approved"),
        approved_by: "Ada Reviewer".into(),
        approved_at: at(-4e6),
        ticket: "SOX-99".into(),
    };
    let history = history(&plan);
    let mut run = Run::new(plan);
    for (n, id) in run.ids().iter().enumerate() {
        let from = f64::from(u8::try_from(n).unwrap()) * 900.0;
        match id.as_str() {
            "IPE_31" => {
                run.failed(id, (1200.0, 2100.0), Code::ConnectionLost, "the connection to NAVSQL01 broke after 410,000 rows of the extraction: connection reset by peer", 1);
                run.died(id);
                run.failed(
                    id,
                    (5400.0, 6300.0),
                    Code::DeadlineNear,
                    "the function's time was nearly over after 2,800,000 rows",
                    3,
                );
                run.receipt(id, 21_600.0, 27_000.0, |mut receipt| {
                    receipt.worker.replayed_by =
                        Some("arn:aws:iam::123456789012:user/operator".into());
                    receipt
                });
            }
            "IPE_12" => {
                for (n, from) in [(1, 3000.0), (2, 5000.0), (3, 7000.0)] {
                    run.failed(
                        id,
                        (from, from + 4.0),
                        Code::LoginRefused,
                        "SQL Server error 18456, state 1: Login failed for user 'soxauto_reader'.",
                        n,
                    );
                }
            }
            "IPE_34" => {}
            _ => run.passed(id, from, from + 1500.0),
        }
    }
    run.close("incomplete", 2, 12.0 * 3600.0 + 12.0, true, history)
}

/// Nothing was ever tried.
pub(crate) fn missing() -> Case {
    Run::new(plan(Stage::Prod, &["IPE_07", "IPE_12"])).close(
        "missing",
        1,
        12.0 * 3600.0 + 3.0,
        true,
        Vec::new(),
    )
}

/// Still going on.
pub(crate) fn open() -> Case {
    let mut run = Run::new(plan(Stage::Staging, &["IPE_07", "IPE_12"]));
    let first = run.ids()[0].clone();
    run.passed(&first, 3.0, 9.0);
    run.close("open", 1, 30.0, false, Vec::new())
}

/// Texts that would like to be something else than texts.
pub(crate) fn hostile() -> Case {
    let mut case = complete();
    case.name = "hostile";
    case.predicate.ipes.truncate(2);
    let evil = "\"><img src=x onerror=alert(1)></script></style><script>alert('1')</script>\u{202e}gnp.exe\u{0}\u{200b} & {{ m }} {% raw %}";
    case.predicate.control.title = evil.into();
    case.plan.ipes[0].description = format!("{evil} {}", "x".repeat(400));
    case.plan.ipes[0].extraction.sql = format!("SELECT '{evil}' -- </pre></code>\r\n\tFROM t");
    case.plan.ipes[0].accounts = vec![evil.into()];
    let ipe = &mut case.predicate.ipes[0];
    ipe.title = evil.into();
    ipe.checks[0].measured = evil.into();
    ipe.checks[0].examples = vec![evil.into(), "شركة ذات مسؤولية محدودة".into()];
    ipe.attempts[0].message = Some(evil.into());
    ipe.source.as_mut().unwrap().login = evil.into();
    case.predicate.trigger.as_mut().unwrap().principal = Some(evil.into());
    case
}
