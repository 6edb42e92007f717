//! A run as OpenLineage run events (specification 2-0-2), for catalogs of data that read lineage in that form.
//!
//! Each IPE is a run of its own below the control's run: START, and COMPLETE or FAIL once it has ended. The same run
//! gives the same events, so that sending them twice changes nothing.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use soxauto_domain::{
    IpeState, Lineage, Plan, PlannedIpe, Receipt, Sha256, facts::IpeFacts, lineage::SourceColumn,
};

/// What the events are about, and where the datasets live as the reader's catalog names them.
#[derive(Debug, Clone)]
pub struct Namespaces {
    /// The source; without it `mssql://<server>`, by the server's own name.
    pub source: Option<String>,
    /// The warehouse, such as `redshift://cluster.region:5439`.
    pub warehouse: String,
}

const PRODUCER: &str = concat!(
    "https://github.com/soxauto/soxauto/tree/v",
    env!("CARGO_PKG_VERSION")
);
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The events of the plan's IPEs, in its order. `facts` holds what is known of each; an IPE that is missing there has
/// not begun.
#[must_use]
pub fn events(plan: &Plan, facts: &[IpeFacts], namespaces: &Namespaces) -> Vec<Value> {
    let mut events = Vec::new();
    for planned in &plan.ipes {
        let Some(ipe) = facts
            .iter()
            .find(|ipe| ipe.id == planned.id && !ipe.attempts.is_empty())
        else {
            continue;
        };
        let subject = Subject {
            plan,
            planned,
            ipe,
            receipt: ipe.deciding().map(|(_, receipt)| receipt),
            namespaces,
        };
        events.push(subject.event("START", subject.started_at(), None));
        events.extend(subject.end());
    }
    events
}

/// One IPE of the run.
struct Subject<'a> {
    plan: &'a Plan,
    planned: &'a PlannedIpe,
    ipe: &'a IpeFacts,
    /// Of the attempt that counts.
    receipt: Option<&'a Receipt>,
    namespaces: &'a Namespaces,
}

