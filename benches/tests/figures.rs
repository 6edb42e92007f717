//! What the documents say of speed and cost is what the figures give: the generated tables are compared, and their arithmetic is done
//! once more here, by other code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The cells of the table at a place of a document, without its head.
fn table(document: &str, place: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let (_, from) = text.split_once(&format!("<!-- {place} -->")).unwrap();
    let (inside, _) = from.split_once(&format!("<!-- /{place} -->")).unwrap();
    let rows = inside.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells
            .map(|cell| cell.trim().trim_matches('*').to_owned())
            .collect()
    })
    .collect()
}

/// A number as the documents write it, before its unit.
fn number(text: &str) -> f64 {
    let digits = text
        .trim_start_matches(['≤', '≥', ' '])
        .split(' ')
        .next()
        .unwrap();
    digits.replace(',', "").parse().unwrap()
}

#[test]
fn costs_and_performance_are_what_their_figures_give() {
    for program in ["scripts/cost", "benches/report"] {
        let checked = Command::new("python3")
            .args([program, "--check"])
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}");
    }
}

#[test]
fn a_target_that_is_missed_is_called_so() {
    let targets = table("docs/PERFORMANCE.md", "targets");
    assert!(targets.len() > 10, "{targets:?}");
    for row in &targets {
        let [what, found, target, verdict] = row.as_slice() else {
            panic!("{row:?}");
        };
        if found.is_empty() {
            assert_eq!(verdict, "not measured", "{what}");
            continue;
        }
        let (found, limit) = (number(found), number(target));
        // The figure is rounded for the eye: at the limit itself, either may be right.
        if (found / limit - 1.0).abs() > 0.01 {
            let met = (found < limit) == target.starts_with('≤');
            assert_eq!(verdict, if met { "met" } else { "not met" }, "{what}");
        }
    }
}

#[test]
fn the_cheapest_memory_is_found_again() {
    let text = fs::read_to_string(root().join("docs/cost.json")).unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap();
    let figure = |pointer: &str| {
        let found = figures.pointer(pointer).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("{pointer} in cost.json"))
    };
    let largest = figure("/scale/rows_of_the_largest");
    let wider = figure("/scale/csv_bytes_of_the_largest")
        / largest
        / figure("/extraction/csv_bytes_per_row");
    let processor = figure("/extraction/cpu_seconds") + figure("/extraction/cpu_seconds_discarded");
    let seconds_of = |rows: f64, megabytes: f64| {
        let needed = rows * processor / figure("/extraction/rows") * wider;
        let quickest = figure("/extraction/wall_seconds") / figure("/extraction/cpu_seconds");
        let processors = (megabytes / 1769.0).min(1.0 / quickest.min(1.0));
        needed / processors + figure("/measured/seconds_besides_rows")
    };
    let dollars_of = |megabytes: f64| {
        let others = (figure("/scale/ipes") - 1.0)
            * seconds_of(figure("/scale/rows_of_each_other"), megabytes);
        let disk = figure("/storage_mb/worker") - 512.0;
        let second = megabytes * figure("/prices/lambda_arm64_gb_second")
            + disk * figure("/prices/lambda_storage_gb_second");
        (seconds_of(largest, megabytes) + others) * second / 1024.0
    };
    let rows = table("docs/COST.md", "memory");
    assert!(rows.len() > 5, "{rows:?}");
    for row in &rows {
        let megabytes = number(&row[0]);
        let seconds = seconds_of(largest, megabytes);
        assert!(
            (number(&row[2]) - seconds).abs() <= 0.51,
            "{row:?} {seconds}"
        );
        let dollars = dollars_of(megabytes);
        assert!(
            (number(&row[3]) - dollars).abs() <= 0.000_051,
            "{row:?} {dollars}"
        );
    }
    let peak = figure("/extraction/peak_mb").max(figure("/measured/worker_peak_mb"));
    let cheapest = rows
        .iter()
        .map(|row| number(&row[0]))
        .filter(|megabytes| {
            figure("/headroom/time") * seconds_of(largest, *megabytes) <= 900.0
                && figure("/headroom/memory") * peak <= *megabytes
        })
        .min_by(|one, other| dollars_of(*one).total_cmp(&dollars_of(*other)))
        .unwrap();
    let document = fs::read_to_string(root().join("docs/COST.md")).unwrap();
    let (_, said) = document.split_once("**The cheapest size is ").unwrap();
    assert!(
        (number(said) - cheapest).abs() < 0.5,
        "{cheapest}: {said:.60}"
    );
}
