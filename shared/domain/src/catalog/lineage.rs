//! Gives each IPE the lineage that was found in its query, and refuses one that was found in another text.

use std::collections::BTreeMap;

use super::{model::Ipe, problem::Problem};
use crate::{
    digest::Sha256,
    lineage::{Lineage, LineageFile},
};

/// The file, beside the queries.
pub(super) const LINEAGE: &str = "lineage.json";

const MAKE_ANEW: &str = "Run `scripts/lineage` and commit what it writes";

/// Reads `lineage.json`, if there is one. It must then speak of every IPE, of the text that is there now, and of the
/// contract's columns in their order.
pub(super) fn attach(
    files: &BTreeMap<String, String>,
    ipes: &mut [Ipe],
    problems: &mut Vec<Problem>,
) {
    let Some(text) = files.get(LINEAGE) else {
        return;
    };
    let mut report = |reason: String| {
        problems.push(Problem {
            file: LINEAGE.to_owned(),
            line: 1,
            reason,
            remedy: MAKE_ANEW.to_owned(),
        });
    };
    let file: LineageFile = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(e) => return report(format!("cannot be read: {e}")),
    };
    for ipe in ipes {
        let Some(found) = file.ipes.get(&ipe.id) else {
            report(format!("{} has no lineage", ipe.id));
            continue;
        };
        let columns = found.columns.iter().map(|c| &c.column);
        if found.query_sha256 != Sha256::of(&ipe.sql) {
            report(format!(
                "the lineage of {} was found in another text than {}",
                ipe.id, ipe.file.query
            ));
        } else if !columns.eq(ipe.file.columns.iter().map(|c| &c.name)) {
            report(format!(
                "the lineage of {} has other columns than its contract",
                ipe.id
            ));
        } else {
            ipe.lineage = Some(Lineage {
                tables: found.tables.clone(),
                columns: found.columns.clone(),
            });
        }
    }
    for id in file.ipes.keys() {
        if !files.contains_key(&format!("{id}.toml")) {
            report(format!("{id} is not in the catalog"));
        }
    }
}
