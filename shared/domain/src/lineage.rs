//! Lineage: which columns of the source feed each column of an extract.
//!
//! It is made when a release is prepared, by a program that parses T-SQL, and committed beside the queries. A digest of
//! the query's text ties it to what it was made of, so that no function needs a parser.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256, id::IpeId, schema_tag::schema_tag};

schema_tag! {
    /// Schema of `lineage.json`.
    LineageSchema = "soxauto.lineage/1"
}

/// `lineage.json` of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageFile {
    /// Always `soxauto.lineage/1`.
    pub schema: LineageSchema,
    /// The lineage of each IPE.
    pub ipes: BTreeMap<IpeId, QueryLineage>,
}

/// The lineage of one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryLineage {
    /// SHA-256 of the extraction query's file.
    pub query_sha256: Sha256,
    /// Every table that the query reads, as `database.schema.table`, sorted.
    pub tables: Vec<String>,
    /// Each column of the extract, in its order.
    pub columns: Vec<ColumnLineage>,
}

/// Where an extract comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Every table that the query reads, as `database.schema.table`, sorted.
    pub tables: Vec<String>,
    /// Each column of the extract, in its order.
    pub columns: Vec<ColumnLineage>,
}

/// Where one column's values come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnLineage {
    /// Column of the extract.
    pub column: String,
    /// Columns that feed it, sorted; none for a constant or a count of rows.
    pub sources: Vec<SourceColumn>,
}

/// `database.schema.table.column`; no part is empty or has a dot in it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SourceColumn(String);

/// The text does not name a column of the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not database.schema.table.column")]
pub struct SourceColumnError(String);

impl SourceColumn {
    /// `database.schema.table`.
    #[must_use]
    pub fn table(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// The column's name.
    #[must_use]
    pub fn column(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, column)| column)
    }
}

impl TryFrom<String> for SourceColumn {
    type Error = SourceColumnError;
    fn try_from(text: String) -> Result<Self, SourceColumnError> {
        if text.split('.').filter(|part| !part.is_empty()).count() == 4
            && text.matches('.').count() == 3
        {
            Ok(Self(text))
        } else {
            Err(SourceColumnError(text))
        }
    }
}

impl From<SourceColumn> for String {
    fn from(column: SourceColumn) -> String {
        column.0
    }
}

impl fmt::Display for SourceColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_column_has_four_parts() {
        let column = SourceColumn::try_from("DW.dbo.G_L Entries.Entry No_".to_owned()).unwrap();
        assert_eq!(
            (column.table(), column.column()),
            ("DW.dbo.G_L Entries", "Entry No_")
        );
        for bad in ["", "dbo.t.c", "a..t.c", "a.b.c.d.e", "a.b.c."] {
            assert!(SourceColumn::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
