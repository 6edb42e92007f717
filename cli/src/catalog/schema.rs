//! `soxauto catalog schema`: the JSON Schemas of the catalog's files, generated from the types that read them.

use std::{fs, io::Write, path::Path};

use soxauto_domain::catalog::{ControlFile, IpeFile};

use super::CatalogError;

/// File name and text of each schema.
fn documents() -> Result<[(&'static str, String); 2], CatalogError> {
    let text = |schema: schemars::Schema| -> Result<String, CatalogError> {
        Ok(serde_json::to_string_pretty(&schema)? + "\n")
    };
    Ok([
        (
            "catalog.control.schema.json",
            text(schemars::schema_for!(ControlFile))?,
        ),
        (
            "catalog.ipe.schema.json",
            text(schemars::schema_for!(IpeFile))?,
        ),
    ])
}

/// Prints both schemas as one JSON object, or writes each into its file.
pub(super) fn run(folder: Option<&Path>, out: &mut dyn Write) -> Result<(), CatalogError> {
    let documents = documents()?;
    let Some(folder) = folder else {
        let mut both = serde_json::Map::new();
        for (name, text) in &documents {
            both.insert((*name).to_owned(), serde_json::from_str(text)?);
        }
        serde_json::to_writer_pretty(&mut *out, &both)?;
        writeln!(out)?;
        return Ok(());
    };
    for (name, text) in &documents {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| CatalogError::File {
            path: path.display().to_string(),
            source,
        })?;
        writeln!(out, "wrote {}", path.display())?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    /// The committed schemas are those of the types; `soxauto catalog schema --write docs` makes them so.
    #[test]
    fn the_committed_schemas_are_current() {
        for (name, text) in documents().expect("schemas") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../docs")
                .join(name);
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == text,
                "docs/{name} is not current: run `soxauto catalog schema --write docs`"
            );
        }
    }

    #[test]
    fn a_schema_refuses_unknown_fields_and_names_the_required_ones() {
        let [(_, control), (_, ipe)] = documents().expect("schemas");
        let ipe: serde_json::Value = serde_json::from_str(&ipe).expect("JSON");
        assert_eq!(ipe["additionalProperties"], false);
        for field in [
            "schema",
            "key",
            "completeness",
            "witness",
            "negative",
            "allow_empty",
        ] {
            assert!(
                ipe["required"]
                    .as_array()
                    .expect("a list")
                    .contains(&field.into()),
                "{field}"
            );
        }
        assert!(control.contains("soxauto.control/1"));
    }
}
