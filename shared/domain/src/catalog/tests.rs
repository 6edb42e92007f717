//! Wrong catalogs: each kind of problem, at its line, and several at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::digest::Sha256;

use super::{
    inspect, read,
    sample::{CONTROL, IPE, SQL, files, with},
};

/// The problems as `file:line: reason`.
fn problems(files: &BTreeMap<String, String>) -> Vec<String> {
    read(files)
        .expect_err("the catalog is wrong")
        .into_iter()
        .map(|p| format!("{}:{}: {}", p.file, p.line, p.reason))
        .collect()
}

#[test]
fn a_masked_column_gives_no_value_of_one_row_away() {
    let masked = with(
        "IPE_07.toml",
        "max = \"1000\"",
        "max = \"1000\"\nsample = \"mask\"",
    );
    assert!(read(&masked).is_ok(), "a sum is of many rows");
    let greatest = files(|files| {
        let ipe = masked["IPE_07.toml"].replace("function = \"sum\"", "function = \"max\"");
        files.insert("IPE_07.toml".to_owned(), ipe);
    });
    let found = problems(&greatest);
    assert!(
        found.len() == 1 && found[0].contains("Amount (LCY) is masked, and its max"),
        "{found:#?}"
    );
}

#[test]
fn baselines_and_lineage_belong_to_an_ipe() {
    let baseline = |ipe: &str, by: &str| {
        format!(
            "schema = \"soxauto.baseline/1\"\nipe = \"{ipe}\"\nsha256 = \"{}\"\napproved_by = \"{by}\"\n\
             approved_at = \"2026-11-20T12:00:00Z\"\nticket = \"SOX-1\"\n[texts]\ndeclarations = \"\"\n\
             extraction = \"\"\ncompleteness = \"\"\n",
            Sha256::of("x")
        )
    };
    let lineage = |sql: &str, columns: &str| {
        format!(
            "{{\"schema\": \"soxauto.lineage/1\", \"ipes\": {{\"IPE_07\": {{\"query_sha256\": \"{}\", \"tables\": [\"d.dbo.t\"], \
             \"columns\": [{columns}]}}}}}}",
            Sha256::of(sql)
        )
    };
    let all = ["Entry No_", "Amount (LCY)", "Posting Date", "Account"]
        .map(|c| format!("{{\"column\": \"{c}\", \"sources\": [\"d.dbo.t.{c}\"]}}"))
        .join(", ");
    let whole = files(|f| {
        f.insert("baseline/IPE_07.toml".into(), baseline("IPE_07", "Ada"));
        f.insert("lineage.json".into(), lineage(SQL, &all));
    });
    let catalog = read(&whole).unwrap();
    let ipe = &catalog.ipes[0];
    assert_eq!(ipe.baseline.as_ref().unwrap().approved_by, "Ada");
    assert_eq!(
        ipe.lineage.as_ref().unwrap().columns[3].sources[0].to_string(),
        "d.dbo.t.Account"
    );
    assert!(
        ipe.texts()
            .declared()
            .iter()
            .any(|d| d == "columns[Account].nullable = false")
    );
    for (name, text, reason) in [
        (
            "baseline/IPE_07.toml",
            baseline("IPE_08", "Ada"),
            "must be named baseline/IPE_08.toml",
        ),
        (
            "baseline/IPE_08.toml",
            baseline("IPE_08", "Ada"),
            "IPE_08 is not in the catalog",
        ),
        (
            "baseline/IPE_07.toml",
            baseline("IPE_07", " "),
            "does not say who approved it",
        ),
        (
            "baseline/IPE_07.toml",
            "schema = \"soxauto.baseline/2\"".to_owned(),
            "soxauto.baseline/1",
        ),
        (
            "lineage.json",
            lineage("SELECT 1", &all),
            "another text than IPE_07.sql",
        ),
        (
            "lineage.json",
            lineage(SQL, ""),
            "other columns than its contract",
        ),
        (
            "lineage.json",
            lineage(SQL, &all).replace("IPE_07", "IPE_08"),
            "IPE_07 has no lineage",
        ),
        (
            "lineage.json",
            lineage(SQL, &all).replace("d.dbo.t.Acc", "t.Acc"),
            "cannot be read",
        ),
    ] {
        let found = problems(&files(|f| drop(f.insert(name.into(), text.clone()))));
        assert!(
            found
                .iter()
                .any(|p| p.starts_with(name) && p.contains(reason)),
            "{reason}: {found:#?}"
        );
    }
}

