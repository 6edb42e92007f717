//! Each rule once kept and once broken, T-SQL that must be readable, and text that wants to do harm.

use std::collections::BTreeMap;

use proptest::prelude::*;
use soxauto_domain::catalog::{Ipe, Problem, inspect};

use super::check_ipes;

const CONTROL: &str = r#"schema = "soxauto.control/1"
id = "C-PG-1"
title = "t"
description = "d"
time_zone = "Europe/Paris"
deadline_hours = 1
warehouse_schema = "r"
"#;

const IPE: &str = r#"schema = "soxauto.ipe/1"
id = "IPE_07"
title = "t"
description = "d"
database = "AIG_Nav_DW"
query = "main.sql"
allow_empty = false
key = ["Entry No_"]
table = "t"
parameters.cutoff = { type = "datetime", from = "cutoff" }
parameters.closing_date = { type = "datetime", from = "closing_date" }
parameters.accounts = { type = "nvarchar(20)", values = ["13003", "13004"] }
columns = [
  { name = "Entry No_", type = "int", nullable = false },
  { name = "Amount", type = "decimal(38,20)", nullable = false },
]
completeness = { query = "count.sql", rows = "row_count", totals = [{ column = "Amount", function = "sum", result = "total" }] }
witness = { query = "witness.sql" }
negative = { parameter = "accounts", remove = "13004", match = { Amount = "1" } }
"#;

const MAIN: &str = "SELECT e.[Entry No_], e.[Amount (LCY)] AS Amount\nFROM [AIG_Nav_DW].[dbo].[G_L Entries] AS e WITH (NOLOCK)\nWHERE e.[Posting Date] < @cutoff\n  AND e.Account IN (@accounts)\n  AND e.Day <= @closing_date";
const COUNT: &str = "SELECT COUNT_BIG(*) AS row_count, SUM(d.Amount) AS total\nFROM dbo.[Detailed G_L Entry] AS d\nWHERE d.[Posting Date] < @cutoff";
const WITNESS: &str =
    "SELECT TOP (1) d.[Entry No_]\nFROM dbo.[Detailed G_L Entry] AS d\nORDER BY d.[Entry No_]";

fn ipe(main: &str, count: &str, witness: &str) -> Ipe {
    let files = [
        ("control.toml", CONTROL),
        ("IPE_07.toml", IPE),
        ("main.sql", main),
        ("count.sql", count),
        ("witness.sql", witness),
    ];
    let files: BTreeMap<String, String> = files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect();
    inspect(&files).ipes.pop().unwrap()
}

fn of(main: &str, count: &str, witness: &str) -> Vec<Problem> {
    check_ipes(&[ipe(main, count, witness)])
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|p| format!("{}:{}: {}", p.file, p.line, p.reason))
        .collect()
}

/// The problems of an extraction query, without its file's name.
fn extraction(sql: &str) -> Vec<String> {
    of(sql, COUNT, WITNESS)
        .iter()
        .map(|p| format!("{}: {}", p.line, p.reason))
        .collect()
}

/// The problems of `MAIN` with its WHERE continued on line 6.
fn and(condition: &str) -> Vec<String> {
    extraction(&format!("{MAIN}\n  AND {condition}"))
}

#[test]
fn good_queries_have_no_problems() {
    assert_eq!(shown(&of(MAIN, COUNT, WITNESS)), [""; 0]);
}

