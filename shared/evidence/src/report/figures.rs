//! Numbers, dates and moments as a reader expects them. No digit is rounded away: what is shown short stands in full in
//! the page's source, where a machine reads it too.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use soxauto_domain::value::{format_decimal, parse_decimal};

use super::text::escape;

/// Most digits after the point that a difference is computed with: SQL Server's largest scale.
const SCALE: u8 = 20;

/// `36329` as `36,329`.
pub(crate) fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A plain decimal number with its thousands apart and without zeros that say nothing; two digits after the point stay.
/// `None` for any other text.
pub(crate) fn amount(text: &str) -> Option<String> {
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || digits.ends_with('.') || !plain(whole) || !plain(fraction) {
        return None;
    }
    let kept = fraction.trim_end_matches('0');
    let kept = fraction
        .get(..kept.len().max(2.min(fraction.len())))
        .unwrap_or(fraction);
    let point = if kept.is_empty() { "" } else { "." };
    Some(format!("{sign}{}{point}{kept}", grouped(whole)))
}

/// An amount as HTML: short for the eye, in full as its value. Another text (a date, a word) stays what it is.
pub(crate) fn amount_html(text: &str) -> String {
    match amount(text) {
        Some(short) => format!("<data value=\"{}\">{short}</data>", escape(text)),
        None => escape(text),
    }
}

/// The words of a check as HTML, with the numbers in them made legible: those that count rows, and those with a point.
pub(crate) fn words_html(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let counts = |word: &&str| {
        matches!(
            word.trim_end_matches([',', ';', ':', '.']),
            "row" | "rows" | "of" | "such" | "columns"
        )
    };
    let shown = words.iter().enumerate().map(|(at, word)| {
        let number = word.trim_end_matches([',', ';', ':']);
        let rest = word.get(number.len()..).unwrap_or_default();
        let is_count = words.get(at + 1).is_some_and(counts);
        match amount(number) {
            Some(_) if number.contains('.') || is_count => {
                format!("{}{}", amount_html(number), escape(rest))
            }
            _ => escape(word),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// `later - earlier`, exactly; `None` when one of the two is no decimal number.
pub(crate) fn difference(later: &str, earlier: &str) -> Option<String> {
    let difference = parse_decimal(later, SCALE)?.checked_sub(parse_decimal(earlier, SCALE)?)?;
    let text = format_decimal(difference, SCALE);
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// `1 May 2024`.
pub(crate) fn day(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// `1 May 2024, 09:00:00 +02:00`, marked up with the exact moment.
pub(crate) fn moment_html(moment: Timestamp, zone: &TimeZone) -> String {
    let local = moment.to_zoned(zone.clone());
    format!(
        "<time datetime=\"{moment}\">{}</time>",
        local.strftime("%-d %B %Y, %H:%M:%S %:z")
    )
}

/// `09:00:00.123 +02:00`, marked up with the exact moment; the date stands nearby.
pub(crate) fn clock_html(moment: Timestamp, zone: &TimeZone) -> String {
    let local = moment.to_zoned(zone.clone());
    format!(
        "<time datetime=\"{moment}\">{}</time>",
        local.strftime("%-d %b, %H:%M:%S.%3f %:z")
    )
}

/// How long, in the two largest units: `11 h 59 min`, `4.7 s`.
pub(crate) fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    match seconds {
        0..60 => format!(
            "{}.{} s",
            seconds,
            length.subsec_millis().unsigned_abs() / 100
        ),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_legible_and_exact() {
        let shown = |text: &str| amount(text).unwrap();
        assert_eq!(shown("36329"), "36,329");
        assert_eq!(shown("999"), "999");
        assert_eq!(shown("-1234567.50000000000000000000"), "−1,234,567.50");
        assert_eq!(shown("0.00000000000000000001"), "0.00000000000000000001");
        assert_eq!(shown("7.0"), "7.0");
        for other in ["", "-", "1.", ".5", "1e3", "2024-04-30", "NULL", "٣"] {
            assert_eq!(amount(other), None, "{other}");
        }
        assert_eq!(difference("10.50", "11").unwrap(), "-0.5");
        assert_eq!(difference("5", "5.000").unwrap(), "0");
        assert_eq!(difference("2024-04-30", "1"), None);
    }

    #[test]
    fn only_numbers_that_count_are_grouped_in_words() {
        assert_eq!(
            words_html("0 of 36329 rows offend"),
            "<data value=\"0\">0</data> of <data value=\"36329\">36,329</data> rows offend"
        );
        // An account is a name, not a number.
        assert_eq!(words_html("one of 13003, 13004"), "one of 13003, 13004");
        assert_eq!(
            words_html("sum of x: 1234.50 by <b>"),
            "sum of x: <data value=\"1234.50\">1,234.50</data> by &lt;b&gt;"
        );
    }

    #[test]
    fn lengths_are_in_two_units() {
        let of = |millis| duration(SignedDuration::from_millis(millis));
        assert_eq!(of(4_780), "4.7 s");
        assert_eq!(of(200_000), "3 min 20 s");
        assert_eq!(of(43_140_000), "11 h 59 min");
        assert_eq!(of(90_000_000), "1 d 1 h");
    }
}
