//! What drivers send to set a session up: answered here, because it says nothing about data.

/// A batch that the server answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionCommand {
    /// Options of the session, or transaction control with nothing to control.
    Nothing,
}

/// Recognises a batch that has only session options (`SET ANSI_NULLS ON`, …) and transaction control in it.
pub(crate) fn recognise(sql: &str) -> Option<SessionCommand> {
    // Such batches are short; a long one is not even looked through.
    if sql.len() > 1000 {
        return None;
    }
    let words: Vec<String> = sql
        .split(|c: char| c.is_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut rest: &[String] = &words;
    if rest.is_empty() {
        return Some(SessionCommand::Nothing);
    }
    while !rest.is_empty() {
        rest = one(rest)?;
    }
    Some(SessionCommand::Nothing)
}

/// Takes one statement off; `None` when it is not one of these.
fn one(words: &[String]) -> Option<&[String]> {
    let text: Vec<&str> = words.iter().take(8).map(String::as_str).collect();
    let taken = match text.as_slice() {
        [
            "set",
            "transaction",
            "isolation",
            "level",
            "read" | "repeatable",
            ..,
        ] => 6,
        ["set", "transaction", "isolation", "level", ..] => 5,
        ["set", option, "on" | "off", ..] if is_option(option) => 3,
        ["set", option, value, ..] if is_valued(option) && !value.starts_with('@') => 3,
        [
            "if",
            "@@trancount",
            ">",
            "0",
            "commit" | "rollback",
            "tran" | "transaction",
            ..,
        ] => 6,
        ["if", "@@trancount", ">", "0", "commit" | "rollback", ..] => 5,
        [
            "begin" | "commit" | "rollback",
            "tran" | "transaction" | "work",
            ..,
        ] => 2,
        ["commit" | "rollback", ..] => 1,
        _ => return None,
    };
    words.get(taken.min(words.len())..)
}

/// Options that are on or off, several at once with commas between.
fn is_option(text: &str) -> bool {
    const OPTIONS: &[&str] = &[
        "ansi_defaults",
        "ansi_nulls",
        "ansi_null_dflt_on",
        "ansi_null_dflt_off",
        "ansi_padding",
        "ansi_warnings",
        "arithabort",
        "arithignore",
        "concat_null_yields_null",
        "cursor_close_on_commit",
        "fmtonly",
        "forceplan",
        "implicit_transactions",
        "no_browsetable",
        "nocount",
        "noexec",
        "numeric_roundabort",
        "quoted_identifier",
        "xact_abort",
    ];
    text.split(',').all(|option| OPTIONS.contains(&option))
}

/// Options with a value.
fn is_valued(text: &str) -> bool {
    matches!(
        text,
        "textsize"
            | "rowcount"
            | "lock_timeout"
            | "deadlock_priority"
            | "language"
            | "dateformat"
            | "datefirst"
            | "context_info"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_up_is_recognised() {
        for sql in [
            "SET ANSI_NULLS ON",
            "set quoted_identifier off; SET TEXTSIZE 2147483647",
            "SET NOCOUNT ON;\nSET LOCK_TIMEOUT 30000;",
            "set implicit_transactions on ",
            "IF @@TRANCOUNT > 0 ROLLBACK TRAN",
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRAN",
            "",
        ] {
            assert_eq!(recognise(sql), Some(SessionCommand::Nothing), "{sql}");
        }
    }

    #[test]
    fn statements_are_left_alone() {
        for sql in [
            "SELECT 1",
            "SET NOCOUNT ON; SELECT 1",
            "SET @x = 1",
            "BEGIN SELECT 1 END",
            "COMMIT; SELECT 1",
            "SELECT @@TRANCOUNT",
        ] {
            assert_eq!(recognise(sql), None, "{sql}");
        }
    }
}