/// The line of the `nth` (from 0) occurrence of `part` in the sample IPE.
fn line(part: &str, nth: usize) -> usize {
    IPE.lines()
        .enumerate()
        .filter(|(_, line)| line.contains(part))
        .nth(nth)
        .expect("the sample has it")
        .0
        + 1
}

#[test]
fn the_sample_is_valid() {
    let catalog = read(&files(|_| {})).unwrap();
    assert_eq!(catalog.control_id.as_str(), "C-PG-1");
    assert_eq!(catalog.ipes.len(), 1);
    assert!(catalog.ipe(&"IPE_07".parse().unwrap()).is_some());
    assert!(catalog.ipe(&"IPE_08".parse().unwrap()).is_none());
}

#[test]
fn the_digest_covers_every_name_and_every_byte() {
    let digest = |files: &BTreeMap<String, String>| read(files).unwrap().sha256;
    let original = digest(&files(|_| {}));
    assert_eq!(original, digest(&files(|_| {})));
    assert_ne!(
        original,
        digest(&with("IPE_07.sql", "FROM dbo.t", "FROM dbo.t "))
    );
    assert_ne!(
        original,
        digest(&with("control.toml", "Compares", "compares"))
    );
    let renamed = files(|files| {
        let witness = files.remove("IPE_07.witness.sql").unwrap();
        files.insert("IPE_07.known.sql".into(), witness);
        let toml = files.get_mut("IPE_07.toml").unwrap();
        *toml = toml.replace("IPE_07.witness.sql", "IPE_07.known.sql");
    });
    assert_ne!(original, digest(&renamed));
}

/// One replacement, the place of the problem and a part of its reason.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    &'static str,
);

fn judge(cases: &[Case]) {
    for (file, from, to, line, reason) in cases {
        let found = problems(&with(file, from, to));
        let place = format!("{file}:{line}: ");
        assert!(
            found
                .iter()
                .any(|p| p.starts_with(&place) && p.contains(reason)),
            "{from:?} → {to:?}: expected {place}{reason}, found {found:#?}"
        );
        assert_eq!(found.len(), 1, "{from:?} → {to:?}: {found:#?}");
    }
}

#[test]
fn problems_of_the_control() {
    judge(&[
        (
            "control.toml",
            "\"C-PG-1\"",
            "\"c pg\"",
            2,
            "not an identifier",
        ),
        (
            "control.toml",
            "Europe/Paris",
            "Europe/Lutetia",
            5,
            "not an IANA time zone",
        ),
        ("control.toml", "hours = 24", "hours = 0", 6, "out of range"),
        (
            "control.toml",
            "\"reconciliation\"",
            "\"Recon-1\"",
            7,
            "not a schema name",
        ),
        (
            "control.toml",
            "soxauto.control/1",
            "soxauto.control/9",
            1,
            "soxauto.control/1",
        ),
        ("control.toml", "title = ", "titel = ", 3, "unknown field"),
        ("control.toml", "hours = 24", "hours = ", 6, ""),
    ]);
    assert_eq!(
        problems(&files(|f| drop(f.remove("control.toml")))),
        ["control.toml:1: the file is missing"]
    );
}

#[test]
fn problems_of_the_file() {
    judge(&[
        (
            "IPE_07.toml",
            "soxauto.ipe/1",
            "soxauto.ipe/2",
            1,
            "soxauto.ipe/1",
        ),
        (
            "IPE_07.toml",
            "\"IPE_07\"",
            "\"IPE_08\"",
            line("id =", 0),
            "must be named IPE_08.toml",
        ),
        (
            "IPE_07.toml",
            "\"AIG_Nav_DW\"",
            "\"a;UID=sa\"",
            line("database", 0),
            "not a database name",
        ),
        (
            "IPE_07.toml",
            "\"pg01_ipe_07\"",
            "\"pg01; drop\"",
            line("table =", 0),
            "not a table name",
        ),
        (
            "IPE_07.toml",
            "allow_empty = false\n",
            "",
            1,
            "missing field `allow_empty`",
        ),
        (
            "IPE_07.toml",
            "remove = \"13004\"",
            "remove = 13004",
            line("remove", 0),
            "invalid type",
        ),
        (
            "IPE_07.toml",
            "[completeness]",
            "[completenes]",
            line("[completeness]", 0),
            "unknown field",
        ),
    ]);
}

