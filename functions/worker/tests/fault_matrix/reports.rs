//! The reports that things happen to: one of one query, one of several invocations, and one that cannot be extracted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use soxauto_domain::{
    BoundQuery, PlannedIpe, Receipt, SqlType,
    bind::{self, ParameterValue, Values},
    plan::{PlannedCompleteness, PlannedNegative, PlannedWitness},
};
use soxauto_tds::SqlError;

use crate::{
    source::{ALWAYS, Misdeed},
    support::ledger::{by_one_query, by_ranges},
    world::World,
};

/// Which table of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// One query.
    Whole,
    /// Key ranges that do not fit into one invocation.
    Ranges,
    /// A query that the server refuses.
    Failing,
}

impl Report {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Ranges, Self::Failing];

    /// The name of its table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "worker",
            Self::Ranges => "worker, over several invocations",
            Self::Failing => "worker, of a report that fails",
        }
    }

    /// What the invocations answer when nothing else happens.
    pub(crate) fn undisturbed(self) -> &'static str {
        match self {
            Self::Whole => "passed",
            Self::Ranges => "handed over, passed",
            Self::Failing => "QUERY_FAILED, QUERY_FAILED, QUERY_FAILED",
        }
    }

    /// The report with its message in the queue.
    pub(crate) async fn world(self) -> World {
        self.of((1..=100).collect()).await
    }

    async fn of(self, entries: BTreeSet<i64>) -> World {
        match self {
            Self::Whole => World::new(whole(), entries).await,
            Self::Ranges => {
                let world = World::new(ranges(), entries).await;
                // Two of its ten ranges come in time.
                world.source.slow_after(20);
                world
            }
            Self::Failing => {
                let world = World::new(whole(), entries).await;
                let gone = SqlError::new(208, 16, "Invalid object name 't'.");
                let gone = Misdeed::Error(gone);
                world.source.trouble("source: rows", 1, ALWAYS, gone);
                world
            }
        }
    }

    /// The receipt of an undisturbed extraction of these entries, by one query.
    pub(crate) async fn receipt(entries: BTreeSet<i64>) -> Receipt {
        static KNOWN: Mutex<BTreeMap<BTreeSet<i64>, Receipt>> = Mutex::new(BTreeMap::new());
        if let Some(known) = KNOWN.lock().unwrap().get(&entries) {
            return known.clone();
        }
        let mut world = Self::Whole.of(entries.clone()).await;
        assert_eq!(world.settle(false).await, ["passed"]);
        let facts = world.facts().await;
        let receipt = facts.deciding().unwrap().1.clone();
        KNOWN.lock().unwrap().insert(entries, receipt.clone());
        receipt
    }
}

fn query(sql: &str) -> BoundQuery {
    let cutoff = ParameterValue {
        sql_type: SqlType::Date,
        values: Values::One("2024-05-01".to_owned()),
    };
    bind::bind(sql, &BTreeMap::from([("cutoff".to_owned(), cutoff)])).unwrap()
}

/// A report of one query that looks at everything that a report may look at.
fn whole() -> PlannedIpe {
    let ipe = by_one_query();
    PlannedIpe {
        extraction: query("SELECT id FROM t WHERE d < @cutoff"),
        completeness: PlannedCompleteness {
            query: query("SELECT COUNT(*) AS row_count FROM u WHERE d < @cutoff"),
            ..ipe.completeness
        },
        negative: PlannedNegative {
            query: query("SELECT id FROM t WHERE d < @cutoff AND id <> 7"),
            ..ipe.negative
        },
        witness: witness(),
        max_row_variance_percent: Some(50),
        ..by_one_query()
    }
}

fn ranges() -> PlannedIpe {
    PlannedIpe {
        witness: witness(),
        max_row_variance_percent: Some(50),
        ..by_ranges()
    }
}

fn witness() -> PlannedWitness {
    PlannedWitness::Query {
        query: query("SELECT TOP (1) id FROM t WHERE d < @cutoff"),
    }
}
