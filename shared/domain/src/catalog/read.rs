//! Reads the catalog's files into IPEs, reporting every problem with file, line, reason and remedy.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{civil::date, tz::TimeZone};

use super::{
    baseline, check,
    file::{ControlFile, IpeFile},
    lineage,
    locate::{Locator, Step},
    model::{Catalog, Ipe},
    problem::Problem,
};
use crate::{
    calendar::Period,
    id::{ControlId, IpeId},
};

/// The file that makes a folder a control.
const CONTROL: &str = "control.toml";

/// What could be read of a folder, and all that is wrong with it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// IPEs whose TOML file and texts could be read, whether valid or not.
    pub ipes: Vec<Ipe>,
    /// Sorted by file and line.
    pub problems: Vec<Problem>,
}

/// Reads one control's folder: file names (without folder) and their texts.
///
/// # Errors
/// All problems found, sorted by file and line; never only the first.
pub fn read(files: &BTreeMap<String, String>) -> Result<Catalog, Vec<Problem>> {
    let (control, Inspection { ipes, problems }) = read_all(files);
    match control {
        Some((control, control_id, time_zone)) if problems.is_empty() => Ok(Catalog {
            control,
            control_id,
            time_zone,
            ipes,
            sha256: digest(files),
        }),
        _ => Err(problems),
    }
}

/// Reads as [`read`] does, and keeps what is readable although something is wrong, so that the queries can be
/// examined in the same go.
#[must_use]
pub fn inspect(files: &BTreeMap<String, String>) -> Inspection {
    read_all(files).1
}

type Control = (ControlFile, ControlId, TimeZone);

fn read_all(files: &BTreeMap<String, String>) -> (Option<Control>, Inspection) {
    let mut problems = Vec::new();
    let control = read_control(files, &mut problems);
    let mut ipes: Vec<Ipe> = Vec::new();
    let mut used: BTreeSet<String> = BTreeSet::from([CONTROL.to_owned()]);
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| {
        path.ends_with(".toml") && *path != CONTROL && !baseline::is_baseline(path)
    }) {
        used.insert(path.clone());
        let at = Locator::new(path, text);
        let Some(file) = at.parse::<IpeFile>(&mut problems) else {
            // Its texts have no owner for now; they are not orphans for that.
            let stem = path.trim_end_matches("toml");
            used.extend(
                files
                    .keys()
                    .filter(|name| {
                        name.starts_with(stem) || name.starts_with(&stem.replace('.', "_"))
                    })
                    .cloned(),
            );
            continue;
        };
        if let Some(other) = tables.insert(file.table.clone(), path.clone()) {
            problems.push(at.problem(
                &[Step::Key("table")],
                format!("table {} is {other}'s already", file.table),
                "Give each IPE a table of its own",
            ));
        }
        ipes.extend(read_ipe(path, file, &at, files, &mut used, &mut problems));
    }
    baseline::attach(files, &mut ipes, &mut problems);
    lineage::attach(files, &mut ipes, &mut problems);
    let companion = |path: &str| baseline::is_baseline(path) || path == lineage::LINEAGE;
    for path in files
        .keys()
        .filter(|path| !used.contains(*path) && !companion(path))
    {
        problems.push(Problem {
            file: path.clone(),
            line: 1,
            reason: "no IPE refers to this file".into(),
            remedy: "Name it in an IPE's TOML file, or delete it".into(),
        });
    }
    if tables.is_empty() && problems.is_empty() {
        problems.push(Problem {
            file: CONTROL.into(),
            line: 1,
            reason: "the control has no IPE".into(),
            remedy: "Add <ID>.toml and its queries".into(),
        });
    }
    problems.sort();
    (control, Inspection { ipes, problems })
}

