//! The SQL of the warehouse: tables from the contract, the load, the tie-out, the views.
//!
//! Statements are built from validated names and typed values only. COPY and DDL take no parameters, so what they are
//! given is quoted here and nowhere else.

use soxauto_domain::{
    PlannedIpe, Receipt, RunId, SqlType,
    catalog::{Total, TotalFunction},
    plan::ColumnContract,
    receipt::ControlTotal,
};

/// Table that lists the runs; a row with state `complete` publishes a run.
pub const RUNS_TABLE: &str = "pg01_runs";

/// A quoted identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted text. Redshift reads a backslash in it as an escape, so that `\'` would not end it.
#[must_use]
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', "''"))
}

/// `"schema"."table"`.
#[must_use]
pub fn table(schema: &str, table: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(table))
}

/// Schema and the table of runs.
#[must_use]
pub fn create_runs(schema: &str) -> Vec<String> {
    vec![
        format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(schema)),
        format!(
            "CREATE TABLE IF NOT EXISTS {} (control_id VARCHAR(40) NOT NULL, cutoff_date DATE NOT NULL, run_id VARCHAR(100) NOT NULL, \
             run_number INTEGER NOT NULL, revision INTEGER NOT NULL, state VARCHAR(20) NOT NULL, manifest_sha256 VARCHAR(64) NOT NULL, \
             published_at TIMESTAMP NOT NULL)",
            table(schema, RUNS_TABLE)
        ),
    ]
}

/// The IPE's table and the view of its published rows.
#[must_use]
pub fn create_ipe(schema: &str, ipe: &PlannedIpe) -> Vec<String> {
    let mut columns: Vec<String> = ipe.columns.iter().map(column).collect();
    columns.extend(
        [
            "\"_run_id\" VARCHAR(100) NOT NULL",
            "\"_ipe_id\" VARCHAR(40) NOT NULL",
            "\"_cutoff_date\" DATE NOT NULL",
            "\"_extracted_at\" TIMESTAMP NOT NULL",
            "\"_row_number\" BIGINT NOT NULL",
        ]
        .map(str::to_owned),
    );
    let runs = table(schema, RUNS_TABLE);
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({})",
            table(schema, &ipe.table),
            columns.join(", ")
        ),
        format!(
            "CREATE OR REPLACE VIEW {} AS SELECT d.* FROM {} d WHERE d.\"_run_id\" IN (SELECT r.run_id FROM {runs} r \
             WHERE r.state = 'complete' AND r.run_number = (SELECT MAX(n.run_number) FROM {runs} n \
             WHERE n.control_id = r.control_id AND n.cutoff_date = r.cutoff_date AND n.state = 'complete'))",
            table(schema, &format!("{}_current", ipe.table)),
            table(schema, &ipe.table),
        ),
    ]
}

fn column(contract: &ColumnContract) -> String {
    let null = if contract.nullable { "" } else { " NOT NULL" };
    format!(
        "{} {}{null}",
        identifier(&contract.name),
        contract.sql_type.redshift()
    )
}

/// Makes concurrent loads of a table wait for each other.
///
/// The COPY of a finalizer that died may still be running. Under snapshot isolation the next one's DELETE would not see
/// its rows, and both would commit.
#[must_use]
pub fn lock(target: &str) -> String {
    format!("LOCK {target}")
}

/// Takes away what an earlier try of this run has loaded.
#[must_use]
pub fn delete_run(target: &str, run: &RunId) -> String {
    format!(
        "DELETE FROM {target} WHERE \"_run_id\" = {}",
        text(&run.to_string())
    )
}

/// Loads the parts of a COPY manifest.
#[must_use]
pub fn copy(target: &str, manifest_url: &str, role: Option<&str>) -> String {
    let role = role.map_or_else(|| "default".to_owned(), text);
    format!(
        "COPY {target} FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST",
        text(manifest_url)
    )
}

/// Fails the transaction unless count and totals of the loaded rows are the receipt's.
///
/// The text that describes the difference is cast to an integer: only a difference makes the cast fail, and then the
/// whole transaction with it. Both the check and the load are therefore one atomic step.
#[must_use]
pub fn assert_tie_out(target: &str, ipe: &PlannedIpe, receipt: &Receipt) -> String {
    let mut conditions = vec![format!("COUNT(*) = {}", receipt.counts.parquet)];
    conditions.extend(
        receipt
            .control_totals
            .iter()
            .map(|total| condition(ipe, total)),
    );
    let totals: Vec<String> = receipt
        .control_totals
        .iter()
        .map(|total| {
            format!(
                "' {} '||COALESCE(CAST({} AS VARCHAR), 'null')",
                total.function.as_str(),
                aggregate(total.function, &total.column)
            )
        })
        .collect();
    let found = std::iter::once("CAST(COUNT(*) AS VARCHAR)".to_owned())
        .chain(totals)
        .collect::<Vec<_>>()
        .join("||");
    format!(
        "SELECT CAST(CASE WHEN {} THEN '1' ELSE {}||{found} END AS INTEGER) AS tied_out FROM {target} WHERE \"_run_id\" = {}",
        conditions.join(" AND "),
        text("tie-out failed: the warehouse holds rows "),
        text(&receipt.run_id.to_string()),
    )
}

