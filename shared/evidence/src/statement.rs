//! Builds the manifest's statement from what is known of a run.

use jiff::Timestamp;
use soxauto_domain::{
    Cutoff, IpeState, RunId, RunState, Sha256,
    facts::{IpeFacts, RunFacts},
    layout,
    manifest::{
        HopCounts, ManifestIpe, ManifestLink, ManifestPartition, Predicate, PredicateKind,
        STATEMENT_TYPE, Statement, Subject, SubjectAnnotations, SubjectDigest, WarehouseRecord,
    },
    plan::{PlannedControl, PlannedIpe, Software, Stage},
};

/// What a manifest says besides the facts of the run.
#[derive(Debug, Clone)]
pub struct Closing {
    /// From 1.
    pub revision: u32,
    /// The manifest before this one in the control's chain.
    pub previous: Option<ManifestLink>,
    /// Whether the run's time is over.
    pub past_deadline: bool,
    /// When the manifest is made.
    pub finished_at: Timestamp,
    /// The program that makes it.
    pub software: Software,
}

/// What the manifest says of the run.
#[must_use]
pub fn predicate(facts: &RunFacts, closing: &Closing) -> Predicate {
    let plan = &facts.plan;
    let ipes: Vec<ManifestIpe> = plan
        .ipes
        .iter()
        .zip(&facts.ipes)
        .map(|(planned, ipe)| manifest_ipe(planned, ipe, &plan.control.warehouse_schema))
        .collect();
    Predicate {
        run_id: plan.run_id.clone(),
        revision: closing.revision,
        state: facts.state(closing.past_deadline),
        previous: closing.previous.clone(),
        supersedes: plan.supersedes.clone(),
        control: plan.control.clone(),
        stage: plan.stage,
        period: plan.period,
        trigger: Some(plan.trigger.clone()),
        approval: plan.approval.clone(),
        plan_sha256: Some(facts.plan_sha256),
        catalog_sha256: plan.catalog_sha256,
        started_at: Some(plan.created_at),
        finished_at: closing.finished_at,
        planned_by: Some(plan.software.clone()),
        software: closing.software.clone(),
        ipes,
    }
}

/// What the manifest says of a month that nobody ran.
#[must_use]
pub fn missing(
    control: PlannedControl,
    catalog_sha256: Sha256,
    cutoff: Cutoff,
    stage: Stage,
    closing: &Closing,
) -> Predicate {
    Predicate {
        run_id: RunId::missing(control.id.clone(), cutoff),
        revision: closing.revision,
        state: RunState::Missing,
        previous: closing.previous.clone(),
        supersedes: None,
        control,
        stage,
        period: cutoff.period(),
        trigger: None,
        approval: None,
        plan_sha256: None,
        catalog_sha256,
        started_at: None,
        finished_at: closing.finished_at,
        planned_by: None,
        software: closing.software.clone(),
        ipes: Vec::new(),
    }
}

fn manifest_ipe(planned: &PlannedIpe, ipe: &IpeFacts, warehouse_schema: &str) -> ManifestIpe {
    let state = ipe.arrived();
    let deciding = ipe.deciding();
    let receipt = deciding.map(|(_, receipt)| receipt);
    let load = deciding
        .and_then(|(attempt, _)| attempt.load.as_ref())
        .map(|stored| &stored.document);
    let reason = match (state, deciding) {
        (IpeState::Planned, Some(_)) => {
            Some("extracted and valid, but not loaded into the warehouse".to_owned())
        }
        _ => ipe.reason(),
    };
    ManifestIpe {
        id: planned.id.clone(),
        title: planned.title.clone(),
        state,
        reason,
        attempt: deciding.map(|(attempt, _)| attempt.number),
        attempts: ipe.summaries(),
        query_sha256: planned.extraction.sha256,
        baseline: planned.baseline.clone(),
        lineage: planned.lineage.clone(),
        parameters: receipt.map_or_else(
            || planned.extraction.parameters.clone(),
            |r| r.query.parameters.clone(),
        ),
        parameters_sha256: receipt
            .and_then(|r| r.files.iter().find(|file| file.path == layout::PARAMETERS))
            .map(|file| file.sha256),
        extracted_by: receipt.map(|r| r.software.clone()),
        counts: receipt.map(|r| HopCounts {
            source: r.counts.source,
            decoded: r.counts.decoded,
            parquet: r.counts.parquet,
            warehouse: load.map(|l| l.rows),
        }),
        content_sha256: receipt.map(|r| r.content_sha256),
        partition: receipt
            .and_then(|r| r.partition.as_ref())
            .map(ManifestPartition::of),
        control_totals: receipt
            .map(|r| r.control_totals.clone())
            .unwrap_or_default(),
        warehouse_totals: load.map(|l| l.totals.clone()).unwrap_or_default(),
        checks: receipt.map(|r| r.checks.clone()).unwrap_or_default(),
        source: receipt.map(|r| r.source.clone()),
        warehouse: load.map(|l| WarehouseRecord {
            table: format!("{warehouse_schema}.{}", planned.table),
            statement_id: l.statement_id.clone(),
            loaded_at: l.loaded_at,
        }),
    }
}