#[test]
fn problems_of_columns() {
    judge(&[
        (
            "IPE_07.toml",
            "name = \"Posting Date\"",
            "name = \"Posting\\\"Date\"",
            line("name = \"Posting Date\"", 0),
            "cannot be a column name",
        ),
        (
            "IPE_07.toml",
            "name = \"Posting Date\"",
            "name = \"_RUN_ID\"",
            line("name = \"Posting Date\"", 0),
            "cannot be a column name",
        ),
        (
            "IPE_07.toml",
            "name = \"Posting Date\"",
            "name = \"ACCOUNT\"",
            line("name = \"Account\"", 0),
            "declared twice",
        ),
        (
            "IPE_07.toml",
            "type = \"int\"\nnullable",
            "type = \"sql_variant\"\nnullable",
            line("type = \"int\"", 1),
            "no exact counterpart",
        ),
        (
            "IPE_07.toml",
            "min = \"-1000\"",
            "min = \"-1e3\"",
            line("min =", 0),
            "not a bound",
        ),
        (
            "IPE_07.toml",
            "min = \"-1000\"",
            "min = \"1001\"",
            line("min =", 0),
            "above max",
        ),
        (
            "IPE_07.toml",
            "accepted = [\"13003\", \"13004\"]",
            "from = \"cutoff\"",
            line("accepted", 0),
            "has no date",
        ),
        (
            "IPE_07.toml",
            "accepted = [\"13003\", \"13004\"]",
            "rounding = \"round\"",
            line("accepted", 0),
            "no digits below a microsecond",
        ),
        (
            "IPE_07.toml",
            "accepted = [\"13003\", \"13004\"]",
            "sample = \"mask\"",
            line("match =", 0),
            "Account is masked",
        ),
        (
            "IPE_07.toml",
            "accepted = [\"13003\", \"13004\"]",
            "accepted = []",
            line("accepted", 0),
            "the list is empty",
        ),
        (
            "IPE_07.toml",
            "max = \"1000\"",
            "accepted = [\"1,5\"]",
            line("max =", 0),
            "not a value",
        ),
        (
            "IPE_07.toml",
            "before = \"cutoff\"",
            "accepted = [\"2024-01-01\"]",
            line("before =", 0),
            "cannot be listed",
        ),
        (
            "IPE_07.toml",
            "key = [\"Entry No_\"]",
            "key = []",
            line("key =", 0),
            "the key is empty",
        ),
        (
            "IPE_07.toml",
            "key = [\"Entry No_\"]",
            "key = [\"Entry\"]",
            line("key =", 0),
            "is not a column",
        ),
        (
            "IPE_07.toml",
            "key = [\"Entry No_\"]",
            "key = [\"Amount (LCY)\"]",
            line("key =", 0),
            "is nullable",
        ),
    ]);
}

#[test]
fn problems_of_parameters() {
    let scope = line("scope =", 0);
    judge(&[
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\", value = \"x\" }",
            scope,
            "expected plain digits",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\" }",
            scope,
            "exactly one of",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\", value = \"1\", values = [\"1\"] }",
            scope,
            "exactly one of",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\", from = \"cutoff\" }",
            scope,
            "cannot hold a date",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\", values = [\"1\", \"1\"] }",
            scope,
            "lists a value twice",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\", value = \"1\" }",
            "scope = { type = \"int\", values = [] }",
            scope,
            "an empty list",
        ),
        (
            "IPE_07.toml",
            "scope = { type = \"int\"",
            "scope = { type = \"integr\"",
            scope,
            "unknown type",
        ),
        (
            "IPE_07.toml",
            "scope = {",
            "spare = { type = \"int\", value = \"1\" }\nscope = {",
            scope,
            "used by no query",
        ),
        (
            "IPE_07.sql",
            "@scope",
            "@scoop + @scope",
            3,
            "@scoop is not declared",
        ),
        ("IPE_07.sql", "FROM dbo.t", "FROM dbo.'t", 2, "does not end"),
    ]);
    // After expansion `@accounts` is `@accounts_0, @accounts_1`: a parameter of that name would be bound to a list's value.
    let clash = with(
        "IPE_07.toml",
        "scope = {",
        "Accounts_1 = { type = \"int\", value = \"1\" }\nscope = {",
    );
    let clash = files(|f| {
        *f = clash
            .into_iter()
            .map(|(name, text)| {
                (
                    name,
                    text.replace("scope = @scope", "scope IN (@scope, @accounts_1)"),
                )
            })
            .collect()
    });
    assert_eq!(
        problems(&clash),
        [format!(
            "IPE_07.toml:{scope}: @Accounts_1 is also the name of a value of the list @accounts once it is expanded"
        )]
    );
}

