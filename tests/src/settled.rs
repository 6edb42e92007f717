//! What must be true of a control once the dust has settled, whatever happened before: asked of the buckets, the
//! warehouse, the queues and the verifier, not of the functions.

use std::{collections::BTreeMap, sync::Arc};

use soxauto_cloud::{
    queue::{Queue as _, SqsQueue},
    signer::{KmsSigner, Signer as _},
};
use soxauto_domain::{
    IpeId, IpeState, RunId, RunState, Sha256,
    facts::{IpeFacts, RunFacts},
    layout::state,
};
use soxauto_evidence::ChainHead;
use soxauto_verify::{LakeFolder, PublicKey, Request, verify};

use crate::Laptop;

/// Content digests of a run's reports.
pub type Contents = BTreeMap<IpeId, Sha256>;

/// The content digest of each report that has a receipt.
#[must_use]
pub fn contents(facts: &RunFacts) -> Contents {
    facts
        .ipes
        .iter()
        .filter_map(|ipe| Some((ipe.id.clone(), ipe.deciding()?.1.content_sha256)))
        .collect()
}

impl Laptop {
    /// What is not so in a run that must have ended in that state, *complete* or *rejected*; empty when all is well.
    ///
    /// # Panics
    /// When the stack does not answer.
    pub async fn faults_of_ended(&self, run: &RunId, state: RunState) -> Vec<String> {
        let Some(facts) = self.reader.facts(run).await.unwrap() else {
            return vec![format!("{run} has no plan")];
        };
        let mut found = Vec::new();
        for ipe in &facts.ipes {
            found.extend(self.faults_of_ipe(run, &facts, ipe).await);
        }
        let Some(revision) = facts.manifests.last().copied() else {
            found.push(format!("{run} has no manifest"));
            return found;
        };
        let (manifest, _) = self.manifest(run, revision).await;
        let says = manifest.predicate.state;
        if says != state || facts.state(true) != state {
            found.push(format!("{run}: manifest {revision} says {}", says.as_str()));
        }
        for (ipe, says) in facts.ipes.iter().zip(&manifest.predicate.ipes) {
            let Some((attempt, receipt)) = ipe.deciding() else {
                continue;
            };
            let same = says.id == ipe.id
                && says.attempt == Some(attempt.number)
                && says.content_sha256 == Some(receipt.content_sha256)
                && says.counts.map(|c| c.decoded) == Some(receipt.counts.decoded)
                && says.state == ipe.state();
            if !same {
                found.push(format!("{run} {}: manifest and receipt disagree", ipe.id));
            }
        }
        found
    }

    /// A report that passed: its rows are in the warehouse once, and its load record says so. Of one that was rejected
    /// nothing is there.
    async fn faults_of_ipe(&self, run: &RunId, facts: &RunFacts, ipe: &IpeFacts) -> Vec<String> {
        let id = &ipe.id;
        let planned = facts.plan.ipe(id).unwrap();
        let sql = format!(
            "SELECT CAST(COUNT(*) AS VARCHAR) || '/' || CAST(COUNT(DISTINCT _row_number) AS VARCHAR) \
             FROM {}.{} WHERE _run_id = '{run}'",
            facts.plan.control.warehouse_schema, planned.table
        );
        let (rows, record) = match (ipe.state(), ipe.deciding()) {
            (IpeState::Passed, Some((attempt, receipt))) => {
                let record = attempt.load.as_ref().map(|load| load.document.rows);
                if record != Some(receipt.counts.decoded) {
                    return vec![format!("{run} {id}: its load record says {record:?}")];
                }
                (receipt.counts.decoded, true)
            }
            (IpeState::Rejected, Some((attempt, _))) => (0, attempt.load.is_some()),
            (state, _) => {
                let why = ipe.reason().unwrap_or_default();
                return vec![format!("{run} {id} is {}: {why}", state.as_str())];
            }
        };
        if record != (ipe.state() == IpeState::Passed) {
            return vec![format!("{run} {id} was rejected and has a load record")];
        }
        // The table of a report that never passed does not exist.
        if ipe.state() == IpeState::Rejected {
            return Vec::new();
        }
        let held = self.warehouse_value(&sql).await;
        if held == format!("{rows}/{rows}") {
            return Vec::new();
        }
        vec![format!(
            "{run} {id}: {rows} rows in the receipt, {held} (all/distinct) in the warehouse"
        )]
    }

    /// What a quiet deployment must not have: leases, markers, staged manifests, unfinished uploads, messages.
    ///
    /// # Panics
    /// When the stack does not answer.
    pub async fn left_behind(&self) -> Vec<String> {
        let mut found = Vec::new();
        for prefix in [state::LEASES, state::OPEN_RUNS, "settled/"] {
            let objects = self.state.list(prefix).await.unwrap();
            found.extend(objects.into_iter().map(|object| object.key));
        }
        for object in self.state.list("chain/").await.unwrap() {
            if object.key.contains("/staged/") {
                found.push(object.key);
            } else {
                let bytes = self.state.get(&object.key).await.unwrap().bytes;
                let head: ChainHead = serde_json::from_slice(&bytes).unwrap();
                let reserved = head.reserved.map(|link| format!("reserved: {link:?}"));
                found.extend(reserved);
            }
        }
        let outputs = self.stack.outputs();
        for bucket in [&outputs.evidence_bucket_name, &outputs.state_bucket_name] {
            let uploads = self.clients.s3.list_multipart_uploads().bucket(bucket);
            let answer = uploads.send().await.unwrap();
            let keys = answer.uploads().iter().filter_map(|upload| upload.key());
            found.extend(keys.map(|key| format!("unfinished upload of {key}")));
        }
        for url in [
            &outputs.jobs_queue_url,
            &outputs.jobs_dead_letters_url,
            &outputs.receipts_queue_url,
            &outputs.receipts_dead_letters_url,
            &outputs.start_dead_letters_url,
        ] {
            let queue = SqsQueue::new(self.clients.sqs.clone(), url);
            let depth = queue.depth().await.unwrap();
            if depth.visible + depth.in_flight + depth.delayed > 0 {
                let name = url.rsplit('/').next().unwrap_or_default();
                found.push(format!("messages in {name}: {depth:?}"));
            }
        }
        found
    }

    /// What the product's verifier says against the whole evidence bucket: every run and the chain through all of them.
    ///
    /// # Panics
    /// When the stack does not answer.
    pub async fn verify_all(&self) -> Vec<String> {
        let outputs = self.stack.outputs();
        let signer = KmsSigner::new(self.clients.kms.clone(), &outputs.signing_key_arn);
        let pem = signer.public_key_pem().await.unwrap();
        let request = Request {
            keys: vec![PublicKey::from_pem(&pem).unwrap()],
            ..Request::default()
        };
        let folder = LakeFolder::new(Arc::clone(&self.evidence), &outputs.evidence_prefix);
        let verified = verify(&folder, &request, &()).await;
        if verified.holds && verified.chains.len() == 1 {
            return Vec::new();
        }
        let mut found = vec![format!("verify: {} chains", verified.chains.len())];
        let runs = verified.runs.iter().map(|r| (r.folder.as_str(), &r.checks));
        let chains = verified.chains.iter().map(|c| ("the chain", &c.checks));
        for (place, checks) in runs.chain(chains).chain([("the folder", &verified.checks)]) {
            for check in checks {
                if check.status == soxauto_verify::Status::Failed {
                    found.push(format!("verify: {place}: {check:?}"));
                }
            }
        }
        found
    }
}
