//! The commands as a user gives them, on the compiled-in catalog and on folders with defects.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path};

use clap::Parser;

use super::{CatalogArgs, run_to};

#[derive(Parser)]
struct Tool {
    #[command(flatten)]
    args: CatalogArgs,
}

/// Runs `catalog <words>`: whether it is fine, or the error, and what it printed.
fn run(words: &[&str], terminal: bool) -> (Result<bool, String>, String) {
    let tool = Tool::try_parse_from(std::iter::once(&"catalog").chain(words))
        .expect("the words are understood");
    let mut out = Vec::new();
    let result = run_to(tool.args, terminal, &mut out).map_err(|e| e.to_string());
    (result, String::from_utf8(out).expect("UTF-8"))
}

/// The compiled-in catalog in a folder of its own, for spoiling.
fn folder(spoil: impl FnOnce(&Path)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fill(dir.path());
    spoil(dir.path());
    dir
}

fn fill(control: &Path) {
    fs::create_dir(control.join("baseline")).expect("a folder");
    for (name, text) in soxauto_catalog::files() {
        fs::write(control.join(name), text).expect("a file");
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the file");
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).expect("the file");
}

#[test]
fn the_schemas_are_written_into_the_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().display().to_string();
    let (result, text) = run(&["schema", "--write", &path], false);
    assert_eq!((result, text.lines().count()), (Ok(true), 2), "{text}");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for name in ["catalog.control.schema.json", "catalog.ipe.schema.json"] {
        let written = fs::read_to_string(dir.path().join(name)).expect("a schema");
        assert!(written == fs::read_to_string(committed.join(name)).expect("the committed one"));
    }
}

#[test]
fn the_compiled_in_catalog_passes() {
    let (result, text) = run(&["check"], false);
    assert_eq!(result, Ok(true));
    assert!(
        text.starts_with("12 IPEs, ") && text.ends_with(" queries: no problem\n"),
        "{text}"
    );
    let (_, json) = run(&["check", "--format", "json"], true);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (
            json["ok"].clone(),
            json["ipes"].clone(),
            json["problems"].clone()
        ),
        (true.into(), 12.into(), serde_json::json!([]))
    );
}

#[test]
fn problems_of_toml_and_sql_come_together() {
    let dir = folder(|dir| {
        replace(
            &dir.join("IPE_07.toml"),
            "database = \"AIG_Nav_DW\"",
            "database = \"\"",
        );
        replace(&dir.join("IPE_07.sql"), "< @cutoff", "<= @cutoff");
        replace(&dir.join("CR_04.sql"), "@closing_date", "GETDATE()");
        fs::write(dir.join("README.md"), "not the catalog's").expect("a file");
    });
    let at = dir.path().display().to_string();
    let (result, text) = run(&["check", "--dir", &at], false);
    assert_eq!(result, Ok(false));
    for line in [
        "/IPE_07.toml:11: \"\" is not a database name. ",
        "/IPE_07.sql:10: the cutoff is compared with <=. ",
        "GETDATE is the wall clock. ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (_, json) = run(&["check", "--dir", &at, "--format", "json"], false);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["ok"], false);
    assert!(json["problems"].as_array().is_some_and(|list| {
        list.iter()
            .all(|p| p["line"].is_u64() && p["remedy"].is_string())
    }));
    let (_, table) = run(&["check", "--dir", &at], true);
    assert!(
        table.starts_with("PLACE") && table.contains("WHAT TO DO"),
        "{table}"
    );
}

#[test]
fn a_folder_of_controls_is_read_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let control = dir.path().join("c-pg-1");
    fs::create_dir(&control).expect("a folder");
    fill(&control);
    assert_eq!(
        run(
            &["check", "--dir", &dir.path().display().to_string()],
            false
        )
        .0,
        Ok(true)
    );
}