#[test]
fn problems_of_the_proofs() {
    judge(&[
        (
            "IPE_07.toml",
            "result = \"amount\"",
            "result = \"Row_Count\"",
            line("result", 0),
            "used twice",
        ),
        (
            "IPE_07.toml",
            "column = \"Amount (LCY)\"",
            "column = \"Amount\"",
            line("column = ", 0),
            "is not a column",
        ),
        (
            "IPE_07.toml",
            "column = \"Amount (LCY)\"",
            "column = \"Posting Date\"",
            line("function", 0),
            "sum of datetime is not exact",
        ),
        (
            "IPE_07.toml",
            "parameter = \"accounts\"",
            "parameter = \"account\"",
            line("parameter =", 0),
            "is not a parameter",
        ),
        (
            "IPE_07.toml",
            "parameter = \"accounts\"",
            "parameter = \"cutoff\"",
            line("parameter =", 0),
            "derived from the cutoff",
        ),
        (
            "IPE_07.toml",
            "remove = \"13004\"",
            "remove = \"13009\"",
            line("remove", 0),
            "is not in the list",
        ),
        (
            "IPE_07.toml",
            "remove = \"13004\"",
            "replace = \"123456789012345678901\"",
            line("remove", 0),
            "too long",
        ),
        (
            "IPE_07.toml",
            "remove = \"13004\"",
            "remove = \"13004\"\nreplace = \"1\"",
            line("parameter =", 0),
            "give remove for a list, or replace",
        ),
        (
            "IPE_07.toml",
            "match = { Account = \"13004\" }",
            "match = {}",
            line("match", 0),
            "match is empty",
        ),
        (
            "IPE_07.toml",
            "match = { Account = \"13004\" }",
            "match = { Konto = \"13004\" }",
            line("match", 0),
            "is not a column",
        ),
        (
            "IPE_07.toml",
            "match = { Account = \"13004\" }",
            "match = { \"Entry No_\" = \"first\" }",
            line("match", 0),
            "expected plain digits",
        ),
        (
            "IPE_07.toml",
            "query = \"IPE_07.witness.sql\"\n",
            "query = \"IPE_07.witness.sql\"\nmatch = { Account = \"13004\" }\n",
            line("[witness]", 0),
            "exactly one of query and match",
        ),
    ]);
    let gone = with("IPE_07.toml", "IPE_07.completeness.sql", "gone.sql");
    assert_eq!(
        problems(&gone),
        [
            "IPE_07.completeness.sql:1: no IPE refers to this file".to_owned(),
            format!(
                "IPE_07.toml:{}: \"gone.sql\" is not a .sql file beside this one",
                line("query", 1)
            ),
        ]
    );
    let found = problems(&with("IPE_07.sql", "Account IN (@accounts)", "1 = 1"));
    assert!(
        found.contains(&format!(
            "IPE_07.toml:{}: the extraction query does not use the parameter",
            line("parameter =", 0)
        )),
        "{found:?}"
    );
}

#[test]
fn only_value_is_replaced_by_another_value() {
    let replaced = |value: &str| {
        with(
            "IPE_07.toml",
            "parameter = \"accounts\"\nremove = \"13004\"",
            &format!("parameter = \"scope\"\nreplace = \"{value}\""),
        )
    };
    assert!(read(&replaced("2")).is_ok());
    assert!(problems(&replaced("1"))[0].ends_with("the value is the one already bound"));
}

#[test]
fn sql_server_takes_so_many_parameters_and_no_more() {
    let with_values = |n: usize| {
        let values: Vec<String> = (0..n).map(|n| format!("\"{n}\"")).collect();
        with(
            "IPE_07.toml",
            "values = [\"13003\", \"13004\"]",
            &format!("values = [\"13003\", \"13004\", {}]", values.join(", ")),
        )
    };
    // Two of the list's values, the cutoff and the scope come on top.
    assert!(read(&with_values(2_094)).is_ok());
    assert!(problems(&with_values(2_095))[0].contains("2099 parameters after expanding lists"));
}

