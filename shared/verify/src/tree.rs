//! From a listing to runs: which files belong to which run's folder.

use std::collections::BTreeMap;

use soxauto_domain::{Cutoff, RunId};

use crate::folder::{Entry, Listing};

/// Name under which an export may put the public key beside the runs.
pub(crate) const KEY_FILE: &str = "signing-key.pem";

/// One run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunFolder {
    /// Relative to what is verified: empty, or ending with a slash.
    pub(crate) path: String,
    /// The run that the folder's place names, as far as it names one.
    pub(crate) named: Option<RunId>,
    /// Files by their path relative to the run's folder, with their bytes.
    pub(crate) files: BTreeMap<String, u64>,
}

impl RunFolder {
    /// Whether it was taken for a run by its place, which then names none: nothing would hold the manifest to the place.
    pub(crate) fn is_misnamed(&self) -> bool {
        !self.path.is_empty() && self.named.is_none()
    }
}

/// What is verified.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// In order of path.
    pub(crate) runs: Vec<RunFolder>,
    /// Files that belong to no run.
    pub(crate) strays: Vec<Entry>,
}

/// Whether a file of this name lies directly in a run's folder only.
fn marks_a_run(name: &str) -> bool {
    name == "plan.json" || (name.starts_with("manifest-") && name.ends_with(".dsse.json"))
}

/// `r1` in `2024-05-01/r1`.
fn is_run(cutoff: Option<&str>, number: &str) -> bool {
    let digits = number.strip_prefix('r').unwrap_or_default();
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && cutoff.is_some_and(|cutoff| cutoff.parse::<Cutoff>().is_ok())
}

/// Splits a listing; `place` is the folder's own path, whose last parts may name control, cutoff and run.
pub(crate) fn split(place: &str, listing: &Listing) -> Tree {
    let above: Vec<&str> = place.split(['/', '\\']).filter(|p| !p.is_empty()).collect();
    let named = |below: &str| -> Option<RunId> {
        let mut parts = above.clone();
        parts.extend(below.split('/').filter(|p| !p.is_empty()));
        let last = parts.len().checked_sub(3)?;
        RunId::parse_chained(&parts[last..].join("/")).ok()
    };
    let whole_is_a_run = listing.entries.iter().any(|e| marks_a_run(&e.path));
    let mut runs: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut strays = Vec::new();
    for entry in &listing.entries {
        let run = if whole_is_a_run {
            Some("")
        } else {
            run_of(&above, &entry.path)
        };
        match run {
            Some(run) => {
                let name = entry.path[run.len()..].to_owned();
                runs.entry(run.to_owned())
                    .or_default()
                    .insert(name, entry.size);
            }
            None if entry.path == KEY_FILE => {}
            None => strays.push(entry.clone()),
        }
    }
    let runs = runs
        .into_iter()
        .map(|(path, files)| RunFolder {
            named: named(&path),
            path,
            files,
        })
        .collect();
    Tree { runs, strays }
}

/// The folder of the run to which the file belongs, with its slash.
fn run_of<'p>(above: &[&str], path: &'p str) -> Option<&'p str> {
    let mut before = above.last().copied();
    let mut at = 0;
    while let Some(slash) = path[at..].find('/') {
        let part = &path[at..at + slash];
        at += slash + 1;
        if is_run(before, part) {
            return Some(&path[..at]);
        }
        before = Some(part);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> Listing {
        Listing {
            entries: paths
                .iter()
                .map(|path| Entry {
                    path: (*path).to_owned(),
                    size: 1,
                })
                .collect(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn runs_are_found_at_every_height() {
        let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
        for (place, prefix) in [
            ("/home/me/C-PG-1/2024-05-01/r1", ""),
            ("/home/me/C-PG-1/2024-05-01", "r1/"),
            ("/home/me/C-PG-1", "2024-05-01/r1/"),
            ("s3://bucket/evidence", "C-PG-1/2024-05-01/r1/"),
            ("/home/me/out", "evidence/C-PG-1/2024-05-01/r1/"),
        ] {
            let paths = [
                format!("{prefix}plan.json"),
                format!("{prefix}IPE_07/attempt-1/receipt.json"),
            ];
            let tree = split(
                place,
                &listing(&paths.iter().map(String::as_str).collect::<Vec<_>>()),
            );
            assert_eq!(tree.runs.len(), 1, "{place}");
            assert_eq!(tree.runs[0].path, prefix);
            assert_eq!(tree.runs[0].named.as_ref(), Some(&run), "{place}");
            assert_eq!(tree.runs[0].files.len(), 2);
            assert!(tree.strays.is_empty());
        }
    }

    #[test]
    fn a_place_that_nearly_names_a_run_is_seen() {
        for (path, misnamed) in [
            ("C-PG-1/2024-06-01/r1/", false),
            ("C-PG-1/2024-06-01/r0/", false),
            ("c-pg-1/2024-06-01/r1/", true),
            ("C-PG-1/2024-06-01/r01/", true),
        ] {
            let tree = split("/tmp/all", &listing(&[&format!("{path}plan.json")]));
            assert_eq!(tree.runs[0].path, path);
            assert_eq!(tree.runs[0].is_misnamed(), misnamed, "{path}");
        }
        let whole = split("/tmp/may", &listing(&["plan.json"]));
        assert!(!whole.runs[0].is_misnamed());
    }

    #[test]
    fn a_downloaded_folder_may_have_any_name_and_strays_are_seen() {
        let tree = split("/tmp/may", &listing(&["manifest-1.dsse.json", "x/y"]));
        assert_eq!((tree.runs.len(), tree.runs[0].named.clone()), (1, None));
        let tree = split(
            "/tmp/all",
            &listing(&[
                "C-PG-1/2024-05-01/r1/plan.json",
                "C-PG-1/2024-05-01/notes.txt",
                "README",
                "signing-key.pem",
            ]),
        );
        let strays: Vec<&str> = tree.strays.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(strays, ["C-PG-1/2024-05-01/notes.txt", "README"]);
    }
}
