//! Key ranges in the catalog: what is wrong is named at its line, and what is right resolves to open parameters.

use std::collections::BTreeMap;

use super::{
    read,
    sample::{IPE, SQL, files},
};
use crate::{
    calendar::Cutoff,
    partition::{KeyRange, Span},
    plan::PlannedIpe,
};

const SECTION: &str = "[partition]\ncolumn = \"Entry No_\"\nquery = \"IPE_07.partition.sql\"\nrows_per_range = 50000\n\n";
const PARAMETERS: &str = "after = { type = \"int\", partition = \"after\" }\nupto = { type = \"int\", partition = \"upto\" }\nmark = { type = \"bigint\", partition = \"high_water_mark\" }\n";

/// The sample, cut into ranges; then each text with a replacement that must hit.
fn partitioned(changes: &[(&str, &str, &str)]) -> BTreeMap<String, String> {
    files(|files| {
        let toml = IPE
            .replace(
                "[[columns]]\nname = \"Entry No_\"",
                &format!("{PARAMETERS}\n[[columns]]\nname = \"Entry No_\""),
            )
            .replace("[completeness]", &format!("{SECTION}[completeness]"));
        files.insert("IPE_07.toml".to_owned(), toml);
        files.insert(
            "IPE_07.sql".to_owned(),
            format!("{SQL}AND [Entry No_] > @after AND [Entry No_] <= @upto\n"),
        );
        files.insert(
            "IPE_07.partition.sql".to_owned(),
            "SELECT MIN(n) AS lowest, MAX(n) AS highest FROM dbo.u WHERE d < @cutoff".to_owned(),
        );
        let count = files.get_mut("IPE_07.completeness.sql").unwrap();
        count.push_str(" AND n <= @mark");
        for (file, from, to) in changes {
            let text = files.get_mut(*file).unwrap();
            assert!(text.contains(from), "{file} has no {from:?}");
            *text = text.replacen(from, to, 1);
        }
    })
}

fn resolved() -> PlannedIpe {
    let period = "2024-01-01".parse::<Cutoff>().unwrap().period();
    read(&partitioned(&[])).unwrap().ipes[0]
        .resolve(&period)
        .unwrap()
}

#[test]
fn what_is_wrong_with_a_partition_is_named_where_it_stands() {
    const TOML: &str = "IPE_07.toml";
    const QUERY: &str = "IPE_07.sql";
    let cases: [(&str, &str, &str, &str); 20] = [
        (
            TOML,
            "column = \"Entry No_\"\nquery",
            "column = \"Entry\"\nquery",
            "\"Entry\" is not a column",
        ),
        (
            TOML,
            "column = \"Entry No_\"\nquery",
            "column = \"Amount (LCY)\"\nquery",
            "is nullable",
        ),
        (
            TOML,
            "column = \"Entry No_\"\nquery",
            "column = \"Account\"\nquery",
            "is nvarchar(20), no integer",
        ),
        (
            TOML,
            "rows_per_range = 50000",
            "rows_per_range = 10",
            "ranges of 10 rows are too small",
        ),
        (
            TOML,
            "\"IPE_07.partition.sql\"",
            "\"nowhere.sql\"",
            "\"nowhere.sql\" is not a .sql file",
        ),
        (
            TOML,
            "partition = \"after\"",
            "value = \"1\"",
            "no parameter is bound to after",
        ),
        (
            TOML,
            "partition = \"upto\"",
            "partition = \"after\"",
            "after is bound to after already",
        ),
        (
            TOML,
            "partition = \"upto\"",
            "partition = \"upto\", value = \"1\"",
            "exactly one of from, value, values and partition",
        ),
        (
            TOML,
            "after = { type = \"int\"",
            "after = { type = \"smallint\"",
            "smallint does not hold every bound",
        ),
        (
            TOML,
            "after = { type = \"int\"",
            "after = { type = \"nvarchar(20)\"",
            "does not hold every bound",
        ),
        (
            TOML,
            SECTION,
            "",
            "is a bound of a range, and there is no [partition]",
        ),
        (
            TOML,
            "partition = \"upto\"",
            "partition = \"until\"",
            "unknown variant",
        ),
        (
            TOML,
            "rows_per_range = 50000",
            "rows = 50000",
            "unknown field",
        ),
        (
            QUERY,
            "AND [Entry No_] > @after",
            "",
            "does not use @after: every range would be all rows",
        ),
        (QUERY, "<= @upto", "<= 7", "does not use @upto"),
        (
            QUERY,
            "<= @upto",
            "<= @upto AND [Entry No_] <= @mark",
            "the extraction query uses @mark",
        ),
        (
            "IPE_07.completeness.sql",
            "n <= @mark",
            "n <= @upto AND n <= @mark",
            "the completeness query uses @upto",
        ),
        (
            "IPE_07.partition.sql",
            "d < @cutoff",
            "d < @cutoff AND n <= @mark",
            "the bounds query uses @mark",
        ),
        (
            "IPE_07.witness.sql",
            "FROM dbo.u",
            "FROM dbo.u WHERE n > @after",
            "the witness query uses @after",
        ),
        (
            "IPE_07.completeness.sql",
            " AND n <= @mark",
            "",
            "parameter mark is used by no query",
        ),
    ];
    for (file, from, to, reason) in cases {
        let problems = read(&partitioned(&[(file, from, to)])).unwrap_err();
        let found = problems.iter().find(|p| p.reason.contains(reason));
        let found = found.unwrap_or_else(|| panic!("{from:?} → {to:?}: {problems:#?}"));
        assert!(!found.remedy.is_empty() && found.line > 0);
        assert_eq!(found.file, TOML, "{reason}");
    }
}

