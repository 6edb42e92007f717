//! Splits messages into requests, and checks what the service would refuse.

use std::collections::BTreeSet;

use super::OutgoingMessage;

/// Messages per request.
const MESSAGES: usize = 10;
/// Bytes per request and per message; the service takes more today, no account takes less.
const BYTES: usize = 256 * 1024;

/// The requests, or what is wrong with the messages.
pub(super) fn split(messages: Vec<OutgoingMessage>) -> Result<Vec<Vec<OutgoingMessage>>, String> {
    check(&messages)?;
    let mut batches: Vec<Vec<OutgoingMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MESSAGES && bytes <= BYTES => batch.push(message),
            _ => {
                bytes = message.body.len();
                batches.push(vec![message]);
            }
        }
    }
    Ok(batches)
}

fn check(messages: &[OutgoingMessage]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for OutgoingMessage { id, body } in messages {
        let named = (1..=80).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !named {
            return Err(format!(
                "{id:?} is not an id of a message: 1 to 80 letters, digits, '-' or '_'"
            ));
        }
        if !seen.insert(id) {
            return Err(format!("the id {id} names two messages"));
        }
        if body.is_empty() || body.len() > BYTES {
            return Err(format!(
                "message {id} has {} bytes; 1 to {BYTES} are allowed",
                body.len()
            ));
        }
        if body.chars().any(|c| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')) {
            return Err(format!("message {id} has a control character that a queue does not take"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bodies: &[usize]) -> Vec<OutgoingMessage> {
        let make = |(i, n): (usize, &usize)| OutgoingMessage {
            id: format!("m{i}"),
            body: "x".repeat(*n),
        };
        bodies.iter().enumerate().map(make).collect()
    }

    #[test]
    fn requests_hold_ten_messages_and_256_kib() {
        let sizes = |bodies: &[usize]| {
            split(messages(bodies))
                .unwrap()
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(
            sizes(&[BYTES, 1, BYTES, BYTES / 2, BYTES / 2]),
            [1, 1, 1, 2]
        );
    }

    #[test]
    fn what_the_service_would_refuse_is_refused_before() {
        assert!(split(messages(&[0])).is_err());
        assert!(split(messages(&[BYTES + 1])).is_err());
        for id in ["", "a b", "a/b", &"a".repeat(81)] {
            assert!(
                split(vec![OutgoingMessage {
                    id: id.into(),
                    body: "x".into()
                }])
                .is_err(),
                "{id:?}"
            );
        }
        let twice = OutgoingMessage {
            id: "a".into(),
            body: "x".into(),
        };
        assert!(
            split(vec![twice.clone(), twice])
                .unwrap_err()
                .contains("two")
        );
    }
}
