//! The rules of a catalog, one file per part of an IPE.

mod columns;
mod names;
mod parameters;
mod partition;
mod proofs;
mod texts;

use super::{
    file::{Column, IpeFile},
    locate::Locator,
    model::Ipe,
    problem::Problem,
};
use crate::{
    sql_type::SqlType,
    value::{self, ValueError},
};

pub(super) use names::is_warehouse_name;

/// The rules that an IPE's TOML file alone can break.
pub(super) fn file(file: &IpeFile, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    columns::check(file, at, problems);
    parameters::check(file, at, problems);
    partition::check(file, at, problems);
    proofs::check(file, at, problems);
}

/// The rules between an IPE's TOML file and its queries.
pub(super) fn texts(ipe: &Ipe, at: &Locator<'_>, problems: &mut Vec<Problem>) {
    texts::check(ipe, at, problems);
    partition::texts(ipe, at, problems);
}

fn column<'f>(file: &'f IpeFile, name: &str) -> Option<&'f Column> {
    file.columns.iter().find(|column| column.name == name)
}

/// Whether the text is a value of the column's type. Types whose values the catalog cannot spell are not judged.
fn fits(sql_type: SqlType, text: &str) -> Result<(), ValueError> {
    let sql_type = match sql_type {
        SqlType::Money | SqlType::SmallMoney => SqlType::Decimal {
            precision: 19,
            scale: 4,
        },
        SqlType::Time(_)
        | SqlType::DateTimeOffset(_)
        | SqlType::UniqueIdentifier
        | SqlType::Binary(_)
        | SqlType::VarBinary(_)
        | SqlType::RowVersion
        | SqlType::Xml => return Ok(()),
        other => other,
    };
    value::parse(sql_type, text).map(drop)
}
