//! The report: its form, that it leaves out nothing the manifest says, and that texts stay texts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixtures;

use fixtures::Case;
use serde_json::{Value, json};
use soxauto_domain::manifest::Predicate;
use soxauto_evidence::report::{Report, render};

fn html(case: &Case) -> String {
    render(&case.report()).unwrap()
}

/// Headings, landmarks, tables and figures, one on a line.
fn outline(html: &str) -> String {
    let mut lines = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        let name = tag.split([' ', '\n']).next().unwrap();
        match name {
            "h1" | "h2" | "h3" | "h4" | "caption" | "summary" | "title" | "figcaption" => {
                lines.push(format!("{name}: {}", text.trim()))
            }
            "header" | "main" | "nav" | "section" | "article" | "footer" | "details" => {
                lines.push(name.to_owned())
            }
            _ => {}
        }
    }
    lines.join("\n")
}

#[test]
fn the_page_keeps_its_form() {
    let mut case = fixtures::complete();
    case.predicate.ipes.truncate(1);
    insta::assert_snapshot!(outline(&html(&case)));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    for case in fixtures::all() {
        assert_eq!(html(&case), html(&case), "{}", case.name);
    }
}

/// Every way to walk to a leaf of a document.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(k, v)| leaves(v, format!("{path}/{k}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, v)| leaves(v, format!("{path}/{n}"), found)),
        Value::Null => {}
        _ => found.push(path),
    }
}

#[test]
fn every_fact_of_the_manifest_is_on_the_page() {
    // One of each kind, and few enough checks that each of their leaves can be changed.
    for (mut case, ipe) in [
        (fixtures::complete(), "IPE_07"),
        (fixtures::rejected(), "IPE_12"),
        (fixtures::incomplete(), "IPE_31"),
    ] {
        case.predicate.ipes.retain(|one| one.id.as_str() == ipe);
        case.predicate.ipes[0].checks.truncate(6);
        if let Some(lineage) = &mut case.predicate.ipes[0].lineage {
            lineage.columns.truncate(3);
        }
        let before = html(&case);
        let document = serde_json::to_value(&case.predicate).unwrap();
        let mut paths = Vec::new();
        leaves(&document, String::new(), &mut paths);
        for (n, path) in paths.iter().enumerate() {
            // An IPE's identifier joins it to its plan; a status has its own fields, and the cases have every status.
            if (path.ends_with("/id") && path.starts_with("/ipes")) || path.ends_with("/status") {
                continue;
            }
            let old = document.pointer(path).unwrap();
            let shown = substitutes(old, n).into_iter().find_map(|new| {
                let mut changed = document.clone();
                *changed.pointer_mut(path).unwrap() = new.clone();
                let predicate: Predicate = serde_json::from_value(changed).ok()?;
                let after = render(&Report {
                    predicate: &predicate,
                    ..case.report()
                })
                .unwrap();
                // A word of a closed list is told in other words; a text or number must stand there.
                let told = after != before;
                Some((new.clone(), told && stands(&new, &after)))
            });
            let (new, shown) =
                shown.unwrap_or_else(|| panic!("{path}: no other value than {old} is a manifest"));
            assert!(
                shown,
                "{}: {path} changed from {old} to {new}, and the page does not say so",
                case.name
            );
        }
    }
}

/// Other values of the same kind, of which one fits the field's type.
fn substitutes(old: &Value, n: usize) -> Vec<Value> {
    match old {
        Value::Bool(yes) => vec![json!(!yes)],
        Value::Number(_) => vec![json!(4_000_000_000_u64 + n as u64)],
        Value::String(_) => [
            format!("marked {n}"),
            format!("2031-02-03T04:05:06.{:05}7Z", n + 10_000),
            format!("{n:064x}"),
            format!("db.dbo.table.marked{n}"),
            format!("C-PG-9/2031-02-01/r{}", n + 1),
        ]
        .into_iter()
        .chain(
            [
                "C-QX-7",
                "prod",
                "dev",
                "rejected",
                "failed",
                "passed",
                "incomplete",
                "LOGIN_REFUSED",
                "INTERNAL",
                "max",
                "min",
                "unverified",
                "off",
                "direct",
                "period",
                "range",
                "function_url",
                "2031-02-03",
                "nvarchar(17)",
            ]
            .map(str::to_owned),
        )
        .filter(|new| old != new)
        .map(Value::String)
        .collect(),
        _ => Vec::new(),
    }
}

fn stands(new: &Value, page: &str) -> bool {
    match new {
        Value::String(text) if text.contains(|c: char| c.is_ascii_digit()) => {
            page.contains(text.as_str())
        }
        Value::Number(number) => page.contains(&number.to_string()),
        _ => true,
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let page = html(&fixtures::hostile());
    for bad in [
        "<img",
        "<script",
        "</pre></code>",
        "\u{202e}",
        "\u{0}",
        "\u{200b}",
    ] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("⟦U+202E⟧gnp.exe⟦U+0000⟧⟦U+200B⟧ &amp; {{ m }} {% raw %}"));
    assert!(page.contains("شركة ذات مسؤولية محدودة"));
}

#[test]
fn nothing_on_the_page_points_elsewhere() {
    for case in fixtures::all() {
        let page = html(&case);
        assert!(!page.contains("<script"), "{}", case.name);
        for reference in ["href=\"", "src=\"", "url("] {
            for (at, _) in page.match_indices(reference) {
                let target = &page[at + reference.len()..];
                assert!(
                    target.starts_with('#') || target.starts_with("data:,\""),
                    "{}: {reference}{}",
                    case.name,
                    &target[..40]
                );
            }
        }
    }
}

#[test]
fn each_verdict_has_its_words() {
    for (case, word, sentence) in [
        (
            fixtures::complete(),
            "Complete",
            "All 5 reports of April 2024 were extracted",
        ),
        (
            fixtures::rejected(),
            "Rejected",
            "2 reports of 3 for April 2024 did not pass their checks: IPE_07, IPE_12.",
        ),
        (
            fixtures::incomplete(),
            "Incomplete",
            "2 reports of 6 for April 2024 are missing: IPE_12, IPE_34.",
        ),
        (
            fixtures::missing(),
            "Missing month",
            "Nothing was extracted for April 2024.",
        ),
        (fixtures::open(), "Open", "1 report of 2 still has to come."),
    ] {
        let page = html(&case);
        assert!(page.contains(sentence), "{}", case.name);
        assert!(page.contains(&format!("<title>{word}:")), "{}", case.name);
    }
    assert!(
        html(&fixtures::complete()).contains("unchanged since baseline but for its parameters")
    );
    assert!(html(&fixtures::incomplete()).contains("changed since baseline</span>"));
    assert!(html(&fixtures::rejected()).contains("no approved baseline"));
    assert!(html(&fixtures::rejected()).contains("This is not evidence for an audit."));
    assert!(!html(&fixtures::complete()).contains("This is not evidence for an audit."));
}