/// What NAV queries are made of: each must be readable and have no problem.
#[test]
fn good_t_sql_is_read() {
    for condition in [
        "e.[Is_Active?] = 1 AND e.[Opco/Central_?] = N'O''p' AND e.[G/L_Account_No] <> N'é'",
        "EXISTS (SELECT 1 FROM [D365BC14_DZ].dbo.[Jade DZ$Currency Exchange Rate] AS r WHERE r.[a]]b] = e.x)",
        "e.a = CONVERT(nvarchar(20), e.b, 112) AND TRY_CONVERT(int, e.c) > CAST(e.d AS decimal(38, 20))",
        "e.a !< 3 AND e.b !> 4 AND e.c != 5",
        "PARSE(N'1' AS int USING 'en-US') = 1 AND TRY_PARSE(e.a AS date) IS NULL",
        "e.a IN (SELECT x.b FROM dbo.t AS x INNER HASH JOIN dbo.u AS y ON x.a = y.a LEFT OUTER LOOP JOIN dbo.v AS z ON 1 = 1)",
        "e.a LIKE N'%[_]x' ESCAPE '!' AND NOT (e.b BETWEEN 1 AND 2 OR e.c IS NOT NULL)",
        "e.a = (SELECT SUM(x.b) FROM dbo.t AS x GROUP BY GROUPING SETS ((x.a), (x.b)))",
        "e.a IN (SELECT x.a FROM dbo.t AS x GROUP BY x.a WITH ROLLUP)",
        "e.a IN (SELECT v.x FROM (VALUES (1, N'a'), (2, N'b')) AS v (x, y))",
        "EXISTS (SELECT 1 FROM dbo.t AS t CROSS APPLY (SELECT TOP (1) u.b FROM dbo.u AS u WHERE u.x = t.x ORDER BY u.b) AS w OUTER APPLY dbo.fn(t.y) AS z)",
        "e.a COLLATE Latin1_General_BIN2 = e.b AND IIF(e.a > 1, 2, 3) = COALESCE(e.c, ISNULL(e.d, 0))",
        "e.d >= DATEADD(month, -1, @cutoff) AND EOMONTH(e.d) = @closing_date AND DATEDIFF(day, e.d, @cutoff) = 1",
        "@cutoff > e.d AND e.d >= CAST(@cutoff AS date)",
        "e.a = 'GETDATE() @@ROWCOUNT INSERT' /* EXEC /* nested */ NEWID() */ -- DROP TABLE x\n",
        "e.[User] = N'x' AND e.[Update] = 1 AND e.[INTO] = 2 AND e.[GETDATE] = 3",
        "e.a IN (SELECT p.k FROM dbo.t AS t UNPIVOT (v FOR k IN (a, b)) AS p)",
        "e.a = (SELECT STRING_AGG(x.a, N',') WITHIN GROUP (ORDER BY x.a) FROM dbo.t AS x)",
        "e.a IN (SELECT s.value FROM STRING_SPLIT(N'a,b', N',') AS s)",
        "e.a = 1\nORDER BY e.a OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY\nOPTION (MAXDOP 1, HASH JOIN, USE HINT ('x'))",
        "e.a = $12.5 OR e.b = 0x0102 OR e.c = 1e5 OR -e.d % 2 = ~e.e & 1",
        "1 = 1;",
    ] {
        assert_eq!(and(condition), [""; 0], "{condition}");
    }
    let with = format!(
        ";WITH a AS (SELECT x.[Entry No_], x.Amount FROM dbo.t AS x), b ([Entry No_], Amount) AS (SELECT a.[Entry No_], a.Amount FROM a)\n{MAIN}\nUNION ALL\nSELECT [Entry No_], Amount FROM B"
    );
    assert_eq!(extraction(&with), [""; 0]);
    let named = MAIN.replace(
        "e.[Entry No_], e.[Amount (LCY)] AS Amount",
        "[Entry No_] = e.a, e.b AS 'Amount'",
    );
    assert_eq!(extraction(&named), [""; 0]);
}

#[test]
fn the_text_is_one_select() {
    let (first, rest) = MAIN.split_once('\n').unwrap();
    assert_eq!(
        extraction(&format!("{MAIN};\nSELECT 1 AS a")),
        ["6: 2 statements"]
    );
    assert_eq!(
        extraction(&format!("{first},\n{rest}")),
        ["2: cannot be read as T-SQL: expected an expression, found FROM"]
    );
    assert_eq!(
        extraction(&format!("{MAIN}\nSELECT 1 AS a")),
        ["6: cannot be read as T-SQL: expected end of statement, found SELECT"]
    );
    assert_eq!(extraction("  -- nothing\n"), ["1: the text is empty"]);
    assert!(extraction("SHOW TABLES -- @cutoff").contains(&"1: not a SELECT".to_owned()));
    assert!(
        extraction("VALUES (1, 2)")
            .contains(&"1: the result is not that of a SELECT list".to_owned())
    );
    let go = extraction(&format!("{MAIN}\nGO\n"));
    assert!(
        go.contains(&"6: GO is not T-SQL but a client's separator of batches".to_owned()),
        "{go:?}"
    );
}

