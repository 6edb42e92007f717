//! The witness as the receipt records it: whether it may be what was looked for, and what of it can be looked for again.

use soxauto_domain::{CheckOutcome, catalog::Sample, plan::PlannedWitness};
use soxauto_extract::Reperformed;

use crate::{attempts::Attempt, check::Check, figures, repeat::rightly_empty, run::Run};

const CHECK: Check = Check::DataWitness;

/// What a receipt may say of its witness: masked is what the plan masks, and nothing else; a witness that the catalog
/// names is the catalog's.
pub(crate) fn recorded(run: &mut Run<'_>, attempt: &Attempt) {
    let (file, planned) = (attempt.file.as_str(), &attempt.planned);
    for value in &attempt.receipt.witness {
        let masked = planned
            .column(&value.column)
            .is_some_and(|column| column.sample == Sample::Mask);
        let right = value.masked == masked && !(masked && value.value.is_some());
        run.ledger.check(CHECK, file, right, || {
            format!(
                "the witness's {} is recorded as {}, the plan's sample {} the column",
                value.column,
                if value.masked { "masked" } else { "not masked" },
                if masked { "masks" } else { "shows" }
            )
        });
        if let PlannedWitness::Match { values } = &planned.witness {
            let named = values.get(&value.column);
            let same = named.is_some() && (masked || named == value.value.as_ref());
            run.ledger.check(CHECK, file, same, || {
                format!(
                    "the witness's {} is recorded as {:?}, the plan names {named:?}",
                    value.column, value.value
                )
            });
        }
    }
}

/// Why the claimed outcome cannot be repeated in full, if that is so and nothing speaks against it.
pub(crate) fn not_repeatable(
    attempt: &Attempt,
    claimed: &CheckOutcome,
    found: &Reperformed,
) -> Option<&'static str> {
    let witness = &attempt.receipt.witness;
    let asked = matches!(attempt.planned.witness, PlannedWitness::Query { .. });
    let masked = asked && witness.iter().any(|w| w.masked);
    if !masked || rightly_empty(attempt, found) {
        return None;
    }
    let counted = figures::figures(&claimed.measured);
    let counted: Option<u64> = counted.first().and_then(|f| f.parse().ok());
    // The masked columns can only leave fewer rows than match on the others.
    let among = |rows: u64| match counted {
        Some(counted) => claimed.passed() && (1..=rows).contains(&counted),
        None => !claimed.passed(),
    };
    if witness.iter().all(|w| w.value.is_none()) {
        return among(found.rows).then_some(
            "not re-performed: every value of the witness is masked, so that none is recorded",
        );
    }
    let matching = found.witness_rows.as_ref().map_or(0, |(rows, _)| *rows);
    among(matching).then_some(
        "not fully re-performed: rows match the witness on the recorded columns; masked ones are not recorded",
    )
}
