//! The IPE that our own reader extracts: the table with everything that a plan declares.

use std::collections::BTreeMap;

use soxauto_domain::{
    BaselineStatus, BoundQuery, PlannedIpe,
    bind::{self, ParameterValue, Values},
    catalog::{Sample, Total, TotalFunction},
    plan::{ColumnContract, PlannedCompleteness, PlannedNegative, PlannedWitness},
};

use crate::{
    Failure,
    table::{COMPANIES, Content},
};

/// Its extraction; a reader that knows no parameters runs it without the condition.
pub(crate) const EXTRACTION: &str = "SELECT * FROM [Ledger] WHERE [Company] IN (@companies)";
pub(crate) const COMPLETENESS: &str = "SELECT COUNT_BIG(*) AS [rows], SUM([Amount]) AS [amount], MAX([Posting Date]) AS [last] FROM [Ledger]";

fn bound(sql: &str, companies: &[&str]) -> Result<BoundQuery, Failure> {
    let companies = ParameterValue {
        sql_type: "nvarchar(10)".parse()?,
        values: Values::List(companies.iter().map(ToString::to_string).collect()),
    };
    Ok(bind::bind(
        sql,
        &BTreeMap::from([("companies".to_owned(), companies)]),
    )?)
}

/// A query without parameters.
#[must_use]
pub fn plain(sql: &str) -> BoundQuery {
    BoundQuery {
        sql: sql.to_owned(),
        sha256: soxauto_domain::Sha256::of(sql),
        parameters: Vec::new(),
    }
}

/// The plan's part about the table: a key, not-null rules, accepted companies, bounds of dates, totals, a witness, a negative.
///
/// # Errors
/// Never, unless the catalog's rules change.
pub fn ipe(content: Content) -> Result<PlannedIpe, Failure> {
    let columns = content.declared().into_iter().map(|declared| {
        let name = declared.name.as_str();
        Ok::<_, Failure>(ColumnContract {
            sql_type: declared.sql_type.parse()?,
            nullable: declared.nullable,
            accepted: (name == "Company")
                .then(|| COMPANIES.iter().map(ToString::to_string).collect()),
            min: (name == "Entry No_").then(|| "1".to_owned()),
            max: None,
            from: None,
            before: match name {
                "Posting Date" => Some("2024-05-01".parse()?),
                _ => None,
            },
            rounding: None,
            sample: Sample::Show,
            name: declared.name,
        })
    });
    let total = |column: &str, function, result: &str| Total {
        column: column.to_owned(),
        function,
        result: result.to_owned(),
    };
    let (gone, others) = COMPANIES.split_last().ok_or("there are companies")?;
    Ok(PlannedIpe {
        id: "BENCH_01".parse()?,
        title: "Ledger".to_owned(),
        description: "Every entry".to_owned(),
        accounts: vec!["13003".to_owned()],
        database: "AIG_Nav_DW".to_owned(),
        extraction: bound(EXTRACTION, &COMPANIES)?,
        columns: columns.collect::<Result<_, _>>()?,
        key: vec!["Entry No_".to_owned()],
        allow_empty: false,
        max_row_variance_percent: None,
        completeness: PlannedCompleteness {
            query: plain(COMPLETENESS),
            rows: "rows".to_owned(),
            totals: vec![
                total("Amount", TotalFunction::Sum, "amount"),
                total("Posting Date", TotalFunction::Max, "last"),
            ],
        },
        witness: PlannedWitness::Match {
            values: BTreeMap::from([("Entry No_".to_owned(), "17".to_owned())]),
        },
        negative: PlannedNegative {
            query: bound(EXTRACTION, others)?,
            parameter: "companies".to_owned(),
            change: format!("without {gone}"),
            values: BTreeMap::from([("Company".to_owned(), (*gone).to_owned())]),
        },
        table: "bench_01".to_owned(),
        baseline: BaselineStatus::None,
        lineage: None,
        partition: None,
    })
}
