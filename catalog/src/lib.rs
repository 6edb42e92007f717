//! The catalog of IPEs, compiled in, so that a query changes only by a reviewed release.
//!
//! The files are those of `c-pg-1/`, beside this crate's `Cargo.toml`.

use std::collections::BTreeMap;

use soxauto_domain::catalog::{self, Catalog, Problem};

/// Name and text of every file of control C-PG-1.
const C_PG_1: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The compiled-in files of control C-PG-1: name relative to its folder → text.
#[must_use]
pub fn files() -> BTreeMap<String, String> {
    C_PG_1
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// Reads the compiled-in catalog. A few milliseconds: call it once, when the program starts.
///
/// # Errors
/// All problems that [`catalog::read`] finds. A release is tested to have none.
pub fn load() -> Result<Catalog, Vec<Problem>> {
    catalog::read(&files())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_catalog_is_valid() {
        let catalog = load().unwrap_or_else(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            unreachable!("{}", lines.join("\n"))
        });
        assert_eq!(catalog.control_id.as_str(), "C-PG-1");
        let ids: Vec<&str> = catalog.ipes.iter().map(|ipe| ipe.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "CR_03",
                "CR_04",
                "CR_05",
                "IPE_07",
                "IPE_08",
                "IPE_08_TIMING",
                "IPE_08_USAGE",
                "IPE_10",
                "IPE_11",
                "IPE_12",
                "IPE_31",
                "IPE_34"
            ]
        );
    }

    #[test]
    fn every_ipe_resolves_for_a_period() {
        let period = "2024-05-01"
            .parse::<soxauto_domain::Cutoff>()
            .map(soxauto_domain::Cutoff::period);
        for ipe in load().into_iter().flat_map(|catalog| catalog.ipes) {
            let plan = period.as_ref().map(|period| ipe.resolve(period));
            assert!(matches!(plan, Ok(Ok(_))), "{}: {plan:?}", ipe.id);
        }
    }
}