#[test]
fn the_query_only_reads() {
    for (sql, word) in [
        ("INSERT INTO dbo.t SELECT 1", "INSERT"),
        ("UPDATE dbo.t SET a = 1", "UPDATE"),
        ("DELETE FROM dbo.t", "DELETE"),
        (
            "MERGE dbo.t USING dbo.u ON 1 = 1 WHEN MATCHED THEN DELETE;",
            "MERGE",
        ),
        ("EXEC dbo.p", "EXEC"),
        ("EXECUTE ('SELECT 1')", "EXECUTE"),
        ("CREATE TABLE dbo.t (a int)", "CREATE"),
        ("DROP TABLE dbo.t", "DROP"),
        ("TRUNCATE TABLE dbo.t", "TRUNCATE"),
        ("WAITFOR DELAY '00:01'", "WAITFOR"),
        ("DECLARE @x int = 1", "DECLARE"),
        ("USE master", "USE"),
        ("SET NOCOUNT ON", "SET"),
        ("DBCC FREEPROCCACHE", "DBCC"),
    ] {
        let found = extraction(&format!("{MAIN};\n{sql}"));
        assert!(
            found.contains(&format!("6: {word} does not only read")),
            "{sql}: {found:?}"
        );
    }
    let into = extraction(&MAIN.replace("\nFROM", " INTO #t\nFROM"));
    assert_eq!(
        into,
        ["1: #t is a temporary table", "1: INTO does not only read"]
    );
    assert_eq!(
        and("e.a IN (SELECT t.a FROM #t AS t)"),
        ["6: #t is a temporary table"]
    );
    for outside in [
        "OPENROWSET('a', 'b', 'c')",
        "OPENQUERY(srv, 'SELECT 1')",
        "OpenDataSource('a', 'b').db.dbo.t",
    ] {
        let found = and(&format!("EXISTS (SELECT 1 FROM {outside} AS x)"));
        assert!(
            found
                .iter()
                .any(|p| p.ends_with("reaches outside the database")),
            "{outside}: {found:?}"
        );
    }
    assert_eq!(
        and("e.a = xp_cmdshell"),
        ["6: XP_CMDSHELL reaches outside the database"]
    );
    assert!(
        and("e.a = (SELECT NEXT VALUE FOR dbo.s)")
            .contains(&"6: NEXT VALUE FOR changes a sequence".to_owned())
    );
    assert!(and("e.a = {fn NOW()}").contains(&"6: an ODBC escape in braces".to_owned()));
}

#[test]
fn the_answer_depends_on_nothing_but_the_parameters() {
    for (condition, problem) in [
        ("e.d < GETDATE()", "GETDATE is the wall clock"),
        ("e.d < getutcdate ()", "GETUTCDATE is the wall clock"),
        ("e.d < [SYSDATETIME]()", "SYSDATETIME is the wall clock"),
        ("e.d < SYSUTCDATETIME()", "SYSUTCDATETIME is the wall clock"),
        (
            "e.d < SYSDATETIMEOFFSET()",
            "SYSDATETIMEOFFSET is the wall clock",
        ),
        (
            "e.d < CURRENT_TIMESTAMP",
            "CURRENT_TIMESTAMP is the wall clock",
        ),
        ("e.d < CURRENT_DATE", "CURRENT_DATE is the wall clock"),
        ("e.a = NEWID()", "NEWID gives something else each time"),
        ("e.a < RAND(1)", "RAND gives something else each time"),
        (
            "e.a = CRYPT_GEN_RANDOM(4)",
            "CRYPT_GEN_RANDOM gives something else each time",
        ),
        (
            "EXISTS (SELECT 1 FROM dbo.t TABLESAMPLE (10 PERCENT))",
            "TABLESAMPLE gives something else each time",
        ),
        ("e.a = @@ROWCOUNT", "@@ROWCOUNT depends on the session"),
        ("e.a = USER_NAME()", "USER_NAME depends on the session"),
        ("e.a = suser_sname()", "SUSER_SNAME depends on the session"),
        ("e.a = SYSTEM_USER", "SYSTEM_USER depends on the session"),
        ("e.a = DB_NAME()", "DB_NAME depends on the session"),
    ] {
        assert_eq!(and(condition), [format!("6: {problem}")], "{condition}");
    }
}

