//! The published form: the examples beside the documents are exactly what the types read and write.
//!
//! A change of these files is a change of what outsiders verify: a field that is added or renamed is a new version of the
//! predicate once a release has signed the old one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use soxauto_domain::{
    manifest::{Predicate, PredicateKind, Statement},
    review::Review,
};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// `<kind>.schema.json` is what the types say (`SOXAUTO_UPDATE=1` writes it), and `<kind>.example.json` what they write.
fn is_published<P: PredicateKind + JsonSchema>(kind: &str) {
    let schema = docs(&format!("{kind}.schema.json"));
    let current = serde_json::to_string_pretty(&Statement::<P>::json_schema()).unwrap() + "\n";
    if std::env::var_os("SOXAUTO_UPDATE").is_some() {
        fs::write(&schema, &current).unwrap();
    }
    let committed = fs::read_to_string(&schema).unwrap_or_default();
    assert!(
        committed == current,
        "{kind}.schema.json is not current: SOXAUTO_UPDATE=1 cargo test -p soxauto-domain --test published_form"
    );
    let text = fs::read_to_string(docs(&format!("{kind}.example.json"))).unwrap();
    let statement: Statement<P> = serde_json::from_str(&text).unwrap();
    assert_eq!(statement.predicate_type, P::TYPE);
    let again = serde_json::to_string_pretty(&statement).unwrap() + "\n";
    assert_eq!(
        again, text,
        "{kind}.example.json is not what the types write"
    );
}

#[test]
fn the_manifests_schema_and_example_are_current() {
    is_published::<Predicate>("manifest");
}

#[test]
fn the_reviews_schema_and_example_are_current() {
    is_published::<Review>("review");
}
