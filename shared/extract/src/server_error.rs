//! SQL Server's error numbers, sorted into closed codes: what may be tried again and what may not.

use soxauto_domain::Code;

/// The code for an error number of SQL Server.
///
/// Everything that is not listed is [`Code::QueryFailed`]: unknown means failed, never retried for ever.
pub(crate) fn code(number: u32) -> Code {
    match number {
        // Login failed, disabled, expired, locked, must change password, cannot open default database as that user,
        // untrusted domain, contained-database and Azure firewall refusals.
        18456
        | 18450..=18452
        | 18458..=18465
        | 18467
        | 18468
        | 18470
        | 18486..=18488
        | 40615
        | 40532 => Code::LoginRefused,
        // The login is fine but cannot open the database; no such database; no access; not permitted.
        4060 | 4062 | 4064 | 911 | 916 => Code::DatabaseUnavailable,
        // Offline, in recovery, in transition, restoring, single-user, an unreadable secondary: for a while.
        921..=927 | 942 | 945 | 952 | 954 | 976 | 978 | 979 | 981..=983 => Code::SourceBusy,
        1205 => Code::DeadlockVictim,
        // Azure SQL and its limits: not available, busy, processing, reconfiguring, too many sessions or workers,
        // elastic pool limits, cannot process now.
        40613
        | 40501
        | 40197
        | 40143
        | 40166
        | 40540
        | 10928
        | 10929
        | 10936
        | 49918..=49920
        | 4221
        | 615 => Code::SourceBusy,
        // Out of memory, locks, log, workers or time to wait for them; lock request time-out; snapshot not allowed now;
        // schema changed under the query; server shutting down or paused; too many connections.
        701 | 802 | 1204 | 1221 | 1222 | 3960 | 3961 | 8628 | 8645 | 8651 | 9002 | 9100 | 17142
        | 17148 | 17188 | 17189 | 17197 | 17809 | 17830 | 18401 | 6005 | 10922 | 14355 => {
            Code::SourceBusy
        }
        // The server ended the session (kill, internal failure), or the transport broke below it.
        64 | 121 | 233 | 596 | 10053 | 10054 | 10060 | 10061 | 11001 | 17194 | 20 => {
            Code::ConnectionLost
        }
        _ => Code::QueryFailed,
    }
}

/// The server's message, without the value that it quotes. The value may be anybody's: which column it is of, and
/// whether that one is masked, the message does not say.
pub(crate) fn without_values(number: u32, message: &str) -> String {
    const HIDDEN: &str = "(value not shown)";
    let hide = |from: usize, to: usize| format!("{}{HIDDEN}{}", &message[..from], &message[to..]);
    let hidden = match number {
        // A value that cannot be converted or overflows; a text that would be cut: in quotes.
        241 | 244 | 245 | 248 | 295 | 2628 | 8152 => {
            match (message.find('\''), message.rfind('\'')) {
                (Some(first), Some(last)) if first < last => Some(hide(first, last + 1)),
                _ => None,
            }
        }
        // Arithmetic overflow: after an equals sign.
        220 | 232 => message
            .find('=')
            .map(|equals| hide(equals + 1, message.len())),
        _ => return message.to_owned(),
    };
    hidden.unwrap_or_else(|| format!("a value does not fit its type {HIDDEN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_not_passed_on() {
        for (number, message, expected) in [
            (
                245,
                "Conversion failed when converting the nvarchar value 'Ada O'Lovelace' to data type int.",
                "Conversion failed when converting the nvarchar value (value not shown) to data type int.",
            ),
            (
                2628,
                "String or binary data would be truncated in table 't', column 'c'. Truncated value: 'Ada'.",
                "String or binary data would be truncated in table (value not shown).",
            ),
            (
                220,
                "Arithmetic overflow error for data type tinyint, value = 4711.",
                "Arithmetic overflow error for data type tinyint, value =(value not shown)",
            ),
            (
                245,
                "Échec de la conversion de la valeur « Ada »",
                "a value does not fit its type (value not shown)",
            ),
            (
                208,
                "Invalid object name 'dbo.t'.",
                "Invalid object name 'dbo.t'.",
            ),
        ] {
            assert_eq!(without_values(number, message), expected);
        }
    }

    #[test]
    fn the_numbers_that_operators_meet() {
        for (number, expected) in [
            (18456, Code::LoginRefused),
            (18470, Code::LoginRefused),
            (18487, Code::LoginRefused),
            (4060, Code::DatabaseUnavailable),
            (911, Code::DatabaseUnavailable),
            (916, Code::DatabaseUnavailable),
            (1205, Code::DeadlockVictim),
            (40613, Code::SourceBusy),
            (40501, Code::SourceBusy),
            (40197, Code::SourceBusy),
            (10928, Code::SourceBusy),
            (10929, Code::SourceBusy),
            (49918, Code::SourceBusy),
            (49920, Code::SourceBusy),
            (1222, Code::SourceBusy),
            (701, Code::SourceBusy),
            (18401, Code::SourceBusy),
            (233, Code::ConnectionLost),
            (64, Code::ConnectionLost),
            (10053, Code::ConnectionLost),
            (10054, Code::ConnectionLost),
            (10060, Code::ConnectionLost),
            (596, Code::ConnectionLost),
            (102, Code::QueryFailed),
            (207, Code::QueryFailed),
            (208, Code::QueryFailed),
            (229, Code::QueryFailed),
            (245, Code::QueryFailed),
            (8114, Code::QueryFailed),
            (8115, Code::QueryFailed),
            (8134, Code::QueryFailed),
            (99_999, Code::QueryFailed),
            (0, Code::QueryFailed),
        ] {
            assert_eq!(code(number), expected, "{number}");
        }
    }
}