/// SHA-256 over `name NUL length NUL content` of each file in order of name: no two catalogs share it.
fn digest(files: &BTreeMap<String, String>) -> crate::digest::Sha256 {
    let mut bytes = Vec::new();
    for (name, text) in files {
        bytes.extend_from_slice(format!("{name}\0{}\0", text.len()).as_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    crate::digest::Sha256::of(bytes)
}

fn read_control(files: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Option<Control> {
    let path = CONTROL;
    let Some(text) = files.get(path) else {
        problems.push(Problem {
            file: path.into(),
            line: 1,
            reason: "the file is missing".into(),
            remedy: "Write control.toml with schema, id, title, description, time_zone, deadline_hours, warehouse_schema".into(),
        });
        return None;
    };
    let at = Locator::new(path, text);
    let control: ControlFile = at.parse(problems)?;
    let before = problems.len();
    let id = control
        .id
        .parse::<ControlId>()
        .map_err(|e| {
            problems.push(at.problem(&[Step::Key("id")], e, "Write an identifier such as C-PG-1"))
        })
        .ok();
    let zone = TimeZone::get(&control.time_zone)
        .map_err(|_| {
            problems.push(at.problem(
                &[Step::Key("time_zone")],
                format!("{:?} is not an IANA time zone", control.time_zone),
                "Write a name such as Europe/Paris",
            ))
        })
        .ok();
    if !(1..=336).contains(&control.deadline_hours) {
        problems.push(at.problem(
            &[Step::Key("deadline_hours")],
            "the deadline is out of range",
            "Give 1 to 336 hours (two weeks)",
        ));
    }
    if !check::is_warehouse_name(&control.warehouse_schema) {
        problems.push(at.problem(
            &[Step::Key("warehouse_schema")],
            format!("{:?} is not a schema name", control.warehouse_schema),
            "Use a to z, 0 to 9 and _, beginning with a letter",
        ));
    }
    match (id, zone) {
        (Some(id), Some(zone)) if problems.len() == before => Some((control, id, zone)),
        _ => None,
    }
}

/// Judges one IPE; `None` when there is nothing of which the texts could be examined.
fn read_ipe(
    path: &str,
    file: IpeFile,
    at: &Locator<'_>,
    files: &BTreeMap<String, String>,
    used: &mut BTreeSet<String>,
    problems: &mut Vec<Problem>,
) -> Option<Ipe> {
    let before = problems.len();
    let id = file
        .id
        .parse::<IpeId>()
        .map_err(|e| {
            problems.push(at.problem(&[Step::Key("id")], e, "Write an identifier such as IPE_07"))
        })
        .ok();
    if path != format!("{}.toml", file.id) {
        problems.push(at.problem(
            &[Step::Key("id")],
            format!("the file of {} must be named {}.toml", file.id, file.id),
            "Rename the file or correct the id",
        ));
    }
    if !check::is_warehouse_name(&file.table) {
        problems.push(at.problem(
            &[Step::Key("table")],
            format!("{:?} is not a table name", file.table),
            "Use a to z, 0 to 9 and _, beginning with a letter",
        ));
    }
    if file.database.is_empty()
        || file
            .database
            .chars()
            .any(|c| c.is_control() || matches!(c, ';' | '{' | '}' | '='))
    {
        problems.push(at.problem(
            &[Step::Key("database")],
            format!("{:?} is not a database name", file.database),
            "Write the database's name as SQL Server shows it",
        ));
    }
    let mut fetch =
        |name: &str, steps: &[Step<'_>], problems: &mut Vec<Problem>| -> Option<String> {
            let found = files.get(name).filter(|_| name.ends_with(".sql"));
            if found.is_none() {
                problems.push(at.problem(
                    steps,
                    format!("{name:?} is not a .sql file beside this one"),
                    "Add the file or correct the name",
                ));
            }
            used.insert(name.to_owned());
            found.cloned()
        };
    let sql = fetch(&file.query, &[Step::Key("query")], problems);
    let completeness_sql = fetch(
        &file.completeness.query,
        &[Step::Key("completeness"), Step::Key("query")],
        problems,
    );
    let witness_sql = file
        .witness
        .query
        .as_deref()
        .and_then(|name| fetch(name, &[Step::Key("witness"), Step::Key("query")], problems));
    let partition_sql = file.partition.as_ref().and_then(|partition| {
        fetch(
            &partition.query,
            &[Step::Key("partition"), Step::Key("query")],
            problems,
        )
    });
    check::file(&file, at, problems);
    let ipe = Ipe {
        id: id?,
        path: path.to_owned(),
        declarations: files.get(path).cloned().unwrap_or_default(),
        sql: sql?,
        completeness_sql: completeness_sql?,
        witness_sql,
        partition_sql,
        file,
        baseline: None,
        lineage: None,
    };
    check::texts(&ipe, at, problems);
    // What is left that only binding finds, such as more parameters than SQL Server takes.
    if problems.len() == before
        && let Err(e) = ipe.resolve(&any_period())
    {
        problems.push(at.problem(&[Step::Key("parameters")], e, "Correct the parameters"));
    }
    Some(ipe)
}

/// A period to try the binding with: derived dates differ from month to month, their type does not.
fn any_period() -> Period {
    let start = date(2024, 4, 1);
    Period {
        start,
        closing_date: date(2024, 4, 30),
        year_start: date(2024, 1, 1),
        cutoff: date(2024, 5, 1),
    }
}
