//! One run: the list of steps, from manifests to data. Each believes only what the step before has proven.

use std::{collections::BTreeMap, fs::File, sync::Arc};

use serde::de::DeserializeOwned;
use soxauto_domain::{
    Failure, IpeId, Plan, Receipt,
    facts::{AttemptFacts, IpeFacts, RunFacts, Stored},
    layout::{self, Layout, Object},
    load::LoadRecord,
};

use crate::{
    attempts::{self, Beside},
    check::{Check, Group},
    data, derived,
    files::{self, Measured},
    folder::Folder,
    ledger::{self, Ledger},
    manifests::{self, Manifests, Revision},
    outcome::RunReport,
    progress::Progress,
    reviews,
    tree::RunFolder,
    verification::Request,
};

/// What a verification of one run works with.
pub(crate) struct Run<'v> {
    pub(crate) folder: &'v dyn Folder,
    pub(crate) place: &'v RunFolder,
    pub(crate) request: &'v Request,
    pub(crate) progress: &'v dyn Progress,
    pub(crate) ledger: Ledger,
    /// What was read so far.
    pub(crate) measured: BTreeMap<String, Measured>,
    /// What could not be read, and why: it fails, even if a second try would succeed, because something was not looked at.
    unread: BTreeMap<String, String>,
    /// The subjects of the newest manifest.
    pub(crate) subjects: BTreeMap<String, Measured>,
}

/// Why a file is not looked into whose size or digest is a failure of its own.
const NOT_SIGNED: &str = "its bytes are not the signed ones";

/// The records of a run whose bytes are the signed ones.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) plan: Option<Stored<Plan>>,
    pub(crate) receipts: BTreeMap<String, Stored<Receipt>>,
    pub(crate) failures: BTreeMap<String, Stored<Failure>>,
    pub(crate) loads: BTreeMap<String, Stored<LoadRecord>>,
}

/// What is known of a run after it was verified, for the chain and for later months.
pub(crate) struct Verified {
    pub(crate) report: RunReport,
    pub(crate) manifests: Manifests,
}

/// The complete runs that were verified before, for the row variance of later months.
pub(crate) type Published = BTreeMap<soxauto_domain::RunId, crate::row_variance::PublishedRun>;

/// Verifies a run.
pub(crate) async fn verify(
    folder: &dyn Folder,
    place: &RunFolder,
    request: &Request,
    published: &mut Published,
    progress: &dyn Progress,
) -> Verified {
    let mut run = Run {
        folder,
        place,
        request,
        progress,
        ledger: Ledger::new(&place.path),
        measured: BTreeMap::new(),
        unread: BTreeMap::new(),
        subjects: BTreeMap::new(),
    };
    let shown = place
        .named
        .as_ref()
        .map_or_else(|| ledger::clean(folder.place()), ToString::to_string);
    progress.now(&shown);
    let manifests = manifests::read(folder, place, &request.keys, &mut run.ledger, progress).await;
    if let Some(newest) = manifests.newest_believed() {
        run.subjects.clone_from(&newest.subjects);
        let records = run.records(newest).await;
        run.derive(&manifests, &records);
        run.attempts(newest, &records, published).await;
        run.remember(&manifests, newest, published);
    } else {
        for check in [Check::Plan, Check::Receipts, Check::DataRows] {
            run.ledger
                .skip(check, "", "the newest manifest is not believed");
        }
    }
    run.files(&manifests).await;
    run.content();
    reviews::check(&mut run, &manifests).await;
    let newest = manifests.believed.last();
    let report = RunReport {
        folder: ledger::clean(if place.path.is_empty() {
            folder.place()
        } else {
            &place.path
        }),
        run_id: newest
            .map(|r| r.statement.predicate.run_id.clone())
            .or_else(|| place.named.clone()),
        revision: newest.map(|r| r.number),
        state: newest.map(|r| r.statement.predicate.state),
        manifest_sha256: newest.map(|r| r.sha256),
        holds: run.ledger.is_clean(),
        checks: run
            .ledger
            .report(&[Group::Manifests, Group::Files, Group::Records, Group::Data]),
    };
    Verified { report, manifests }
}

