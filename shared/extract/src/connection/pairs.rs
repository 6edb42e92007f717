//! Splits ODBC and ADO connection strings into keywords and values, each by its own quoting rules.

use super::SecretError;

/// Whose quoting rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{…}` with `}}` for a brace; quotes stand for themselves. Known by its `DRIVER` keyword.
    Odbc,
    /// `"…"` and `'…'` with doubled quotes.
    Ado,
}

/// Keywords (trimmed, inner spaces single) and values, in order.
pub(super) fn read(text: &str) -> Result<(Dialect, Vec<(String, String)>), SecretError> {
    let mut pairs = Vec::new();
    let odbc = split(text, Dialect::Odbc, &mut pairs);
    if pairs
        .iter()
        .any(|(keyword, _)| keyword.eq_ignore_ascii_case("driver"))
    {
        return odbc.map(|()| (Dialect::Odbc, pairs));
    }
    pairs.clear();
    split(text, Dialect::Ado, &mut pairs).map(|()| (Dialect::Ado, pairs))
}

/// Appends what can be read, also before an error.
fn split(
    text: &str,
    dialect: Dialect,
    pairs: &mut Vec<(String, String)>,
) -> Result<(), SecretError> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
        if rest.is_empty() {
            break;
        }
        let (keyword, after) = rest
            .split_once('=')
            .filter(|(keyword, _)| !keyword.contains(';'))
            .ok_or(SecretError::Syntax("a keyword has no '='; write keyword=value pairs with ';' between them, and quote a value that holds ';'"))?;
        let keyword = keyword.split_whitespace().collect::<Vec<_>>().join(" ");
        if keyword.is_empty() {
            return Err(SecretError::Syntax("a '=' has no keyword before it"));
        }
        let (value, after) = value(after.trim_start(), dialect)?;
        pairs.push((keyword, value));
        rest = after;
    }
    if pairs.is_empty() {
        return Err(SecretError::Empty);
    }
    Ok(())
}

/// The value at the beginning of `text`, and what follows its semicolon.
fn value(text: &str, dialect: Dialect) -> Result<(String, &str), SecretError> {
    let close = match (dialect, text.chars().next()) {
        (Dialect::Odbc, Some('{')) => '}',
        (Dialect::Ado, Some(quote @ ('"' | '\''))) => quote,
        (Dialect::Ado, Some('{')) => {
            return Err(SecretError::Syntax(
                "a value begins with '{': begin the string with DRIVER={…} for the ODBC form, or quote the value with \"…\"",
            ));
        }
        _ => {
            let (bare, rest) = text.split_once(';').unwrap_or((text, ""));
            return Ok((bare.trim_end().to_owned(), rest));
        }
    };
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((_, c)) = characters.next() {
        if c != close {
            value.push(c);
            continue;
        }
        match characters.peek() {
            Some((_, next)) if *next == close => {
                value.push(close);
                characters.next();
            }
            next => {
                let end = next.map_or(text.len(), |(index, _)| *index);
                let rest = text.get(end..).unwrap_or_default().trim_start();
                if rest.is_empty() {
                    return Ok((value, rest));
                }
                return rest.strip_prefix(';').map(|rest| (value, rest)).ok_or(
                    SecretError::Syntax(
                        "text follows a quoted value; double the closing quote inside it",
                    ),
                );
            }
        }
    }
    Err(SecretError::Syntax("a quoted value does not end"))
}
