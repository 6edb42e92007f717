//! What every queue does.

use std::{collections::BTreeSet, time::Duration};

use crate::queue::{OutgoingMessage, Queue, QueueDepth, QueueError, ReceivedMessage};

/// How long a message may take to arrive.
const SOON: Duration = Duration::from_secs(5);

/// Runs the whole suite on two empty queues: `queue` has a visibility timeout of 2 s and moves a
/// message to `dead_letters` after 3 receives. Takes about ten seconds over a network.
///
/// # Panics
/// Where a promise of the port is broken.
pub async fn suite(queue: &dyn Queue, dead_letters: &dyn Queue) {
    all_messages_arrive(queue).await;
    a_message_comes_back_and_then_dies(queue, dead_letters).await;
    visibility_is_extended_and_ended(queue).await;
    a_queue_is_looked_through_and_left_as_it_was(dead_letters).await;
    bad_requests_are_refused(queue).await;
}

fn message(id: &str, body: &str) -> OutgoingMessage {
    OutgoingMessage {
        id: id.to_owned(),
        body: body.to_owned(),
    }
}

async fn one(queue: &dyn Queue) -> ReceivedMessage {
    let mut received = queue.receive(1, SOON).await.unwrap();
    assert_eq!(received.len(), 1, "no message came");
    received.remove(0)
}

async fn all_messages_arrive(queue: &dyn Queue) {
    let bodies: BTreeSet<_> = (0..23)
        .map(|i| {
            format!(
                "{{\"n\": {i}, \"text\": \"é <&> \\u0001 {}\"}}",
                "x".repeat(i * 100)
            )
        })
        .collect();
    let messages = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| message(&format!("m-{i}"), body))
        .collect();
    queue.send_batch(messages).await.unwrap();
    let mut arrived = BTreeSet::new();
    while arrived.len() < bodies.len() {
        let received = queue.receive(10, SOON).await.unwrap();
        assert!(
            !received.is_empty(),
            "only {} of {} came",
            arrived.len(),
            bodies.len()
        );
        for message in received {
            assert_eq!(message.receive_count, 1);
            queue.delete(&message.receipt_handle).await.unwrap();
            // A deletion whose answer was lost.
            queue.delete(&message.receipt_handle).await.unwrap();
            assert!(arrived.insert(message.body), "twice");
        }
    }
    assert_eq!(arrived, bodies);
    assert_eq!(queue.depth().await.unwrap(), QueueDepth::default());
    queue.send_batch(Vec::new()).await.unwrap();
}

async fn a_message_comes_back_and_then_dies(queue: &dyn Queue, dead_letters: &dyn Queue) {
    queue
        .send_batch(vec![message("a", "poison")])
        .await
        .unwrap();
    let first = one(queue).await;
    assert_eq!(
        queue.receive(1, Duration::ZERO).await.unwrap(),
        [],
        "visible although in flight"
    );
    assert_eq!(
        queue.depth().await.unwrap(),
        QueueDepth {
            visible: 0,
            in_flight: 1,
            delayed: 0
        }
    );
    let second = one(queue).await;
    assert_eq!(
        (second.message_id.as_str(), second.receive_count),
        (first.message_id.as_str(), 2)
    );
    // A worker that reports a failure shortens the wait.
    queue
        .change_visibility(&second.receipt_handle, Duration::ZERO)
        .await
        .unwrap();
    let third = one(queue).await;
    assert_eq!(third.receive_count, 3);
    queue
        .change_visibility(&third.receipt_handle, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(queue.receive(1, Duration::from_secs(1)).await.unwrap(), []);
    let dead = one(dead_letters).await;
    assert_eq!(dead.body, "poison");
    dead_letters.delete(&dead.receipt_handle).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), QueueDepth::default());
}

async fn visibility_is_extended_and_ended(queue: &dyn Queue) {
    queue
        .send_batch(vec![message("a", "long work")])
        .await
        .unwrap();
    let held = one(queue).await;
    // Two heartbeats carry it past its first timeout of 2 s.
    for _ in 0..2 {
        queue
            .change_visibility(&held.receipt_handle, Duration::from_secs(3))
            .await
            .unwrap();
        assert_eq!(queue.receive(1, Duration::from_secs(1)).await.unwrap(), []);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    queue.delete(&held.receipt_handle).await.unwrap();
    let error = queue
        .change_visibility(&held.receipt_handle, Duration::from_secs(3))
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::DeliveryOver { .. }), "{error}");
}

/// What a replay does among dead letters: it holds each message once, takes one out, and lets go of the others.
async fn a_queue_is_looked_through_and_left_as_it_was(queue: &dyn Queue) {
    let bodies: BTreeSet<String> = (0..13).map(|i| format!("letter {i}")).collect();
    let messages = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| message(&format!("m-{i}"), body))
        .collect();
    queue.send_batch(messages).await.unwrap();
    let hold = Duration::from_secs(30);
    let mut held = Vec::new();
    loop {
        let wait = Duration::from_secs(1);
        let page = queue.receive_for(10, wait, hold).await.unwrap();
        if page.is_empty() {
            break;
        }
        held.extend(page);
    }
    let seen: BTreeSet<String> = held.iter().map(|m| m.body.clone()).collect();
    assert_eq!(
        (held.len(), &seen),
        (bodies.len(), &bodies),
        "each once while it is held"
    );
    let taken = held.pop().unwrap();
    queue.delete(&taken.receipt_handle).await.unwrap();
    for message in &held {
        queue
            .change_visibility(&message.receipt_handle, Duration::ZERO)
            .await
            .unwrap();
    }
    let mut left = BTreeSet::new();
    while left.len() < held.len() {
        let page = queue.receive_for(10, SOON, hold).await.unwrap();
        assert!(!page.is_empty(), "only {} came back", left.len());
        for message in page {
            assert_eq!(message.receive_count, 2, "disturbed once only");
            queue.delete(&message.receipt_handle).await.unwrap();
            left.insert(message.body);
        }
    }
    assert!(!left.contains(&taken.body));
    assert_eq!(queue.depth().await.unwrap(), QueueDepth::default());
    // A hold that is over lets the message come back by itself.
    queue.send_batch(vec![message("a", "short")]).await.unwrap();
    let short = Duration::from_secs(1);
    let first = queue.receive_for(1, SOON, short).await.unwrap().remove(0);
    let again = queue.receive_for(1, SOON, short).await.unwrap().remove(0);
    assert_eq!(
        (again.message_id, again.receive_count),
        (first.message_id, 2)
    );
    queue.delete(&again.receipt_handle).await.unwrap();
}

async fn bad_requests_are_refused(queue: &dyn Queue) {
    let twice = vec![message("a", "x"), message("a", "y")];
    for wrong in [
        vec![message("a", "")],
        vec![message("a b", "x")],
        twice,
        vec![message("a", "\u{0}")],
    ] {
        let error = queue.send_batch(wrong).await.unwrap_err();
        assert!(matches!(error, QueueError::Invalid { .. }), "{error}");
    }
    let late = queue
        .change_visibility("no such handle", Duration::from_secs(12 * 3600 + 1))
        .await
        .unwrap_err();
    assert!(matches!(late, QueueError::Invalid { .. }), "{late}");
    let foreign = queue
        .change_visibility("no such handle", Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(
        matches!(foreign, QueueError::DeliveryOver { .. }),
        "{foreign}"
    );
    assert_eq!(queue.depth().await.unwrap(), QueueDepth::default());
}
