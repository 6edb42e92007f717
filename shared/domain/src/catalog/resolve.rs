//! From an IPE and a period to what will run: texts, typed values, bounds as dates.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    file::{Column, IpeFile, Parameter, ParameterSource, PartitionBound},
    model::Ipe,
};
use crate::{
    approval::BaselineStatus,
    bind::{self, BoundQuery, ParameterValue, Values},
    calendar::Period,
    partition::OpenParameter,
    plan::{
        ColumnContract, PlannedCompleteness, PlannedIpe, PlannedNegative, PlannedPartition,
        PlannedWitness,
    },
};

/// A resolved value could not be bound; [`read`](super::read()) has excluded this for a valid catalog.
pub type ResolveError = bind::BindError;

impl Ipe {
    /// Resolves the IPE for a period: texts with their lists expanded, parameters with their values, bounds as dates.
    ///
    /// The baseline is left at *none*: only who reads T-SQL can say more (`soxauto_tsql::baseline`).
    ///
    /// # Errors
    /// [`ResolveError`] names the parameter that cannot be bound.
    pub fn resolve(&self, period: &Period) -> Result<PlannedIpe, ResolveError> {
        let file = &self.file;
        let mut values = BTreeMap::new();
        for (name, parameter) in &file.parameters {
            if let Some(value) = parameter_value(parameter, period) {
                values.insert(name.clone(), value);
            }
        }
        let mut perturbed = values.clone();
        if let Some(value) = perturbed.get_mut(&file.negative.parameter) {
            value.values = match (&value.values, &file.negative.remove, &file.negative.replace) {
                (Values::List(list), Some(remove), _) => {
                    Values::List(list.iter().filter(|v| *v != remove).cloned().collect())
                }
                (Values::List(_), None, Some(replace)) => Values::List(vec![replace.clone()]),
                (Values::One(_), _, Some(replace)) => Values::One(replace.clone()),
                (unchanged, ..) => unchanged.clone(),
            };
        }
        let query = |sql: &str,
                     values: &BTreeMap<String, ParameterValue>|
         -> Result<BoundQuery, ResolveError> { bind::bind(sql, values) };
        let witness = match (&self.witness_sql, &file.witness.matching) {
            (Some(sql), _) => PlannedWitness::Query {
                query: query(sql, &values)?,
            },
            (None, matching) => PlannedWitness::Match {
                values: matching.clone().unwrap_or_default(),
            },
        };
        let partition = match (&file.partition, &self.partition_sql) {
            (Some(partition), Some(sql)) => {
                let open = |bound| open_parameter(file, bound);
                // Without both bounds there is no range; `read` has said so.
                match (open(PartitionBound::After), open(PartitionBound::Upto)) {
                    (Some(after), Some(upto)) => Some(PlannedPartition {
                        column: partition.column.clone(),
                        query: query(sql, &values)?,
                        rows_per_range: partition.rows_per_range,
                        after,
                        upto,
                        high_water_mark: open(PartitionBound::HighWaterMark),
                    }),
                    _ => None,
                }
            }
            _ => None,
        };
        Ok(PlannedIpe {
            id: self.id.clone(),
            title: file.title.clone(),
            description: file.description.clone(),
            accounts: file.accounts.clone(),
            database: file.database.clone(),
            extraction: query(&self.sql, &values)?,
            columns: file
                .columns
                .iter()
                .filter_map(|c| contract(c, period))
                .collect(),
            key: file.key.clone(),
            allow_empty: file.allow_empty,
            max_row_variance_percent: file.max_row_variance_percent,
            completeness: PlannedCompleteness {
                query: query(&self.completeness_sql, &values)?,
                rows: file.completeness.rows.clone(),
                totals: file.completeness.totals.clone(),
            },
            witness,
            negative: PlannedNegative {
                query: query(&self.sql, &perturbed)?,
                parameter: file.negative.parameter.clone(),
                change: match (&file.negative.remove, &file.negative.replace) {
                    (Some(value), _) => format!("without {value}"),
                    (None, value) => format!("{} instead", value.as_deref().unwrap_or_default()),
                },
                values: file.negative.matching.clone(),
            },
            partition,
            table: file.table.clone(),
            baseline: BaselineStatus::None,
            lineage: self.lineage.clone(),
        })
    }
}

fn derived(source: ParameterSource, period: &Period) -> Date {
    match source {
        ParameterSource::Cutoff => period.cutoff,
        ParameterSource::PeriodStart => period.start,
        ParameterSource::ClosingDate => period.closing_date,
        ParameterSource::YearStart => period.year_start,
    }
}

/// The parameter that is bound to this.
fn open_parameter(file: &IpeFile, bound: PartitionBound) -> Option<OpenParameter> {
    let (name, parameter) = file
        .parameters
        .iter()
        .find(|(_, parameter)| parameter.partition == Some(bound))?;
    Some(OpenParameter {
        name: format!("@{name}"),
        sql_type: parameter.sql_type.parse().ok()?,
    })
}

