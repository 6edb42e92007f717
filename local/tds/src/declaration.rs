//! Parameter declarations: the second argument of `sp_executesql`, and how arguments meet it.

use crate::backend::Parameter;
use crate::convert::to_declared;
use crate::error::SqlError;
use crate::types::SqlType;
use crate::wire_value::WireValue;

/// A parameter that a statement declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) ty: SqlType,
}

/// An argument: named, or by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) value: WireValue,
}

/// Reads `@cutoff date, @amount decimal(18,2), …`.
pub(crate) fn parse(text: &str) -> Result<Vec<Declared>, SqlError> {
    let mut declared = Vec::new();
    for part in split(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if !part.starts_with('@') {
            return Err(SqlError::syntax(part));
        }
        let (name, ty) = part
            .split_once(char::is_whitespace)
            .ok_or_else(|| SqlError::syntax(part))?;
        let mut ty = ty.trim();
        if let Some(rest) = strip_word(ty, "as") {
            ty = rest;
        }
        let lower = ty.to_ascii_lowercase();
        for word in [" output", " out", " readonly"] {
            if lower.ends_with(word) {
                ty = ty[..ty.len() - word.len()].trim_end();
                break;
            }
        }
        declared.push(Declared {
            name: name.to_owned(),
            ty: SqlType::parse(ty)?,
        });
    }
    Ok(declared)
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace))
        .then(|| rest.trim_start())
}

/// Splits at the commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Gives each declared parameter its argument, converted to the declared type.
pub(crate) fn bind(
    declared: &[Declared],
    arguments: &[Argument],
) -> Result<Vec<Parameter>, SqlError> {
    let mut values: Vec<Option<&WireValue>> = vec![None; declared.len()];
    for (position, argument) in arguments.iter().enumerate() {
        let index = if argument.name.is_empty() {
            position
        } else {
            declared
                .iter()
                .position(|parameter| parameter.name.eq_ignore_ascii_case(&argument.name))
                .ok_or_else(|| {
                    SqlError::new(
                        8145,
                        16,
                        format!("{} is not a parameter for procedure .", argument.name),
                    )
                })?
        };
        let slot = values.get_mut(index).ok_or_else(|| {
            SqlError::new(
                8144,
                16,
                "Procedure or function  has too many arguments specified.",
            )
        })?;
        if slot.replace(&argument.value).is_some() {
            return Err(SqlError::new(
                8143,
                16,
                format!(
                    "Parameter '{}' was supplied multiple times.",
                    declared[index].name
                ),
            ));
        }
    }
    declared
        .iter()
        .zip(values)
        .map(|(parameter, value)| {
            let value = value.ok_or_else(|| {
                SqlError::new(
                    8178,
                    16,
                    format!(
                        "The parameterized query expects the parameter '{}', which was not supplied.",
                        parameter.name
                    ),
                )
            })?;
            Ok(Parameter {
                name: parameter.name.clone(),
                declared: parameter.ty.to_string(),
                value: to_declared(value, &parameter.ty)?,
            })
        })
        .collect()
}
