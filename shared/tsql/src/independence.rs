//! Completeness must be asked independently: the extraction's own text wrapped in COUNT proves nothing.

use soxauto_domain::catalog::Problem;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::query::{Query, is_bare};

const REMEDY: &str =
    "Count and add up by another way: other tables, other joins, or the entries behind a balance";

/// Reports a completeness query that is, or holds, the extraction query or its FROM and WHERE.
pub(crate) fn check(extraction: &Query<'_>, completeness: &Query<'_>, problems: &mut Vec<Problem>) {
    let main = main_select(&extraction.tokens);
    let asked = main_select(&completeness.tokens);
    let main_words = words(main);
    let asked_words = words(&completeness.tokens);
    if words(&extraction.tokens) == asked_words {
        problems.push(completeness.problem(
            completeness.tokens[0].span,
            "the completeness query is the extraction query",
            REMEDY,
        ));
    } else if let Some(at) = position(&asked_words, &main_words) {
        problems.push(completeness.problem(
            completeness.tokens[at].span,
            "the completeness query holds the extraction query",
            REMEDY,
        ));
    } else {
        let (tail, asked_tail) = (words(from_onwards(main)), words(from_onwards(asked)));
        if !tail.is_empty() && tail == asked_tail {
            problems.push(completeness.problem(
                from_onwards(asked)[0].span,
                "the completeness query reads the same FROM and WHERE as the extraction",
                REMEDY,
            ));
        }
    }
}

/// Spelling without what SQL Server does not tell apart: capital letters and the quotes of names.
fn words(tokens: &[TokenWithSpan]) -> Vec<String> {
    tokens
        .iter()
        .filter(|t| t.token != Token::SemiColon)
        .map(|t| match &t.token {
            Token::Word(word) => word.value.to_lowercase(),
            other => other.to_string(),
        })
        .collect()
}

/// Where `part` occurs in `whole`.
fn position(whole: &[String], part: &[String]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    whole.windows(part.len()).position(|window| window == part)
}

/// The SELECT behind the common table expressions, without the order and the hints at its end.
fn main_select(tokens: &[TokenWithSpan]) -> &[TokenWithSpan] {
    let start = outside_parentheses(tokens, "SELECT").unwrap_or(0);
    let main = &tokens[start..];
    let end = ["ORDER", "OPTION"]
        .iter()
        .filter_map(|word| outside_parentheses(main, word))
        .min()
        .unwrap_or(main.len());
    let main = &main[..end];
    let trimmed = main
        .iter()
        .rposition(|t| t.token != Token::SemiColon)
        .map_or(0, |last| last + 1);
    &main[..trimmed]
}

/// From the word FROM to the end; empty when there is none.
fn from_onwards(main: &[TokenWithSpan]) -> &[TokenWithSpan] {
    outside_parentheses(main, "FROM").map_or(&[], |start| &main[start..])
}

/// The first place of a word that is in no parentheses.
fn outside_parentheses(tokens: &[TokenWithSpan], wanted: &str) -> Option<usize> {
    let mut depth = 0usize;
    tokens.iter().position(|t| {
        match &t.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 => return is_bare(word, wanted),
            _ => {}
        }
        false
    })
}