fn parameter_value(parameter: &Parameter, period: &Period) -> Option<ParameterValue> {
    let values = match (&parameter.from, &parameter.value, &parameter.values) {
        (Some(source), ..) => Values::One(derived(*source, period).to_string()),
        (_, Some(value), _) => Values::One(value.clone()),
        (_, _, Some(list)) => Values::List(list.clone()),
        _ if parameter.partition.is_some() => Values::Open,
        _ => return None,
    };
    Some(ParameterValue {
        sql_type: parameter.sql_type.parse().ok()?,
        values,
    })
}

fn contract(column: &Column, period: &Period) -> Option<ColumnContract> {
    Some(ColumnContract {
        name: column.name.clone(),
        sql_type: column.sql_type.parse().ok()?,
        nullable: column.nullable,
        accepted: column.accepted.clone(),
        min: column.min.clone(),
        max: column.max.clone(),
        from: column.from.map(|source| derived(source, period)),
        before: column.before.map(|source| derived(source, period)),
        rounding: column.rounding,
        sample: column.sample,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{
        read,
        sample::{files, with},
    };
    use crate::{
        calendar::Cutoff,
        plan::{PlannedIpe, PlannedWitness},
    };

    fn resolved(files: &std::collections::BTreeMap<String, String>) -> PlannedIpe {
        let period = "2024-01-01".parse::<Cutoff>().unwrap().period();
        read(files).unwrap().ipes[0].resolve(&period).unwrap()
    }

    fn values(query: &crate::bind::BoundQuery) -> Vec<(&str, &str)> {
        query
            .parameters
            .iter()
            .map(|p| (p.name.as_str(), p.value.as_str()))
            .collect()
    }

    #[test]
    fn lists_are_expanded_and_dates_derived() {
        let plan = resolved(&files(|_| {}));
        assert_eq!(
            values(&plan.extraction),
            [
                ("@cutoff", "2024-01-01"),
                ("@accounts_0", "13003"),
                ("@accounts_1", "13004"),
                ("@scope", "1")
            ]
        );
        assert!(
            plan.extraction
                .sql
                .contains("IN (@accounts_0, @accounts_1)")
        );
        assert_eq!(
            plan.extraction.declaration(),
            "@cutoff datetime, @accounts_0 nvarchar(20), @accounts_1 nvarchar(20), @scope int"
        );
        assert_eq!(
            values(&plan.completeness.query),
            [("@cutoff", "2024-01-01")]
        );
        assert_eq!(
            (plan.id.as_str(), plan.columns.len(), plan.key.len()),
            ("IPE_07", 4, 1)
        );
        // The closing date is in 2023, and so is its year's start.
        let dates = &plan.columns[2];
        assert_eq!(
            (
                dates.from.unwrap().to_string(),
                dates.before.unwrap().to_string()
            ),
            ("2023-01-01".into(), "2024-01-01".into())
        );
        assert!(matches!(plan.witness, PlannedWitness::Query { .. }));
    }

    #[test]
    fn every_derived_date_has_one_meaning() {
        for (source, date) in [
            ("cutoff", "2024-01-01"),
            ("period_start", "2023-12-01"),
            ("closing_date", "2023-12-31"),
            ("year_start", "2023-01-01"),
        ] {
            let plan = resolved(&with(
                "IPE_07.toml",
                "from = \"cutoff\"",
                &format!("from = \"{source}\""),
            ));
            assert_eq!(values(&plan.extraction)[0], ("@cutoff", date));
        }
    }

    #[test]
    fn the_negative_differs_in_nothing_but_its_parameter() {
        let plan = resolved(&files(|_| {}));
        assert_eq!(
            values(&plan.negative.query),
            [
                ("@cutoff", "2024-01-01"),
                ("@accounts_0", "13003"),
                ("@scope", "1")
            ]
        );
        assert_eq!(plan.negative.change, "without 13004");
        assert_eq!(plan.negative.values["Account"], "13004");

        let one = resolved(&with(
            "IPE_07.toml",
            "parameter = \"accounts\"\nremove = \"13004\"",
            "parameter = \"scope\"\nreplace = \"2\"",
        ));
        assert_eq!(one.negative.query.sql, one.extraction.sql);
        assert_eq!(values(&one.negative.query).last(), Some(&("@scope", "2")));
        assert_eq!(one.negative.change, "2 instead");

        let list = resolved(&with(
            "IPE_07.toml",
            "remove = \"13004\"",
            "replace = \"99999\"",
        ));
        assert_eq!(
            values(&list.negative.query),
            [
                ("@cutoff", "2024-01-01"),
                ("@accounts_0", "99999"),
                ("@scope", "1")
            ]
        );
    }

    #[test]
    fn a_named_witness_needs_no_query() {
        let named = with(
            "IPE_07.toml",
            "[witness]\nquery = \"IPE_07.witness.sql\"",
            "[witness]\nmatch = { \"Entry No_\" = \"42\" }",
        );
        let named = files(|f| {
            *f = named;
            f.remove("IPE_07.witness.sql");
        });
        let PlannedWitness::Match { values } = resolved(&named).witness else {
            panic!("a match was declared")
        };
        assert_eq!(values["Entry No_"], "42");
    }
}