#[test]
fn what_cannot_be_read_is_an_error_not_a_pass() {
    let empty = tempfile::tempdir().expect("a folder");
    let at = empty.path().display().to_string();
    assert!(
        run(&["check", "--dir", &at], false)
            .0
            .is_err_and(|e| e.contains("no control.toml"))
    );
    assert!(
        run(&["check", "--dir", &format!("{at}/gone")], false)
            .0
            .is_err_and(|e| e.contains("gone"))
    );
    let binary = folder(|dir| fs::write(dir.join("IPE_07.sql"), [0xff, 0xfe]).expect("a file"));
    assert!(
        run(
            &["check", "--dir", &binary.path().display().to_string()],
            false
        )
        .0
        .is_err_and(|e| e.contains("IPE_07.sql"))
    );
    let wrong = folder(|dir| replace(&dir.join("control.toml"), "Europe/Paris", "Mars"));
    assert!(
        run(
            &["list", "--dir", &wrong.path().display().to_string()],
            false
        )
        .0
        .is_err_and(|e| e.contains("1 problems"))
    );
}

#[test]
fn the_list_names_every_ipe() {
    let (_, lines) = run(&["list"], false);
    assert_eq!(lines.lines().count(), 12);
    assert!(lines.contains("IPE_07\t"));
    let (_, json) = run(&["list", "--format", "json"], false);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[3]["id"], "IPE_07");
    assert_eq!(
        json[3]["accounts"],
        serde_json::json!(["13003", "13004", "13009"])
    );
}

