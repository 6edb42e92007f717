//! Rewrites, for the parser alone, what T-SQL has and `sqlparser` 0.63 does not know. Texts are never changed.
//!
//! Everything dropped here says how to compute, not what: no rule is weakened. Tokens keep their places, so problems
//! still name the right line.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Word},
};

use crate::query::is_bare;

/// Algorithm hints that stand between the kind of a join and the word JOIN.
const JOIN_HINTS: [&str; 4] = ["HASH", "LOOP", "MERGE", "REMOTE"];

/// The tokens as the parser understands them:
/// - `INNER HASH JOIN` → `INNER JOIN`
/// - `OPTION (…)` at the end of a statement, `WITH ROLLUP`, `WITH CUBE`: dropped
/// - `GROUPING SETS (…)` → a call with the same arguments
/// - `PARSE(… AS t USING c)` → `CAST(… AS t)`
/// - `!<`, `!>` → `>=`, `<=`
pub(crate) fn known_to_the_parser(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut known = Vec::with_capacity(tokens.len());
    let mut at = 0;
    let word = |at: usize, text: &str| matches!(tokens.get(at).map(|t| &t.token), Some(Token::Word(word)) if is_bare(word, text));
    let sign = |at: usize, sign: &Token| tokens.get(at).is_some_and(|t| t.token == *sign);
    while at < tokens.len() {
        let token = &tokens[at];
        let put = |known: &mut Vec<TokenWithSpan>, new: Token| {
            known.push(TokenWithSpan {
                token: new,
                span: token.span,
            })
        };
        if JOIN_HINTS.iter().any(|hint| word(at, hint)) && word(at + 1, "JOIN") && at > 0 {
            at += 1;
        } else if word(at, "OPTION") && sign(at + 1, &Token::LParen) {
            at = after_parentheses(tokens, at + 1);
        } else if word(at, "WITH") && (word(at + 1, "ROLLUP") || word(at + 1, "CUBE")) {
            at += 2;
        } else if word(at, "GROUPING") && word(at + 1, "SETS") {
            put(&mut known, bare("GROUPING_SETS", Keyword::NoKeyword));
            at += 2;
        } else if (word(at, "PARSE") || word(at, "TRY_PARSE")) && sign(at + 1, &Token::LParen) {
            put(&mut known, bare("CAST", Keyword::CAST));
            at += 1;
        } else if word(at, "USING")
            && matches!(
                tokens.get(at + 1).map(|t| &t.token),
                Some(Token::SingleQuotedString(_) | Token::NationalStringLiteral(_))
            )
        {
            at += 2;
        } else if sign(at, &Token::ExclamationMark)
            && (sign(at + 1, &Token::Lt) || sign(at + 1, &Token::Gt))
        {
            put(
                &mut known,
                if sign(at + 1, &Token::Lt) {
                    Token::GtEq
                } else {
                    Token::LtEq
                },
            );
            at += 2;
        } else {
            known.push(token.clone());
            at += 1;
        }
    }
    known
}

fn bare(text: &str, keyword: Keyword) -> Token {
    Token::Word(Word {
        value: text.to_owned(),
        quote_style: None,
        keyword,
    })
}

/// The place behind the parenthesis that closes the one at `open`.
fn after_parentheses(tokens: &[TokenWithSpan], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return at + 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}
