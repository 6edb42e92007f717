//! The queue in memory: visibility, receive counts, redrive, on the runtime's clock.
//!
//! It uses tokio's clock, so that a test may pause and advance it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    OutgoingMessage, Queue, QueueDepth, QueueError, ReceivedMessage, TOO_LONG, batch, seconds,
};

#[derive(Debug, Clone)]
struct Held {
    message_id: String,
    body: String,
    receive_count: u32,
    visible_at: Instant,
    /// The delivery that may still change it; an older one may not.
    handle: String,
}

/// A queue in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    name: String,
    visibility: Duration,
    dead_letters: Option<(u32, Box<MemoryQueue>)>,
    messages: Arc<Mutex<Vec<Held>>>,
}

impl MemoryQueue {
    /// An empty queue whose messages come back after `visibility`.
    #[must_use]
    pub fn new(name: &str, visibility: Duration) -> Self {
        Self {
            name: name.to_owned(),
            visibility,
            dead_letters: None,
            messages: Arc::default(),
        }
    }

    /// Moves a message that was received `max_receives` times and came back to `queue`.
    #[must_use]
    pub fn with_dead_letters(self, max_receives: u32, queue: &Self) -> Self {
        Self {
            dead_letters: Some((max_receives, Box::new(queue.clone()))),
            ..self
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn invalid(&self, detail: impl Into<String>) -> QueueError {
        QueueError::Invalid {
            queue: self.name.clone(),
            detail: detail.into(),
        }
    }

    fn take(&self, max: u32, held: Duration) -> Vec<ReceivedMessage> {
        let now = Instant::now();
        let mut messages = self.lock();
        if let Some((max_receives, queue)) = &self.dead_letters {
            let (dead, alive) = messages
                .drain(..)
                .partition(|m| m.visible_at <= now && m.receive_count >= *max_receives);
            *messages = alive;
            queue.lock().extend::<Vec<Held>>(dead);
        }
        let visible = messages.iter_mut().filter(|m| m.visible_at <= now);
        let received = visible.take(max.clamp(1, 10) as usize).map(|message| {
            message.receive_count += 1;
            message.visible_at = now + held;
            message.handle = uuid::Uuid::new_v4().to_string();
            ReceivedMessage {
                message_id: message.message_id.clone(),
                receipt_handle: message.handle.clone(),
                body: message.body.clone(),
                receive_count: message.receive_count,
            }
        });
        received.collect()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send_batch(&self, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        let batches = batch::split(messages).map_err(|reason| self.invalid(reason))?;
        let now = Instant::now();
        let held = batches.into_iter().flatten().map(|message| Held {
            message_id: uuid::Uuid::new_v4().to_string(),
            body: message.body,
            receive_count: 0,
            visible_at: now,
            handle: String::new(),
        });
        self.lock().extend(held);
        Ok(())
    }

    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.receive_for(max, wait, self.visibility).await
    }

    async fn receive_for(
        &self,
        max: u32,
        wait: Duration,
        held: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let held = seconds(held).ok_or_else(|| self.invalid(TOO_LONG))?;
        let until = Instant::now() + wait.min(Duration::from_secs(20));
        loop {
            let received = self.take(max, Duration::from_secs(held));
            if !received.is_empty() || Instant::now() >= until {
                return Ok(received);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn change_visibility(
        &self,
        receipt_handle: &str,
        after: Duration,
    ) -> Result<(), QueueError> {
        let seconds = seconds(after).ok_or_else(|| self.invalid(TOO_LONG))?;
        let now = Instant::now();
        let mut messages = self.lock();
        match messages
            .iter_mut()
            .find(|m| m.handle == receipt_handle && m.visible_at > now)
        {
            Some(message) => {
                message.visible_at = now + Duration::from_secs(seconds);
                Ok(())
            }
            None => Err(QueueError::DeliveryOver {
                queue: self.name.clone(),
                detail: "no message is in flight under this handle".to_owned(),
            }),
        }
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError> {
        self.lock().retain(|m| m.handle != receipt_handle);
        Ok(())
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let now = Instant::now();
        let messages = self.lock();
        let visible = messages.iter().filter(|m| m.visible_at <= now).count() as u64;
        Ok(QueueDepth {
            visible,
            in_flight: messages.len() as u64 - visible,
            delayed: 0,
        })
    }
}
