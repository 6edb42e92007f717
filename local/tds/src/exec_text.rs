//! `EXEC sp_executesql …` and `EXEC sp_describe_first_result_set …` as text, the form in which a client sends named
//! parameters through a driver that has only positional ones.

use crate::backend::Parameter;
use crate::declaration::Argument;
use crate::error::SqlError;
use crate::request::Procedure;
use crate::types::{Length, SqlType};
use crate::wire_value::{WireValue, hex_text};

/// A word, a mark or a literal of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Variable(String),
    Text(String),
    Number(String),
    Binary(String),
    Mark(char),
}

/// The call that a batch consists of, if it consists of one call of a procedure that the server runs itself.
/// `outer` are the parameters of the batch, which the call may pass on.
///
/// # Errors
/// When it is such a call, and one of its arguments cannot be read.
pub(crate) fn parse(
    sql: &str,
    outer: &[Parameter],
) -> Option<Result<(Procedure, Vec<Argument>), SqlError>> {
    let head = sql.trim_start();
    let word = head
        .find(|c: char| !c.is_ascii_alphabetic())
        .map_or(head, |end| &head[..end]);
    // Cheap for the usual batch, which is long and is something else.
    if !word.eq_ignore_ascii_case("exec") && !word.eq_ignore_ascii_case("execute") {
        return None;
    }
    let mut tokens = match tokens(head) {
        Some(tokens) => tokens.into_iter().skip(1).peekable(),
        None => return None,
    };
    let mut name = String::new();
    let mut last = None;
    while let Some(token) = tokens.peek() {
        match token {
            Token::Word(part) => {
                if last == Some('w') {
                    break;
                }
                last = Some('w');
                name.push_str(part);
            }
            Token::Mark('.') => {
                last = Some('.');
                name.push('.');
            }
            _ => break,
        }
        tokens.next();
    }
    let procedure = match Procedure::by_name(&name) {
        known @ (Procedure::ExecuteSql | Procedure::DescribeFirstResultSet) => known,
        _ => return None,
    };
    let mut rest: Vec<Token> = tokens.collect();
    while rest.last() == Some(&Token::Mark(';')) {
        rest.pop();
    }
    if rest.contains(&Token::Mark(';')) {
        // More statements follow: the backend's business.
        return None;
    }
    Some(arguments(&rest, outer).map(|arguments| (procedure, arguments)))
}

fn arguments(tokens: &[Token], outer: &[Parameter]) -> Result<Vec<Argument>, SqlError> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    tokens
        .split(|token| *token == Token::Mark(','))
        .map(|part| {
            let (name, value) = match part {
                [Token::Variable(name), Token::Mark('='), value @ ..] => (name.clone(), value),
                value => (String::new(), value),
            };
            let value = match value {
                [Token::Variable(variable)] => passed_on(variable, outer)?,
                value => literal(value)
                    .ok_or_else(|| SqlError::syntax(part.first().map_or(",", describe)))?,
            };
            Ok(Argument { name, value })
        })
        .collect()
}

fn describe(token: &Token) -> &str {
    match token {
        Token::Word(text) | Token::Variable(text) | Token::Number(text) => text,
        Token::Text(_) => "a text",
        Token::Binary(_) => "a binary",
        Token::Mark(_) => ",",
    }
}

fn passed_on(variable: &str, outer: &[Parameter]) -> Result<WireValue, SqlError> {
    let parameter = outer
        .iter()
        .find(|parameter| parameter.name.eq_ignore_ascii_case(variable))
        .ok_or_else(|| {
            SqlError::new(
                137,
                15,
                format!("Must declare the scalar variable \"{variable}\"."),
            )
            .with_state(2)
        })?;
    Ok(WireValue {
        ty: SqlType::parse(&parameter.declared)?,
        text: parameter.value.clone(),
    })
}

fn literal(tokens: &[Token]) -> Option<WireValue> {
    let (negative, token) = match tokens {
        [Token::Mark('-'), token @ Token::Number(_)] => (true, token),
        [token] => (false, token),
        _ => return None,
    };
    Some(match token {
        Token::Text(text) => WireValue {
            ty: SqlType::NVarChar {
                length: Length::Max,
            },
            text: Some(text.clone()),
        },
        Token::Number(digits) => {
            let sign = if negative { "-" } else { "" };
            let ty = if digits.contains(['e', 'E']) {
                SqlType::Float
            } else if let Some((_, fraction)) = digits.split_once('.') {
                SqlType::Decimal {
                    precision: 38,
                    scale: u8::try_from(fraction.len().min(38)).unwrap_or(38),
                }
            } else {
                SqlType::BigInt
            };
            WireValue {
                ty,
                text: Some(format!("{sign}{digits}")),
            }
        }
        Token::Binary(hex) => WireValue {
            ty: SqlType::VarBinary {
                length: Length::Max,
            },
            text: Some(hex.clone()),
        },
        Token::Word(word) if word.eq_ignore_ascii_case("null") => WireValue {
            ty: SqlType::NVarChar {
                length: Length::Max,
            },
            text: None,
        },
        _ => return None,
    })
}

