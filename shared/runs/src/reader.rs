//! Reads the facts of a run from its folder in the evidence bucket.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;
use soxauto_cloud::lake::{Lake, ObjectMeta};
use soxauto_domain::{
    ControlId, Failure, IpeId, Plan, Receipt, RunId, RunState, Sha256,
    calendar::Cutoff,
    facts::{AttemptFacts, IpeFacts, RunFacts, Stored},
    layout::{self, Attempt, Layout, Object},
    load::LoadRecord,
    segment::Segment,
};
use soxauto_evidence::envelope;

use crate::{error::RunsError, planned::Planned};

/// Objects fetched at the same time.
const PARALLEL: usize = 16;

/// Reads runs from the evidence bucket.
#[derive(Clone)]
pub struct RunReader {
    lake: Arc<dyn Lake>,
    layout: Layout,
}

impl RunReader {
    /// A reader of the evidence bucket below `layout`'s prefix.
    #[must_use]
    pub fn new(lake: Arc<dyn Lake>, layout: Layout) -> Self {
        Self { lake, layout }
    }

    /// The layout of the keys.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The names of the folders that the bucket holds below the prefix: one per control. A bucket that cannot be read
    /// does not answer this either.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer.
    pub async fn controls(&self) -> Result<Vec<String>, RunsError> {
        Ok(self.lake.list_folders(self.layout.root()).await?)
    }

    /// The last run of a control's cutoff; `None` if there is none.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer.
    pub async fn latest(
        &self,
        control: &ControlId,
        cutoff: Cutoff,
    ) -> Result<Option<RunId>, RunsError> {
        Ok(self.runs_of(control, cutoff).await?.pop())
    }

    /// Every run of a control, in order.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer.
    pub async fn runs(&self, control: &ControlId) -> Result<Vec<RunId>, RunsError> {
        let mut runs = self.chained(control).await?;
        runs.retain(|run| !run.is_missing());
        Ok(runs)
    }

    /// Everything of a control that may have a manifest, in order: its runs, and the months that nobody ran.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer.
    pub async fn chained(&self, control: &ControlId) -> Result<Vec<RunId>, RunsError> {
        let folder = self.layout.control_folder(control);
        let mut runs: Vec<RunId> = Vec::new();
        for cutoff in self.lake.list_folders(&folder).await? {
            let names = self
                .lake
                .list_folders(&format!("{folder}{cutoff}/"))
                .await?;
            runs.extend(names.iter().filter_map(|name| {
                RunId::parse_chained(&format!("{control}/{cutoff}/{name}")).ok()
            }));
        }
        runs.sort();
        Ok(runs)
    }

    /// Rows of an IPE in the last complete run of an earlier cutoff; `None` without one.
    ///
    /// The last manifest says whether a run is complete, so that the other IPEs need not be read: however many there are,
    /// a run costs two listings and two objects.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or an object is not what its key says.
    pub async fn last_published_rows(
        &self,
        before: &RunId,
        ipe: &IpeId,
    ) -> Result<Option<u64>, RunsError> {
        let control = before.control();
        let folders = self
            .lake
            .list_folders(&self.layout.control_folder(control))
            .await?;
        let mut cutoffs: Vec<Cutoff> = folders
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter(|cutoff| *cutoff < before.cutoff())
            .collect();
        cutoffs.sort_unstable();
        for cutoff in cutoffs.into_iter().rev() {
            for run in self.runs_of(control, cutoff).await?.into_iter().rev() {
                if self.published_state(&run).await? != Some(RunState::Complete) {
                    continue;
                }
                if let Some((_, receipt)) = self.ipe(&run, ipe).await?.deciding() {
                    return Ok(Some(receipt.counts.decoded));
                }
            }
        }
        Ok(None)
    }

    /// The runs of a cutoff, in order.
    async fn runs_of(&self, control: &ControlId, cutoff: Cutoff) -> Result<Vec<RunId>, RunsError> {
        let any = RunId::new(control.clone(), cutoff, 1);
        let folders = self
            .lake
            .list_folders(&self.layout.cutoff_folder(&any))
            .await?;
        let mut runs: Vec<RunId> = folders
            .iter()
            .filter_map(|name| format!("{control}/{cutoff}/{name}").parse().ok())
            .collect();
        runs.sort();
        Ok(runs)
    }

