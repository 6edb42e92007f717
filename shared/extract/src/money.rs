//! `money` from a binary floating-point number: exact, or refused.
//!
//! tiberius reads the wire's 64-bit integer of ten-thousandths, converts it to `f64` and divides by 10,000. Below 2^53
//! ten-thousandths (about 900 billion) the integer can be found again, provided that no neighbour gives the same
//! number; beyond, it cannot.

/// What the message says when it cannot.
pub(crate) const INEXACT: &str = "the driver delivers money as a binary number, which is not exact for this amount; write CAST(… AS decimal(19,4)) in the query";

/// The ten-thousandths that this number was made from, if there is exactly one such integer.
pub(crate) fn exact(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let guess = (value * 1e4).round();
    if !guess.is_finite() || guess.abs() >= LIMIT {
        return None;
    }
    // Exact: the number is whole and below 2^53.
    let guess = guess as i64;
    let mut found = None;
    for candidate in [guess - 1, guess, guess + 1] {
        if candidate as f64 / 1e4 == value && found.replace(candidate).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What tiberius does with the wire's two halves.
    fn as_tiberius(wire: i64) -> f64 {
        let high = wire >> 32;
        let low = f64::from(wire as u32);
        ((high << 32) as f64 + low) / 1e4
    }

    #[test]
    fn the_ends() {
        for wire in [
            0,
            1,
            -1,
            10_000,
            33_333,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            -12_345_678_901,
        ] {
            assert_eq!(exact(as_tiberius(wire)), Some(wire), "{wire}");
        }
        for wire in [i64::MAX, i64::MIN, 1 << 53, -(1 << 53), (1 << 53) + 1] {
            assert_eq!(exact(as_tiberius(wire)), None, "{wire}");
        }
        assert_eq!(exact(f64::NAN), None);
        assert_eq!(exact(0.000_05), None);
    }

    proptest! {
        #[test]
        fn never_another_amount(wire in any::<i64>()) {
            let found = exact(as_tiberius(wire));
            prop_assert!(found.is_none() || found == Some(wire));
        }

        #[test]
        fn always_found_below_100_billion(wire in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            prop_assert_eq!(exact(as_tiberius(wire)), Some(wire));
        }

        #[test]
        fn never_another_amount_near_the_limit(wire in (1i64 << 52)..(1i64 << 54)) {
            let found = exact(as_tiberius(wire));
            prop_assert!(found.is_none() || found == Some(wire));
        }
    }
}