#[test]
fn a_column_without_anything_below_its_values_needs_a_wider_bound() {
    let small = |bound: &str| {
        partitioned(&[
            (
                "IPE_07.toml",
                "name = \"Entry No_\"\ntype = \"int\"",
                "name = \"Entry No_\"\ntype = \"tinyint\"",
            ),
            (
                "IPE_07.toml",
                "after = { type = \"int\"",
                &format!("after = {{ type = \"{bound}\""),
            ),
        ])
    };
    assert!(read(&small("smallint")).is_ok());
    assert!(
        read(&small("tinyint")).unwrap_err()[0]
            .reason
            .contains("does not hold")
    );
}

#[test]
fn bounds_stay_open_until_the_run_binds_them() {
    let plan = resolved();
    let names = |query: &crate::BoundQuery| -> Vec<(String, String)> {
        let of = |p: &crate::BoundParameter| (p.name.clone(), p.value.clone());
        query.parameters.iter().map(of).collect()
    };
    let partition = plan.partition.as_ref().unwrap();
    assert_eq!(
        (partition.column.as_str(), partition.rows_per_range),
        ("Entry No_", 50_000)
    );
    assert!(
        plan.extraction
            .parameters
            .iter()
            .all(|p| p.name != "@after")
    );
    let range = KeyRange { after: -1, upto: 9 };
    let bound = names(&partition.within(&plan.negative.query, range));
    assert_eq!(
        bound[bound.len() - 2..],
        [("@after".into(), "-1".into()), ("@upto".into(), "9".into())]
    );
    // The text that runs is the text that the plan pins.
    assert_eq!(
        partition.within(&plan.extraction, range).sha256,
        plan.extraction.sha256
    );

    let count = &plan.completeness.query;
    let mark = |query: &crate::BoundQuery| names(query).pop().unwrap();
    let span = Span::new(3, 77);
    assert_eq!(
        mark(&partition.below_mark(count, span)),
        ("@mark".into(), "77".into())
    );
    assert_eq!(
        mark(&partition.below_mark(count, None)).1,
        i64::MIN.to_string()
    );
    assert_eq!(mark(&partition.without_mark(count)).1, i64::MAX.to_string());
    assert_eq!(
        partition.below_mark(&partition.query, span),
        partition.query
    );
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<PlannedIpe>(&text).unwrap(), plan);
}
