//! The operator of the months that are being killed: the product's own commands, the sweep, and nothing else.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;
use soxauto_cloud::queue::{Queue as _, SqsQueue};
use soxauto_domain::layout::state;
use soxauto_e2e::Laptop;
use soxauto_local::Function;

use crate::Month;

/// Seconds after which a message is back that nobody holds; longer than a lease.
pub(crate) const VISIBILITY: u64 = 70;

/// Somebody who looks after a deployment.
pub(crate) struct Operator<'l> {
    pub(crate) laptop: &'l Laptop,
}

impl<'l> Operator<'l> {
    pub(crate) fn new(laptop: &'l Laptop) -> Self {
        Self { laptop }
    }

    /// Sends the start of every month; the same event again finds the same run.
    pub(crate) async fn start(&self, months: &[Month]) {
        for month in months {
            let event = json!({
                "id": month.run, "detail-type": "Start", "source": "finance",
                "detail": {"cutoff_date": month.cutoff, "ipes": month.ipes, "supersede": month.run.number() > 1}
            });
            self.laptop
                .stack
                .invoke_async(Function::Dispatcher, &event)
                .await
                .unwrap();
        }
    }

    pub(crate) async fn all_ended(&self, months: &[Month]) -> bool {
        for month in months {
            let Some(facts) = self.laptop.reader.facts(&month.run).await.unwrap() else {
                return false;
            };
            let Some(last) = facts.manifests.last() else {
                return false;
            };
            let (manifest, _) = self.laptop.manifest(&month.run, *last).await;
            if manifest.predicate.state != month.ends {
                return false;
            }
        }
        true
    }

    /// One round: start again what was not dispatched, replay what was given up, sweep.
    pub(crate) async fn look_after(&self, months: &[Month]) {
        for month in months {
            // The emulator has no dead letters of starts: what `soxauto status` says of the run is what its operator knows.
            if month.started.elapsed() > Duration::from_secs(8) && !self.is_dispatched(month).await
            {
                self.start(std::slice::from_ref(month)).await;
            }
        }
        let dead = self.queue(&self.laptop.stack.outputs().jobs_dead_letters_url);
        if dead.depth().await.unwrap().visible > 0 {
            let (_, status) = self.laptop.operate(&["status"]).await;
            let letters = status["dead_letters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let runs: BTreeSet<&str> = letters
                .iter()
                .filter_map(|job| job["run_id"].as_str())
                .collect();
            for run in runs {
                self.laptop
                    .operate(&["replay", "--run", run, "--all"])
                    .await;
            }
        }
        // Its letters are about runs that the sweep looks at anyway.
        let receipts = self.queue(&self.laptop.stack.outputs().receipts_dead_letters_url);
        while let Some(letter) = receipts.receive(1, Duration::ZERO).await.unwrap().pop() {
            receipts.delete(&letter.receipt_handle).await.unwrap();
        }
        self.laptop.stack.fire_sweep_schedule().await.unwrap();
    }

    async fn is_dispatched(&self, month: &Month) -> bool {
        let facts = self.laptop.reader.facts(&month.run).await.unwrap();
        let Some(facts) = facts else {
            return false;
        };
        match self.laptop.state.get(&state::open_run(&month.run)).await {
            Ok(marker) => {
                let marker: serde_json::Value = serde_json::from_slice(&marker.bytes).unwrap();
                !marker["dispatched_at"].is_null()
            }
            Err(_) => !facts.manifests.is_empty(),
        }
    }

    /// Takes out the dead letters of what failed undisturbed.
    pub(crate) async fn forget_failures(&self) {
        let dead = self.queue(&self.laptop.stack.outputs().jobs_dead_letters_url);
        while let Some(letter) = dead.receive(1, Duration::from_secs(1)).await.unwrap().pop() {
            dead.delete(&letter.receipt_handle).await.unwrap();
        }
    }

    /// How far the months are, for whoever watches.
    pub(crate) async fn progress(&self, months: &[Month]) -> String {
        let (mut passed, mut loaded, mut all, mut closed) = (0, 0, 0, 0);
        for month in months {
            all += month.ipes.len();
            if let Some(facts) = self.laptop.reader.facts(&month.run).await.unwrap() {
                let deciding = || facts.ipes.iter().filter_map(|ipe| ipe.deciding());
                passed += deciding().count();
                loaded += deciding().filter(|(a, _)| a.load.is_some()).count();
                closed += usize::from(!facts.manifests.is_empty());
            }
        }
        format!(
            "of {all} IPEs {passed} have a receipt, {loaded} are loaded; {closed} runs have a manifest"
        )
    }

    /// Goes on until nothing is left behind; what is left after seven minutes.
    pub(crate) async fn until_nothing_is_left(&self, months: &[Month]) -> Vec<String> {
        let started = Instant::now();
        loop {
            self.look_after(months).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let left = self.laptop.left_behind().await;
            if left.is_empty() || started.elapsed() > Duration::from_secs(420) {
                return left;
            }
            eprintln!("left: {left:?}");
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }

    fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.laptop.clients.sqs.clone(), url)
    }
}
