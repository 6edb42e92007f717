//! The JSON documents that one program writes and another believes: messages, plans, receipts, records, leases, markers.

use serde::{Serialize, de::DeserializeOwned};
use soxauto_cloud::lease::LeaseRecord;
use soxauto_domain::{
    Failure, Job, Plan, Receipt, RunId, Sha256,
    facts::{AttemptFacts, IpeFacts, RunFacts, Stored},
    load::LoadRecord,
    segment::Segment,
};
use soxauto_evidence::{ChainHead, openlineage, statement};
use soxauto_finalizer::{chain::Staged, sql};
use soxauto_runs::OpenRun;

/// Reads the bytes as each kind of document; what can be read must be written and read again as the same.
pub(crate) fn run(data: &[u8]) {
    again::<Job>(data);
    again::<Failure>(data);
    again::<LoadRecord>(data);
    again::<Segment>(data);
    again::<LeaseRecord>(data);
    again::<OpenRun>(data);
    again::<ChainHead>(data);
    again::<Staged>(data);
    if let Some(plan) = again::<Plan>(data) {
        planned(plan);
    }
    if let Some(receipt) = again::<Receipt>(data) {
        received(receipt);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let layout = soxauto_domain::layout::Layout::new("evidence");
        let _ = layout.parse(text);
        let _ = text.parse::<RunId>();
    }
}

fn again<T: Serialize + DeserializeOwned>(data: &[u8]) -> Option<T> {
    let document: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_vec(&document).unwrap();
    let read: T = serde_json::from_slice(&written).unwrap();
    assert_eq!(serde_json::to_vec(&read).unwrap(), written);
    Some(document)
}

/// What the finalizer does with a plan of which nothing was done.
fn planned(plan: Plan) {
    let ipes: Vec<IpeFacts> = plan
        .ipes
        .iter()
        .map(|ipe| IpeFacts {
            id: ipe.id.clone(),
            attempts: Vec::new(),
        })
        .collect();
    let facts = RunFacts {
        plan_sha256: Sha256::of("plan"),
        plan_size: 1,
        ipes,
        manifests: Vec::new(),
        objects: Vec::new(),
        plan,
    };
    for past_deadline in [false, true] {
        let _ = facts.state(past_deadline);
    }
    let closing = statement::Closing {
        revision: 1,
        previous: None,
        past_deadline: true,
        finished_at: "2024-05-02T08:00:00Z".parse().unwrap(),
        software: facts.plan.software.clone(),
    };
    let _ = statement::predicate(&facts, &closing);
    let namespaces = openlineage::Namespaces {
        source: None,
        warehouse: "redshift://w".to_owned(),
    };
    let _ = openlineage::events(&facts.plan, &facts.ipes, &namespaces);
    for ipe in &facts.plan.ipes {
        let _ = sql::create_ipe(&facts.plan.control.warehouse_schema, ipe);
    }
}

/// What is derived from a receipt, whoever wrote it.
fn received(receipt: Receipt) {
    let id = receipt.ipe_id.clone();
    let attempt = AttemptFacts {
        number: receipt.attempt,
        receipt: Some(Stored {
            document: receipt,
            sha256: Sha256::of("receipt"),
            size: 1,
        }),
        failure: None,
        load: None,
        segments: 0,
    };
    let facts = IpeFacts {
        id,
        attempts: vec![attempt],
    };
    let _ = facts.state();
    let _ = facts.arrived();
    let _ = facts.next_attempt();
    let _ = facts.reason();
    let _ = facts.summaries();
}