    /// The state that the last manifest of a run says; `None` without one.
    async fn published_state(&self, run: &RunId) -> Result<Option<RunState>, RunsError> {
        let prefix = format!("{}manifest-", self.layout.run_folder(run));
        let listing = self.lake.list(&prefix).await?;
        let revisions = listing
            .iter()
            .filter_map(|o| match self.layout.parse(&o.key)? {
                Object::Manifest(_, revision) => Some(revision),
                _ => None,
            });
        let Some(revision) = revisions.max() else {
            return Ok(None);
        };
        let key = self.layout.manifest(run, revision);
        let object = self.lake.get(&key).await?;
        let manifest = envelope::read(&object.bytes).map_err(|e| RunsError::Document {
            key: key.clone(),
            reason: e.to_string(),
        })?;
        if manifest.predicate.run_id == *run {
            Ok(Some(manifest.predicate.state))
        } else {
            Err(elsewhere(&key, &manifest.predicate.run_id))
        }
    }

    /// The plan of a run with the digest and size of its bytes; `None` without one.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or the object is no plan.
    pub async fn plan(&self, run: &RunId) -> Result<Option<Stored<Plan>>, RunsError> {
        let key = self.layout.plan(run);
        match self.stored::<Plan>(&key).await {
            Ok(plan) if plan.document.run_id == *run => Ok(Some(plan)),
            Ok(plan) => Err(elsewhere(&key, &plan.document.run_id)),
            Err(RunsError::Lake(e)) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The attempts at one IPE of a run.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or an object is not what its key says.
    pub async fn ipe(&self, run: &RunId, ipe: &IpeId) -> Result<IpeFacts, RunsError> {
        let objects = self.lake.list(&self.layout.ipe_folder(run, ipe)).await?;
        let keys = objects
            .into_iter()
            .map(|object| object.key)
            .collect::<Vec<_>>();
        let mut attempts = self.attempts(&keys).await?;
        Ok(IpeFacts {
            id: ipe.clone(),
            attempts: attempts.remove(ipe).unwrap_or_default(),
        })
    }

    /// Everything known of a run; `None` if it has no plan.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or an object is not what its key says.
    pub async fn facts(&self, run: &RunId) -> Result<Option<RunFacts>, RunsError> {
        let Some(plan) = self.plan(run).await? else {
            return Ok(None);
        };
        let listing = self.lake.list(&self.layout.run_folder(run)).await?;
        self.read(plan, listing).await.map(Some)
    }

    /// What is known of these IPEs of a run, as if its plan held no others: neither their files nor the manifests are
    /// looked at, so that news of one IPE costs the same in a run of any size. IPEs that the plan does not hold are left
    /// out.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or an object is not what its key says.
    pub async fn facts_of(
        &self,
        plan: &Planned,
        ipes: &BTreeSet<IpeId>,
    ) -> Result<RunFacts, RunsError> {
        let plan = plan.only(ipes);
        let run = &plan.document.run_id;
        let folders: Vec<String> = plan
            .document
            .ipes
            .iter()
            .map(|ipe| self.layout.ipe_folder(run, &ipe.id))
            .collect();
        let listings: Vec<Vec<ObjectMeta>> = stream::iter(folders)
            .map(|folder| async move { self.lake.list(&folder).await })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        self.read(plan, listings.concat()).await
    }

    /// The facts of the plan's IPEs in a listing.
    async fn read(
        &self,
        plan: Stored<Plan>,
        listing: Vec<ObjectMeta>,
    ) -> Result<RunFacts, RunsError> {
        let folder = self.layout.run_folder(&plan.document.run_id);
        let keys = listing
            .iter()
            .map(|object| object.key.clone())
            .collect::<Vec<_>>();
        let mut attempts = self.attempts(&keys).await?;
        let mut manifests: Vec<u32> = keys
            .iter()
            .filter_map(|key| match self.layout.parse(key)? {
                Object::Manifest(_, revision) => Some(revision),
                _ => None,
            })
            .collect();
        manifests.sort_unstable();
        let mut objects: Vec<(String, u64)> = listing
            .into_iter()
            .filter_map(|o| Some((o.key.strip_prefix(&folder)?.to_owned(), o.size)))
            .collect();
        objects.sort();
        let ipes = plan.document.ipes.iter().map(|planned| IpeFacts {
            id: planned.id.clone(),
            attempts: attempts.remove(&planned.id).unwrap_or_default(),
        });
        Ok(RunFacts {
            ipes: ipes.collect(),
            plan_sha256: plan.sha256,
            plan_size: plan.size,
            plan: plan.document,
            manifests,
            objects,
        })
    }

    /// Reads the records among `keys` and groups them by IPE and attempt.
    async fn attempts(
        &self,
        keys: &[String],
    ) -> Result<BTreeMap<IpeId, Vec<AttemptFacts>>, RunsError> {
        let mut found: BTreeMap<(IpeId, u32), AttemptFacts> = BTreeMap::new();
        let mut records = Vec::new();
        for key in keys {
            let Some(Object::Attempt(attempt, path)) = self.layout.parse(key) else {
                continue;
            };
            let place = (attempt.ipe_id.clone(), attempt.number);
            let facts = found.entry(place).or_insert(AttemptFacts {
                number: attempt.number,
                receipt: None,
                failure: None,
                load: None,
                segments: 0,
            });
            facts.segments += u32::from(layout::segment_number(&path).is_some());
            if matches!(
                path.as_str(),
                layout::RECEIPT | layout::FAILURE | layout::LOAD
            ) {
                records.push((attempt, path, key.as_str()));
            }
        }
        let read: Vec<_> = stream::iter(records)
            .map(|(attempt, path, key)| async move {
                let record = self.record(&attempt, &path, key).await?;
                Ok::<_, RunsError>(((attempt.ipe_id, attempt.number), record))
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        for (place, record) in read {
            let Some(attempt) = found.get_mut(&place) else {
                continue;
            };
            match record {
                Record::Receipt(receipt) => attempt.receipt = Some(*receipt),
                Record::Failure(failure) => attempt.failure = Some(*failure),
                Record::Load(load) => attempt.load = Some(*load),
            }
        }
        let mut grouped: BTreeMap<IpeId, Vec<AttemptFacts>> = BTreeMap::new();
        for ((ipe, _), attempt) in found {
            grouped.entry(ipe).or_default().push(attempt);
        }
        Ok(grouped)
    }

    /// Reads a record, and believes it only where it belongs: what is loaded and published follows what it says.
    async fn record(&self, attempt: &Attempt, path: &str, key: &str) -> Result<Record, RunsError> {
        let (record, says) = match path {
            layout::RECEIPT => {
                let found: Stored<Receipt> = self.stored(key).await?;
                let d = &found.document;
                let says = place(&d.run_id, &d.ipe_id, d.attempt);
                (Record::Receipt(Box::new(found)), says)
            }
            layout::FAILURE => {
                let found: Stored<Failure> = self.stored(key).await?;
                let d = &found.document;
                let says = place(&d.run_id, &d.ipe_id, d.attempt);
                (Record::Failure(Box::new(found)), says)
            }
            _ => {
                let found: Stored<LoadRecord> = self.stored(key).await?;
                let d = &found.document;
                let says = place(&d.run_id, &d.ipe_id, d.attempt);
                (Record::Load(Box::new(found)), says)
            }
        };
        if says == *attempt {
            Ok(record)
        } else {
            Err(elsewhere(
                key,
                format!("{}/{}/attempt-{}", says.run_id, says.ipe_id, says.number),
            ))
        }
    }

    /// The first `count` segment records of an attempt, in order.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or an object is not what its key says.
    pub async fn segments(
        &self,
        attempt: &Attempt,
        count: u32,
    ) -> Result<Vec<Stored<Segment>>, RunsError> {
        stream::iter(1..=count)
            .map(|number| async move {
                let key = self.layout.file(attempt, &layout::segment(number));
                self.stored::<Segment>(&key).await
            })
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    /// A JSON document with the digest and size of its bytes.
    ///
    /// # Errors
    /// [`RunsError`] when the bucket does not answer or the object is not that document.
    pub async fn stored<T: DeserializeOwned>(&self, key: &str) -> Result<Stored<T>, RunsError> {
        let object = self.lake.get(key).await?;
        let document = serde_json::from_slice(&object.bytes).map_err(|e| RunsError::Document {
            key: key.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Stored {
            document,
            sha256: Sha256::of(&object.bytes),
            size: object.bytes.len() as u64,
        })
    }
}

fn place(run: &RunId, ipe: &IpeId, number: u32) -> Attempt {
    Attempt {
        run_id: run.clone(),
        ipe_id: ipe.clone(),
        number,
    }
}

fn elsewhere(key: &str, says: impl std::fmt::Display) -> RunsError {
    RunsError::Document {
        key: key.to_owned(),
        reason: format!("it says it is about {says}"),
    }
}

enum Record {
    Receipt(Box<Stored<Receipt>>),
    Failure(Box<Stored<Failure>>),
    Load(Box<Stored<LoadRecord>>),
}
