//! Keys in the evidence and state buckets: one folder is one run, and downloads whole.

use crate::{
    digest::Sha256,
    id::{ControlId, IpeId, RunId},
};

/// The evidence bucket's layout below its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    prefix: String,
}

/// What an object of the evidence bucket is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// `plan.json` of a run.
    Plan(RunId),
    /// A file of an attempt; the path is relative to the attempt's folder.
    Attempt(Attempt, String),
    /// `manifest-<rev>.dsse.json`.
    Manifest(RunId, u32),
    /// `report-<rev>.html`.
    Report(RunId, u32),
    /// `review-<rev>-<n>.dsse.json`: the n-th review of a manifest revision.
    Review(RunId, u32, u32),
}

/// One attempt at one IPE.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// The run.
    pub run_id: RunId,
    /// The IPE.
    pub ipe_id: IpeId,
    /// From 1.
    pub number: u32,
}

/// File name of the receipt in an attempt's folder.
pub const RECEIPT: &str = "receipt.json";
/// File name of the failure record in an attempt's folder.
pub const FAILURE: &str = "failure.json";
/// File name of the bound parameters in an attempt's folder.
pub const PARAMETERS: &str = "parameters.json";
/// File name of the load record in an attempt's folder.
pub const LOAD: &str = "load.json";

/// File name of the n-th segment record (from 1) in an attempt's folder.
#[must_use]
pub fn segment(number: u32) -> String {
    format!("segment-{number}.json")
}

/// The number of a segment record by its file name; `None` for another file.
#[must_use]
pub fn segment_number(path: &str) -> Option<u32> {
    number(path.strip_prefix("segment-")?.strip_suffix(".json")?)
}

impl Layout {
    /// A layout below `prefix`, which may be empty; slashes at its ends do not matter.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let trimmed = prefix.trim_matches('/');
        Self {
            prefix: if trimmed.is_empty() {
                String::new()
            } else {
                format!("{trimmed}/")
            },
        }
    }

    /// The folder of every control, with its slash; empty without a prefix.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.prefix
    }

    /// The folder of a control's cutoff, with its slash.
    #[must_use]
    pub fn cutoff_folder(&self, run: &RunId) -> String {
        format!("{}{}/{}/", self.prefix, run.control(), run.cutoff())
    }

    /// The folder of all runs of a control, with its slash.
    #[must_use]
    pub fn control_folder(&self, control: &ControlId) -> String {
        format!("{}{control}/", self.prefix)
    }

    /// A run's folder, with its slash.
    #[must_use]
    pub fn run_folder(&self, run: &RunId) -> String {
        format!("{}{run}/", self.prefix)
    }

    /// Key of a run's plan.
    #[must_use]
    pub fn plan(&self, run: &RunId) -> String {
        format!("{}plan.json", self.run_folder(run))
    }

    /// The folder of an IPE in a run, with its slash.
    #[must_use]
    pub fn ipe_folder(&self, run: &RunId, ipe: &IpeId) -> String {
        format!("{}{ipe}/", self.run_folder(run))
    }

    /// Key of a file of an attempt.
    #[must_use]
    pub fn file(&self, attempt: &Attempt, path: &str) -> String {
        format!(
            "{}attempt-{}/{path}",
            self.ipe_folder(&attempt.run_id, &attempt.ipe_id),
            attempt.number
        )
    }

    /// Key of a manifest revision.
    #[must_use]
    pub fn manifest(&self, run: &RunId, revision: u32) -> String {
        format!("{}manifest-{revision}.dsse.json", self.run_folder(run))
    }

    /// Key of the report of a manifest revision.
    #[must_use]
    pub fn report(&self, run: &RunId, revision: u32) -> String {
        format!("{}report-{revision}.html", self.run_folder(run))
    }

    /// Key of the n-th review (from 1) of a manifest revision.
    #[must_use]
    pub fn review(&self, run: &RunId, revision: u32, number: u32) -> String {
        format!(
            "{}review-{revision}-{number}.dsse.json",
            self.run_folder(run)
        )
    }

    /// What the key is; `None` for a key that is not of this layout.
    #[must_use]
    pub fn parse(&self, key: &str) -> Option<Object> {
        let rest = key.strip_prefix(&self.prefix)?;
        let mut parts = rest.splitn(4, '/');
        let run = format!("{}/{}/{}", parts.next()?, parts.next()?, parts.next()?);
        let run = RunId::parse_chained(&run).ok()?;
        let inside = parts.next()?;
        let revision =
            |prefix: &str, suffix: &str| number(inside.strip_prefix(prefix)?.strip_suffix(suffix)?);
        if let Some(revision) = revision("manifest-", ".dsse.json") {
            return Some(Object::Manifest(run, revision));
        }
        if let Some(revision) = revision("report-", ".html") {
            return Some(Object::Report(run, revision));
        }
        if let Some((revision, n)) = inside
            .strip_prefix("review-")
            .and_then(|rest| rest.strip_suffix(".dsse.json")?.split_once('-'))
        {
            return Some(Object::Review(run, number(revision)?, number(n)?));
        }
        // "No run" has neither plan nor attempts.
        if run.is_missing() {
            return None;
        }
        if inside == "plan.json" {
            return Some(Object::Plan(run));
        }
        let (ipe, inside) = inside.split_once('/')?;
        let (attempt, path) = inside.split_once('/')?;
        let attempt = Attempt {
            run_id: run,
            ipe_id: ipe.parse().ok()?,
            number: number(attempt.strip_prefix("attempt-")?)?,
        };
        (!path.is_empty()).then(|| Object::Attempt(attempt, path.to_owned()))
    }
}

