//! `docs/CATALOG.md` is true: its example passes the check, and it names every field.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, path::Path};

use soxauto_domain::catalog::{ControlFile, IpeFile, inspect, read};

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CATALOG.md"))
        .expect("docs/CATALOG.md")
}

/// The fenced TOML and SQL blocks, each named by the line above it.
fn example(document: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let lines: Vec<&str> = document.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if *line == "```toml" || *line == "```sql" {
            let name = lines[at - 2].trim_matches('`').to_owned();
            let text: Vec<&str> = lines[at + 1..]
                .iter()
                .take_while(|line| **line != "```")
                .copied()
                .collect();
            files.insert(name, text.join("\n") + "\n");
        }
    }
    files
}

#[test]
fn the_example_is_a_valid_control() {
    let files = example(&document());
    assert_eq!(files.len(), 5, "{:?}", files.keys());
    let problems = soxauto_tsql::check_ipes(&inspect(&files).ipes);
    assert!(problems.is_empty(), "{problems:#?}");
    let catalog = read(&files).expect("a valid control");
    assert_eq!(catalog.ipes.len(), 1);
}

#[test]
fn every_field_is_described() {
    let document = document();
    let mut fields = Vec::new();
    for schema in [
        schemars::schema_for!(ControlFile),
        schemars::schema_for!(IpeFile),
    ] {
        let schema = serde_json::to_value(schema).expect("JSON");
        let definitions = schema["$defs"]
            .as_object()
            .into_iter()
            .flat_map(|defs| defs.values());
        for object in std::iter::once(&schema).chain(definitions) {
            fields.extend(
                object["properties"]
                    .as_object()
                    .into_iter()
                    .flat_map(|p| p.keys().cloned()),
            );
        }
    }
    assert!(fields.len() > 30, "{fields:?}");
    for field in fields {
        let described = [
            format!("`{field}`"),
            format!("`[{field}]`"),
            format!("`[[{field}]]`"),
        ];
        assert!(
            described.iter().any(|name| document.contains(name)),
            "docs/CATALOG.md does not describe {field}"
        );
    }
}
