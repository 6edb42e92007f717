//! Whether two outcomes of a check say the same: the verdict and every figure, not the words around them.
//!
//! The words may change from release to release, and evidence is kept for years.

use soxauto_domain::CheckOutcome;

/// The figures of a text: every run of digits with the points, colons and hyphens inside it, and words after a quote
/// are not among them.
pub(crate) fn figures(text: &str) -> Vec<&str> {
    let inside = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':' | '-' | 'T');
    text.split(|c: char| !inside(c))
        .map(|part| part.trim_matches(['.', ':', 'T']).trim_end_matches('-'))
        .filter(|part| part.bytes().any(|b| b.is_ascii_digit()))
        .collect()
}

/// What differs between the outcome that is claimed and the one that was found, in words; `None` if nothing does.
pub(crate) fn difference(claimed: &CheckOutcome, found: &CheckOutcome) -> Option<String> {
    let says = |outcome: &CheckOutcome| {
        format!(
            "{}: expected {}, measured {}",
            if outcome.passed() { "passed" } else { "failed" },
            outcome.expected,
            outcome.measured
        )
    };
    let same = claimed.verdict == found.verdict
        && figures(&claimed.expected) == figures(&found.expected)
        && figures(&claimed.measured) == figures(&found.measured)
        && claimed.examples.len() == found.examples.len();
    (!same).then(|| {
        format!(
            "{} is recorded as {}; the rows say {}",
            claimed.id(),
            says(claimed),
            says(found)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_an_auditor_compares() {
        assert_eq!(
            figures("sum of amount_lcy: -12.500 by the independent query."),
            ["-12.500"]
        );
        assert_eq!(
            figures("from 2024-04-01 before 2024-05-01T00:00:00"),
            ["2024-04-01", "2024-05-01T00:00:00"]
        );
        assert_eq!(figures("0 of 36329 rows offend"), ["0", "36329"]);
        assert!(figures("no value").is_empty());
    }
}