/// A number from 1 in its only spelling.
fn number(text: &str) -> Option<u32> {
    let n: u32 = text.parse().ok()?;
    (n > 0 && n.to_string() == text).then_some(n)
}

/// Keys of the state bucket: what must change.
pub mod state {
    use super::{ControlId, IpeId, RunId, Sha256};

    /// Marker of a run that is not finished.
    #[must_use]
    pub fn open_run(run: &RunId) -> String {
        format!("open/{run}.json")
    }

    /// What the finalizer has seen to end of an open run.
    #[must_use]
    pub fn settled(run: &RunId) -> String {
        format!("settled/{run}.json")
    }

    /// Folder of the markers of open runs.
    pub const OPEN_RUNS: &str = "open/";

    /// Folder of all leases.
    pub const LEASES: &str = "leases/";

    /// Lease of the worker on one IPE.
    #[must_use]
    pub fn ipe_lease(run: &RunId, ipe: &IpeId) -> String {
        format!("leases/{run}/{ipe}.json")
    }

    /// Lease of the finalizer on a run.
    #[must_use]
    pub fn run_lease(run: &RunId) -> String {
        format!("leases/{run}/finalizer.json")
    }

    /// Head of a control's chain of manifests.
    #[must_use]
    pub fn chain_head(control: &ControlId) -> String {
        format!("chain/{control}/head.json")
    }

    /// Folder of the envelopes on their way into a control's chain.
    #[must_use]
    pub fn staged_manifests(control: &ControlId) -> String {
        format!("chain/{control}/staged/")
    }

    /// An envelope on its way into the chain.
    #[must_use]
    pub fn staged_manifest(control: &ControlId, sha256: &Sha256) -> String {
        format!("chain/{control}/staged/{sha256}.json")
    }

    /// Folder of all leases of a run.
    #[must_use]
    pub fn run_leases(run: &RunId) -> String {
        format!("leases/{run}/")
    }

    /// Which attempt at an IPE is loaded: the first finalizer that loads one says so.
    #[must_use]
    pub fn load_choice(run: &RunId, ipe: &IpeId) -> String {
        format!("copy/{run}/{ipe}/chosen.json")
    }

    /// COPY manifest of an attempt.
    #[must_use]
    pub fn copy_manifest(run: &RunId, ipe: &IpeId, attempt: u32) -> String {
        format!("copy/{run}/{ipe}/attempt-{attempt}.manifest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_as_they_are_written() {
        for prefix in ["evidence", "", "/a/b/"] {
            let layout = Layout::new(prefix);
            let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
            let attempt = Attempt {
                run_id: run.clone(),
                ipe_id: "IPE_07".parse().unwrap(),
                number: 2,
            };
            assert_eq!(
                layout.parse(&layout.plan(&run)),
                Some(Object::Plan(run.clone()))
            );
            assert_eq!(
                layout.parse(&layout.manifest(&run, 3)),
                Some(Object::Manifest(run.clone(), 3))
            );
            assert_eq!(
                layout.parse(&layout.report(&run, 3)),
                Some(Object::Report(run.clone(), 3))
            );
            assert_eq!(
                layout.parse(&layout.review(&run, 3, 2)),
                Some(Object::Review(run.clone(), 3, 2))
            );
            let missing = RunId::missing(run.control().clone(), run.cutoff());
            assert_eq!(
                layout.parse(&layout.manifest(&missing, 1)),
                Some(Object::Manifest(missing.clone(), 1))
            );
            assert_eq!(layout.parse(&layout.plan(&missing)), None);
            let key = layout.file(&attempt, "data/part-00000.parquet");
            assert_eq!(
                layout.parse(&key),
                Some(Object::Attempt(attempt, "data/part-00000.parquet".into()))
            );
        }
    }

    #[test]
    fn foreign_keys_are_not_understood() {
        let layout = Layout::new("evidence");
        for key in [
            "",
            "evidence/",
            "evidence/C-PG-1/2024-05-01/r1/",
            "evidence/C-PG-1/2024-05-01/r1/x.json",
            "other/C-PG-1/2024-05-01/r1/plan.json",
            "evidence/C-PG-1/2024-05-01/r1/IPE_07/attempt-01/receipt.json",
            "evidence/C-PG-1/2024-05-01/r1/manifest-0.dsse.json",
            "evidence/C-PG-1/2024-05-01/r1/review-1.dsse.json",
            "evidence/C-PG-1/2024-05-01/r1/review-1-0.dsse.json",
            "evidence/C-PG-1/2024-05-01/r0/IPE_07/attempt-1/receipt.json",
        ] {
            assert_eq!(layout.parse(key), None, "{key}");
        }
    }
}