/// The statement about the given files.
#[must_use]
pub fn build<P: PredicateKind>(predicate: P, mut subjects: Vec<Subject>) -> Statement<P> {
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    Statement {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject: subjects,
        predicate_type: P::TYPE.to_owned(),
        predicate,
    }
}

/// One file of the run; `name` is relative to the run's folder.
#[must_use]
pub fn subject(name: impl Into<String>, size: u64, sha256: Sha256) -> Subject {
    Subject {
        name: name.into(),
        digest: SubjectDigest { sha256 },
        annotations: SubjectAnnotations { size },
    }
}

/// Whether two predicates say the same about the run, whenever and wherever in the chain they were made.
#[must_use]
pub fn same_content(a: &Predicate, b: &Predicate) -> bool {
    let neutral = |p: &Predicate| Predicate {
        revision: 0,
        previous: None,
        finished_at: Timestamp::UNIX_EPOCH,
        software: Software {
            name: String::new(),
            version: String::new(),
            binary_sha256: Sha256::from_bytes([0; 32]),
        },
        ..p.clone()
    };
    neutral(a) == neutral(b)
}

#[cfg(test)]
pub(crate) mod tests {
    use soxauto_domain::start::{Trigger, TriggerSource};

    use super::*;

    pub(crate) fn statement() -> Statement {
        let control = PlannedControl {
            id: "C-PG-1".parse().unwrap(),
            title: "Ledger against operations".into(),
            time_zone: "Europe/Paris".into(),
            warehouse_schema: "reconciliation".into(),
        };
        let software = Software {
            name: "soxauto-finalizer".into(),
            version: "0.1.0".into(),
            binary_sha256: Sha256::of("bootstrap"),
        };
        let predicate = Predicate {
            run_id: "C-PG-1/2024-05-01/r1".parse().unwrap(),
            revision: 1,
            state: RunState::Complete,
            previous: None,
            supersedes: None,
            control,
            stage: Stage::Dev,
            period: "2024-05-01".parse::<Cutoff>().unwrap().period(),
            trigger: Some(Trigger {
                source: TriggerSource::Direct,
                id: "x".into(),
                scheduled_time: None,
                principal: None,
            }),
            approval: None,
            plan_sha256: Some(Sha256::of("plan")),
            catalog_sha256: Sha256::of("catalog"),
            started_at: Some("2024-05-01T07:00:00Z".parse().unwrap()),
            finished_at: "2024-05-01T07:05:00Z".parse().unwrap(),
            planned_by: Some(Software {
                name: "soxauto-dispatcher".into(),
                ..software.clone()
            }),
            software,
            ipes: vec![],
        };
        build(predicate, vec![subject("plan.json", 4, Sha256::of("plan"))])
    }

    #[test]
    fn the_statement_keeps_its_form() {
        // The form is what outsiders verify: a change here is a new predicate version.
        insta::assert_json_snapshot!(statement());
    }

    #[test]
    fn same_content_ignores_when_and_where_only() {
        let a = statement().predicate;
        let mut b = a.clone();
        b.revision = 2;
        b.finished_at = "2024-06-01T00:00:00Z".parse().unwrap();
        assert!(same_content(&a, &b));
        b.state = RunState::Incomplete;
        assert!(!same_content(&a, &b));
    }
}
