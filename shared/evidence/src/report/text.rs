//! Texts of others on our page: every character a reader cannot see is shown, and none of them is markup.

use std::fmt::Write as _;

/// Whether a character changes how a page reads without being seen: controls, direction marks, zero widths, tags.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

/// The text with hidden characters spelt as `⟦U+202E⟧`, and markup as character references. Line ends of any system
/// stay line ends.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' if characters.peek() == Some(&'\n') => {}
            c if is_hidden(c) => {
                let _ = write!(out, "⟦U+{:04X}⟧", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown_and_markup_is_not_markup() {
        assert_eq!(
            escape("a\u{202e}b\u{0}c</script>\r\n\td\r"),
            "a⟦U+202E⟧b⟦U+0000⟧c&lt;/script&gt;\n\td⟦U+000D⟧"
        );
        assert_eq!(escape("\"'&"), "&quot;&#39;&amp;");
        let names = "Côte d’Ivoire, شركة, ₦, 株式会社, e\u{301}";
        assert_eq!(escape(names), names);
    }
}