#[test]
fn order_is_named_where_it_matters() {
    let found = of(
        MAIN,
        COUNT,
        &WITNESS.replace("\nORDER BY d.[Entry No_]", ""),
    );
    assert_eq!(
        shown(&found),
        ["witness.sql:1: TOP without ORDER BY takes rows by chance"]
    );
    assert_eq!(
        and("e.a IN (SELECT TOP 1 x.a FROM dbo.t AS x)"),
        ["6: TOP without ORDER BY takes rows by chance"]
    );
    assert_eq!(
        and("e.a IN (SELECT TOP 1 x.a FROM dbo.t AS x ORDER BY (SELECT NULL))"),
        ["6: TOP without ORDER BY takes rows by chance"]
    );
    let window = |order: &str| {
        extraction(&MAIN.replace(
            "e.[Amount (LCY)]",
            &format!("\nROW_NUMBER() OVER (PARTITION BY e.a {order})"),
        ))
    };
    assert_eq!(window("ORDER BY e.b"), [""; 0]);
    assert_eq!(
        window("ORDER BY (SELECT NULL)"),
        ["2: ROW_NUMBER without an order depends on chance"]
    );
    assert_eq!(
        window("ORDER BY @closing_date"),
        ["2: ROW_NUMBER without an order depends on chance"]
    );
    assert_eq!(
        and("e.a = (SELECT STRING_AGG(x.a, N',') FROM dbo.t AS x)"),
        ["6: STRING_AGG without an order depends on chance"]
    );
}

#[test]
fn columns_are_the_contracts() {
    let with =
        |list: &str| extraction(&MAIN.replace("e.[Entry No_], e.[Amount (LCY)] AS Amount", list));
    assert_eq!(
        with("e.[Entry No_],\ne.x AS amount"),
        ["2: column 2 is \"amount\", but the contract's is \"Amount\""]
    );
    assert_eq!(
        with("e.Amount, e.[Entry No_]"),
        [
            "1: column 1 is \"Amount\", but the contract's is \"Entry No_\"",
            "1: column 2 is \"Entry No_\", but the contract's is \"Amount\""
        ]
    );
    assert_eq!(
        with("e.[Entry No_], e.Konto, e.c"),
        ["1: 3 columns, but the contract has 2; not selected: Amount; not declared: Konto, c"]
    );
    assert_eq!(
        with("e.[Entry No_], e.a + 1"),
        ["1: column e.a + 1 has no name"]
    );
    assert_eq!(
        with("*"),
        ["1: SELECT * leaves open which columns come out"]
    );
    assert_eq!(
        with("e.[Entry No_],\ne.*"),
        ["2: SELECT * leaves open which columns come out"]
    );
    assert_eq!(
        with("@accounts = e.a, e.Amount")[0],
        "1: @accounts is assigned instead of selected"
    );
    assert_eq!(
        extraction(&format!("{MAIN}\nUNION ALL\nSELECT 1 AS a")),
        ["7: SELECT 2 of the union has 1 columns, the first has 2"]
    );
    // Names of later branches do not count, and a star inside is free.
    assert_eq!(
        extraction(&format!(
            "{MAIN}\nUNION ALL\nSELECT x.a, x.b FROM (SELECT * FROM dbo.t) AS x"
        )),
        [""; 0]
    );
    assert_eq!(
        extraction(&format!("{MAIN}\nFOR XML PATH('')")),
        ["1: FOR XML, JSON or BROWSE changes the form of the result"]
    );
}

