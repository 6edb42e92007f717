//! A ledger in memory behind the driver port: entries by number, which take their time, move and fail as a test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use soxauto_domain::{
    BoundQuery, PlannedIpe, SqlType,
    bind::{self, ParameterValue, Values},
    partition::OpenParameter,
    plan::{PlannedCompleteness, PlannedNegative, PlannedPartition, PlannedWitness},
    receipt::SourceIdentity,
};
use soxauto_extract::{
    ConnectionSettings, DescribedColumn, DescribedType, Driver, ExtractError, Limits, RowSink,
    Source,
};

use super::{column, identity};

const ROWS: &str = "SELECT id FROM t WHERE id > @after AND id <= @upto";
const PERTURBED: &str = "SELECT id FROM t WHERE id <> 7 AND id > @after AND id <= @upto";
const COUNT: &str = "SELECT COUNT(*) AS row_count FROM u WHERE id <= @mark";
const BOUNDS: &str = "SELECT MIN(id) AS lowest, MAX(id) AS highest FROM u";
/// The same report by one query.
const WHOLE: &str = "SELECT id FROM t";
const WHOLE_PERTURBED: &str = "SELECT id FROM t WHERE id <> 7";
const WHOLE_COUNT: &str = "SELECT COUNT(*) AS row_count FROM u";

/// What the source does.
pub(crate) struct State {
    /// The entries.
    pub(crate) ids: BTreeSet<i32>,
    /// How long an extraction query takes.
    pub(crate) per_row: Duration,
    /// How long it takes besides.
    pub(crate) per_query: Duration,
    /// How long every other query takes.
    pub(crate) per_control_query: Duration,
    /// Who answers.
    pub(crate) server: &'static str,
    /// How many extraction queries are to lose their connection.
    pub(crate) failing: u32,
    /// Entries that the bounds query does not see.
    pub(crate) unseen_by_bounds: i32,
    /// An entry that is returned for every range.
    pub(crate) everywhere: Option<i32>,
    /// The ranges that were read to their end, in order.
    pub(crate) read: Vec<(i64, i64)>,
}

/// The driver; clones share the state.
#[derive(Clone)]
pub(crate) struct Ledger(pub(crate) Arc<Mutex<State>>);

impl Ledger {
    pub(crate) fn of(entries: i32, per_row: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            ids: (1..=entries).collect(),
            per_row,
            per_query: Duration::ZERO,
            per_control_query: Duration::ZERO,
            server: "NAV01",
            failing: 0,
            unseen_by_bounds: 0,
            everywhere: None,
            read: Vec::new(),
        })))
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Driver for Ledger {
    async fn connect(
        &self,
        _: &ConnectionSettings,
        _: &str,
        _: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        Ok(Box::new(self.clone()))
    }
}

fn bound(query: &BoundQuery, name: &str) -> i64 {
    let parameter = query.parameters.iter().find(|p| p.name == name);
    parameter
        .unwrap_or_else(|| panic!("{name} is not bound: {query:?}"))
        .value
        .parse()
        .unwrap()
}