#[test]
fn two_ipes_do_not_share_a_table() {
    let both = files(|f| {
        f.insert("IPE_08.toml".into(), IPE.replace("IPE_07", "IPE_08"));
        for kind in ["sql", "completeness.sql", "witness.sql"] {
            let text = f[&format!("IPE_07.{kind}")].clone();
            f.insert(format!("IPE_08.{kind}"), text);
        }
    });
    assert_eq!(
        problems(&both),
        [format!(
            "IPE_08.toml:{}: table pg01_ipe_07 is IPE_07.toml's already",
            line("table =", 0)
        )]
    );
}

#[test]
fn files_without_an_owner_and_controls_without_ipes_are_named() {
    assert_eq!(
        problems(&files(|f| drop(f.insert("old.sql".into(), SQL.into())))),
        ["old.sql:1: no IPE refers to this file"]
    );
    assert_eq!(
        problems(&BTreeMap::from([("control.toml".into(), CONTROL.into())])),
        ["control.toml:1: the control has no IPE"]
    );
    // The texts of a file that cannot be read are not orphans.
    assert_eq!(problems(&with("IPE_07.toml", "schema = ", "= ")).len(), 1);
}

#[test]
fn all_problems_are_reported_together_in_order() {
    let wrong = files(|f| {
        *f.get_mut("control.toml").unwrap() = CONTROL
            .replace("Europe/Paris", "Mars")
            .replace("hours = 24", "hours = 999");
        *f.get_mut("IPE_07.toml").unwrap() = IPE
            .replace("\"AIG_Nav_DW\"", "\"\"")
            .replace("value = \"1\"", "value = \"one\"")
            .replace("remove = \"13004\"", "remove = \"7\"");
        *f.get_mut("IPE_07.sql").unwrap() =
            SQL.replace("scope = @scope", "scope = @scope AND x = @nowhere");
        f.insert("stray.sql".into(), String::new());
    });
    let found = problems(&wrong);
    let places: Vec<String> = found
        .iter()
        .map(|p| p.split(": ").next().unwrap().to_owned())
        .collect();
    let expected = [
        "IPE_07.sql:3".to_owned(),
        format!("IPE_07.toml:{}", line("database", 0)),
        format!("IPE_07.toml:{}", line("scope", 0)),
        format!("IPE_07.toml:{}", line("remove", 0)),
        "control.toml:5".into(),
        "control.toml:6".into(),
        "stray.sql:1".into(),
    ];
    assert_eq!(places, expected, "{found:#?}");
    // The IPE can still be examined further.
    assert_eq!(inspect(&wrong).ipes.len(), 1);
}

#[test]
fn every_problem_says_what_to_do() {
    for problem in read(&with("IPE_07.toml", "schema = ", "= ")).unwrap_err() {
        assert_eq!(
            problem.remedy,
            "Correct the line; the fields are described in docs/catalog.ipe.schema.json"
        );
        assert!(problem.to_string().starts_with("IPE_07.toml:1: "));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Arbitrary texts are refused or read, never a panic, and each problem is in a file that exists.
    #[test]
    fn arbitrary_text_never_panics(control in any::<String>(), ipe in any::<String>(), sql in any::<String>()) {
        let files = BTreeMap::from([("control.toml".to_owned(), control), ("IPE_07.toml".to_owned(), ipe), ("IPE_07.sql".to_owned(), sql)]);
        for problem in read(&files).unwrap_err() {
            prop_assert!(files.get(&problem.file).is_some_and(|text| problem.line <= text.split('\n').count()));
        }
    }

    /// A valid file with something put in, taken out or exchanged anywhere.
    #[test]
    fn damaged_files_never_panic(at in 0usize..1200, length in 0usize..40, put in "[\\PC\n\"'=\\[\\]{}]{0,12}") {
        let damaged = files(|files| {
            for name in ["IPE_07.toml", "IPE_07.sql", "control.toml"] {
                let text = files.get_mut(name).unwrap();
                let start = at.min(text.len());
                let end = (start + length).min(text.len());
                text.replace_range(start..end, &put);
            }
        });
        if let Err(problems) = read(&damaged) {
            prop_assert!(!problems.is_empty());
        }
    }
}