impl Subject<'_> {
    /// When the first attempt began that says so; a worker that died leaves the plan's time.
    fn started_at(&self) -> Timestamp {
        self.ipe
            .attempts
            .iter()
            .find_map(|a| a.receipt.as_ref())
            .map_or(self.plan.created_at, |r| r.document.started_at)
    }

    /// How it ended; `None` while more may happen.
    fn end(&self) -> Option<Value> {
        let loaded_at = self
            .ipe
            .deciding()
            .and_then(|(attempt, _)| attempt.load.as_ref())
            .map(|load| load.document.loaded_at);
        match self.ipe.arrived() {
            IpeState::Planned => None,
            IpeState::Passed => Some(self.event("COMPLETE", loaded_at?, None)),
            IpeState::Rejected => {
                let at = self.receipt?.finished_at;
                Some(self.event("FAIL", at, self.ipe.reason()))
            }
            IpeState::Failed => {
                let at = self.ipe.final_failure()?.failed_at;
                Some(self.event("FAIL", at, self.ipe.reason()))
            }
        }
    }

    fn event(&self, kind: &str, at: Timestamp, error: Option<String>) -> Value {
        let run = &self.plan.run_id;
        let control = self.plan.control.id.as_str();
        let mut run_facets = Map::new();
        run_facets.insert(
            "parent".into(),
            facet(
                "1-2-0/ParentRunFacet",
                json!({
                    "run": {"runId": uuid(&run.to_string())},
                    "job": {"namespace": "soxauto", "name": control},
                }),
            ),
        );
        run_facets.insert(
            "nominalTime".into(),
            facet(
                "1-0-1/NominalTimeRunFacet",
                json!({"nominalStartTime": self.plan.trigger.scheduled_time.unwrap_or(self.plan.created_at)}),
            ),
        );
        if let Some(message) = error {
            run_facets.insert(
                "errorMessage".into(),
                facet(
                    "1-0-1/ErrorMessageRunFacet",
                    json!({"message": message, "programmingLanguage": "SQL"}),
                ),
            );
        }
        json!({
            "eventTime": at,
            "eventType": kind,
            "producer": PRODUCER,
            "schemaURL": RUN_EVENT,
            "run": {"runId": uuid(&format!("{run}/{}", self.planned.id)), "facets": run_facets},
            "job": {
                "namespace": "soxauto",
                "name": format!("{control}.{}", self.planned.id),
                "facets": {
                    "sql": facet("1-1-0/SQLJobFacet", json!({"query": self.planned.extraction.sql, "dialect": "tsql"})),
                    "jobType": facet(
                        "2-0-4/JobTypeJobFacet",
                        json!({"processingType": "BATCH", "integration": "SOXAUTO", "jobType": "QUERY"}),
                    ),
                },
            },
            "inputs": self.inputs(),
            "outputs": [self.output(kind == "COMPLETE")],
        })
    }

    fn source(&self) -> String {
        self.namespaces.source.clone().unwrap_or_else(|| {
            let server = self.receipt.map_or("unknown", |r| r.source.server.as_str());
            format!("mssql://{server}")
        })
    }

    fn inputs(&self) -> Vec<Value> {
        let namespace = self.source();
        let tables = self.planned.lineage.iter().flat_map(|l| &l.tables);
        tables
            .map(|table| json!({"namespace": namespace, "name": table}))
            .collect()
    }

    fn output(&self, is_loaded: bool) -> Value {
        let fields: Vec<Value> = self
            .planned
            .columns
            .iter()
            .map(|c| json!({"name": c.name, "type": c.sql_type.to_string()}))
            .collect();
        let mut facets = Map::new();
        facets.insert(
            "schema".into(),
            facet("1-2-0/SchemaDatasetFacet", json!({"fields": fields})),
        );
        if let Some(lineage) = &self.planned.lineage {
            facets.insert("columnLineage".into(), self.columns(lineage));
        }
        let mut output = json!({
            "namespace": self.namespaces.warehouse,
            "name": format!("{}.{}", self.plan.control.warehouse_schema, self.planned.table),
            "facets": facets,
        });
        if let (true, Some(receipt)) = (is_loaded, self.receipt) {
            let parts = receipt.files.iter().filter(|f| f.rows.is_some());
            output["outputFacets"] = json!({"outputStatistics": facet(
                "1-0-2/OutputStatisticsOutputDatasetFacet",
                json!({
                    "rowCount": receipt.counts.parquet,
                    "size": parts.clone().map(|f| f.size).sum::<u64>(),
                    "fileCount": parts.count(),
                }),
            )});
        }
        output
    }

    fn columns(&self, lineage: &Lineage) -> Value {
        let namespace = self.source();
        let input = |source: &SourceColumn| {
            json!({
                "namespace": namespace,
                "name": source.table(),
                "field": source.column(),
                "transformations": [{"type": "DIRECT"}],
            })
        };
        let fields: Map<String, Value> = lineage
            .columns
            .iter()
            .map(|column| {
                let inputs: Vec<Value> = column.sources.iter().map(input).collect();
                (column.column.clone(), json!({"inputFields": inputs}))
            })
            .collect();
        facet("1-2-0/ColumnLineageDatasetFacet", json!({"fields": fields}))
    }
}

/// A facet of the standard: what it says, who says it, and its schema.
fn facet(schema: &str, mut says: Value) -> Value {
    let name = schema.rsplit_once('/').map_or(schema, |(_, name)| name);
    says["_producer"] = PRODUCER.into();
    says["_schemaURL"] =
        format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}").into();
    says
}

/// A UUID (version 8, RFC 9562) that follows from the name.
fn uuid(name: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::of(format!("soxauto/{name}")).as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_uuid() {
        let id = uuid("C-PG-1/2024-05-01/r1");
        assert_eq!(id, uuid("C-PG-1/2024-05-01/r1"));
        assert_ne!(id, uuid("C-PG-1/2024-05-01/r2"));
        assert_eq!((id.len(), &id[14..15]), (36, "8"));
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}