#[test]
fn completeness_and_witness_return_what_is_declared() {
    let count = |sql: &str| {
        shown(&of(
            MAIN,
            &COUNT.replace("COUNT_BIG(*) AS row_count, SUM(d.Amount) AS total", sql),
            WITNESS,
        ))
    };
    assert_eq!(
        count("SUM(d.Amount) AS total, COUNT(*) AS row_count"),
        [""; 0]
    );
    assert_eq!(
        count("COUNT(*) AS row_count"),
        [
            "count.sql:1: column \"total\", declared under [completeness] of IPE_07.toml, is selected 0 times"
        ]
    );
    assert_eq!(
        count("COUNT(*) AS row_count, SUM(d.Amount) AS total, MAX(d.a) AS last"),
        ["count.sql:1: column \"last\" is not declared under [completeness] of IPE_07.toml"]
    );
    assert_eq!(
        shown(&of(
            MAIN,
            COUNT,
            &WITNESS.replacen("d.[Entry No_]", "d.[Entry No_],\n d.Other", 1)
        )),
        ["witness.sql:2: column \"Other\" is not in the contract of IPE_07.toml"]
    );
    assert_eq!(
        shown(&of(
            MAIN,
            COUNT,
            &WITNESS.replacen("d.[Entry No_]", "d.Amount, d.Amount", 1)
        )),
        ["witness.sql:1: column \"Amount\" is selected twice"]
    );
}

#[test]
fn the_cutoff_is_exclusive() {
    for good in [
        "e.d >= @cutoff",
        "@CUTOFF > e.d",
        "@cutoff <= e.d",
        "e.d < @cutoff",
        "e.d BETWEEN @cutoff AND e.x",
        "e.d <= @closing_date",
        "e.d = @closing_date",
    ] {
        assert_eq!(and(good), [""; 0], "{good}");
    }
    for (bad, how) in [
        ("e.d <= @cutoff", "<="),
        ("@cutoff >= e.d", "<="),
        ("e.d = @Cutoff", "="),
        ("e.d <> @cutoff", "<>"),
        ("e.d > @cutoff", ">"),
        ("e.d <= CAST(@cutoff AS date)", "<="),
        ("e.d <= CONVERT(date, (@cutoff))", "<="),
        (
            "e.d BETWEEN @closing_date AND @cutoff",
            "BETWEEN, which includes it",
        ),
        ("e.d IN (@closing_date, @cutoff)", "IN"),
    ] {
        assert_eq!(
            and(bad),
            [format!("6: the cutoff is compared with {how}")],
            "{bad}"
        );
    }
}

#[test]
fn lists_stand_in_in_and_the_negative_in_a_filter() {
    assert_eq!(
        and("e.a = @accounts"),
        ["6: @accounts is a list and stands outside of IN (…)"]
    );
    assert_eq!(and("e.a NOT IN (N'x', @accounts)"), [""; 0]);
    let in_the_list = MAIN
        .replace("\n  AND e.Account IN (@accounts)", "")
        .replace(
            "e.[Amount (LCY)]",
            "CASE WHEN e.a IN (@accounts) THEN 1 ELSE 0 END",
        );
    assert_eq!(
        extraction(&in_the_list),
        ["1: @accounts, which the negative changes, is in no filter"]
    );
    let in_a_join = MAIN
        .replace("\n  AND e.Account IN (@accounts)", "")
        .replace(
            "\nWHERE",
            "\nINNER JOIN dbo.a AS a ON a.x = e.x AND a.no IN (@accounts)\nWHERE",
        );
    assert_eq!(extraction(&in_a_join), [""; 0]);
    let in_a_table = MAIN.replace("\n  AND e.Account IN (@accounts)", "").replace("\nWHERE", "\nINNER JOIN (SELECT a.x FROM dbo.a AS a GROUP BY a.x HAVING MAX(a.no) IN (@accounts)) AS a ON a.x = e.x\nWHERE");
    assert_eq!(extraction(&in_a_table), [""; 0]);
}

