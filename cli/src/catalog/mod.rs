//! `soxauto catalog`: what the accountant and the reviewer use before a release: check, list, show, diff,
//! approve, schema.

mod approve;
mod check;
mod diff;
mod list;
mod schema;
mod show;
mod source;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use soxauto_domain::{
    Cutoff, IpeId,
    catalog::{Catalog, Ipe, ResolveError},
};

/// Check, list, show and approve the catalog of IPEs.
#[derive(Debug, Args)]
pub(crate) struct CatalogArgs {
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// Check every file: fields, types, T-SQL, contract, completeness, witness, negative. Reports all problems at once.
    ///
    /// Exit code 0: no problem. 1: problems, each with file, line, reason and remedy. 2: the catalog could not be read.
    Check {
        #[command(flatten)]
        source: SourceArgs,
        /// How to print; without it a table on a terminal, else one line per problem.
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Show what has changed since the queries were approved, token by token; layout, comments and prose do not count.
    ///
    /// Exit code 0: everything is as approved. 1: something has changed or was never approved. 2: the catalog could not be read.
    Diff {
        /// The IPE, such as IPE_07; without it all.
        ipe: Option<IpeId>,
        #[command(flatten)]
        source: SourceArgs,
        /// How to print; without it text, in colour on a terminal.
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Write the approved baseline of an IPE as it is now: its texts, their digest, who, when and on which ticket.
    ///
    /// The file counts once a reviewer other than the author has merged it.
    Approve {
        /// The IPE, such as IPE_07.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ipe: Option<IpeId>,
        /// Every IPE that is not approved as it is.
        #[arg(long)]
        all: bool,
        /// Who approves.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Where the approval was asked for.
        #[arg(long, value_name = "TICKET")]
        ticket: String,
        /// Folder of the control.
        #[arg(long, value_name = "DIR", default_value = "catalog/c-pg-1")]
        dir: PathBuf,
    },
    /// Print the JSON Schemas of control.toml and of an IPE's file, for editors that complete and underline.
    Schema {
        /// Write catalog.control.schema.json and catalog.ipe.schema.json into this folder instead.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// List the IPEs: accounts, number of columns, key, warehouse table.
    List {
        #[command(flatten)]
        source: SourceArgs,
        /// How to print; without it a table on a terminal, else tab-separated lines.
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Show what would run for a cutoff: each query as SQL Server gets it, with its parameters as bound.
    Show {
        /// The IPE, such as IPE_07.
        ipe: IpeId,
        /// First day after the period; without it the first day of the current month in the control's time zone.
        #[arg(long, value_name = "YYYY-MM-01")]
        cutoff: Option<Cutoff>,
        #[command(flatten)]
        source: SourceArgs,
        /// How to print.
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// A folder with control.toml, or one that holds such folders; without it the catalog compiled into this program.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON document, for machines.
    Json,
}

/// Why a `soxauto catalog` command could not do what was asked; the program's exit code is 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}. Check that it exists and that you may use it")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// No control in the folder.
    #[error(
        "{0}: no control.toml in it or in a folder below it. Name the folder of a control, such as catalog/c-pg-1"
    )]
    NoControl(String),
    /// The catalog does not hold the IPE.
    #[error("{asked} is not in the catalog, which has {known}")]
    UnknownIpe {
        /// What was asked for.
        asked: IpeId,
        /// What there is.
        known: String,
    },
    /// The catalog has problems, so there is nothing to list, show or approve.
    #[error("the catalog has {0} problems. Run `soxauto catalog check` with the same --dir")]
    Invalid(usize),
    /// An approval without a name or a ticket.
    #[error("an approval names who gives it and on which ticket. Give --by and --ticket")]
    Anonymous,
    /// A baseline could not be written as TOML.
    #[error("the baseline cannot be written: {0}")]
    Toml(#[from] toml::ser::Error),
    /// The clock gives no cutoff.
    #[error("no cutoff for today's date: {0}. Give --cutoff")]
    Clock(#[from] soxauto_domain::calendar::CutoffError),
    /// A parameter cannot be bound; a checked catalog has none such.
    #[error("the queries cannot be bound: {0}. Run `soxauto catalog check`")]
    Resolve(#[from] ResolveError),
    /// Standard output is closed, or JSON could not be written to it.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl From<serde_json::Error> for CatalogError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

/// Exit code of a command that could not do what was asked; wrong usage ends with it too.
const UNREADABLE: u8 = 2;

/// Runs the command. The exit code is 0, 1 when `check` found problems or `diff` a difference, or 2 when the catalog could not be read.
pub(crate) fn run(args: CatalogArgs) -> ExitCode {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    match run_to(args, terminal, &mut stdout.lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever reads, such as `head`, has seen enough.
        Err(CatalogError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Runs the command on any output; false when `check` found problems or `diff` a difference.
fn run_to(args: CatalogArgs, terminal: bool, out: &mut dyn Write) -> Result<bool, CatalogError> {
    match args.command {
        CatalogCommand::Check { source, format } => check::run(
            &source::folders(source.dir.as_deref())?,
            style(format, terminal),
            out,
        ),
        CatalogCommand::Diff {
            ipe,
            source,
            format,
        } => diff::run(
            &source::catalogs(source.dir.as_deref())?,
            ipe.as_ref(),
            style(format, terminal),
            terminal && std::env::var_os("NO_COLOR").is_none(),
            out,
        ),
        CatalogCommand::Approve {
            ipe,
            all: _,
            by,
            ticket,
            dir,
        } => approve::run(
            &dir,
            ipe.as_ref(),
            &approve::Approver { by, ticket },
            jiff::Timestamp::now(),
            out,
        )
        .map(|()| true),
        CatalogCommand::Schema { write } => schema::run(write.as_deref(), out).map(|()| true),
        CatalogCommand::List { source, format } => list::run(
            &source::catalogs(source.dir.as_deref())?,
            style(format, terminal),
            out,
        )
        .map(|()| true),
        CatalogCommand::Show {
            ipe,
            cutoff,
            source,
            format,
        } => show::run(
            &source::catalogs(source.dir.as_deref())?,
            &ipe,
            cutoff,
            style(format, terminal),
            out,
        )
        .map(|()| true),
    }
}

/// The IPE asked for, or all of them, each with its catalog.
fn chosen<'c>(
    catalogs: &'c [Catalog],
    only: Option<&IpeId>,
) -> Result<Vec<(&'c Catalog, &'c Ipe)>, CatalogError> {
    let all = || {
        catalogs
            .iter()
            .flat_map(|catalog| catalog.ipes.iter().map(move |ipe| (catalog, ipe)))
    };
    let Some(id) = only else {
        return Ok(all().collect());
    };
    match all().find(|(_, ipe)| ipe.id == *id) {
        Some(found) => Ok(vec![found]),
        None => Err(CatalogError::UnknownIpe {
            asked: id.clone(),
            known: all()
                .map(|(_, ipe)| ipe.id.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// How a result is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Table,
    Lines,
    Json,
}

fn style(format: Option<Format>, terminal: bool) -> Style {
    match format {
        Some(Format::Json) => Style::Json,
        Some(Format::Table) => Style::Table,
        None if terminal => Style::Table,
        None => Style::Lines,
    }
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
