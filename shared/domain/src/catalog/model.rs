//! A catalog that has been read: a control, its IPEs and the texts of their queries.

use jiff::tz::TimeZone;

use super::{
    baseline::BaselineFile,
    file::{ControlFile, IpeFile},
};
use crate::{
    id::{ControlId, IpeId},
    lineage::Lineage,
    plan::PlannedControl,
};

/// Columns that every extract carries besides its own.
pub const TRACEABILITY_COLUMNS: [&str; 5] = [
    "_run_id",
    "_ipe_id",
    "_cutoff_date",
    "_extracted_at",
    "_row_number",
];

/// The most columns of a Redshift table, less the traceability columns.
pub const MAX_COLUMNS: usize = 1_600 - TRACEABILITY_COLUMNS.len();

/// A control with its IPEs, all valid.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The control.
    pub control: ControlFile,
    /// Its identifier.
    pub control_id: ControlId,
    /// The zone in which its months begin.
    pub time_zone: TimeZone,
    /// In the order of their identifiers.
    pub ipes: Vec<Ipe>,
    /// Digest over all files: name and content.
    pub sha256: crate::digest::Sha256,
}

impl Catalog {
    /// The control as plans and manifests pin it.
    #[must_use]
    pub fn planned_control(&self) -> PlannedControl {
        PlannedControl {
            id: self.control_id.clone(),
            title: self.control.title.clone(),
            time_zone: self.control.time_zone.clone(),
            warehouse_schema: self.control.warehouse_schema.clone(),
        }
    }
}

/// One IPE with the texts of its queries.
#[derive(Debug, Clone)]
pub struct Ipe {
    /// Identifier.
    pub id: IpeId,
    /// The TOML file.
    pub file: IpeFile,
    /// Where the TOML file is, relative to the catalog's folder.
    pub path: String,
    /// The TOML file's text.
    pub declarations: String,
    /// The extraction query.
    pub sql: String,
    /// The completeness query.
    pub completeness_sql: String,
    /// The witness query, when the witness is one.
    pub witness_sql: Option<String>,
    /// The bounds query, when the extraction is cut into ranges.
    pub partition_sql: Option<String>,
    /// What was approved, if anything was.
    pub baseline: Option<BaselineFile>,
    /// Where its columns come from, if the catalog says so.
    pub lineage: Option<Lineage>,
}

impl Catalog {
    /// The IPE of that identifier.
    #[must_use]
    pub fn ipe(&self, id: &IpeId) -> Option<&Ipe> {
        self.ipes.iter().find(|ipe| ipe.id == *id)
    }
}