#[test]
fn show_prints_what_would_be_bound() {
    let (result, text) = run(&["show", "IPE_07", "--cutoff", "2024-05-01"], false);
    assert_eq!(result, Ok(true));
    for part in [
        "-- @cutoff datetime = \"2024-05-01\"",
        "IN (@accounts_0, @accounts_1, @accounts_2)",
        "without 13004",
        "2024-04-01 to 2024-04-30",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let (_, json) = run(
        &[
            "show",
            "IPE_07",
            "--cutoff",
            "2024-05-01",
            "--format",
            "json",
        ],
        false,
    );
    let plan: soxauto_domain::PlannedIpe = serde_json::from_str(&json).expect("a plan");
    assert_eq!(plan.id.as_str(), "IPE_07");
    // Without a cutoff there is one: the current month's.
    assert_eq!(run(&["show", "IPE_07"], true).0, Ok(true));
    assert!(
        run(&["show", "IPE_99"], false)
            .0
            .is_err_and(|e| e.contains("IPE_07"))
    );
    assert!(Tool::try_parse_from(["catalog", "show", "IPE_07", "--cutoff", "2024-05-02"]).is_err());
}

#[test]
fn the_compiled_in_catalog_is_as_it_was_approved() {
    let (result, text) = run(&["diff"], false);
    assert_eq!(result, Ok(true), "{text}");
    assert_eq!(
        text.lines()
            .filter(|line| line
                .contains(": unchanged since baseline but for its parameters (approved by "))
            .count(),
        12
    );
    let (_, json) = run(&["check", "--format", "json"], false);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["unapproved"], &json["without_lineage"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}

#[test]
fn a_difference_is_shown_token_by_token_and_approved_with_a_name() {
    let dir = folder(|dir| {
        replace(
            &dir.join("IPE_07.completeness.sql"),
            "< @cutoff",
            "<  @cutoff -- still",
        );
        replace(&dir.join("IPE_07.sql"), "SELECT", "-- A comment.\nSELECT");
        replace(
            &dir.join("IPE_07.sql"),
            "HAVING SUM(d.[Amount (LCY)]) <> 0",
            "HAVING SUM(d.[Amount (LCY)]) > 0",
        );
        replace(
            &dir.join("IPE_07.toml"),
            "\"13003\", \"13004\", \"13009\"] }",
            "\"13003\", \"13004\"] }",
        );
        fs::remove_file(dir.join("baseline/CR_04.toml")).expect("it is there");
        // The lineage is the old text's.
        fs::remove_file(dir.join("lineage.json")).expect("it is there");
    });
    let at = dir.path().display().to_string();
    let (result, text) = run(&["diff", "--dir", &at], true);
    assert_eq!(result, Ok(false));
    for part in [
        "CR_03: unchanged since baseline",
        "CR_04: no approved baseline\n",
        "IPE_07: changed since baseline (approved by soxauto maintainers, ",
        "extraction, line 15 (approved: line 14)",
        "[-<>-] {+>+} 0",
        "[-parameters.accounts.values[] = \"13009\"-]",
    ] {
        assert!(without_colour(&text).contains(part), "{part}\n{text}");
    }
    assert!(text.contains("\u{1b}["), "in colour on a terminal");
    // Only what changed is shown: the completeness query did not.
    assert!(!text.contains("completeness"), "{text}");
    let (result, json) = run(&["diff", "IPE_07", "--dir", &at, "--format", "json"], true);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((result, &json["same"]), (Ok(false), &false.into()));
    assert_eq!(json["ipes"][0]["baseline"]["status"], "changed");
    let changes = json["ipes"][0]["changes"].as_array().expect("a list");
    assert_eq!(changes.len(), 2, "{changes:#?}");
    assert_eq!(
        (&changes[1]["part"], &changes[1]["line"]),
        (&"extraction".into(), &15.into())
    );

    // The check says it too, and is no less a pass for it.
    let (result, text) = run(&["check", "--dir", &at], false);
    assert_eq!(result, Ok(true), "{text}");
    assert!(text.contains("IPE_07: changed since baseline") && text.contains("no lineage"));

    let approve = |ipe: &str, by: &str| {
        run(
            &[
                "approve", ipe, "--by", by, "--ticket", "SOX-12", "--dir", &at,
            ],
            false,
        )
    };
    assert!(approve("IPE_07", " ").0.is_err_and(|e| e.contains("--by")));
    assert!(
        approve("IPE_99", "Ada")
            .0
            .is_err_and(|e| e.contains("IPE_07"))
    );
    assert_eq!(approve("IPE_07", "Ada").0, Ok(true));
    assert!(approve("IPE_07", "Eve").1.contains("nothing written"));
    let (result, text) = run(&["diff", "IPE_07", "--dir", &at], false);
    assert_eq!(result, Ok(true));
    assert!(
        text.contains("(approved by Ada, ") && text.contains(", SOX-12)"),
        "{text}"
    );
    assert_eq!(
        run(&["diff", "--dir", &at], false).0,
        Ok(false),
        "CR_04 is not"
    );
    assert_eq!(
        run(
            &[
                "approve", "--all", "--by", "Ada", "--ticket", "SOX-12", "--dir", &at
            ],
            false
        )
        .0,
        Ok(true)
    );
    assert_eq!(run(&["diff", "--dir", &at], false).0, Ok(true));
}

#[test]
fn a_baseline_is_not_edited_and_a_lineage_not_kept() {
    let dir = folder(|dir| {
        replace(
            &dir.join("baseline/IPE_07.toml"),
            "WHERE d.[Posting Date] < @cutoff",
            "WHERE d.[Posting Date] <= @cutoff",
        );
        replace(&dir.join("CR_05.sql"), "SELECT", "/* new */ SELECT");
    });
    let at = dir.path().display().to_string();
    let (result, text) = run(&["check", "--dir", &at], false);
    assert_eq!(result, Ok(false));
    for part in [
        "baseline/IPE_07.toml:1: the texts are not those of the digest. ",
        "lineage.json:1: the lineage of CR_05 was found in another text than CR_05.sql. Run `scripts/lineage`",
        "IPE_07: no approved baseline",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // Nothing is approved while the check finds something.
    assert!(
        run(
            &[
                "approve", "IPE_07", "--by", "Ada", "--ticket", "T", "--dir", &at
            ],
            false
        )
        .0
        .is_err_and(|e| e.contains("problems"))
    );
}

/// The text without escape sequences.
fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
