//! Words that no query of the catalog may hold: those that change something, and those whose answer depends on the
//! moment, on chance or on who asks.
//!
//! This rule reads words, not the tree, so that it also holds for text which the parser cannot read.

use soxauto_domain::catalog::Problem;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::query::{Query, is_bare};

/// Reserved words of T-SQL that begin a statement other than SELECT, or turn a SELECT into one that writes.
const STATEMENTS: &[&str] = &[
    "ALTER",
    "BACKUP",
    "BEGIN",
    "BULK",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DBCC",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DENY",
    "DROP",
    "EXEC",
    "EXECUTE",
    "GOTO",
    "GRANT",
    "IF",
    "INSERT",
    "INTO",
    "KILL",
    "MERGE",
    "OPEN",
    "PRINT",
    "RAISERROR",
    "READTEXT",
    "RECONFIGURE",
    "RESTORE",
    "RETURN",
    "REVERT",
    "REVOKE",
    "ROLLBACK",
    "SAVE",
    "SET",
    "SHUTDOWN",
    "TRUNCATE",
    "UPDATE",
    "UPDATETEXT",
    "USE",
    "WAITFOR",
    "WHILE",
    "WRITETEXT",
];
/// Reach outside the database that the login was granted.
const OUTSIDE: &[&str] = &["OPENDATASOURCE", "OPENQUERY", "OPENROWSET", "OPENXML"];
/// The wall clock.
const CLOCK: &[&str] = &[
    "GETDATE",
    "GETUTCDATE",
    "SYSDATETIME",
    "SYSDATETIMEOFFSET",
    "SYSUTCDATETIME",
];
const BARE_CLOCK: &[&str] = &["CURRENT_DATE", "CURRENT_TIMESTAMP"];
/// Chance.
const CHANCE: &[&str] = &["CRYPT_GEN_RANDOM", "NEWID", "NEWSEQUENTIALID", "RAND"];
/// The session: who asks, from where, and what ran before.
const SESSION: &[&str] = &[
    "APP_NAME",
    "CONNECTIONPROPERTY",
    "CONTEXT_INFO",
    "CURRENT_REQUEST_ID",
    "CURRENT_TIMEZONE",
    "CURRENT_TIMEZONE_ID",
    "CURRENT_TRANSACTION_ID",
    "CURSOR_STATUS",
    "DATABASE_PRINCIPAL_ID",
    "DB_ID",
    "DB_NAME",
    "ERROR_LINE",
    "ERROR_MESSAGE",
    "ERROR_NUMBER",
    "GETANSINULL",
    "HAS_DBACCESS",
    "HAS_PERMS_BY_NAME",
    "HOST_ID",
    "HOST_NAME",
    "IDENT_CURRENT",
    "IS_MEMBER",
    "IS_ROLEMEMBER",
    "IS_SRVROLEMEMBER",
    "MIN_ACTIVE_ROWVERSION",
    "ORIGINAL_DB_NAME",
    "ORIGINAL_LOGIN",
    "PERMISSIONS",
    "ROWCOUNT_BIG",
    "SCHEMA_NAME",
    "SCOPE_IDENTITY",
    "SERVERPROPERTY",
    "SESSIONPROPERTY",
    "SESSION_CONTEXT",
    "SUSER_ID",
    "SUSER_NAME",
    "SUSER_SID",
    "SUSER_SNAME",
    "USER_ID",
    "USER_NAME",
    "XACT_STATE",
];
const BARE_SESSION: &[&str] = &["CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER"];

const READ_ONLY: &str = "Write one SELECT that only reads; common table expressions take the place of temporary tables and variables";
const NO_CLOCK: &str =
    "Use a parameter derived from the cutoff, so that a past month can be run again";
const NO_CHANCE: &str = "Remove it: the same period must give the same rows";
const NO_SESSION: &str = "Remove it: the rows must not depend on who asks or where";

/// Whether a word is there that makes the text something other than a SELECT.
pub(crate) fn has_statement_word(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().enumerate().any(
        |(at, token)| matches!(&token.token, Token::Word(word) if is_statement(word, tokens, at)),
    )
}

fn is_statement(word: &Word, tokens: &[TokenWithSpan], at: usize) -> bool {
    let next = |text: &str| matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Word(word)) if is_bare(word, text));
    word.quote_style.is_none()
        && is_one_of(&word.value, STATEMENTS)
        // Hints of joins and unions, and of the whole query.
        && !(is_bare(word, "MERGE") && (next("JOIN") || next("UNION")))
        && !(is_bare(word, "USE") && (next("HINT") || next("PLAN")))
}

fn is_one_of(text: &str, list: &[&str]) -> bool {
    list.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Reports every forbidden word.
pub(crate) fn check(query: &Query<'_>, problems: &mut Vec<Problem>) {
    let tokens = &query.tokens;
    for (at, token) in tokens.iter().enumerate() {
        let mut report =
            |reason: String, remedy: &str| problems.push(query.problem(token.span, reason, remedy));
        let word = match &token.token {
            Token::LBrace => {
                report(
                    "an ODBC escape in braces".to_owned(),
                    "Write the T-SQL function itself",
                );
                continue;
            }
            Token::Word(word) => word,
            _ => continue,
        };
        let name = &word.value;
        let upper = name.to_uppercase();
        let bare = word.quote_style.is_none();
        let before = at.checked_sub(1).map(|before| &tokens[before].token);
        let after = tokens.get(at + 1).map(|t| &t.token);
        let qualified = before == Some(&Token::Period);
        // SQL Server knows its functions in quotes too.
        let called = after == Some(&Token::LParen) && !qualified;
        let next_value_for = bare
            && upper == "NEXT"
            && matches!(after, Some(Token::Word(word)) if is_bare(word, "VALUE"));
        if is_statement(word, tokens, at) {
            report(format!("{upper} does not only read"), READ_ONLY);
        } else if is_separator(tokens, at) {
            report(
                "GO is not T-SQL but a client's separator of batches".to_owned(),
                READ_ONLY,
            );
        } else if next_value_for {
            report("NEXT VALUE FOR changes a sequence".to_owned(), READ_ONLY);
        } else if name.starts_with('#') {
            report(format!("{name} is a temporary table"), READ_ONLY);
        } else if upper.starts_with("XP_") || called && is_one_of(name, OUTSIDE) {
            report(
                format!("{upper} reaches outside the database"),
                "Read from tables and views that the login was granted",
            );
        } else if called && is_one_of(name, CLOCK)
            || bare && !qualified && is_one_of(name, BARE_CLOCK)
        {
            report(format!("{upper} is the wall clock"), NO_CLOCK);
        } else if called && is_one_of(name, CHANCE) || bare && upper == "TABLESAMPLE" {
            report(format!("{upper} gives something else each time"), NO_CHANCE);
        } else if called && is_one_of(name, SESSION)
            || bare && !qualified && is_one_of(name, BARE_SESSION)
            || bare && name.starts_with("@@")
        {
            report(format!("{upper} depends on the session"), NO_SESSION);
        }
    }
}

/// Whether GO stands alone on its line.
fn is_separator(tokens: &[TokenWithSpan], at: usize) -> bool {
    let line = |t: &TokenWithSpan| t.span.start.line;
    let alone =
        |other: Option<&TokenWithSpan>| other.is_none_or(|other| line(other) != line(&tokens[at]));
    matches!(&tokens[at].token, Token::Word(word) if is_bare(word, "GO"))
        && alone(at.checked_sub(1).and_then(|i| tokens.get(i)))
        && alone(tokens.get(at + 1))
}