impl Run<'_> {
    /// Whether a file is worth reading: the newest manifest names it, and it is listed with the size that is signed.
    ///
    /// # Errors
    /// In words, why not. Each of these reasons is a failure of `files_missing`, `file_size`, `files_listed` or `plan`.
    fn expected(&self, name: &str) -> Result<(Measured, u64), String> {
        let Some(subject) = self.subjects.get(name).copied() else {
            return Err("the newest manifest does not name it".to_owned());
        };
        match self.place.files.get(name) {
            None => Err("it is missing".to_owned()),
            Some(listed) if *listed != subject.size => Err(NOT_SIGNED.to_owned()),
            Some(listed) => Ok((subject, *listed)),
        }
    }

    /// Remembers what a file turned out to be, and says whether it is what the newest manifest's subject says.
    fn found(
        &mut self,
        name: &str,
        subject: Measured,
        found: Result<Measured, String>,
    ) -> Result<(), String> {
        match found {
            Ok(measured) => {
                self.measured.insert(name.to_owned(), measured);
                if measured == subject {
                    Ok(())
                } else {
                    Err(NOT_SIGNED.to_owned())
                }
            }
            Err(why) => {
                self.unread.insert(name.to_owned(), why.clone());
                Err(why)
            }
        }
    }

    /// Opens a file and reads it to its end, whatever it is.
    async fn measure(&self, name: &str) -> Result<(File, Measured), String> {
        let path = format!("{}{name}", self.place.path);
        let mut file = self.folder.open(&path).await.map_err(|e| e.reason)?;
        let measured = files::measure(&mut file, self.progress)?;
        Ok((file, measured))
    }

    /// Opens a file whose bytes are those of the newest manifest's subject.
    ///
    /// # Errors
    /// In words; a failure is told by [`Self::files`] then.
    pub(crate) async fn open(&mut self, name: &str) -> Result<File, String> {
        let (subject, _) = self.expected(name)?;
        let (file, measured) = match self.measure(name).await {
            Ok((file, measured)) => (Ok(file), Ok(measured)),
            Err(why) => (Err(why.clone()), Err(why)),
        };
        self.found(name, subject, measured)?;
        file
    }

    /// Reads a document, and believes it only if its bytes are those of the newest manifest's subject.
    ///
    /// # Errors
    /// In words; a failure is told by [`Self::files`] then.
    pub(crate) async fn document(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let (subject, listed) = self.expected(name)?;
        let path = format!("{}{name}", self.place.path);
        let bytes = files::document(self.folder, &path, listed, self.progress).await;
        let measured = match &bytes {
            Ok(bytes) => Ok(files::measured(bytes)),
            Err(why) => Err(why.clone()),
        };
        self.found(name, subject, measured)?;
        bytes
    }

    async fn stored<T: DeserializeOwned>(&mut self, check: Check, name: &str) -> Option<Stored<T>> {
        let bytes = match self.document(name).await {
            Ok(bytes) => bytes,
            Err(why) => {
                self.ledger.skip(check, name, why);
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(document) => Some(Stored {
                document,
                sha256: self.measured[name].sha256,
                size: bytes.len() as u64,
            }),
            Err(e) => {
                self.ledger
                    .fail(check, name, format!("it cannot be read: {e}"));
                None
            }
        }
    }

    /// Reads plan, receipts, failure and load records.
    async fn records(&mut self, newest: &Revision) -> Records {
        let run_id = &newest.statement.predicate.run_id;
        let mut records = Records::default();
        if run_id.is_missing() {
            // Nobody ran the month: there is no plan, and there are no attempts.
        } else {
            records.plan = self.stored(Check::Plan, "plan.json").await;
        }
        for name in newest.subjects.keys() {
            let Some(Object::Attempt(_, path)) = Layout::new("").parse(&format!("{run_id}/{name}"))
            else {
                continue;
            };
            let name = name.clone();
            match path.as_str() {
                layout::RECEIPT => {
                    if let Some(found) = self.stored(Check::Receipts, &name).await {
                        records.receipts.insert(name, found);
                    }
                }
                layout::FAILURE => {
                    if let Some(found) = self.stored(Check::Receipts, &name).await {
                        records.failures.insert(name, found);
                    }
                }
                layout::LOAD => {
                    if let Some(found) = self.stored(Check::Load, &name).await {
                        records.loads.insert(name, found);
                    }
                }
                _ => {}
            }
        }
        records
    }

    /// Compares every revision with what follows from the records that it names.
    fn derive(&mut self, manifests: &Manifests, records: &Records) {
        for revision in &manifests.believed {
            let own = format!("report-{}.html", revision.number);
            self.ledger.check(
                Check::Report,
                &revision.file,
                revision.subjects.contains_key(&own),
                || format!("{own} is not among its subjects"),
            );
            let predicate = &revision.statement.predicate;
            if predicate.run_id.is_missing() {
                derived::check_missing(predicate, &revision.file, &mut self.ledger);
                continue;
            }
            if !revision.subjects.contains_key("plan.json") {
                self.ledger
                    .fail(Check::Plan, &revision.file, "no subject is the plan");
            }
            match facts(revision, records) {
                Ok(facts) => derived::check(
                    &revision.statement.predicate,
                    &facts,
                    &revision.file,
                    &mut self.ledger,
                ),
                Err(why) => {
                    for check in [Check::State, Check::Counts, Check::ManifestFields] {
                        self.ledger.skip(check, &revision.file, &why);
                    }
                }
            }
        }
    }

    async fn attempts(&mut self, newest: &Revision, records: &Records, published: &Published) {
        let Some(plan) = &records.plan else {
            return;
        };
        let run_id = newest.statement.predicate.run_id.clone();
        attempts::plan(&plan.document, &run_id, &mut self.ledger);
        for (name, failure) in &records.failures {
            attempts::failure(name, &failure.document, plan, &run_id, &mut self.ledger);
        }
        for (name, load) in &records.loads {
            let beside = name.replace(layout::LOAD, layout::RECEIPT);
            let receipt = match records.receipts.get(&beside) {
                Some(receipt) => Beside::Receipt(&receipt.document),
                None if newest.subjects.contains_key(&beside) => Beside::Unbelieved,
                None => Beside::Nothing,
            };
            attempts::load(
                name,
                &load.document,
                receipt,
                &plan.document,
                &mut self.ledger,
            );
        }
        for (name, receipt) in &records.receipts {
            let Some(folder) = name.strip_suffix(layout::RECEIPT) else {
                continue;
            };
            let Some(planned) = plan.document.ipe(&receipt.document.ipe_id) else {
                self.ledger.fail(
                    Check::Receipts,
                    name,
                    format!("{} is not in the plan", receipt.document.ipe_id),
                );
                continue;
            };
            let attempt = attempts::Attempt {
                folder: folder.to_owned(),
                file: name.clone(),
                run_id: run_id.clone(),
                receipt: Arc::new(receipt.document.clone()),
                planned: Arc::new(planned.clone()),
            };
            self.progress.now(&format!("{run_id} {}", planned.id));
            attempts::records(self, &attempt, plan).await;
            data::reperform(self, &attempt, published).await;
        }
    }

    /// Remembers the rows of a complete run for the months after it.
    fn remember(&self, manifests: &Manifests, newest: &Revision, published: &mut Published) {
        let predicate = &newest.statement.predicate;
        let complete = manifests.believed.iter().map(|r| &r.statement.predicate);
        let Some(first) = complete
            .filter(|p| p.state == soxauto_domain::RunState::Complete)
            .min_by_key(|p| p.finished_at)
            .filter(|_| predicate.state == soxauto_domain::RunState::Complete)
        else {
            return;
        };
        let rows = predicate
            .ipes
            .iter()
            .filter_map(|ipe| Some((ipe.id.clone(), ipe.counts?.decoded)));
        published.insert(
            predicate.run_id.clone(),
            crate::row_variance::PublishedRun {
                since: first.finished_at,
                rows: rows.collect(),
            },
        );
    }

    /// Measures what was not read yet, and compares all files with the subjects of every revision.
    ///
    /// What no manifest names, or names with another size than it is listed with, is told without being read.
    async fn files(&mut self, manifests: &Manifests) {
        for (name, listed) in &self.place.files {
            if manifests::revision(name).is_some()
                || self.measured.contains_key(name)
                || self.unread.contains_key(name)
            {
                continue;
            }
            let mut subjects = manifests
                .believed
                .iter()
                .filter_map(|r| r.subjects.get(name));
            if !subjects.any(|subject| subject.size == *listed) {
                self.progress.advance(*listed);
                continue;
            }
            match self.measure(name).await {
                Ok((_, measured)) => drop(self.measured.insert(name.clone(), measured)),
                Err(why) => drop(self.unread.insert(name.clone(), why)),
            }
        }
        for revision in &manifests.believed {
            for (name, subject) in &revision.subjects {
                self.compare(revision, name, *subject);
            }
        }
        let Some(newest) = manifests.newest_believed() else {
            for check in [Check::FilesMissing, Check::FilesExtra, Check::FileDigest] {
                self.ledger
                    .skip(check, "", "the newest manifest is not believed");
            }
            return;
        };
        for name in self.place.files.keys() {
            if manifests::revision(name).is_some() || reviews::place(name).is_some() {
                continue;
            }
            let named = newest.subjects.contains_key(name);
            let file = newest.file.clone();
            self.ledger.check(Check::FilesExtra, name, named, || {
                format!("{file}, the newest manifest, does not name it")
            });
        }
    }

    fn compare(&mut self, revision: &Revision, name: &str, subject: Measured) {
        let ledger = &mut self.ledger;
        let whose = &revision.file;
        let Some(listed) = self.place.files.get(name) else {
            ledger.fail(Check::FilesMissing, name, format!("{whose} names it"));
            return;
        };
        ledger.holds(Check::FilesMissing);
        if let Some(why) = self.unread.get(name) {
            ledger.fail(Check::FileDigest, name, format!("it cannot be read: {why}"));
            return;
        }
        let found = self.measured.get(name);
        let size = found.map_or(*listed, |found| found.size);
        ledger.check(Check::FileSize, name, size == subject.size, || {
            format!("{whose} says {} bytes, it has {size}", subject.size)
        });
        let Some(found) = found else {
            // Nothing is left unread whose size is the signed one, and another size has another digest.
            ledger.fail(
                Check::FileDigest,
                name,
                format!("{whose} says {}, of another size", subject.sha256),
            );
            return;
        };
        ledger.check(
            Check::FileDigest,
            name,
            found.sha256 == subject.sha256,
            || format!("{whose} says {}, it has {}", subject.sha256, found.sha256),
        );
    }

    /// The content digest is asked for by `--deep`.
    fn content(&mut self) {
        if !self.request.deep {
            let why = "the digest over the rows was not asked for: --deep";
            self.ledger.skip(Check::DataContentDigest, "", why);
        }
    }
}