fn condition(ipe: &PlannedIpe, total: &ControlTotal) -> String {
    let aggregate = aggregate(total.function, &total.column);
    let Some(expected) = &total.extracted else {
        return format!("{aggregate} IS NULL");
    };
    let contract = ipe.columns.iter().find(|c| c.name == total.column);
    let sql_type = match contract.map(|c| (c.sql_type, c.sql_type.scale())) {
        Some((_, Some(scale))) => format!("DECIMAL(38,{scale})"),
        Some((sql_type, None)) => sql_type.redshift(),
        // Not a column of the contract: no value can be equal.
        None => return "1 = 0".to_owned(),
    };
    let mut expected = expected.replace('T', " ");
    if contract.is_some_and(|c| matches!(c.sql_type, SqlType::DateTimeOffset(_))) {
        // The receipt's instants are in UTC; without saying so the session's zone would be taken.
        expected.push_str("+00");
    }
    format!("{aggregate} = CAST({} AS {sql_type})", text(&expected))
}

fn aggregate(function: TotalFunction, column: &str) -> String {
    let name = match function {
        TotalFunction::Sum => "SUM",
        TotalFunction::Min => "MIN",
        TotalFunction::Max => "MAX",
    };
    format!("{name}({})", identifier(column))
}

/// Count and totals as the warehouse computes them, as texts: columns `loaded_rows`, `total_0`, `total_1`, ….
#[must_use]
pub fn select_totals(target: &str, totals: &[Total], run: &RunId) -> String {
    let mut columns = vec!["CAST(COUNT(*) AS VARCHAR) AS loaded_rows".to_owned()];
    columns.extend(totals.iter().enumerate().map(|(i, t)| {
        format!(
            "CAST({} AS VARCHAR) AS total_{i}",
            aggregate(t.function, &t.column)
        )
    }));
    format!(
        "SELECT {} FROM {target} WHERE \"_run_id\" = {}",
        columns.join(", "),
        text(&run.to_string())
    )
}

/// Replaces the run's row in the table of runs, unless a later revision is published already: a transaction that a dead
/// finalizer left in the warehouse's queue may run late, and must not take back what was published since.
#[must_use]
pub fn publish(
    schema: &str,
    run: &RunId,
    revision: u32,
    state: &str,
    manifest_sha256: &str,
    published_at: &str,
) -> Vec<String> {
    let runs = table(schema, RUNS_TABLE);
    let id = text(&run.to_string());
    vec![
        format!("DELETE FROM {runs} WHERE run_id = {id} AND revision <= {revision}"),
        format!(
            "INSERT INTO {runs} (control_id, cutoff_date, run_id, run_number, revision, state, manifest_sha256, published_at) \
             SELECT {}, CAST({} AS DATE), {id}, {}, {revision}, {}, {}, CAST({} AS TIMESTAMP) \
             WHERE NOT EXISTS (SELECT 1 FROM {runs} WHERE run_id = {id} AND revision > {revision})",
            text(run.control().as_str()),
            text(&run.cutoff().to_string()),
            run.number(),
            text(state),
            text(manifest_sha256),
            text(published_at),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_compared_in_a_type_that_holds_both_sides() {
        let condition = |sql_type: &str, function, extracted: Option<&str>| {
            let catalog = soxauto_catalog::load().unwrap();
            let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
            let mut ipe = catalog.ipes[0].resolve(&run.cutoff().period()).unwrap();
            ipe.columns[0].name = "x".into();
            ipe.columns[0].sql_type = sql_type.parse().unwrap();
            let total = ControlTotal {
                column: "x".into(),
                function,
                source_before: None,
                source_after: None,
                extracted: extracted.map(str::to_owned),
            };
            super::condition(&ipe, &total)
        };
        for (sql_type, function, extracted, expected) in [
            (
                "bigint",
                TotalFunction::Sum,
                Some("9223372036854775808"),
                "SUM(\"x\") = CAST('9223372036854775808' AS DECIMAL(38,0))",
            ),
            (
                "decimal(19,2)",
                TotalFunction::Sum,
                Some("-0.05"),
                "SUM(\"x\") = CAST('-0.05' AS DECIMAL(38,2))",
            ),
            (
                "smallmoney",
                TotalFunction::Min,
                Some("1.0000"),
                "MIN(\"x\") = CAST('1.0000' AS DECIMAL(38,4))",
            ),
            (
                "date",
                TotalFunction::Max,
                Some("2024-04-30"),
                "MAX(\"x\") = CAST('2024-04-30' AS DATE)",
            ),
            (
                "datetime",
                TotalFunction::Max,
                Some("2024-04-30T23:59:59.996667"),
                "MAX(\"x\") = CAST('2024-04-30 23:59:59.996667' AS TIMESTAMP)",
            ),
            // Without its zone the text would be read in the session's.
            (
                "datetimeoffset(7)",
                TotalFunction::Max,
                Some("2024-04-30T23:59:59.5"),
                "MAX(\"x\") = CAST('2024-04-30 23:59:59.5+00' AS TIMESTAMPTZ)",
            ),
            ("int", TotalFunction::Sum, None, "SUM(\"x\") IS NULL"),
        ] {
            assert_eq!(condition(sql_type, function, extracted), expected);
        }
    }

    #[test]
    fn a_late_publication_does_not_take_back_a_later_one() {
        let run: RunId = "C-PG-1/2024-05-01/r1".parse().unwrap();
        let statements = publish("s", &run, 1, "incomplete", "00", "2024-05-01 07:00:00");
        assert!(statements[0].ends_with("AND revision <= 1"));
        assert!(
            statements[1].contains("WHERE NOT EXISTS") && statements[1].ends_with("revision > 1)")
        );
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("o'clock; DROP TABLE x"), "'o''clock; DROP TABLE x'");
        assert_eq!(text(r"\'; DROP TABLE x; --"), r"'\\''; DROP TABLE x; --'");
        assert_eq!(
            copy(&table("reconciliation", "t"), "s3://b/k", None),
            "COPY \"reconciliation\".\"t\" FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
        );
    }
}