#[test]
fn the_period_is_not_ignored() {
    let timeless = MAIN
        .replace("e.[Posting Date] < @cutoff", "1 = 1")
        .replace("e.Day <= @closing_date", "2 = 2");
    assert_eq!(
        extraction(&timeless),
        ["1: the query ignores the period: no parameter derived from the cutoff is used"]
    );
    let found = of(
        MAIN,
        &COUNT.replace("d.[Posting Date] < @cutoff", "d.x = '@cutoff'"),
        WITNESS,
    );
    assert_eq!(
        shown(&found),
        ["count.sql:1: the query ignores the period: no parameter derived from the cutoff is used"]
    );
}

#[test]
fn a_name_means_one_table() {
    assert_eq!(
        and("e.a IN (SELECT x.a FROM Customers AS x)"),
        ["6: \"Customers\" has no schema: which table it is depends on the login"]
    );
    assert_eq!(
        and("e.a IN (SELECT x.a FROM AIG_Nav_DW..Customers AS x)"),
        ["6: AIG_Nav_DW..Customers has no schema: which table it is depends on the login"]
    );
    assert_eq!(
        and("e.a IN (SELECT x.a FROM [srv].AIG_Nav_DW.dbo.Customers AS x)"),
        ["6: [srv].AIG_Nav_DW.dbo.Customers is on another server"]
    );
    assert!(
        and("e.a IN (SELECT x.a FROM @t AS x)").contains(&"6: @t is a table variable".to_owned())
    );
}

#[test]
fn completeness_is_asked_independently() {
    let of_count = |count: &str| {
        shown(&of(MAIN, count, WITNESS))
            .into_iter()
            .filter(|p| p.contains("the completeness query"))
            .collect::<Vec<_>>()
    };
    let spelt = MAIN
        .to_lowercase()
        .replace(['[', ']'], "\"")
        .replace('\n', " -- x\n ")
        + ";";
    assert_eq!(
        of_count(&spelt),
        ["count.sql:1: the completeness query is the extraction query"]
    );
    assert_eq!(
        of_count(&format!(
            "SELECT COUNT(*) AS row_count, SUM(q.Amount) AS total\nFROM (\n{MAIN}\n) AS q"
        )),
        ["count.sql:3: the completeness query holds the extraction query"]
    );
    let (_, tail) = MAIN.split_once('\n').unwrap();
    assert_eq!(
        of_count(&format!(
            "SELECT COUNT(*) AS row_count, SUM(e.[Amount (LCY)]) AS total\n{tail}"
        )),
        ["count.sql:2: the completeness query reads the same FROM and WHERE as the extraction"]
    );
    // A common table expression in front and an order behind do not hide it.
    let main = format!("WITH c AS (SELECT 1 AS a) {MAIN} ORDER BY e.a");
    let count = format!(
        "WITH c AS (SELECT 1 AS a), q AS ({MAIN})\nSELECT COUNT(*) AS row_count, SUM(q.Amount) AS total FROM q"
    );
    assert!(
        shown(&of(&main, &count, WITNESS))
            .contains(&"count.sql:1: the completeness query holds the extraction query".to_owned())
    );
}

#[test]
fn everything_is_reported_at_once() {
    let main = "SELECT e.[Entry No_], e.Amount\nFROM Entries AS e\nWHERE e.d <= @cutoff\n  AND e.n = NEWID()\n  AND e.Account = @accounts\n  AND e.t < GETDATE()";
    let found = of(
        main,
        "SELECT (",
        &WITNESS.replace("TOP (1)", "TOP (1) @@SPID,"),
    );
    let places: Vec<String> = found
        .iter()
        .map(|p| format!("{}:{}", p.file, p.line))
        .collect();
    for place in [
        "main.sql:2",
        "main.sql:3",
        "main.sql:4",
        "main.sql:5",
        "main.sql:6",
        "count.sql:1",
        "witness.sql:1",
    ] {
        assert!(places.contains(&place.to_owned()), "{place}: {found:#?}");
    }
    assert!(found.is_sorted() && found.iter().all(|p| !p.remedy.is_empty()));
}

