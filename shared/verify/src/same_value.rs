//! Whether two texts are the same value: of receipt, warehouse and rows each writes it in its own way.

/// Whether two texts are the same number, or the same instant.
pub(crate) fn same_value(a: &str, b: &str) -> bool {
    fn plain(text: &str) -> String {
        let text = text.replace('T', " ");
        let text = text.strip_suffix('Z').unwrap_or(&text);
        let (head, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let head = head
            .strip_suffix(" 00:00:00")
            .filter(|_| fraction.is_empty())
            .unwrap_or(head);
        let (sign, digits) = head
            .strip_prefix('-')
            .map_or(("", head), |digits| ("-", digits));
        let digits = if digits.bytes().all(|b| b.is_ascii_digit()) {
            digits.trim_start_matches('0')
        } else {
            digits
        };
        if digits.is_empty() && fraction.is_empty() {
            return "0".to_owned();
        }
        format!("{sign}{digits}.{fraction}")
    }
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_whatever_their_zeros() {
        for (a, b, same) in [
            ("1.50", "1.5", true),
            ("-0.00", "0", true),
            ("10", "1", false),
            ("1.05", "1.5", false),
            ("-1", "1", false),
            ("2024-04-30T00:00:00", "2024-04-30", true),
            ("2024-04-30 10:00:00.500000", "2024-04-30T10:00:00.5", true),
            ("2024-04-30T10:00:00", "2024-04-30", false),
            ("", "0", true),
        ] {
            assert_eq!(same_value(a, b), same, "{a} {b}");
        }
    }
}