/// The text in tokens; `None` when it has something that such a call does not.
fn tokens(sql: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(character) = rest.chars().next() {
        if character.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        if let Some(after) = rest.strip_prefix("--") {
            rest = after.split_once('\n').map_or("", |(_, next)| next);
            continue;
        }
        if let Some(after) = rest.strip_prefix("/*") {
            rest = after.split_once("*/")?.1;
            continue;
        }
        let (token, after) = match character {
            '\'' => quoted(rest)?,
            'N' | 'n' if rest[1..].starts_with('\'') => quoted(&rest[1..])?,
            '[' => {
                let (name, after) = rest[1..].split_once(']')?;
                (Token::Word(name.to_owned()), after)
            }
            '0' if rest[1..].starts_with(['x', 'X']) => {
                let (digits, after) = split_while(&rest[2..], |c| c.is_ascii_hexdigit());
                let bytes: Option<Vec<u8>> = digits
                    .as_bytes()
                    .chunks(2)
                    .map(|pair| {
                        let pair = std::str::from_utf8(pair).ok()?;
                        (pair.len() == 2)
                            .then(|| u8::from_str_radix(pair, 16).ok())
                            .flatten()
                    })
                    .collect();
                (Token::Binary(hex_text(&bytes?)), after)
            }
            '0'..='9' => {
                let (mut digits, mut after) = split_while(rest, |c| c.is_ascii_digit() || c == '.');
                if after.starts_with(['e', 'E']) {
                    let signed = after[1..].strip_prefix(['+', '-']).unwrap_or(&after[1..]);
                    let (_, end) = split_while(signed, |c| c.is_ascii_digit());
                    digits = &rest[..rest.len() - end.len()];
                    after = end;
                }
                (Token::Number(digits.to_owned()), after)
            }
            '@' => {
                let (name, after) = split_while(&rest[1..], is_name);
                (Token::Variable(format!("@{name}")), after)
            }
            c if is_name(c) => {
                let (name, after) = split_while(rest, is_name);
                (Token::Word(name.to_owned()), after)
            }
            '.' | ',' | '=' | '-' | ';' => (Token::Mark(character), &rest[1..]),
            _ => return None,
        };
        tokens.push(token);
        rest = after;
    }
    Some(tokens)
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '@' | '#' | '$')
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A text in apostrophes, two of which inside stand for one.
fn quoted(text: &str) -> Option<(Token, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((Token::Text(value), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outer() -> Vec<Parameter> {
        ["SELECT @cutoff", "@cutoff date", "2024-05-01"]
            .iter()
            .enumerate()
            .map(|(index, value)| Parameter {
                name: format!("@P{}", index + 1),
                declared: "nvarchar(4000)".to_owned(),
                value: Some((*value).to_owned()),
            })
            .collect()
    }

    #[test]
    fn outer_parameters_are_passed_on() {
        let (procedure, arguments) =
            parse("EXEC sys.sp_executesql @P1, @P2, @cutoff = @P3", &outer())
                .expect("a call")
                .expect("readable");
        assert_eq!(procedure, Procedure::ExecuteSql);
        assert_eq!(arguments.len(), 3);
        assert_eq!(arguments[0].value.text.as_deref(), Some("SELECT @cutoff"));
        assert_eq!(arguments[2].name, "@cutoff");
        assert_eq!(arguments[2].value.text.as_deref(), Some("2024-05-01"));
    }

    #[test]
    fn literals_are_read() {
        let (_, arguments) = parse(
            "execute [sys].[sp_executesql] N'it''s', N'', @a = -1.50, @b = NULL, @c = 0x0aFF, @d = 'x';",
            &[],
        )
        .expect("a call")
        .expect("readable");
        let texts: Vec<_> = arguments
            .iter()
            .map(|argument| argument.value.text.as_deref())
            .collect();
        assert_eq!(
            texts,
            [
                Some("it's"),
                Some(""),
                Some("-1.50"),
                None,
                Some("0aff"),
                Some("x")
            ]
        );
    }

    #[test]
    fn other_text_is_the_backends() {
        assert!(parse("SELECT 1", &[]).is_none());
        assert!(parse("EXEC dbo.something @P1", &outer()).is_none());
        assert!(parse("EXEC sp_executesql N'SELECT 1'; SELECT 2", &[]).is_none());
        assert_eq!(
            parse("EXEC sp_executesql @missing", &[])
                .expect("a call")
                .expect_err("no such variable")
                .number,
            137
        );
    }
}