#[async_trait]
impl Source for Ledger {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        Ok(SourceIdentity {
            server: self.change(|s| s.server).into(),
            ..identity()
        })
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        // The server wants to know every parameter of the text.
        if query.sql == ROWS {
            let _ = (bound(query, "@after"), bound(query, "@upto"));
        }
        Ok(vec![DescribedColumn {
            name: "id".into(),
            sql_type: DescribedType::Known("int".parse().unwrap()),
            nullable: false,
        }])
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let ids: Vec<i32> = self.change(|s| s.ids.iter().copied().collect());
        let one = match query.sql.as_str() {
            COUNT => {
                let mark = bound(query, "@mark");
                let count = ids.iter().filter(|id| i64::from(**id) <= mark).count();
                Some(vec![("row_count", Some(count as i32))])
            }
            WHOLE_COUNT => Some(vec![("row_count", Some(ids.len() as i32))]),
            BOUNDS => {
                let unseen = self.change(|s| s.unseen_by_bounds);
                let highest = ids.last().map(|id| id - unseen);
                Some(vec![("lowest", ids.first().copied()), ("highest", highest)])
            }
            _ => None,
        };
        if let Some(row) = one {
            tokio::time::sleep(self.change(|s| s.per_control_query)).await;
            let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
            sink.start(&names)?;
            for (_, value) in row {
                match value {
                    Some(value) => sink.int(value)?,
                    None => sink.null()?,
                }
            }
            sink.end_row()?;
            sink.flush().await?;
            return Ok(1);
        }
        let range = match query.sql.as_str() {
            ROWS | PERTURBED => (bound(query, "@after"), bound(query, "@upto")),
            WHOLE | WHOLE_PERTURBED => (i64::MIN, i64::MAX),
            other => panic!("{other}"),
        };
        let extraction = matches!(query.sql.as_str(), ROWS | WHOLE);
        let inside = |id: &i32| range.0 < i64::from(*id) && i64::from(*id) <= range.1;
        let mut rows: Vec<i32> = ids.into_iter().filter(inside).collect();
        rows.retain(|id| extraction || *id != 7);
        rows.extend(self.change(|s| s.everywhere));
        if extraction {
            let time = self.change(|s| s.per_query + s.per_row * rows.len() as u32);
            tokio::time::sleep(time).await;
            let fails = self.change(|s| {
                let fails = s.failing > 0;
                s.failing = s.failing.saturating_sub(1);
                fails
            });
            if fails {
                return Err(ExtractError::ConnectionLost {
                    during: "a query",
                    rows: 0,
                    reason: "cut".into(),
                });
            }
        }
        sink.start(&["id"])?;
        for id in &rows {
            sink.int(*id)?;
            sink.end_row()?;
        }
        sink.flush().await?;
        if extraction {
            self.change(|s| s.read.push(range));
        }
        Ok(rows.len() as u64)
    }
}

fn query(sql: &str) -> BoundQuery {
    let open = |name: &str| {
        let value = ParameterValue {
            sql_type: SqlType::BigInt,
            values: Values::Open,
        };
        (name.to_owned(), value)
    };
    bind::bind(sql, &BTreeMap::from(["after", "upto", "mark"].map(open))).unwrap()
}

/// The report, in ranges of about ten entries.
pub(crate) fn by_ranges() -> PlannedIpe {
    let open = |name: &str| OpenParameter {
        name: name.to_owned(),
        sql_type: SqlType::BigInt,
    };
    let witness = BTreeMap::from([("id".to_owned(), "7".to_owned())]);
    PlannedIpe {
        id: "IPE_07".parse().unwrap(),
        title: "t".into(),
        description: "d".into(),
        accounts: vec![],
        database: "d".into(),
        extraction: query(ROWS),
        columns: vec![column("id", "int")],
        key: vec!["id".into()],
        allow_empty: false,
        max_row_variance_percent: None,
        completeness: PlannedCompleteness {
            query: query(COUNT),
            rows: "row_count".into(),
            totals: vec![],
        },
        witness: PlannedWitness::Match {
            values: witness.clone(),
        },
        negative: PlannedNegative {
            query: query(PERTURBED),
            parameter: "x".into(),
            change: "without 7".into(),
            values: witness,
        },
        partition: Some(PlannedPartition {
            column: "id".into(),
            query: query(BOUNDS),
            rows_per_range: 10,
            after: open("@after"),
            upto: open("@upto"),
            high_water_mark: Some(open("@mark")),
        }),
        table: "t".into(),
        baseline: soxauto_domain::BaselineStatus::None,
        lineage: None,
    }
}

/// The same report by one query.
pub(crate) fn by_one_query() -> PlannedIpe {
    let mut ipe = by_ranges();
    ipe.extraction = query(WHOLE);
    ipe.completeness.query = query(WHOLE_COUNT);
    ipe.negative.query = query(WHOLE_PERTURBED);
    ipe.partition = None;
    ipe
}
