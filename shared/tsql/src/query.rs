//! One text, read: its tokens and, if it is one SELECT, its tree. Size and nesting are bounded here.

use soxauto_domain::catalog::Problem;
use sqlparser::{
    ast::{self, Statement},
    dialect::MsSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer},
};

use crate::{bridge, words};

/// Longest text, in bytes.
const MAX_BYTES: usize = 256 << 10;
/// Most tokens: a chain of operators makes a tree as deep as it is long.
const MAX_TOKENS: usize = 20_000;
/// Deepest nesting of parentheses and CASE.
const MAX_DEPTH: usize = 48;
/// Deepest descent of the parser: one parenthesis takes several steps.
const MAX_DESCENT: usize = 400;

/// Lines with a character that may end a `--` comment for the server although it does not for this program: what follows
/// would run while the digest of the tokens says that nothing changed.
fn foreign_line_ends(sql: &str) -> Vec<u64> {
    (1..)
        .zip(sql.split('\n'))
        .filter(|(_, line)| {
            line.strip_suffix('\r')
                .unwrap_or(line)
                .contains(['\r', '\u{85}', '\u{2028}', '\u{2029}'])
        })
        .map(|(number, _)| number)
        .collect()
}

/// A text of the catalog.
pub(crate) struct Query<'a> {
    /// Its file.
    pub(crate) file: &'a str,
    /// Its tokens without white space and comments.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// The SELECT; `None` when the text is something else, which is reported.
    pub(crate) select: Option<Box<ast::Query>>,
}

impl<'a> Query<'a> {
    /// Reads the text; `None` when not even tokens can be made of it, or too many.
    pub(crate) fn read(file: &'a str, sql: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut report = |line: u64, reason: String, remedy: &str| {
            problems.push(problem(file, line, reason, remedy))
        };
        if sql.len() > MAX_BYTES {
            report(
                1,
                format!("the text has {} bytes", sql.len()),
                "Keep a query below 256 KiB",
            );
            return None;
        }
        for line in foreign_line_ends(sql) {
            report(
                line,
                "a line end that programs do not agree on: a carriage return without line feed, or U+0085, U+2028, U+2029"
                    .to_owned(),
                "End lines with a line feed: to some readers such a character ends a comment, to others not",
            );
        }
        let dialect = MsSqlDialect {};
        let tokens: Vec<TokenWithSpan> =
            match Tokenizer::new(&dialect, sql).tokenize_with_location() {
                Ok(tokens) => tokens
                    .into_iter()
                    .filter(|t| !matches!(t.token, Token::Whitespace(_)))
                    .collect(),
                Err(e) => {
                    report(
                        e.location.line,
                        format!("not T-SQL: {}", e.message),
                        "Correct the text",
                    );
                    return None;
                }
            };
        if tokens.is_empty() {
            report(1, "the text is empty".to_owned(), "Write one SELECT");
            return None;
        }
        if tokens.len() > MAX_TOKENS {
            report(
                1,
                format!("the text has {} words and signs", tokens.len()),
                "Keep a query below 20,000 of them; a long list belongs into a list parameter",
            );
            return None;
        }
        if let Some(line) = too_deep(&tokens) {
            report(
                line,
                format!("parentheses and CASE are nested more than {MAX_DEPTH} deep"),
                "Move inner parts into common table expressions",
            );
            return None;
        }
        let parsed = Parser::new(&dialect)
            .with_recursion_limit(MAX_DESCENT)
            .with_tokens_with_locations(bridge::known_to_the_parser(&tokens))
            .parse_statements();
        let select = match parsed {
            Ok(statements) => match <[Statement; 1]>::try_from(statements) {
                Ok([Statement::Query(query)]) => Some(query),
                Ok([_]) => {
                    // The word that makes it something else is reported by its own rule.
                    if !words::has_statement_word(&tokens) {
                        report(
                            line(tokens[0].span),
                            "not a SELECT".to_owned(),
                            "Write one SELECT, which may begin with WITH",
                        );
                    }
                    None
                }
                Err(statements) => {
                    let line = second_statement(&tokens).unwrap_or(1);
                    report(
                        line,
                        format!("{} statements", statements.len()),
                        "Write one SELECT: common table expressions take the place of temporary tables and variables",
                    );
                    None
                }
            },
            Err(e) => {
                let (line, reason) = place(&e);
                report(
                    line,
                    reason,
                    "Write one SELECT in T-SQL; if SQL Server takes it as it is, report it as a defect of this program",
                );
                None
            }
        };
        Some(Self {
            file,
            tokens,
            select,
        })
    }

    /// A problem of this text at a token or a part of the tree.
    pub(crate) fn problem(
        &self,
        span: Span,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        problem(self.file, line(span), reason.into(), remedy)
    }
}

fn problem(file: &str, line: u64, reason: String, remedy: impl Into<String>) -> Problem {
    Problem {
        file: file.to_owned(),
        line: usize::try_from(line).unwrap_or(1).max(1),
        reason,
        remedy: remedy.into(),
    }
}

/// The line of a span; an empty span, which the parser gives to what it made up itself, is on line 0.
fn line(span: Span) -> u64 {
    span.start.line
}

/// The line at which the nesting passes its bound.
fn too_deep(tokens: &[TokenWithSpan]) -> Option<u64> {
    let mut depth = 0usize;
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if is_bare(word, "CASE") => depth += 1,
            Token::Word(word) if is_bare(word, "END") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(line(token.span));
        }
    }
    None
}

/// Whether the word stands there without quotes.
pub(crate) fn is_bare(word: &sqlparser::tokenizer::Word, text: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text)
}

/// The line of the first token after a semicolon.
fn second_statement(tokens: &[TokenWithSpan]) -> Option<u64> {
    let first = tokens.iter().position(|t| t.token != Token::SemiColon)?;
    let end = first
        + tokens[first..]
            .iter()
            .position(|t| t.token == Token::SemiColon)?;
    tokens[end..]
        .iter()
        .find(|t| t.token != Token::SemiColon)
        .map(|t| line(t.span))
}

/// The parser tells the place in its text only: `Expected: …, found: … at Line: 3, Column: 7`.
fn place(error: &ParserError) -> (u64, String) {
    match error {
        ParserError::RecursionLimitExceeded => {
            (1, "the query is nested too deep to be examined".to_owned())
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            match text.rsplit_once(" at Line: ") {
                Some((what, place)) => {
                    let line = place
                        .split(',')
                        .next()
                        .and_then(|n| n.trim().parse().ok())
                        .unwrap_or(1);
                    (
                        line,
                        format!(
                            "cannot be read as T-SQL: {}",
                            what.replacen("Expected: ", "expected ", 1)
                                .replacen("Expected ", "expected ", 1)
                                .replace(", found: ", ", found ")
                        ),
                    )
                }
                None => (1, format!("cannot be read as T-SQL: {text}")),
            }
        }
    }
}