#[test]
fn hostile_text_is_refused_and_harmless() {
    let deep = |open: &str, close: &str, n: usize| {
        format!(
            "SELECT {}1{} AS a FROM dbo.t",
            open.repeat(n),
            close.repeat(n)
        )
    };
    for sql in [
        deep("(", ")", 100_000),
        deep("(", ")", 47),
        deep("CASE WHEN 1=1 THEN ", " END", 10_000),
        deep("CASE WHEN 1=1 THEN ", " END", 47),
        deep("- ", "", 9_000),
        deep("~", "", 9_000),
        deep("(SELECT ", ")", 47),
        format!("SELECT a FROM dbo.t WHERE {} a = 1", "NOT ".repeat(15_000)),
        format!("SELECT 1{} AS a", " + 1".repeat(9_000)),
        format!("SELECT 1 AS a{}", " UNION ALL SELECT 1".repeat(6_000)),
        format!("SELECT a FROM {}dbo.t{}", "(".repeat(47), ")".repeat(47)),
        format!(
            "SELECT a FROM {}SELECT 1 AS a{}",
            "(".repeat(47),
            ")".repeat(47)
        ),
        format!(
            "SELECT a FROM dbo.t WHERE {}a = 1{}",
            "(".repeat(47),
            ")".repeat(47)
        ),
        format!(
            "SELECT a FROM dbo.t WHERE {}a{} = 1",
            "f(".repeat(47),
            ")".repeat(47)
        ),
        "/*".repeat(100_000),
        "x".repeat(300_000),
        "[".repeat(1_000),
        "SELECT ".repeat(2_000),
        "BEGIN ".repeat(5_000),
        "IF 1=1 ".repeat(5_000),
        "CREATE TRIGGER a ON b FOR INSERT AS ".repeat(2_000),
        "WITH a AS (".repeat(47),
        "EXPLAIN ".repeat(10_000),
    ] {
        let start = std::time::Instant::now();
        let found = extraction(&sql);
        let head: String = sql.chars().take(60).collect();
        assert!(!found.is_empty(), "{head}");
        assert!(
            start.elapsed().as_secs() < 20,
            "{head}: {:?}",
            start.elapsed()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Arbitrary texts never panic, and every problem is in a line that exists.
    #[test]
    fn arbitrary_text_never_panics(sql in any::<String>()) {
        for problem in of(&sql, COUNT, WITNESS) {
            prop_assert!(problem.reason != "the queries could not be examined");
            prop_assert!(problem.line <= sql.split('\n').count().max(3));
        }
    }

    /// So do good texts with pieces of T-SQL thrown in.
    #[test]
    fn damaged_queries_never_panic(at in 0usize..200, piece in prop::sample::select(vec!["(", ")", "'", "[", "]", "SELECT", " FROM ", ",", " OVER (", " IN ", "CASE", " END ", "@", "--", "/*", " UNION ", ";", "*", "OPTION(", " WITH ", ".", "N'", "{", "!<", " USING 'x' ", " JOIN "])) {
        let mut sql = MAIN.to_owned();
        sql.insert_str(at.min(sql.len()), piece);
        for problem in of(&sql, COUNT, WITNESS) {
            prop_assert!(problem.reason != "the queries could not be examined", "{}", sql);
        }
    }
}

/// The compiled-in catalog keeps every rule.
#[test]
fn the_catalog_has_no_problems() {
    let found = check_ipes(&inspect(&soxauto_catalog::files()).ipes);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn a_comment_ends_where_every_reader_sees_its_end() {
    let feeds = MAIN.replace('\n', " -- note\r\n");
    assert_eq!(of(&feeds, COUNT, WITNESS), []);
    for end in ["\r", "\u{85}", "\u{2028}", "\u{2029}"] {
        let hidden = MAIN.replace("\nWHERE", &format!(" -- note{end}AND 1=0\nWHERE"));
        let problems = of(&hidden, COUNT, WITNESS);
        assert!(
            problems
                .iter()
                .any(|p| p.line == 2 && p.reason.contains("a line end")),
            "{end:?}: {problems:?}"
        );
    }
}
