//! `sam build` and `cargo build --profile function` make the same artefacts: the two lists in `Cargo.toml` agree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs, path::Path};

use toml::{Table, Value};

/// The settings of a table by dotted name, such as `package.soxauto-worker.opt-level`.
fn flatten(table: &Table, above: &str, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let path = format!("{above}{name}");
        match value {
            Value::Table(inner) => flatten(inner, &format!("{path}."), into),
            _ => drop(into.insert(path, value.clone())),
        }
    }
}

#[test]
fn cargo_lambda_builds_with_the_profile_of_the_functions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: Table = text.parse().unwrap();
    let mut profile = BTreeMap::new();
    flatten(
        manifest["profile"]["function"].as_table().unwrap(),
        "",
        &mut profile,
    );
    assert_eq!(profile.remove("inherits"), Some("release".into()));

    let build = &manifest["workspace"]["metadata"]["lambda"]["build"];
    assert_eq!(build["disable_optimizations"], Value::Boolean(true));
    let mut given = BTreeMap::new();
    for line in build["config"].as_array().unwrap() {
        let setting: Table = line.as_str().unwrap().parse().unwrap();
        if let Some(release) = setting.get("profile").and_then(|p| p.get("release")) {
            flatten(release.as_table().unwrap(), "", &mut given);
        }
    }
    assert_eq!(given, profile);

    // What the laptop's profile leaves unoptimised, the functions' profile optimises, by the same name.
    let release = manifest["profile"]["release"]["package"]
        .as_table()
        .unwrap();
    for (package, settings) in release {
        let name = format!("package.{package}.opt-level");
        let on_the_laptop_only = ["soxauto", "soxauto-local", "soxauto-tsql"];
        if settings["opt-level"] == Value::Integer(0)
            && !on_the_laptop_only.contains(&package.as_str())
        {
            assert_eq!(profile.get(&name), Some(&Value::Integer(3)), "{name}");
        }
    }
}
