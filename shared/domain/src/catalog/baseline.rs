//! The approved baseline of an IPE, as `baseline/<IPE>.toml` beside the queries keeps it.
//!
//! It holds the approved texts themselves, so that a difference can be shown and not only told. Whether the texts of
//! today differ is a question of T-SQL, which is answered elsewhere (`soxauto_tsql::baseline`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{locate::Locator, model::Ipe, problem::Problem};
use crate::{digest::Sha256, id::IpeId, schema_tag::schema_tag};

schema_tag! {
    /// Schema of a baseline.
    BaselineSchema = "soxauto.baseline/1"
}

/// Folder of the baselines, relative to the control's.
pub(super) const FOLDER: &str = "baseline/";

/// What was approved, by whom, when, on which ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineFile {
    /// Always `soxauto.baseline/1`.
    pub schema: BaselineSchema,
    /// The IPE.
    pub ipe: IpeId,
    /// Digest of the texts, token by token.
    pub sha256: Sha256,
    /// Who approved.
    pub approved_by: String,
    /// When.
    pub approved_at: Timestamp,
    /// Where the approval was asked for.
    pub ticket: String,
    /// The approved texts.
    pub texts: Texts,
}

/// Everything that decides what is extracted and what is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The IPE's TOML file.
    pub declarations: String,
    /// The extraction query.
    pub extraction: String,
    /// The completeness query.
    pub completeness: String,
    /// The witness query, when the witness is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
    /// The bounds query, when the extraction is cut into ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

impl Texts {
    /// What the TOML file declares, one `path = value` for each value, in an order that layout does not change.
    /// Title and description are prose for readers, and left out.
    ///
    /// A file that is not TOML is one declaration.
    #[must_use]
    pub fn declared(&self) -> Vec<String> {
        let Ok(mut table) = self.declarations.parse::<toml::Table>() else {
            return vec![self.declarations.clone()];
        };
        table.remove("title");
        table.remove("description");
        let mut lines = Vec::new();
        flatten("", &toml::Value::Table(table), &mut lines);
        lines
    }
}

/// Adds the value's leaves; an element of an array goes by its name, if it has one.
fn flatten(path: &str, value: &toml::Value, lines: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            let sorted: BTreeMap<&String, &toml::Value> = table.iter().collect();
            for (key, value) in sorted {
                let key = if key.contains('.') {
                    format!("{key:?}")
                } else {
                    key.clone()
                };
                let path = if path.is_empty() {
                    key
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, lines);
            }
        }
        toml::Value::Array(array) => {
            if array.is_empty() {
                lines.push(format!("{path} = []"));
            }
            for element in array {
                match element.get("name").and_then(toml::Value::as_str) {
                    Some(name) => flatten(&format!("{path}[{name}]"), element, lines),
                    None => flatten(&format!("{path}[]"), element, lines),
                }
            }
        }
        leaf => lines.push(format!("{path} = {leaf}")),
    }
}

impl BaselineFile {
    /// The file's name in the control's folder: `baseline/IPE_07.toml`.
    #[must_use]
    pub fn path(ipe: &IpeId) -> String {
        format!("{FOLDER}{ipe}.toml")
    }
}

impl Ipe {
    /// The texts of today, in the form that a baseline keeps.
    #[must_use]
    pub fn texts(&self) -> Texts {
        Texts {
            declarations: self.declarations.clone(),
            extraction: self.sql.clone(),
            completeness: self.completeness_sql.clone(),
            witness: self.witness_sql.clone(),
            partition: self.partition_sql.clone(),
        }
    }
}

/// Whether the file is a baseline.
pub(super) fn is_baseline(path: &str) -> bool {
    path.starts_with(FOLDER) && path.ends_with(".toml")
}

/// Gives each IPE its baseline; a baseline that nobody owns, or that lacks a name, is a problem.
pub(super) fn attach(
    files: &BTreeMap<String, String>,
    ipes: &mut [Ipe],
    problems: &mut Vec<Problem>,
) {
    for (path, text) in files.iter().filter(|(path, _)| is_baseline(path)) {
        let Some(file) = Locator::new(path, text).parse::<BaselineFile>(problems) else {
            continue;
        };
        let mut report = |reason: String, remedy: &str| {
            problems.push(Problem {
                file: path.clone(),
                line: 1,
                reason,
                remedy: remedy.to_owned(),
            });
        };
        if *path != BaselineFile::path(&file.ipe) {
            report(
                format!(
                    "the baseline of {} must be named {}",
                    file.ipe,
                    BaselineFile::path(&file.ipe)
                ),
                "Rename the file, or write it with `soxauto catalog approve`",
            );
        } else if file.approved_by.trim().is_empty() || file.ticket.trim().is_empty() {
            report(
                "the baseline does not say who approved it, or on which ticket".to_owned(),
                "Write it with `soxauto catalog approve`",
            );
        } else if let Some(ipe) = ipes.iter_mut().find(|ipe| ipe.id == file.ipe) {
            ipe.baseline = Some(file);
        } else if !files.contains_key(&format!("{}.toml", file.ipe)) {
            report(
                format!("{} is not in the catalog", file.ipe),
                "Delete the baseline; the repository's history keeps it",
            );
        }
    }
}
