//! Looking through the dead-letter queue of jobs, and leaving it as it was.

use std::{collections::BTreeSet, time::Duration};

use soxauto_domain::Job;

use super::{Queue, QueueError, ReceivedMessage};

/// How long a message is held while the queue is looked through. Should this program die, it is back after as long.
const HOLD: Duration = Duration::from_secs(30);
/// How long an empty answer is waited for. Only a long poll asks every server that keeps the queue.
const WAIT: Duration = Duration::from_secs(1);
/// Messages asked for at a time: the most that the service gives.
const PAGE: u32 = 10;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Jobs that were wanted: still held, so that they can be deleted.
    pub wanted: Vec<(Job, ReceivedMessage)>,
    /// Jobs that were not wanted: let go of.
    pub others: Vec<Job>,
    /// Texts of messages that are no jobs: let go of.
    pub strangers: Vec<String>,
}

/// Looks through the queue until `enough` of what it has found says so, or to its end. Each message is received once:
/// it is held until the search is over, and what was not wanted is then let go of at once.
///
/// # Errors
/// [`QueueError`]; what was held by then comes back by itself.
pub async fn search(
    queue: &dyn Queue,
    wanted: impl Fn(&Job) -> bool,
    enough: impl Fn(&[(Job, ReceivedMessage)]) -> bool,
) -> Result<Found, QueueError> {
    let mut found = Found::default();
    let mut passed_over = Vec::new();
    let mut seen = BTreeSet::new();
    while !enough(&found.wanted) {
        let page = queue.receive_for(PAGE, WAIT, HOLD).await?;
        let fresh = page
            .iter()
            .any(|message| !seen.contains(&message.message_id));
        for message in page {
            if !seen.insert(message.message_id.clone()) {
                passed_over.push(message);
                continue;
            }
            match serde_json::from_str::<Job>(&message.body) {
                Ok(job) if wanted(&job) => found.wanted.push((job, message)),
                Ok(job) => {
                    found.others.push(job);
                    passed_over.push(message);
                }
                Err(_) => {
                    found.strangers.push(message.body.clone());
                    passed_over.push(message);
                }
            }
        }
        // Nothing, or only what has come back while the search went on: that was the end of the queue.
        if !fresh {
            break;
        }
    }
    for message in &passed_over {
        release(queue, message).await?;
    }
    Ok(found)
}

/// Lets go of a message; one that has come back already is fine.
///
/// # Errors
/// [`QueueError`] when the queue does not answer.
pub async fn release(queue: &dyn Queue, message: &ReceivedMessage) -> Result<(), QueueError> {
    match queue
        .change_visibility(&message.receipt_handle, Duration::ZERO)
        .await
    {
        Ok(()) | Err(QueueError::DeliveryOver { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use soxauto_domain::{Sha256, message::PlanPointer};

    use super::*;
    use crate::queue::{MemoryQueue, OutgoingMessage};

    fn job(ipe: &str) -> Job {
        let plan = PlanPointer {
            key: "plan.json".to_owned(),
            sha256: Sha256::of("plan"),
        };
        Job::new(
            "C-PG-1/2024-05-01/r1".parse().unwrap(),
            ipe.parse().unwrap(),
            plan,
        )
    }

    async fn queue(bodies: Vec<String>) -> MemoryQueue {
        let queue = MemoryQueue::new("dead", Duration::from_secs(30));
        let messages = bodies
            .into_iter()
            .enumerate()
            .map(|(i, body)| OutgoingMessage {
                id: format!("m-{i}"),
                body,
            });
        queue.send_batch(messages.collect()).await.unwrap();
        queue
    }

    #[tokio::test(start_paused = true)]
    async fn the_search_ends_where_it_has_enough_and_lets_go_of_the_rest() {
        let mut bodies: Vec<String> = (10..60)
            .map(|n| serde_json::to_string(&job(&format!("IPE_{n}"))).unwrap())
            .collect();
        bodies.insert(3, "no job".to_owned());
        let queue = queue(bodies).await;
        let is_wanted = |job: &Job| job.ipe_id.as_str() == "IPE_15";
        let found = search(&queue, is_wanted, |held| !held.is_empty())
            .await
            .unwrap();
        assert_eq!(found.wanted[0].0.ipe_id.as_str(), "IPE_15");
        assert_eq!((found.others.len(), found.strangers.len()), (8, 1));
        let depth = queue.depth().await.unwrap();
        assert_eq!((depth.visible, depth.in_flight), (50, 1));
        // Pages that were not needed were not touched, and the others were received once.
        release(&queue, &found.wanted[0].1).await.unwrap();
        let all = search(&queue, |_| true, |_| false).await.unwrap();
        let mut counts: Vec<u32> = all.wanted.iter().map(|(_, m)| m.receive_count).collect();
        counts.sort_unstable();
        assert_eq!(counts.iter().filter(|count| **count == 2).count(), 9);
        assert_eq!(counts.iter().filter(|count| **count == 1).count(), 41);
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_queue_is_a_short_search() {
        let queue = queue(Vec::new()).await;
        let found = search(&queue, |_| true, |_| false).await.unwrap();
        assert!(found.wanted.is_empty() && found.others.is_empty());
    }
}
