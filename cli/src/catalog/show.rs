//! `soxauto catalog show`: what would run for a cutoff, as it would be bound.

use std::io::Write;

use jiff::Timestamp;
use soxauto_domain::{
    BoundQuery, Cutoff, IpeId, PlannedIpe, catalog::Catalog, plan::PlannedWitness,
};

use soxauto_tsql::baseline;

use super::{CatalogError, Style, chosen};

/// Prints the IPE resolved for the cutoff.
pub(super) fn run(
    catalogs: &[Catalog],
    id: &IpeId,
    cutoff: Option<Cutoff>,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CatalogError> {
    let Some((catalog, ipe)) = chosen(catalogs, Some(id))?.pop() else {
        return Ok(());
    };
    let cutoff = match cutoff {
        Some(cutoff) => cutoff,
        None => Cutoff::current(Timestamp::now(), &catalog.time_zone)?,
    };
    let plan = PlannedIpe {
        baseline: baseline::status(ipe),
        ..ipe.resolve(&cutoff.period())?
    };
    if style == Style::Json {
        serde_json::to_writer_pretty(&mut *out, &plan)?;
        writeln!(out)?;
        return Ok(());
    }
    print(catalog, cutoff, &plan, out)
}

fn print(
    catalog: &Catalog,
    cutoff: Cutoff,
    plan: &PlannedIpe,
    out: &mut dyn Write,
) -> Result<(), CatalogError> {
    let period = cutoff.period();
    writeln!(out, "{} · {}", plan.id, plan.title)?;
    writeln!(
        out,
        "control  {}, cutoff {cutoff}: {} to {}",
        catalog.control_id, period.start, period.closing_date
    )?;
    writeln!(out, "source   database {}", plan.database)?;
    writeln!(
        out,
        "table    {}.{}",
        catalog.control.warehouse_schema, plan.table
    )?;
    writeln!(out, "key      {}", plan.key.join(", "))?;
    writeln!(out, "approval {}", plan.baseline.statement())?;
    query("extraction", &plan.extraction, out)?;
    if let Some(partition) = &plan.partition {
        let open: Vec<String> = partition
            .open()
            .iter()
            .map(|open| format!("{} {}", open.name, open.sql_type))
            .collect();
        let what = format!(
            "partition: about {} rows of {} in each query; the run binds {}",
            partition.rows_per_range,
            partition.column,
            open.join(", ")
        );
        query(&what, &partition.query, out)?;
    }
    query("completeness", &plan.completeness.query, out)?;
    match &plan.witness {
        PlannedWitness::Query { query: witness } => {
            query("witness: this row must be in the extract", witness, out)?
        }
        PlannedWitness::Match { values } => writeln!(
            out,
            "\n=== witness: a row with {} must be in the extract",
            equal(values)
        )?,
    }
    let negative = &plan.negative;
    let what = format!(
        "negative: the extraction with @{} {}; rows with {} must be gone",
        negative.parameter,
        negative.change,
        equal(&negative.values)
    );
    // The text differs from the extraction's at most in the number of list parameters.
    query(&what, &negative.query, out)
}

fn query(what: &str, query: &BoundQuery, out: &mut dyn Write) -> Result<(), CatalogError> {
    writeln!(out, "\n=== {what}")?;
    for parameter in &query.parameters {
        writeln!(
            out,
            "-- {} {} = {:?}",
            parameter.name, parameter.sql_type, parameter.value
        )?;
    }
    writeln!(out, "-- sha256 {}", query.sha256)?;
    writeln!(out, "{}", query.sql.trim_end())?;
    Ok(())
}

fn equal(values: &std::collections::BTreeMap<String, String>) -> String {
    let parts: Vec<String> = values
        .iter()
        .map(|(column, value)| format!("{column} = {value:?}"))
        .collect();
    parts.join(" and ")
}