/// What was known of the run when the revision was made: the records that it names, if all of them are believed.
fn facts(revision: &Revision, records: &Records) -> Result<RunFacts, String> {
    let same = |name: &str, stored: (soxauto_domain::Sha256, u64)| {
        revision
            .subjects
            .get(name)
            .is_some_and(|s| (s.sha256, s.size) == stored)
    };
    let plan = records
        .plan
        .as_ref()
        .filter(|plan| same("plan.json", (plan.sha256, plan.size)))
        .ok_or("its plan is not believed")?;
    let layout = Layout::new("");
    let run_id = &revision.statement.predicate.run_id;
    let mut attempts: BTreeMap<(IpeId, u32), AttemptFacts> = BTreeMap::new();
    for name in revision.subjects.keys() {
        let Some(Object::Attempt(attempt, path)) = layout.parse(&format!("{run_id}/{name}")) else {
            continue;
        };
        let facts = attempts
            .entry((attempt.ipe_id, attempt.number))
            .or_insert(AttemptFacts {
                number: attempt.number,
                receipt: None,
                failure: None,
                load: None,
                segments: 0,
            });
        facts.segments += u32::from(layout::segment_number(&path).is_some());
        let unbelieved = || format!("{name} is not believed");
        match path.as_str() {
            layout::RECEIPT => {
                let found = records.receipts.get(name).cloned();
                facts.receipt = Some(
                    found
                        .filter(|s| same(name, (s.sha256, s.size)))
                        .ok_or_else(unbelieved)?,
                );
            }
            layout::FAILURE => {
                let found = records.failures.get(name).cloned();
                facts.failure = Some(
                    found
                        .filter(|s| same(name, (s.sha256, s.size)))
                        .ok_or_else(unbelieved)?,
                );
            }
            layout::LOAD => {
                let found = records.loads.get(name).cloned();
                facts.load = Some(
                    found
                        .filter(|s| same(name, (s.sha256, s.size)))
                        .ok_or_else(unbelieved)?,
                );
            }
            _ => {}
        }
    }
    let ipes = plan.document.ipes.iter().map(|planned| IpeFacts {
        id: planned.id.clone(),
        attempts: attempts
            .iter()
            .filter(|((id, _), _)| *id == planned.id)
            .map(|(_, facts)| facts.clone())
            .collect(),
    });
    Ok(RunFacts {
        ipes: ipes.collect(),
        plan: plan.document.clone(),
        plan_sha256: plan.sha256,
        plan_size: plan.size,
        manifests: vec![],
        objects: vec![],
    })
}
