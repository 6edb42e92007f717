//! The manifests of a run: form, signature, statement, revisions, and what their subjects claim of the files.

use std::collections::BTreeMap;

use soxauto_domain::{
    Sha256,
    layout::{Layout, Object},
    manifest::{ManifestLink, Statement},
};
use soxauto_evidence::{EnvelopeError, envelope};

use crate::{
    chain::Link,
    check::Check,
    files::{self, Measured},
    folder::{Folder, is_plain},
    key::PublicKey,
    ledger::Ledger,
    progress::Progress,
    tree::RunFolder,
};

/// A revision of the manifest whose signature holds.
pub(crate) struct Revision {
    pub(crate) number: u32,
    /// Relative to the run's folder.
    pub(crate) file: String,
    pub(crate) statement: Statement,
    /// Subjects by name.
    pub(crate) subjects: BTreeMap<String, Measured>,
    /// Digest of the envelope.
    pub(crate) sha256: Sha256,
}

/// What the manifests of a run say.
#[derive(Default)]
pub(crate) struct Manifests {
    /// Those that are believed, ascending.
    pub(crate) believed: Vec<Revision>,
    /// The newest one that is there, believed or not.
    pub(crate) newest: u32,
    /// All that could be read, for the chain.
    pub(crate) links: Vec<Link>,
}

impl Manifests {
    /// The newest revision, if it is believed.
    pub(crate) fn newest_believed(&self) -> Option<&Revision> {
        self.believed.iter().find(|r| r.number == self.newest)
    }
}

/// What a file of some run's folder is by its name.
pub(crate) fn object(name: &str) -> Option<Object> {
    // Any run will do: only the name inside the folder is looked at.
    Layout::new("").parse(&format!("C-PG-1/2024-05-01/r1/{name}"))
}

/// The revision that a file name gives.
pub(crate) fn revision(name: &str) -> Option<u32> {
    match object(name)? {
        Object::Manifest(_, revision) => Some(revision),
        _ => None,
    }
}

/// Reads and checks all manifests of a run.
pub(crate) async fn read(
    folder: &dyn Folder,
    run: &RunFolder,
    keys: &[PublicKey],
    ledger: &mut Ledger,
    progress: &dyn Progress,
) -> Manifests {
    let mut found = Manifests::default();
    let numbered = |(name, size): (&String, &u64)| Some((revision(name)?, *size));
    let sizes: BTreeMap<u32, u64> = run.files.iter().filter_map(numbered).collect();
    let numbers: Vec<u32> = sizes.keys().copied().collect();
    if numbers.is_empty() {
        ledger.fail(
            Check::Revisions,
            "",
            "the run has no manifest: it is open, or somebody took it away",
        );
        return found;
    }
    let gap = numbers.iter().zip(1..).find(|(is, should)| **is != *should);
    match gap {
        None => ledger.holds(Check::Revisions),
        Some((_, missing)) => ledger.fail(
            Check::Revisions,
            &format!("manifest-{missing}.dsse.json"),
            "this revision is missing",
        ),
    }
    found.newest = numbers.last().copied().unwrap_or_default();
    for (number, size) in sizes {
        let file = format!("manifest-{number}.dsse.json");
        let path = format!("{}{file}", run.path);
        match files::document(folder, &path, size, progress).await {
            Err(why) => ledger.fail(Check::Envelope, &file, why),
            Ok(bytes) => one(run, number, &file, &bytes, keys, &mut found, ledger),
        }
    }
    for pair in found.believed.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let times = [before, after].map(|r| r.statement.predicate.finished_at);
        ledger.check(Check::Revisions, &after.file, times[0] <= times[1], || {
            format!(
                "it is of {}, the revision before it of {}",
                times[1], times[0]
            )
        });
    }
    found
}

fn one(
    run: &RunFolder,
    number: u32,
    file: &str,
    bytes: &[u8],
    keys: &[PublicKey],
    found: &mut Manifests,
    ledger: &mut Ledger,
) {
    let statement = match envelope::read(bytes) {
        Ok(statement) => statement,
        Err(e) => {
            let check = match e {
                EnvelopeError::Statement(_) => Check::Statement,
                _ => Check::Envelope,
            };
            ledger.fail(check, file, e.to_string());
            return;
        }
    };
    ledger.holds(Check::Envelope);
    let predicate = &statement.predicate;
    let sha256 = Sha256::of(bytes);
    let link = ManifestLink {
        run_id: predicate.run_id.clone(),
        revision: predicate.revision,
        sha256,
    };
    found.links.push(Link {
        file: format!("{}{file}", run.path),
        link,
        previous: predicate.previous.clone(),
        finished_at: predicate.finished_at,
    });
    let signed = keys
        .iter()
        .any(|key| envelope::verify(bytes, key.pem()).is_ok());
    if !ledger.check(Check::Signature, file, signed, || {
        let names: Vec<String> = keys.iter().map(|k| k.sha256().to_string()).collect();
        format!(
            "no signature of the envelope holds under the key {}",
            names.join(" or ")
        )
    }) {
        return;
    }
    let mut right = ledger.equal(
        Check::Statement,
        file,
        "the revision that it speaks of",
        &predicate.revision,
        &number,
    );
    if let Some(named) = &run.named {
        right &= ledger.check(Check::Statement, file, predicate.run_id == *named, || {
            format!(
                "it speaks of {}, but lies in the folder of {named}",
                predicate.run_id
            )
        });
    }
    if let Some(other) = found.believed.first() {
        let first = &other.statement.predicate.run_id;
        right &= ledger.check(Check::Statement, file, predicate.run_id == *first, || {
            format!("it speaks of {}, revision 1 of {first}", predicate.run_id)
        });
    }
    let subjects = subjects(&statement, file, ledger);
    if right {
        found.believed.push(Revision {
            number,
            file: file.to_owned(),
            statement,
            subjects,
            sha256,
        });
    }
}

/// The subjects by name; a name that is not of the layout or comes twice is told.
fn subjects(statement: &Statement, file: &str, ledger: &mut Ledger) -> BTreeMap<String, Measured> {
    let run = &statement.predicate.run_id;
    let layout = Layout::new("");
    let mut found = BTreeMap::new();
    for subject in &statement.subject {
        let name = &subject.name;
        let known = layout.parse(&format!("{run}/{name}"));
        let right = is_plain(name)
            && matches!(known, Some(ref object) if !matches!(object, Object::Manifest(..)));
        if !ledger.check(Check::SubjectNames, file, right, || {
            format!("the subject {name:?} is no file of a run")
        }) {
            continue;
        }
        let measured = Measured {
            size: subject.annotations.size,
            sha256: subject.digest.sha256,
        };
        if found.insert(name.clone(), measured).is_some() {
            ledger.fail(
                Check::SubjectNames,
                file,
                format!("the subject {name:?} is there twice"),
            );
        }
    }
    found
}
