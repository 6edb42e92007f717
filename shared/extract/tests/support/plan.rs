//! A planned IPE for tests: ledger entries with a key, an amount, a posting date, a masked name and an account.

use std::collections::BTreeMap;

use soxauto_domain::{
    BoundQuery, PlannedIpe,
    bind::{self, ParameterValue, Values},
    catalog::{Sample, Total, TotalFunction},
    plan::{ColumnContract, PlannedCompleteness, PlannedNegative, PlannedWitness},
};

/// The extraction query.
pub const EXTRACTION: &str = "SELECT [Entry No_], [Amount (LCY)], [Posting Date], [Name], [Account] FROM [Entries] WHERE [Account] IN (@accounts) AND [Posting Date] < @cutoff";
/// The completeness query.
pub const COMPLETENESS: &str = "SELECT COUNT_BIG(*) AS [rows], SUM(a) AS [amount], MAX(d) AS [last] FROM [Entries] WHERE d < @cutoff";
/// The witness query.
pub const WITNESS: &str =
    "SELECT TOP (1) [Entry No_], [Posting Date] FROM [Entries] WHERE d < @cutoff";

/// A nullable column without rules.
pub fn column(name: &str, sql_type: &str) -> ColumnContract {
    ColumnContract {
        name: name.into(),
        sql_type: sql_type.parse().unwrap(),
        nullable: true,
        accepted: None,
        min: None,
        max: None,
        from: None,
        before: None,
        rounding: None,
        sample: Sample::Show,
    }
}

/// The same column, NULL not allowed.
pub fn not_null(column: ColumnContract) -> ColumnContract {
    ColumnContract {
        nullable: false,
        ..column
    }
}

/// The contract.
pub fn columns() -> Vec<ColumnContract> {
    vec![
        not_null(column("Entry No_", "int")),
        not_null(column("Amount (LCY)", "decimal(38,20)")),
        ColumnContract {
            from: Some("2024-04-01".parse().unwrap()),
            before: Some("2024-05-01".parse().unwrap()),
            ..column("Posting Date", "datetime")
        },
        ColumnContract {
            sample: Sample::Mask,
            ..column("Name", "nvarchar(50)")
        },
        ColumnContract {
            accepted: Some(vec!["13003".into(), "13004".into()]),
            ..not_null(column("Account", "nvarchar(20)"))
        },
    ]
}

fn bound(sql: &str, accounts: &[&str]) -> BoundQuery {
    let one = |text: &str| Values::One(text.to_owned());
    let values = BTreeMap::from([
        (
            "cutoff".to_owned(),
            ParameterValue {
                sql_type: "datetime".parse().unwrap(),
                values: one("2024-05-01"),
            },
        ),
        (
            "accounts".to_owned(),
            ParameterValue {
                sql_type: "nvarchar(20)".parse().unwrap(),
                values: Values::List(accounts.iter().map(ToString::to_string).collect()),
            },
        ),
    ]);
    bind::bind(sql, &values).unwrap()
}

/// The IPE.
pub fn ipe() -> PlannedIpe {
    let total = |column: &str, function, result: &str| Total {
        column: column.into(),
        function,
        result: result.into(),
    };
    PlannedIpe {
        id: "IPE_07".parse().unwrap(),
        title: "Customer balances".into(),
        description: "Entry by entry".into(),
        accounts: vec!["13003".into(), "13004".into()],
        database: "AIG_Nav_DW".into(),
        extraction: bound(EXTRACTION, &["13003", "13004"]),
        columns: columns(),
        key: vec!["Entry No_".into()],
        allow_empty: false,
        max_row_variance_percent: Some(20),
        completeness: PlannedCompleteness {
            query: bound(COMPLETENESS, &[]),
            rows: "rows".into(),
            totals: vec![
                total("Amount (LCY)", TotalFunction::Sum, "amount"),
                total("Posting Date", TotalFunction::Max, "last"),
            ],
        },
        witness: PlannedWitness::Query {
            query: bound(WITNESS, &[]),
        },
        negative: PlannedNegative {
            query: bound(EXTRACTION, &["13003"]),
            parameter: "accounts".into(),
            change: "without 13004".into(),
            values: BTreeMap::from([("Account".to_owned(), "13004".to_owned())]),
        },
        partition: None,
        table: "pg01_validated_ipe_07".into(),
        baseline: soxauto_domain::BaselineStatus::None,
        lineage: None,
    }
}
